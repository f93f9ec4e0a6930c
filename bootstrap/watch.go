package bootstrap

import (
	"context"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Watch looks at the cluster again and again, over connections that it keeps, and has show take each status, or why that look failed as a whole, which ends nothing: the next one is as
// long after it as ever. Hosts that were not there, or whose connections are lost, are connected to again while the others are looked at; those that refused the login or showed another
// key are not. It ends with ctx, which is no error, and with an error of show.
func (e *Engine) Watch(ctx context.Context, every time.Duration, show func(*Status, error) error) error {
	return e.watch(ctx, every, reconnectPause, show)
}

func (e *Engine) watch(ctx context.Context, every, pause time.Duration, show func(*Status, error) error) error {
	// A host that went silent holds up the others for one round.
	patience := min(observeTimeout, max(every, reconnectPause))
	attempts, cancel := context.WithCancel(ctx)
	r := &reconnection{engine: e, slots: make(chan struct{}, e.parallel()), rest: int(pause / every), tried: map[string]int{}, under: map[string]bool{}}
	defer func() {
		cancel()
		r.end()
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r.round(attempts)
		s, failed, err := e.glance(ctx, hostapi.ObserveRequest{}, patience)
		if ctx.Err() != nil {
			return nil
		}
		if err := show(s, err); err != nil {
			return err
		}
		e.forgetLost(failed)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// forgetLost ends the connections that turned out to be lost.
func (e *Engine) forgetLost(failed map[string]error) {
	for name, err := range failed {
		if conn := e.hosts[name]; conn != nil && remote.IsLost(err) {
			_ = conn.Close() // it is lost already
			delete(e.hosts, name)
			e.failed[name] = err
		}
	}
}

// reconnection connects to hosts that are away, beside what else is done. What came of it is taken over between two looks.
type reconnection struct {
	engine *Engine
	slots  chan struct{}
	rest   int            // rounds between two attempts at a host: sshd penalises those who knock too often
	rounds int            // so far
	tried  map[string]int // round of the last attempt, by host
	under  map[string]bool
	wg     sync.WaitGroup

	mu  sync.Mutex
	got []connected
}

// connected is how an attempt ended.
type connected struct {
	host string
	conn remote.Host
	err  error
}

// round takes over what attempts gave, and begins others.
func (r *reconnection) round(ctx context.Context) {
	e := r.engine
	r.rounds++
	for _, c := range r.take() {
		delete(r.under, c.host)
		if c.err != nil {
			e.failed[c.host] = c.err
			continue
		}
		e.hosts[c.host] = c.conn
		delete(e.failed, c.host)
	}
	for _, h := range e.cluster.Hosts {
		last, again := r.tried[h.Name]
		if e.hosts[h.Name] != nil || r.under[h.Name] || refused(e.failed[h.Name]) || again && r.rounds-last <= r.rest {
			continue
		}
		r.tried[h.Name], r.under[h.Name] = r.rounds, true
		r.wg.Go(func() { r.try(ctx, h) })
	}
}

func (r *reconnection) try(ctx context.Context, h *topology.Host) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-r.slots }()
	conn, err := r.engine.Options.Connect(ctx, h)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, connected{h.Name, conn, err})
}

func (r *reconnection) take() []connected {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// end waits for attempts, and closes connections that nobody took over.
func (r *reconnection) end() {
	r.wg.Wait()
	for _, c := range r.take() {
		if c.err == nil {
			_ = c.conn.Close() // nothing was done over it
		}
	}
}
