package etcd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SpareError says that a member may not stop now, and shows the sum.
type SpareError struct {
	Without string
	Voters  int               // of the member list
	Healthy []string          // voters that answer a linearizable read, sorted
	Wrong   map[string]string // why the other voters do not count, by name
}

// Error implements error.
func (e *SpareError) Error() string {
	healthy := "none"
	if len(e.Healthy) > 0 {
		healthy = strings.Join(e.Healthy, ", ")
	}
	left := len(e.Healthy)
	if slices.Contains(e.Healthy, e.Without) {
		left--
	}
	verb := "are"
	if left == 1 {
		verb = "is"
	}
	text := fmt.Sprintf("etcd on %s may not stop now: %s, healthy: %s; without %s %d %s left, %d are needed", e.Without, count(e.Voters, "voting member"), healthy,
		e.Without, left, verb, Quorum(e.Voters))
	for _, name := range slices.Sorted(maps.Keys(e.Wrong)) {
		text += "; " + name + ": " + e.Wrong[name]
	}
	return text
}

// Spare tells whether the named member may stop: nil when the other voting members that are healthy are a quorum of the member list without it, a *SpareError when
// they are not, another error when nobody can say. The list is read from a member that has a quorum behind it, and every voter is asked by itself. The only voting
// member of a cluster may always stop: there is no quorum that others could keep.
func (c *Client) Spare(ctx context.Context, without string) error {
	state := c.Health(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("asking whether etcd on %s may stop: %w", without, context.Cause(ctx))
	}
	var members []Member
	var tried []string
	for _, m := range c.members {
		if state[m.name] != "" {
			tried = append(tried, m.name+": "+state[m.name])
			continue
		}
		list, err := m.list(ctx, true)
		if err == nil {
			members = list
			break
		}
		state[m.name] = err.Error()
		tried = append(tried, m.name+": "+err.Error())
	}
	if members == nil {
		return fmt.Errorf("whether etcd on %s may stop cannot be told, since no member has a quorum behind it: %s (start the unit etcd where it is down, or bring the hosts back)",
			without, strings.Join(tried, "; "))
	}
	return spare(members, state, without)
}

// spare does the sum. state has, by name, what is wrong with each member that could be asked.
func spare(members []Member, state map[string]string, without string) error {
	e := &SpareError{Without: without, Wrong: make(map[string]string)}
	self, others := false, 0
	for _, m := range members {
		if m.Learner {
			continue
		}
		e.Voters++
		self = self || m.Name == without
		why, asked := state[m.Name]
		switch {
		case m.Name == "":
			e.Wrong["the member at "+strings.Join(m.PeerURLs, ", ")] = "it was added and has never started"
		case !asked:
			e.Wrong[m.Name] = "it is in the member list and not in the topology, so nobody could ask it"
		case why != "":
			e.Wrong[m.Name] = why
		default:
			e.Healthy = append(e.Healthy, m.Name)
			if m.Name != without {
				others++
			}
		}
	}
	slices.Sort(e.Healthy)
	if others >= Quorum(e.Voters) || e.Voters == 1 && self {
		return nil
	}
	return e
}

// WaitSpare returns when Spare allows the named member to stop, or with the last reason why not once ctx ends. report is called with each new reason.
func (c *Client) WaitSpare(ctx context.Context, without string, report func(why string)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last error
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil && last != nil {
			return fmt.Errorf("%w (%w)", last, context.Cause(ctx))
		}
		err := c.Spare(ctx, without)
		if err == nil || ctx.Err() != nil && last == nil {
			return err
		}
		if ctx.Err() == nil {
			if report != nil && (last == nil || last.Error() != err.Error()) {
				report(err.Error())
			}
			last = err
		}
		timer.Reset(wait)
	}
}
