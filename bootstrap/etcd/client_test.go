package etcd_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
)

func clientOf(t *testing.T, members []*etcdtest.Member) *etcd.Client {
	t.Helper()
	var endpoints []etcd.Endpoint
	for _, m := range members {
		endpoints = append(endpoints, etcd.Endpoint{Name: m.Name, Dial: m.Dial})
	}
	c, err := etcd.New(endpoints)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRealCluster(t *testing.T) {
	members := etcdtest.Start(t, 3)
	c := clientOf(t, members)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var last map[string]string
	if err := c.WaitHealthy(ctx, nil, func(now map[string]string) { last = maps.Clone(now) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"m1": "", "m2": "", "m3": ""}, last); diff != "" {
		t.Errorf("the last report (-want +got):\n%s", diff)
	}
	list, err := c.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
		if m.Learner || m.ID == 0 || len(m.PeerURLs) != 1 {
			t.Errorf("an odd member: %+v", m)
		}
	}
	if diff := cmp.Diff([]string{"m1", "m2", "m3"}, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	leaders := 0
	for _, s := range c.Status(ctx) {
		if s.Error != "" || s.Version == "" || s.RaftIndex == 0 || s.DBSize == 0 || len(s.Alarms) > 0 {
			t.Errorf("an odd status: %+v", s)
		}
		if s.IsLeader() {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders, want 1", leaders)
	}
	if err := c.Spare(ctx, "m2"); err != nil {
		t.Errorf("with all three, one may stop: %v", err)
	}
	strangers(ctx, t, members)
	loseMembers(ctx, t, c, members)
}

// strangers looks at members that the client was not made for: one of another topology, and a learner that has not started.
func strangers(ctx context.Context, t *testing.T, members []*etcdtest.Member) {
	t.Helper()
	raw, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + members[0].Address}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close() //nolint:errcheck // nothing is left to do
	// Members must have known each other for some seconds (etcd 3.7) before another is let in.
	var added *clientv3.MemberAddResponse
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for added == nil {
		if added, err = raw.MemberAddAsLearner(ctx, []string{"http://127.0.0.1:1"}); err != nil && !errors.Is(err, rpctypes.ErrUnhealthy) {
			t.Fatal(err)
		}
		<-tick.C
	}
	two := clientOf(t, members[:2])
	rows := two.Status(ctx)
	if len(rows) != 4 {
		t.Fatalf("%d rows, want two members, one of another topology and one that has not started: %+v", len(rows), rows)
	}
	var told int
	for _, s := range rows[2:] {
		switch {
		case s.Unstarted && s.Learner && s.Name == "http://127.0.0.1:1" && strings.Contains(s.Error, "has never started"):
			told++
		case s.Unknown && s.Name == "m3" && strings.Contains(s.Error, "the topology has no such etcd host"):
			told++
		default:
			t.Errorf("an odd row: %+v", s)
		}
	}
	if told != 2 {
		t.Errorf("%d of 2 told", told)
	}
	err = two.Spare(ctx, "m1")
	var spare *etcd.SpareError
	if !errors.As(err, &spare) || spare.Voters != 3 || !strings.Contains(err.Error(), "healthy: m1, m2; without m1 1 is left, 2 are needed; m3: it is in the member list") {
		t.Errorf("Spare without knowing m3: %v", err)
	}
	if _, err := raw.MemberRemove(ctx, added.Member.ID); err != nil {
		t.Fatal(err)
	}
}

// loseMembers stops one member after the other and looks at what the client says.
func loseMembers(ctx context.Context, t *testing.T, c *etcd.Client, members []*etcdtest.Member) {
	members[2].Stop()
	if err := c.WaitHealthy(ctx, []string{"m1", "m2"}, nil); err != nil {
		t.Fatalf("with two of three: %v", err)
	}
	if healthy, total := c.Healthy(ctx); healthy != 2 || total != 3 {
		t.Errorf("with two of three: %d healthy of %d", healthy, total)
	}
	err := c.Spare(ctx, "m1")
	if err == nil || !strings.Contains(err.Error(), "etcd on m1 may not stop now: 3 voting members, healthy: m1, m2; without m1 1 is left, 2 are needed; m3: it does not answer") {
		t.Errorf("Spare with two of three: %v", err)
	}
	if err := c.Spare(ctx, "m3"); err != nil {
		t.Errorf("the one that is down may stop: %v", err)
	}
	if why := c.Health(ctx)["m3"]; !strings.Contains(why, "does not answer") {
		t.Errorf("the stopped member: %q", why)
	}
	if list, err := c.Members(ctx); err != nil || len(list) != 3 {
		t.Errorf("members with two of three: %v, %v", list, err)
	}
	members[1].Stop()
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err = c.WaitHealthy(short, []string{"m1", "m2"}, nil)
	if err == nil || !strings.Contains(err.Error(), "m2: it does not answer") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a quorum: %v", err)
	}
	if healthy, total := c.Healthy(ctx); healthy != 0 || total != 3 {
		t.Errorf("without a quorum: %d healthy of %d; the list must still come from what is left", healthy, total)
	}
	var told []string
	waiting, cancelWaiting := context.WithTimeout(ctx, 2*time.Second)
	defer cancelWaiting()
	err = c.WaitSpare(waiting, "m1", func(why string) { told = append(told, why) })
	if err == nil || !strings.Contains(err.Error(), "no member has a quorum behind it") || !errors.Is(err, context.DeadlineExceeded) || len(told) == 0 {
		t.Errorf("WaitSpare without a quorum: %v, told %q", err, told)
	}
	for _, s := range c.Status(ctx) {
		if (s.Error == "") != (s.Name == "m1") {
			t.Errorf("status of %s: %+v", s.Name, s)
		}
	}
}

func TestUnreachable(t *testing.T) {
	refused := errors.New("ssh: cp1 is gone")
	c, err := etcd.New([]etcd.Endpoint{{Name: "cp1", Dial: func(context.Context) (net.Conn, error) { return nil, refused }}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is open
	if _, err := c.Members(t.Context()); err == nil || !strings.Contains(err.Error(), "cp1: it does not answer: ssh: cp1 is gone") {
		t.Errorf("Members: %v", err)
	}
	if s := c.Status(t.Context()); len(s) != 1 || !strings.Contains(s[0].Error, "ssh: cp1 is gone") {
		t.Errorf("Status: %+v", s)
	}
	if healthy, total := c.Healthy(t.Context()); healthy != 0 || total != 1 {
		t.Errorf("Healthy: %d of %d", healthy, total)
	}
	if err := c.WaitHealthy(t.Context(), []string{"cp9"}, nil); err == nil || !strings.Contains(err.Error(), "no etcd member is called cp9: there are cp1") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	dial := func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	for want, endpoints := range map[string][]etcd.Endpoint{
		"no etcd member":    nil,
		"m1 is named twice": {{Name: "m1", Dial: dial}, {Name: "m1", Dial: dial}},
		"no way to reach":   {{Name: "m1"}},
	} {
		if _, err := etcd.New(endpoints); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want …%s…", err, want)
		}
	}
}
