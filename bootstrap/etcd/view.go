package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/release"
)

// view is a cluster at one moment: the member list as a quorum agrees on it, and how each member in it is.
type view struct {
	through *member // a healthy voter, which carries requests out
	members []Member
	asked   map[uint64]*member // the members that gave their status, by ID
	status  map[uint64]Status
	wrong   map[uint64]string // why a member does not count, by ID; "" for one that is healthy
}

// look asks every member how it is, and one that has a quorum behind it for the member list. Members are told apart by their IDs: while a host is replaced, two of
// one name may be in the list.
func (c *Client) look(ctx context.Context) (*view, error) {
	statuses, why := c.examine(ctx)
	return c.agree(ctx, statuses, why)
}

// examine asks every member how it is, and tells what is wrong with it; "" where it is healthy.
func (c *Client) examine(ctx context.Context) (statuses []Status, why []string) {
	statuses, why = make([]Status, len(c.members)), make([]string, len(c.members))
	c.all(func(i int, m *member) { statuses[i], why[i] = m.examine(ctx) })
	return statuses, why
}

// agree asks one of the members that are healthy for the list.
func (c *Client) agree(ctx context.Context, statuses []Status, why []string) (*view, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	v := &view{asked: make(map[uint64]*member), status: make(map[uint64]Status), wrong: make(map[uint64]string)}
	var tried []string
	for i, m := range c.members {
		if id := statuses[i].ID; id != 0 {
			v.asked[id], v.status[id], v.wrong[id] = m, statuses[i], why[i]
		}
		switch {
		case why[i] != "":
			tried = append(tried, m.name+": "+why[i])
		case v.through == nil && !statuses[i].Learner: // a learner answers no linearizable question
			list, err := m.list(ctx, true)
			if err != nil {
				v.wrong[statuses[i].ID] = err.Error()
				tried = append(tried, m.name+": "+err.Error())
				continue
			}
			v.through, v.members = m, list
		}
	}
	if v.through == nil {
		return nil, fmt.Errorf("no member has a quorum behind it: %s (start the unit etcd where it is down, or bring the hosts back)", strings.Join(tried, "; "))
	}
	silent := make(map[string]string)
	for i, m := range c.members {
		if statuses[i].ID == 0 {
			silent[m.name] = why[i]
		}
	}
	for _, m := range v.members {
		if _, ok := v.wrong[m.ID]; !ok {
			v.wrong[m.ID] = m.whyUnasked(silent)
		}
	}
	return v, nil
}

// whyUnasked tells why nobody heard from a member of the list. silent has the endpoints that gave no status.
func (m Member) whyUnasked(silent map[string]string) string {
	why, ok := silent[m.Name]
	switch {
	case m.Name == "":
		return "it was added and has never started"
	case ok:
		return why
	}
	return "it is in the member list and not in the topology, so nobody could ask it"
}

// voters counts the voting members and those of them that are healthy, and tells what is wrong with the others.
func (v *view) voters() (voters, healthy int, wrong string) {
	for _, m := range v.members {
		switch {
		case m.Learner:
			continue
		case v.wrong[m.ID] == "":
			healthy++
		default:
			wrong += "; " + m.title() + ": " + v.wrong[m.ID]
		}
		voters++
	}
	return voters, healthy, wrong
}

// leader is the ID of the member that leads, by the word of the healthy ones.
func (v *view) leader() uint64 {
	for _, m := range v.members {
		if lead := v.status[m.ID].Leader; v.wrong[m.ID] == "" && lead != 0 {
			return lead
		}
	}
	return 0
}

// byURL finds the member that others reach at a URL.
func (v *view) byURL(peerURL string) *Member {
	for i, m := range v.members {
		if slices.Contains(m.PeerURLs, peerURL) {
			return &v.members[i]
		}
	}
	return nil
}

// find finds a member by its name or by its ID as etcdctl writes it, nil when there is none. A name that two members have is an error.
func (v *view) find(who string) (*Member, error) {
	var found []*Member
	for i, m := range v.members {
		if m.Name == who {
			found = append(found, &v.members[i])
		}
	}
	if len(found) == 0 {
		for i, m := range v.members {
			if m.hexID() == who {
				return &v.members[i], nil
			}
		}
		return nil, nil
	}
	if len(found) > 1 {
		var ids []string
		for _, m := range found {
			ids = append(ids, fmt.Sprintf("%s at %s", m.hexID(), strings.Join(m.PeerURLs, ", ")))
		}
		return nil, refused{fmt.Errorf("%d etcd members are called %s: %s: name the one that is meant by its ID", len(found), who, strings.Join(ids, "; "))}
	}
	return found[0], nil
}

// title names a member to people.
func (m Member) title() string {
	if m.Name == "" {
		return "the member at " + strings.Join(m.PeerURLs, ", ")
	}
	return m.Name
}

// refused is an error that no waiting mends.
type refused struct{ error }

// Unwrap gives the reason.
func (r refused) Unwrap() error { return r.error }

// until tries until it works, is refused, or ctx ends; then the last reason is the error. report is called with each new reason.
func until(ctx context.Context, report func(why string), try func(context.Context) error) error {
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
		err := try(ctx)
		var no refused
		switch {
		case err == nil, ctx.Err() != nil && last == nil:
			return err
		case errors.As(err, &no):
			return no.error
		case ctx.Err() == nil:
			if report != nil && (last == nil || last.Error() != err.Error()) {
				report(err.Error())
			}
			last = err
		}
		timer.Reset(wait)
	}
}

// withMember tries what is to be done with a member, nil where there is none, until it works, is refused, or ctx ends. Each try begins with a look at all members.
func (c *Client) withMember(ctx context.Context, who string, report func(why string), do func(ctx context.Context, v *view, m *Member) error) error {
	return until(ctx, report, func(ctx context.Context) error {
		v, err := c.look(ctx)
		if err != nil {
			return err
		}
		m, err := v.find(who)
		if err != nil {
			return err
		}
		return do(ctx, v, m)
	})
}

// checkPeerURL refuses what etcd would not take, or would take and write otherwise.
func checkPeerURL(peerURL string) error {
	u, err := url.Parse(peerURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Port() == "" || u.Path != "" {
		return fmt.Errorf("%q is not the URL of an etcd peer: it is like https://10.0.0.1:2380", peerURL)
	}
	return nil
}

// Membership is how a cluster's etcd is.
type Membership struct {
	// Status has a row for every member: those that the client was made for, in that order, then those that are in the list alone.
	Status []Status
	// Err says why no quorum gives the list; the rest is empty then.
	Err error
	// Members is the list as a quorum agrees on it.
	Members []Member
	// Wrong says, by ID, what is wrong with a member; Corrupt has those that found that their data differ from the others'.
	Wrong   map[uint64]string
	Corrupt map[uint64]bool
	// Storage is the newest version in the form of which a member stores its data; members agree on one once all run it (Maintenance.Status, etcd 3.6).
	Storage string
}

// Membership asks every member how it is, and one that has a quorum behind it for the list.
func (c *Client) Membership(ctx context.Context) *Membership {
	statuses, why := c.examine(ctx)
	v, err := c.agree(ctx, statuses, why)
	if err != nil {
		return &Membership{Status: c.rows(ctx, statuses), Err: err}
	}
	out := &Membership{Status: c.listed(statuses, v.members), Members: v.members, Wrong: map[uint64]string{}, Corrupt: map[uint64]bool{}}
	for _, m := range v.members {
		if why := v.wrong[m.ID]; why != "" {
			out.Wrong[m.ID] = why
		}
		status, ok := v.status[m.ID]
		if ok && status.corrupt() {
			out.Corrupt[m.ID] = true
		}
		if release.CompareVersions(status.Storage, out.Storage) > 0 {
			out.Storage = status.Storage
		}
	}
	return out
}
