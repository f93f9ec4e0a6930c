package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
)

// running starts members and waits until they are healthy.
func running(t *testing.T, n int) ([]*etcdtest.Member, *etcd.Client, context.Context) {
	t.Helper()
	members := etcdtest.Start(t, n)
	c := clientOf(t, members)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	if err := c.WaitHealthy(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	return members, c, ctx
}

func leaderOf(ctx context.Context, t *testing.T, c *etcd.Client) string {
	t.Helper()
	for _, s := range c.Status(ctx) {
		if s.IsLeader() {
			return s.Name
		}
	}
	t.Fatal("no member leads")
	return ""
}

// awaitLeader waits until these members answer with one of them in the lead.
func awaitLeader(ctx context.Context, t *testing.T, c *etcd.Client, names ...string) {
	t.Helper()
	for ctx.Err() == nil {
		led, healthy := false, 0
		for _, s := range c.Status(ctx) {
			if slices.Contains(names, s.Name) && s.Error == "" && s.Leader != 0 {
				led, healthy = led || s.IsLeader(), healthy+1
			}
		}
		if led && healthy == len(names) {
			return
		}
	}
	t.Fatalf("none of %v leads", names)
}

// listed gives the members as "name", with "(learner)" behind a learner.
func listed(ctx context.Context, t *testing.T, c *etcd.Client) string {
	t.Helper()
	list, err := c.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		if m.Learner {
			m.Name += "(learner)"
		}
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

// refuses runs what must not succeed within a second, and wants parts in its error and the reason in the last report, where it reports.
func refuses(ctx context.Context, t *testing.T, what string, do func(context.Context, func(string)) error, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var told string
	err := do(ctx, func(why string) { told = why })
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v\nwant …%s…", what, err, part)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && told == "" {
		t.Errorf("%s waited and reported nothing: %v", what, err)
	}
}

func initialCluster(peers []etcd.Peer) string {
	var out []string
	for _, p := range peers {
		out = append(out, p.Name+"="+p.PeerURLs[0])
	}
	return strings.Join(out, ",")
}

func TestMemberJoinsAndLeaderLeaves(t *testing.T) {
	members, _, ctx := running(t, 3)
	m4 := etcdtest.New(t, "m4")
	c := clientOf(t, append(members, m4))

	var initial []etcd.Peer
	for range 2 { // the second finds what the first did
		var err error
		if initial, err = c.AddLearner(ctx, "m4", m4.PeerURL); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("m1=%s,m2=%s,m3=%s,m4=%s", members[0].PeerURL, members[1].PeerURL, members[2].PeerURL, m4.PeerURL)
	if got := initialCluster(initial); got != want {
		t.Errorf("the initial cluster is %s, want %s", got, want)
	}
	promote := func(ctx context.Context, report func(string)) error { return c.Promote(ctx, "m4", report) }
	refuses(ctx, t, "promoting one that has not started", promote, m4.PeerURL+" has not started yet")
	refuses(ctx, t, "a second learner", func(ctx context.Context, _ func(string)) error {
		_, err := c.AddLearner(ctx, "m5", "http://127.0.0.1:1")
		return err
	}, "is a learner, and etcd has one at a time")

	m4.Start(t, "existing", initialCluster(initial))
	if err := c.WaitHealthy(ctx, []string{"m4"}, nil); err != nil {
		t.Fatal(err)
	}
	m4.Stop()
	refuses(ctx, t, "promoting one that is down", promote, "the learner is not healthy yet: it does not answer")
	m4.Start(t, "existing", initialCluster(initial))
	for range 2 {
		if err := c.Promote(ctx, "m4", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(ctx, t, c); got != "m1 m2 m3 m4" {
		t.Errorf("members after the promotion: %s", got)
	}
	if _, err := c.AddLearner(ctx, "m4", m4.PeerURL); err != nil {
		t.Errorf("a healthy voter at the URL is done: %v", err)
	}

	leader := leaderOf(ctx, t, c)
	for range 2 {
		if err := c.Remove(ctx, leader, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(ctx, t, c); strings.Contains(got, leader) || len(strings.Fields(got)) != 3 {
		t.Errorf("members after %s left: %s", leader, got)
	}
	refuses(ctx, t, "promoting one that is not there", func(ctx context.Context, report func(string)) error { return c.Promote(ctx, leader, report) }, "add it first")
}

// With one of three down, nothing takes another one.
func TestNeverBelowQuorum(t *testing.T) {
	members, c, ctx := running(t, 3)
	members[2].Stop()
	awaitLeader(ctx, t, c, "m1", "m2") // it may have been the one
	refuses(ctx, t, "adding", func(ctx context.Context, _ func(string)) error {
		_, err := c.AddLearner(ctx, "m4", "http://127.0.0.1:1")
		return err
	}, "3 voting members, 2 healthy, quorum 2: promoting one makes 4, quorum 3, 1 too few without the new one", "m3: it does not answer")
	sum := "etcd on m1 may not stop now: 3 voting members, healthy: m1, m2; without m1 1 is left, 2 are needed; m3: it does not answer"
	refuses(ctx, t, "removing m1", func(ctx context.Context, report func(string)) error { return c.Remove(ctx, "m1", report) },
		"3 voting members, 2 healthy, quorum 2: removing a healthy one leaves 1 healthy of 2, quorum 2, 1 too few", "m3: it does not answer")
	refuses(ctx, t, "readdressing m1", func(ctx context.Context, report func(string)) error {
		return c.UpdatePeer(ctx, "m1", "http://127.0.0.1:1", report)
	}, sum)
	refuses(ctx, t, "defragmenting m1", func(ctx context.Context, report func(string)) error {
		_, err := c.Defragment(ctx, "m1", report)
		return err
	}, sum)
	if got := listed(ctx, t, c); got != "m1 m2 m3" {
		t.Fatalf("members: %s", got)
	}

	if err := c.Remove(ctx, "m3", nil); err != nil { // the one that is down
		t.Fatal(err)
	}
	refuses(ctx, t, "readdressing one of two", func(ctx context.Context, report func(string)) error {
		return c.UpdatePeer(ctx, "m1", "http://127.0.0.1:1", report)
	},
		"2 voting members, healthy: m1, m2; without m1 1 is left, 2 are needed")
	if err := c.Remove(ctx, "m2", nil); err != nil {
		t.Fatal(err)
	}
	refuses(ctx, t, "removing the last", func(ctx context.Context, report func(string)) error { return c.Remove(ctx, "m1", report) },
		"removing the etcd member m1: 1 voting member, 1 healthy", "the last member holds all data")
}

// What waits for quorum goes on when the member is back.
func TestRemoveWaits(t *testing.T) {
	members, c, ctx := running(t, 3)
	members[2].Stop()
	err := c.Remove(ctx, "m1", func(why string) {
		if strings.Contains(why, "1 too few") {
			members[2].Start(t, "existing", "m3="+members[2].PeerURL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(ctx, t, c); got != "m2 m3" {
		t.Errorf("members: %s", got)
	}
}

func TestRemoveByID(t *testing.T) {
	_, c, ctx := running(t, 1)
	if _, err := c.AddLearner(ctx, "m2", "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	list, err := c.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Name == "" {
			if err := c.Remove(ctx, fmt.Sprintf("%x", m.ID), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := listed(ctx, t, c); got != "m1" {
		t.Errorf("members: %s", got)
	}
}

func TestUpdatePeer(t *testing.T) {
	members, c, ctx := running(t, 3)
	name := leaderOf(ctx, t, c)
	var moved *etcdtest.Member
	for _, m := range members {
		if m.Name == name {
			moved = m
		}
	}
	other := members[0]
	if other == moved {
		other = members[1]
	}
	refuses(ctx, t, "the URL of another", func(ctx context.Context, report func(string)) error {
		return c.UpdatePeer(ctx, name, other.PeerURL, report)
	},
		other.Name, "is at this URL")
	moved.PeerURL = fmt.Sprintf("http://127.0.0.1:%d", etcdtest.Port(t))
	for range 2 {
		if err := c.UpdatePeer(ctx, name, moved.PeerURL, nil); err != nil {
			t.Fatal(err)
		}
	}
	if leaderOf(ctx, t, c) == name {
		t.Errorf("%s still leads", name)
	}
	moved.Stop()
	moved.Start(t, "existing", name+"="+moved.PeerURL)
	if err := c.WaitHealthy(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	list, err := c.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Name == name && m.PeerURLs[0] != moved.PeerURL {
			t.Errorf("%s is listed at %s, want %s", name, m.PeerURLs, moved.PeerURL)
		}
	}
}

func TestDefragment(t *testing.T) {
	members, c, ctx := running(t, 3)
	raw, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + members[0].Address}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close() //nolint:errcheck // nothing is left to do
	var revision int64
	for range 200 {
		resp, err := raw.Put(ctx, "key", strings.Repeat("x", 20_000))
		if err != nil {
			t.Fatal(err)
		}
		revision = resp.Header.Revision
	}
	if _, err := raw.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		sizes, err := c.Defragment(ctx, m.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if sizes.Before < 4_000_000 || sizes.After > sizes.Before/2 {
			t.Errorf("%s: %d bytes before, %d after", m.Name, sizes.Before, sizes.After)
		}
		if leaderOf(ctx, t, c) == m.Name {
			t.Errorf("%s leads: it was to hand over before it was defragmented", m.Name)
		}
	}
}
