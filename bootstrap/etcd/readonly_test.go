package etcd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
)

// TestReadOnly lists members and their state, and changes nothing: neither members nor the log of etcd.
func TestReadOnly(t *testing.T) {
	members, _, ctx := running(t, 1)
	c, err := etcd.NewReadOnly([]etcd.Endpoint{{Name: members[0].Name, Dial: members[0].Dial}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := c.Status(ctx)[0]
	if before.Error != "" || before.Version == "" {
		t.Fatalf("status %+v", before)
	}
	if list, err := c.Members(ctx); err != nil || len(list) != 1 {
		t.Errorf("members %v, %v", list, err)
	}
	// These ask again and again until their time has ended: their errors tell the last reason as text.
	for what, do := range map[string]func(context.Context) error{
		"adding a member": func(ctx context.Context) error {
			_, err := c.AddLearner(ctx, "other", "https://127.0.0.1:1")
			return err
		},
		"defragmenting":     func(ctx context.Context) error { _, err := c.Defragment(ctx, members[0].Name, nil); return err },
		"reading of values": func(ctx context.Context) error { _, err := c.Without(ctx, "/", nil); return err },
	} {
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := do(short)
		cancel()
		if err == nil || !errors.Is(err, etcd.ErrReadOnly) && !strings.Contains(err.Error(), etcd.ErrReadOnly.Error()) {
			t.Errorf("%s gave %v", what, err)
		}
	}
	if after := c.Status(ctx)[0]; after.RaftIndex != before.RaftIndex || after.Revision != before.Revision {
		t.Errorf("the log went from %d to %d, the revision from %d to %d", before.RaftIndex, after.RaftIndex, before.Revision, after.Revision)
	}
}
