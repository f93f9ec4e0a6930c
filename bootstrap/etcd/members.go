package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Peer is a member as the setting --initial-cluster names it.
type Peer struct {
	Name     string
	PeerURLs []string
}

// AddLearner makes a member that is to be the learner `name`, and returns the member list with it, which its --initial-cluster must say: etcd compares the number
// of members and their URLs with those of the running cluster, and their names with nothing (etcd 3.7.3 server/etcdserver/api/membership,
// ValidateClusterAndAssignIDs), so that a member without a name of its own gets one here. A learner that is at the URL already, or a member that was added there and has
// never started, is the one; so is a healthy voter of that name. It is refused where the learner could not be promoted: another one is in the list, of which etcd
// allows one, or a voter is down so that the cluster would hang on the new one. A learner that started and has lost its data since is to be removed first.
func (c *Client) AddLearner(ctx context.Context, name, peerURL string) (initial []Peer, err error) {
	if err := checkPeerURL(peerURL); err != nil {
		return nil, err
	}
	err = until(ctx, nil, func(ctx context.Context) error {
		v, err := c.look(ctx)
		if err != nil {
			return err
		}
		if m := v.byURL(peerURL); m != nil {
			if err := v.mayBe(*m, name); err != nil {
				return refused{err}
			}
			initial = v.initial(name, m.ID)
			return nil
		}
		if err := v.mayAdd(name); err != nil {
			return refused{err}
		}
		err = v.through.ask(ctx, func(ctx context.Context) error {
			_, err := v.through.client.MemberAddAsLearner(ctx, []string{peerURL})
			return err
		})
		if err == nil {
			err = errors.New("it was added and is not yet in the list") // the next look finds it, with the list as it is then
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("adding the etcd member %s at %s: %w", name, peerURL, err)
	}
	return initial, nil
}

// mayBe tells whether a member that is in the list already is the one that is to be added as `name`.
func (v *view) mayBe(m Member, name string) error {
	switch {
	case m.Name != "" && m.Name != name:
		return fmt.Errorf("the member %s (%s) is at this URL: remove it first", m.Name, m.hexID())
	case m.Learner, m.Name == "":
		return nil
	case v.wrong[m.ID] == "":
		return nil
	}
	return fmt.Errorf("it is a voting member already (%s) and not healthy: %s: start it, or, when its data are lost, remove it first", m.hexID(), v.wrong[m.ID])
}

// mayAdd tells whether a learner may be added that is promoted later.
func (v *view) mayAdd(name string) error {
	for _, m := range v.members {
		switch {
		case m.Name == name:
			return fmt.Errorf("a member of this name (%s) is in the list at %s: give it the new URL when its data are there, or remove it first", m.hexID(), strings.Join(m.PeerURLs, ", "))
		case m.Learner:
			return fmt.Errorf("%s (%s) is a learner, and etcd has one at a time: promote or remove it first", m.title(), m.hexID())
		}
	}
	voters, healthy, wrong := v.voters()
	if ok, sum := CanPromote(voters, healthy); !ok {
		return fmt.Errorf("it could not be promoted: %s%s", sum, wrong)
	}
	return nil
}

// initial is the member list for --initial-cluster. etcd takes members of one name for one, so each gets its own.
func (v *view) initial(name string, id uint64) []Peer {
	out := []Peer{{Name: name}}
	taken := map[string]bool{name: true}
	for _, m := range v.members {
		p := Peer{Name: m.Name, PeerURLs: m.PeerURLs}
		switch {
		case m.ID == id:
			out[0].PeerURLs = m.PeerURLs
			continue
		case m.Name == "":
			p.Name = "unstarted-" + m.hexID()
		case taken[m.Name]:
			p.Name += "-" + m.hexID()
		}
		taken[p.Name] = true
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Promote makes the learner `name` a voting member once it has started and caught up, and the healthy voters would be a quorum of the larger cluster without it. It
// waits for that until ctx ends, and calls report with each new reason. One that votes already is done.
func (c *Client) Promote(ctx context.Context, name string, report func(why string)) error {
	err := c.withMember(ctx, name, report, func(ctx context.Context, v *view, m *Member) error {
		switch {
		case m == nil:
			return v.notStarted()
		case !m.Learner:
			return nil
		case v.wrong[m.ID] != "": // etcd itself would promote one that caught up and is down now
			return fmt.Errorf("the learner is not healthy yet: %s", v.wrong[m.ID])
		}
		voters, healthy, wrong := v.voters()
		if ok, sum := CanPromote(voters, healthy); !ok {
			return fmt.Errorf("%s%s", sum, wrong)
		}
		err := v.through.ask(ctx, func(ctx context.Context) error {
			_, err := v.through.client.MemberPromote(ctx, m.ID)
			return err
		})
		switch {
		case errors.Is(err, rpctypes.ErrMemberLearnerNotReady):
			return errors.New("the learner has not caught up with the leader yet")
		case errors.Is(err, rpctypes.ErrMemberNotLearner):
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("promoting the etcd member %s: %w", name, err)
	}
	return nil
}

// notStarted is why there is no learner of a name: members get their names when they start.
func (v *view) notStarted() error {
	for _, m := range v.members {
		if m.Name == "" {
			return fmt.Errorf("%s has not started yet", m.title())
		}
	}
	return refused{errors.New("it is not in the member list, and no member waits there to be started: add it first")}
}

// Remove takes a member out of the list: who is its name, or its ID as etcdctl writes it where it has no name (it was added and never started) or two have one
// name. It moves the leadership away first. While the other voters that are healthy would not be a quorum without it, it waits until ctx ends, and calls
// report with each new reason, which has the sum. One that is not in the list any more is done.
func (c *Client) Remove(ctx context.Context, who string, report func(why string)) error {
	err := c.withMember(ctx, who, report, func(ctx context.Context, v *view, m *Member) error {
		if m == nil {
			return nil
		}
		if err := v.mayRemove(*m); err != nil {
			return err
		}
		if v.leader() == m.ID && v.asked[m.ID] != nil {
			if err := v.moveLeader(ctx, *m); err != nil {
				return err
			}
			return errors.New("it led, and another leads now") // the sums are done again
		}
		by := v.besides(m.ID)
		err := by.ask(ctx, func(ctx context.Context) error {
			_, err := by.client.MemberRemove(ctx, m.ID)
			return err
		})
		if errors.Is(err, rpctypes.ErrMemberNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("removing the etcd member %s: %w", who, err)
	}
	return nil
}

// mayRemove does the sum for a voter. A learner is in no quorum.
func (v *view) mayRemove(m Member) error {
	if m.Learner {
		return nil
	}
	voters, healthy, wrong := v.voters()
	ok, sum := CanRemove(voters, healthy, v.wrong[m.ID] == "")
	switch {
	case ok:
		return nil
	case voters <= 1:
		return refused{errors.New(sum)}
	}
	return fmt.Errorf("%s%s", sum, wrong)
}

// besides is a member to ask for what concerns another one: a healthy voter, where there is one.
func (v *view) besides(id uint64) *member {
	for _, m := range v.members {
		if m.ID != id && !m.Learner && v.wrong[m.ID] == "" {
			return v.asked[m.ID]
		}
	}
	return v.through
}

// UpdatePeer tells the cluster that the member `name` is at another peer URL now. To the others it is away until it is reached there, so they must be a quorum
// without it: it waits for that until ctx ends, and calls report with each new reason.
func (c *Client) UpdatePeer(ctx context.Context, name, peerURL string, report func(why string)) error {
	if err := checkPeerURL(peerURL); err != nil {
		return err
	}
	err := c.withMember(ctx, name, report, func(ctx context.Context, v *view, m *Member) error {
		switch at := v.byURL(peerURL); {
		case m == nil:
			return refused{errors.New("it is not in the member list: add it")}
		case slices.Equal(m.PeerURLs, []string{peerURL}):
			return nil
		case at != nil && at.ID != m.ID:
			return refused{fmt.Errorf("%s (%s) is at this URL", at.title(), at.hexID())}
		}
		if err := v.stepAside(ctx, *m); err != nil {
			return err
		}
		by := v.besides(m.ID)
		return by.ask(ctx, func(ctx context.Context) error {
			_, err := by.client.MemberUpdate(ctx, m.ID, []string{peerURL})
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("giving the etcd member %s the peer URL %s: %w", name, peerURL, err)
	}
	return nil
}
