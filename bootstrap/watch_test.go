package bootstrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// TestWatch keeps its connections, shows what happens, and finds hosts again that come back.
func TestWatch(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	var away atomic.Bool
	away.Store(true)
	made := map[string]int{}
	e := open(t, f, func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			if h.Name == "w1" && away.Load() {
				return nil, errors.New("host w1: no route to host")
			}
			made[h.Name]++
			return f.Connect(ctx, h)
		}
	})
	errEnough := errors.New("enough")
	await := func(what string, is func(w1 bootstrap.HostStatus) bool, then func()) func(*bootstrap.Status) bool {
		rounds := 0
		return func(s *bootstrap.Status) bool {
			if rounds++; rounds > 1000 {
				t.Fatalf("no round shows that %s: %+v", what, s.Hosts[1])
			}
			if !is(s.Hosts[1]) {
				return false
			}
			then()
			return true
		}
	}
	stages := []func(*bootstrap.Status) bool{
		await("w1 is away", func(w1 bootstrap.HostStatus) bool { return strings.Contains(w1.Error, "no route to host") }, func() { away.Store(false) }),
		await("w1 is there", func(w1 bootstrap.HostStatus) bool { return w1.Error == "" && w1.Node == "Ready" }, func() {
			must(t, f.Machines["w1"].Units.Stop(t.Context(), "kubelet.service", true))
		}),
		await("its kubelet is down", func(w1 bootstrap.HostStatus) bool { return len(w1.Drift) == 1 && w1.Node != "Ready" }, func() {
			must(t, e.Hosts()["w1"].Close()) // the link breaks
		}),
		await("w1 is lost", func(w1 bootstrap.HostStatus) bool { return w1.Error != "" }, func() {}),
		await("w1 is there again", func(w1 bootstrap.HostStatus) bool { return w1.Error == "" && len(w1.Drift) == 1 }, func() {}),
	}
	err := e.WatchWithoutPause(t.Context(), time.Millisecond, func(s *bootstrap.Status, err error) error {
		if err != nil {
			return err
		}
		if stages[0](s) {
			stages = stages[1:]
		}
		if len(stages) == 0 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("watch: %v", err)
	}
	if made["cp1"] != 1 || made["w1"] != 2 {
		t.Errorf("connections made: %v", made)
	}
}

// TestWatchEnds with its context, which is no error, and asks a host that refuses once.
func TestWatchEnds(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	tries := 0
	e := open(t, f, func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			if h.Name == "w1" {
				tries++
				return nil, fmt.Errorf("host w1: %w", sshhost.ErrHostKey)
			}
			return f.Connect(ctx, h)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rounds := 0
	err := e.WatchWithoutPause(ctx, time.Millisecond, func(*bootstrap.Status, error) error {
		if rounds++; rounds == 3 {
			cancel()
		}
		return nil
	})
	if err != nil || rounds != 3 || tries != 1 {
		t.Errorf("after %d rounds and %d tries: %v", rounds, tries, err)
	}
}

// strange is a host that shows the inventory of another cluster for a while.
type strange struct {
	remote.Host
	now *bool
}

func (h strange) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	o, err := h.Host.Observe(ctx, req)
	if d := o.Documents[inventory.Document]; err == nil && *h.now {
		d.Content = bytes.Replace(d.Content, []byte(`"main"`), []byte(`"other"`), 1)
		o.Documents[inventory.Document] = d
	}
	return o, err
}

// TestWatchGoesOn after looks that fail as a whole, also where a connection is lost meanwhile.
func TestWatchGoesOn(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	foreign := false
	e := open(t, f, func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			host, err := f.Connect(ctx, h)
			if err == nil && h.Name == "cp1" {
				host = strange{host, &foreign}
			}
			return host, err
		}
	})
	errEnough := errors.New("enough")
	var said []string
	err := e.WatchWithoutPause(t.Context(), time.Millisecond, func(s *bootstrap.Status, err error) error {
		if len(said) > 1000 {
			t.Fatalf("nothing changes: %s", said[1000])
		}
		switch {
		case len(said) == 0 && err == nil:
			foreign = true
		case err != nil && len(said) == 1:
			must(t, e.Hosts()["w1"].Close())
		case err != nil && len(said) == 3:
			foreign = false
		case err == nil && s.Hosts[1].Error == "":
			return errEnough
		}
		said = append(said, fmt.Sprint(err))
		return nil
	})
	if !errors.Is(err, errEnough) || len(said) < 4 {
		t.Fatalf("after %d looks: %v", len(said), err)
	}
	if want := `host cp1 belongs to cluster "other"`; !strings.Contains(said[1], want) || !strings.Contains(said[3], want) {
		t.Errorf("looks say %q", said)
	}
}
