package preflight

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Config is what a run works with.
type Config struct {
	Cluster *topology.Cluster
	// Hosts are connected; Seen has what was observed of them.
	Hosts map[string]remote.Host
	Seen  map[string]*hostapi.Observation
	// Failed has the reasons of hosts that could not be connected or observed.
	Failed map[string]error
	// OnlyNew looks at hosts that are no part of a cluster yet, and at others only as far as those need them.
	OnlyNew bool
	// Parallel bounds how many hosts are asked at once.
	Parallel int
	Now      func() time.Time
	// Rand makes the token that this run's listeners answer with.
	Rand io.Reader
}

const (
	// attempt bounds a probe of one target, patience a request to a host.
	attempt  = 3 * time.Second
	patience = 20 * time.Second
)

// Look asks hosts and tries the ways between them. It changes nothing on them: for a moment they listen on the ports that their components will have. Hosts that fail
// become findings; the error is that of a cancelled ctx, or of the random source.
func Look(ctx context.Context, cfg Config) (Input, error) {
	start := cfg.Now()
	in := Input{Cluster: cfg.Cluster, OnlyNew: cfg.OnlyNew, Seen: cfg.Seen,
		Listening: map[string]Listening{}, Probes: map[string]*hostapi.ProbeResult{}, Failed: map[string]error{}}
	for name, err := range cfg.Failed {
		in.Failed[name] = err
	}
	raw := make([]byte, 16)
	if _, err := io.ReadFull(cfg.Rand, raw); err != nil {
		return Input{}, fmt.Errorf("token of the probes: %w", err)
	}
	r := &run{Config: cfg, in: &in, token: hex.EncodeToString(raw)}
	defer r.stop()
	r.each(ctx, r.listen)
	r.ways = in.waysTo()
	r.each(ctx, r.probe)
	if err := ctx.Err(); err != nil {
		return Input{}, context.Cause(ctx)
	}
	in.Elapsed = cfg.Now().Sub(start)
	return in, nil
}

type run struct {
	Config
	in    *Input
	token string
	ways  map[string][]way

	mu    sync.Mutex
	stops []io.Closer
}

// each does something for every host that was observed, some at a time. What fails is noted.
func (r *run) each(ctx context.Context, do func(context.Context, *topology.Host, remote.Host) error) {
	slots := semaphore.NewWeighted(int64(max(r.Parallel, 1)))
	var wg sync.WaitGroup
	for _, h := range r.Cluster.Hosts {
		conn := r.Hosts[h.Name]
		if conn == nil || r.Seen[h.Name] == nil {
			continue
		}
		wg.Go(func() {
			if slots.Acquire(ctx, 1) != nil {
				return
			}
			defer slots.Release(1)
			bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
			defer cancel()
			if err := do(bounded, h, conn); err != nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.in.Failed[h.Name] = err
			}
		})
	}
	wg.Wait()
}

// listen has a host listen, and reads its clock by the same request.
func (r *run) listen(ctx context.Context, h *topology.Host, conn remote.Host) error {
	if !r.in.concerns(h.Name) {
		return nil
	}
	req := &hostapi.ProbeListen{Token: r.token}
	for _, p := range r.in.bound(h) {
		req.Ports = append(req.Ports, hostapi.ProbePort{Network: p.network, Address: p.address(h)})
	}
	asked := r.Now()
	l, stop, err := conn.ProbeListen(ctx, req)
	if err != nil {
		return err
	}
	answered := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stops = append(r.stops, stop)
	r.in.Listening[h.Name] = Listening{l, asked, answered}
	return nil
}

// stop ends all listeners.
func (r *run) stop() {
	var wg sync.WaitGroup
	for _, s := range r.stops {
		wg.Go(func() { _ = s.Close() }) // a connection that is lost ends it as well
	}
	wg.Wait()
}

// probe has a host look at itself and try its ways.
func (r *run) probe(ctx context.Context, h *topology.Host, conn remote.Host) error {
	req := r.request(h)
	if req == nil {
		return nil
	}
	p, err := conn.Probe(ctx, req)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Probes[h.Name] = p
	return nil
}

// request is nil where there is nothing to ask.
func (r *run) request(h *topology.Host) *hostapi.ProbeRequest {
	req := &hostapi.ProbeRequest{Token: r.token, Timeout: attempt}
	for _, w := range r.ways[h.Name] {
		req.Targets = append(req.Targets, w.target)
	}
	if !r.in.concerns(h.Name) {
		if len(req.Targets) == 0 {
			return nil
		}
		return req
	}
	for _, u := range foreignUnits {
		req.Units = append(req.Units, u.name)
	}
	req.Units = append(req.Units, "firewalld.service", "ufw.service")
	req.Paths = []string{storePath, etcdPath, containerdPath, kubeletPath, statePath, unitPath}
	for _, f := range foreignFolders {
		req.Paths = append(req.Paths, f.path)
	}
	req.Paths = append(req.Paths, sortedKeys(r.in.programsOf(h))...)
	if h.IsNode() {
		req.Features = sortedKeys((&checker{Input: r.in}).features())
	}
	if h.Has(topology.RoleEtcd) && !r.in.member(h.Name) {
		req.SyncPath = etcdPath
	}
	return req
}
