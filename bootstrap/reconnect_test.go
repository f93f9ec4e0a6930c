package bootstrap_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// ways is a fleet of which only the ways to the hosts matter: it notes who was logged in to and over which connection the API was dialled.
type ways struct {
	mu     sync.Mutex
	now    time.Time
	logins map[string]int
	refuse map[string]error // by host: why a login fails
	down   map[string]error // by host: why the API does not answer over a connection that is there
	direct map[string]bool  // hosts on which no balancer listens
	dials  []string
	open   []*way
}

// way is a connection to a host. It can do nothing but dial.
type way struct {
	remote.Host
	ways *ways
	name string
	lost bool
}

func (w *ways) connect(_ context.Context, h *topology.Host) (remote.Host, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logins[h.Name]++
	if err := w.refuse[h.Name]; err != nil {
		return nil, err
	}
	c := &way{ways: w, name: h.Name}
	w.open = append(w.open, c)
	return c, nil
}

// cut breaks all connections to a host.
func (w *ways) cut(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		if c.name == host {
			c.lost = true
		}
	}
}

func (c *way) Name() string { return c.name }

func (c *way) Dial(_ context.Context, to hostapi.Endpoint) (net.Conn, error) {
	w := c.ways
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.lost {
		return nil, &wire.LostError{Err: io.EOF}
	}
	if err := w.down[c.name]; err != nil {
		return nil, err
	}
	if w.direct[c.name] && strings.HasSuffix(to.Address, ":7443") {
		return nil, errors.New("connection refused")
	}
	w.dials = append(w.dials, c.name+" "+to.Address)
	near, far := net.Pipe()
	_ = far.Close()
	return near, nil
}

func (c *way) Close() error {
	w := c.ways
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = slices.DeleteFunc(w.open, func(o *way) bool { return o == c })
	return nil
}

func (w *ways) takeDials() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.dials
	w.dials = nil
	return out
}

func dialer(t *testing.T, w *ways) (*bootstrap.Engine, *bootstrap.APIDialer) {
	t.Helper()
	w.now, w.logins = fleettest.Now, map[string]int{}
	for _, m := range []*map[string]error{&w.refuse, &w.down} {
		if *m == nil {
			*m = map[string]error{}
		}
	}
	e := open(t, newFleet(t, three), func(o *bootstrap.Options) {
		o.Connect = w.connect
		o.Now = func() time.Time { return w.now }
	})
	d := e.APIDialer()
	t.Cleanup(func() { _ = d.Close() })
	return e, d
}

func dialOnce(t *testing.T, d *bootstrap.APIDialer) {
	t.Helper()
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestAPIDialerMovesToTheNextControlPlane(t *testing.T) {
	w := &ways{}
	_, d := dialer(t, w)
	dialOnce(t, d)
	w.down["cp1"] = errors.New("connection refused")
	dialOnce(t, d)
	w.down = map[string]error{}
	dialOnce(t, d) // it stays where it got an answer
	want := []string{"cp1 127.0.0.1:7443", "cp2 127.0.0.1:7443", "cp2 127.0.0.1:7443"}
	if diff := cmp.Diff(want, w.takeDials()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"cp1": 1, "cp2": 1, "cp3": 1}, w.logins); diff != "" {
		t.Errorf("logins (-want +got):\n%s", diff)
	}
}

// TestAPIDialerWithoutBalancer asks the control plane's own API server where nothing leads to those that are ready.
func TestAPIDialerWithoutBalancer(t *testing.T) {
	w := &ways{direct: map[string]bool{"cp1": true}}
	_, d := dialer(t, w)
	dialOnce(t, d)
	if diff := cmp.Diff([]string{"cp1 127.0.0.1:6443"}, w.takeDials()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAPIDialerReconnects(t *testing.T) {
	w := &ways{}
	e, d := dialer(t, w)
	w.cut("cp1")
	dialOnce(t, d)
	if diff := cmp.Diff([]string{"cp1 127.0.0.1:7443"}, w.takeDials()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if w.logins["cp1"] != 2 {
		t.Errorf("%d logins to cp1, want 2", w.logins["cp1"])
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if len(w.open) != 0 {
		t.Errorf("%d connections are left open", len(w.open))
	}
}

func TestAPIDialerDoesNotKnockAgainAndAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		later int // logins to cp1 in all, once time has passed
	}{
		{"unreachable", &sshhost.Error{Kind: sshhost.ErrUnreachable, Target: "host cp1", Message: "connection refused"}, 3},
		{"login refused", &sshhost.Error{Kind: sshhost.ErrAuth, Target: "host cp1", Message: "the server refused the key"}, 2},
		{"another host key", &sshhost.Error{Kind: sshhost.ErrHostKey, Target: "host cp1", Message: "the host key changed"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &ways{}
			_, d := dialer(t, w)
			w.cut("cp1")
			w.refuse["cp1"] = c.err
			w.down["cp2"], w.down["cp3"] = errors.New("refused"), errors.New("refused")
			for range 3 {
				if _, err := d.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "no control plane answers") || !errors.Is(err, c.err) {
					t.Fatalf("error %v", err)
				}
			}
			if w.logins["cp1"] != 2 {
				t.Errorf("%d logins to cp1 at once, want 2: the first one and one more", w.logins["cp1"])
			}
			w.now = w.now.Add(time.Minute)
			_, _ = d.Dial(t.Context())
			if w.logins["cp1"] != c.later {
				t.Errorf("%d logins to cp1 after a minute, want %d", w.logins["cp1"], c.later)
			}
			w.refuse = map[string]error{}
			w.now = w.now.Add(time.Minute)
			if _, err := d.Dial(t.Context()); (err == nil) != (c.later > 2) {
				t.Errorf("after it can be reached again: %v", err)
			}
		})
	}
}
