package etcd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
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
	text := fmt.Sprintf("etcd on %s may not stop now: %s, healthy: %s; without %s %d %s left, %d are needed", e.Without, topology.Count(e.Voters, "voting member"), healthy,
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
	v, err := c.look(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("asking whether etcd on %s may stop: %w", without, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("whether etcd on %s may stop cannot be told, since %w", without, err)
	}
	return spare(v.members, v.wrong, without)
}

// spare does the sum. wrong has, by ID, why a member does not count, "" for one that is healthy.
func spare(members []Member, wrong map[uint64]string, without string) error {
	e := &SpareError{Without: without, Wrong: make(map[string]string)}
	self, others := false, 0
	for _, m := range members {
		if m.Learner {
			continue
		}
		e.Voters++
		self = self || m.Name == without
		if why := wrong[m.ID]; why != "" {
			e.Wrong[m.title()] = why
			continue
		}
		e.Healthy = append(e.Healthy, m.Name)
		if m.Name != without {
			others++
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
	return until(ctx, report, func(ctx context.Context) error { return c.Spare(ctx, without) })
}
