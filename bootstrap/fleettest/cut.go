package fleettest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Cut says at which point a run is killed: the N-th that it passes, counted from 1, or the first of a name on a host.
type Cut struct {
	N           int
	Host, Point string
}

// errCut is the panic of a helper that is killed.
var errCut = errors.New("cut off")

// errDead is what a killed run still gets to see.
var errDead = errors.New("the run was killed")

// session is one life of the operator's process.
type session struct {
	conns  []remote.Host
	points int
	where  string // it was killed
	dead   chan struct{}
	once   sync.Once
	calls  map[string]context.Context // by host
}

func newSession() *session {
	return &session{dead: make(chan struct{}), calls: map[string]context.Context{}}
}

func (s *session) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// Begin begins the life of an operator's process. It returns a function that ends it, which says how many points it passed and where it was killed, if it was.
func (f *Fleet) Begin() (end func() (points int, killedAt string)) {
	s := newSession()
	f.mu.Lock()
	f.session = s
	f.mu.Unlock()
	return func() (int, string) {
		for _, c := range s.conns {
			_ = c.Close() // waits for the helper
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return s.points, s.where
	}
}

// point counts a point of interest and says whether the run is killed at it. Where OnPoint has the host vanish, the helper goes on only once it has noticed: how far it would
// come before that is a matter of luck.
func (f *Fleet) point(host, name string) bool {
	cut, gone := f.passed(host, name)
	if gone != nil {
		<-gone.Done()
	}
	return cut
}

// passed also gives the call that lost its connection at the point.
func (f *Fleet) passed(host, name string) (cut bool, gone context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.session
	if s.isDead() {
		return false, nil
	}
	s.points++
	if f.OnPoint != nil {
		before := f.Unreachable[host]
		if f.OnPoint(host, name); f.Unreachable[host] && !before {
			gone = s.calls[host]
		}
	}
	byName := f.Cut.Point != "" && f.Cut.Host == host && f.Cut.Point == name
	if s.points != f.Cut.N && !byName {
		return false, gone
	}
	s.where = fmt.Sprintf("%s: %s", host, name)
	s.once.Do(func() { close(s.dead) })
	for _, c := range s.conns {
		go c.Close()
	}
	return true, nil
}

// call notes the request that a host works on.
func (f *Fleet) call(host string, ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.session.calls[host] = ctx
}

// handler is the helper on a host, which dies where the run is killed, and reaches other hosts over the loopback interface.
type handler struct {
	hostapi.Handler
	fleet   *Fleet
	host    string
	session *session
}

// Handler is the helper on a host, for those who reach it by a way of their own.
func (f *Fleet) Handler(host string) hostapi.Handler {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &handler{Handler: f.Machines[host].Host(), fleet: f, host: host, session: f.session}
}

// dies ends a call as a killed helper does: no answer, and the connection is gone.
func (h *handler) dies(ctx context.Context, err *error) {
	switch v := recover(); v {
	case nil:
	case errCut:
		<-ctx.Done()
		*err = ctx.Err()
	default:
		panic(v)
	}
}

func (h *handler) point(name string) {
	if h.fleet.point(h.host, name) {
		panic(errCut)
	}
}

func (h *handler) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) (err error) {
	defer h.dies(ctx, &err)
	h.fleet.call(h.host, ctx)
	h.point("step")
	err = h.Handler.Step(ctx, step, emit)
	h.point("stepped")
	return err
}

func (h *handler) RaiseEpoch(ctx context.Context, req *hostapi.RaiseEpoch) (err error) {
	defer h.dies(ctx, &err)
	h.point("raise epoch")
	err = h.Handler.RaiseEpoch(ctx, req)
	h.point("raised epoch")
	return err
}

func (h *handler) Hold(ctx context.Context, req *hostapi.Hold, held func()) (err error) {
	defer h.dies(ctx, &err)
	h.point("hold")
	return h.Handler.Hold(ctx, req, held)
}

func (h *handler) Receive(ctx context.Context, req *hostapi.Receive) (err error) {
	defer h.dies(ctx, &err)
	h.fleet.call(h.host, ctx)
	h.point("receive")
	if h.fleet.point(h.host, "receiving") {
		if err := h.partial(); err != nil {
			return err
		}
		panic(errCut)
	}
	err = h.Handler.Receive(ctx, req)
	h.point("received")
	return err
}

// partial leaves what a transfer leaves that ends in the middle.
func (h *handler) partial() error {
	store := h.fleet.Machines[h.host].Path("/opt/trivet/store/sha256")
	if err := os.MkdirAll(store, 0o755); err != nil {
		return err
	}
	return os.WriteFile(store+"/.incoming-cut", []byte("half"), 0o600)
}

func (h *handler) Serve(ctx context.Context, req *hostapi.Serve, ready func(int)) (err error) {
	defer h.dies(ctx, &err)
	h.point("serve")
	r := *req
	r.Address = "127.0.0.1"
	return h.Handler.Serve(ctx, &r, ready)
}

func (h *handler) Fetch(ctx context.Context, req *hostapi.Fetch, emit func(hostapi.Event)) (err error) {
	defer h.dies(ctx, &err)
	h.point("fetch")
	if h.fleet.Blocked[req.ServerName] {
		return fmt.Errorf("connect to %s: connection timed out", req.ServerName)
	}
	r := *req
	if r.From, err = onLoopback(req.From); err != nil {
		return err
	}
	err = h.Handler.Fetch(ctx, &r, emit)
	h.point("fetched")
	return err
}
