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
	loseMembers(ctx, t, c, members)
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
	if why := c.Health(ctx)["m3"]; !strings.Contains(why, "does not answer") {
		t.Errorf("the stopped member: %q", why)
	}
	if list, err := c.Members(ctx); err != nil || len(list) != 3 {
		t.Errorf("members with two of three: %v, %v", list, err)
	}
	members[1].Stop()
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := c.WaitHealthy(short, []string{"m1", "m2"}, nil)
	if err == nil || !strings.Contains(err.Error(), "m2: it does not answer") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a quorum: %v", err)
	}
	if healthy, total := c.Healthy(ctx); healthy != 0 || total != 3 {
		t.Errorf("without a quorum: %d healthy of %d; the list must still come from what is left", healthy, total)
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
