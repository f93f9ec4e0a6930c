package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// moveLeader asks the leader m to hand over. It returns when the heir leads by the word of m.
func (v *view) moveLeader(ctx context.Context, m Member) error {
	var heir *Member
	for i, other := range v.members {
		if other.ID == m.ID || other.Learner || v.wrong[other.ID] != "" {
			continue
		}
		if heir == nil || v.status[other.ID].Applied > v.status[heir.ID].Applied {
			heir = &v.members[i]
		}
	}
	leader := v.asked[m.ID]
	switch {
	case heir == nil:
		_, _, wrong := v.voters()
		return fmt.Errorf("it leads, and no other voting member is healthy to take over%s", wrong)
	case leader == nil:
		return errors.New("it leads and cannot be asked to hand over")
	}
	err := leader.ask(ctx, func(ctx context.Context) error {
		_, err := leader.client.MoveLeader(ctx, heir.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("it leads, and %s did not take over: %w", heir.Name, err)
	}
	return nil
}

// stepAside is for what keeps a member from serving for a while: nil when the other voters that are healthy are a quorum without it, and it does not lead. A leader
// is made to hand over, which is an error, too: the sums are to be done again then.
func (v *view) stepAside(ctx context.Context, m Member) error {
	if err := spare(v.members, v.wrong, m.Name); err != nil {
		return err
	}
	if voters, _, _ := v.voters(); voters == 1 || v.leader() != m.ID || v.asked[m.ID] == nil {
		return nil
	}
	if err := v.moveLeader(ctx, m); err != nil {
		return err
	}
	return errors.New("it led, and another leads now")
}

// Defragmented is what a defragmentation did to a member's database.
type Defragmented struct {
	Before, After int64 // sizes of the file, in bytes
}

// DefragmentFor bounds the rewriting of one database. At its largest, 8 GiB, a slow disk takes minutes.
const DefragmentFor = 15 * time.Minute

// Defragment rewrites the database of one member so that what was deleted takes no room in the file. The member answers nothing meanwhile: so it hands the leadership
// over first, and the other voters that are healthy must be a quorum without it. It waits for that until ctx ends, and calls report with each new reason.
func (c *Client) Defragment(ctx context.Context, name string, report func(why string)) (Defragmented, error) {
	var out Defragmented
	err := c.withMember(ctx, name, report, func(ctx context.Context, v *view, m *Member) error {
		switch {
		case m == nil:
			return refused{errors.New("it is not in the member list")}
		case v.wrong[m.ID] != "":
			return errors.New(v.wrong[m.ID])
		}
		if err := v.stepAside(ctx, *m); err != nil {
			return err
		}
		self := v.asked[m.ID]
		err := self.askFor(ctx, DefragmentFor, func(ctx context.Context) error {
			_, err := pb.NewMaintenanceClient(self.client.ActiveConnection()).Defragment(ctx, &pb.DefragmentRequest{})
			return err
		})
		if err != nil {
			return err
		}
		after := self.status(ctx)
		if after.Error != "" {
			return refused{fmt.Errorf("it was done, and the member does not say its size: %s", after.Error)}
		}
		out = Defragmented{Before: v.status[m.ID].DBSize, After: after.DBSize}
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("defragmenting the etcd member %s: %w", name, err)
	}
	return out, nil
}
