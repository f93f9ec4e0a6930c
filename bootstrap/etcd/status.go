package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Status is how one member is.
type Status struct {
	Name      string   `json:"name"`
	Error     string   `json:"error,omitempty"` // why the member gave no answer; the rest is empty then
	ID        uint64   `json:"id,omitempty"`
	ClusterID uint64   `json:"clusterID,omitempty"`
	Leader    uint64   `json:"leader,omitempty"` // member ID, 0 when the member knows of none
	Learner   bool     `json:"learner,omitempty"`
	Unstarted bool     `json:"unstarted,omitempty"` // it was added to the member list and has never run: Name is where it is to be
	Unknown   bool     `json:"unknown,omitempty"`   // it is in the member list and the client was not made for it
	Version   string   `json:"version,omitempty"`
	Storage   string   `json:"storage,omitempty"` // storage version: what a downgrade is limited by
	DBSize    int64    `json:"dbSize,omitempty"`
	DBInUse   int64    `json:"dbInUse,omitempty"`
	DBQuota   int64    `json:"dbQuota,omitempty"`
	RaftTerm  uint64   `json:"raftTerm,omitempty"`
	RaftIndex uint64   `json:"raftIndex,omitempty"`
	Applied   uint64   `json:"applied,omitempty"`
	Revision  int64    `json:"revision,omitempty"`
	Alarms    []string `json:"alarms,omitempty"` // as etcd words them: "memberID:… alarm:NOSPACE"
}

// listFor bounds how long Status waits for the member list, which takes a quorum.
const listFor = 3 * time.Second

// IsLeader reports whether the member leads.
func (s Status) IsLeader() bool { return s.ID != 0 && s.ID == s.Leader }

// corrupt reports whether the member itself found that its data differ from the others'.
func (s Status) corrupt() bool {
	return slices.ContainsFunc(s.Alarms, func(alarm string) bool {
		return strings.Contains(alarm, fmt.Sprintf("memberID:%d ", s.ID)) && strings.Contains(alarm, "CORRUPT")
	})
}

// Status asks every member how it is. A member that does not answer has Error set. So has one that the client was not made for and that is in the member list
// all the same, or the other way round: those rows come last.
func (c *Client) Status(ctx context.Context) []Status { return c.rows(ctx, c.ask(ctx)) }

// rows is Status, from the statuses of the client's members.
func (c *Client) rows(ctx context.Context, statuses []Status) []Status {
	ctx, cancel := context.WithTimeout(ctx, listFor)
	defer cancel()
	members, err := c.listAmong(ctx, statuses)
	if err != nil {
		return statuses // the rows tell why
	}
	return c.listed(statuses, members)
}

// listed compares the statuses of the client's members with the list.
func (c *Client) listed(statuses []Status, members []Member) []Status {
	out := slices.Clone(statuses)
	listed := make(map[uint64]bool, len(members))
	for _, m := range members {
		listed[m.ID] = true
	}
	for i := range out {
		if out[i].Error == "" && !listed[out[i].ID] {
			out[i].Error = "it answers, and is not in the member list that the others give: it was removed, or belongs to another cluster"
		}
	}
	for _, m := range members {
		if m.Name == "" || c.member(m.Name) == nil {
			out = append(out, m.unasked())
		}
	}
	return out
}

// unasked is the row of a member that is known from the member list alone.
func (m Member) unasked() Status {
	where := strings.Join(m.PeerURLs, ", ")
	s := Status{Name: m.Name, ID: m.ID, Learner: m.Learner, Unknown: m.Name != "", Unstarted: m.Name == ""}
	if s.Unstarted {
		s.Name = where
		s.Error = "it was added to the member list and has never started"
		return s
	}
	s.Error = fmt.Sprintf("it is in the member list, at %s, and the topology has no such etcd host", where)
	return s
}

// hexID is the ID as etcdctl writes it.
func (m Member) hexID() string { return strconv.FormatUint(m.ID, 16) }

// ask has the status of every member of the client, in their order.
func (c *Client) ask(ctx context.Context) []Status {
	out := make([]Status, len(c.members))
	c.all(func(i int, m *member) { out[i] = m.status(ctx) })
	return out
}

func (m *member) status(ctx context.Context) Status {
	var resp *pb.StatusResponse
	err := m.ask(ctx, func(ctx context.Context) (err error) {
		resp, err = pb.NewMaintenanceClient(m.client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
		return err
	})
	if err != nil {
		return Status{Name: m.name, Error: err.Error()}
	}
	return Status{
		Name: m.name, ID: resp.Header.GetMemberId(), ClusterID: resp.Header.GetClusterId(), Leader: resp.Leader, Learner: resp.IsLearner,
		Version: resp.Version, Storage: resp.StorageVersion, DBSize: resp.DbSize, DBInUse: resp.DbSizeInUse, DBQuota: resp.DbSizeQuota,
		RaftTerm: resp.RaftTerm, RaftIndex: resp.RaftIndex, Applied: resp.RaftAppliedIndex, Revision: resp.Header.GetRevision(), Alarms: resp.Errors,
	}
}

// Health tells, by name, what is wrong with each member; "" for one that answered a linearizable read, so that it is joined to a quorum with a leader.
func (c *Client) Health(ctx context.Context) map[string]string {
	found := make([]string, len(c.members))
	c.all(func(i int, m *member) { found[i] = m.unhealthy(ctx) })
	out := make(map[string]string, len(found))
	for i, m := range c.members {
		out[m.name] = found[i]
	}
	return out
}

// Healthy counts the voting members that answer a linearizable read, and those there are. The total is by the member list; where nobody gives it, by the
// endpoints.
func (c *Client) Healthy(ctx context.Context) (healthy, total int) {
	// Voters that the client was not given count as not healthy: nobody knows better.
	members, err := c.Members(ctx)
	total = len(c.members)
	learners := make(map[string]bool)
	if err == nil {
		total = Voters(members)
		for _, m := range members {
			learners[m.Name] = m.Learner
		}
	}
	for name, why := range c.Health(ctx) {
		if why == "" && !learners[name] {
			healthy++
		}
	}
	return healthy, total
}

// unhealthy asks for a linearizable read. A learner cannot serve one, and is healthy when it follows a leader. etcd's own errors come back typed, so that a refusal
// for want of permission is told from silence.
func (m *member) unhealthy(ctx context.Context) string {
	_, why := m.examine(ctx)
	return why
}

// examine is unhealthy with the status that it goes by.
func (m *member) examine(ctx context.Context) (status Status, why string) {
	// Without a leader the read would be held back for seconds and then fail.
	status = m.status(ctx)
	switch {
	case status.Error != "":
		return status, status.Error
	case status.Leader == 0:
		return status, "it follows no leader: too few members reach each other for a quorum, or an election is under way"
	case status.corrupt():
		return status, "its data are corrupt: it raised the alarm CORRUPT"
	case status.Learner:
		return status, ""
	}
	err := m.ask(ctx, func(ctx context.Context) error {
		_, err := m.client.Get(ctx, "health")
		return err
	})
	if err == nil || errors.Is(err, rpctypes.ErrPermissionDenied) {
		return status, ""
	}
	return status, err.Error()
}

// WaitHealthy returns when all named members, or all there are when none is named, answer a linearizable read, belong to one cluster and have no alarm. report
// is called at first and after each change, with "" for a member that is healthy and otherwise why it is not.
func (c *Client) WaitHealthy(ctx context.Context, names []string, report func(map[string]string)) error {
	if len(names) == 0 {
		names = c.names()
	}
	var members []*member
	for _, name := range names {
		m := c.member(name)
		if m == nil {
			return fmt.Errorf("no etcd member is called %s: there are %s", name, strings.Join(c.names(), ", "))
		}
		members = append(members, m)
	}
	only := &Client{members: members}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last map[string]string
	// Little is waited between questions: a linearizable read itself waits for a leader.
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return notHealthy(ctx, last)
		}
		now := only.troubles(ctx)
		if ctx.Err() == nil || last == nil {
			if report != nil && !maps.Equal(now, last) {
				report(maps.Clone(now))
			}
			last = now
		}
		if ctx.Err() == nil && !slices.ContainsFunc(slices.Collect(maps.Values(now)), func(why string) bool { return why != "" }) {
			return nil
		}
		timer.Reset(wait)
	}
}

// troubles is Health, alarms and a cluster of their own included.
func (c *Client) troubles(ctx context.Context) map[string]string {
	out := c.Health(ctx)
	clusters := make(map[uint64][]string)
	for _, s := range c.ask(ctx) {
		switch {
		case out[s.Name] != "":
		case s.Error != "":
			out[s.Name] = s.Error
		case len(s.Alarms) > 0:
			out[s.Name] = "alarm: " + strings.Join(s.Alarms, ", ")
		default:
			clusters[s.ClusterID] = append(clusters[s.ClusterID], s.Name)
		}
	}
	if len(clusters) > 1 {
		var sides []string
		for _, names := range clusters {
			sides = append(sides, strings.Join(names, " with "))
		}
		slices.Sort(sides)
		for _, names := range clusters {
			for _, name := range names {
				out[name] = "the members form several clusters: " + strings.Join(sides, "; ")
			}
		}
	}
	return out
}

func notHealthy(ctx context.Context, state map[string]string) error {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if state[name] != "" {
			lines = append(lines, name+": "+state[name])
		}
	}
	if len(lines) == 0 {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%d of %s not healthy: %s: %w", len(lines), topology.Count(len(state), "etcd member"), strings.Join(lines, "; "), context.Cause(ctx))
}
