package bootstrap

import (
	"context"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Within sets the patience for hosts that went silent.
func (e *Engine) Within(patience time.Duration) *Engine {
	e.patience = patience
	return e
}

// StatusWithin is Status with another patience for hosts that went silent.
func (e *Engine) StatusWithin(ctx context.Context, patience time.Duration) (*Status, error) {
	return e.status(ctx, hostapi.ObserveRequest{}, patience)
}

// WatchWithoutPause is Watch that tries hosts that are away in every round.
func (e *Engine) WatchWithoutPause(ctx context.Context, every time.Duration, show func(*Status, error) error) error {
	return e.watch(ctx, every, 0, show)
}

// KubeletStarts tells when kubelets began, as the gate "Nodes Ready" gets to know it.
func (e *Engine) KubeletStarts(ctx context.Context, nodes []string) map[string]time.Time {
	return e.kubeletStarts(ctx, nodes)
}

// NodesReady waits at the gate of that name, on the hosts of an engine.
func NodesReady(ctx context.Context, e *Engine, nodes []string, report func(string)) error {
	c := &liveCluster{engine: e}
	defer c.Close()
	return c.NodesReady(ctx, nodes, report)
}

// Hold takes the run lock, until the function that it gives is called.
func (e *Engine) Hold(ctx context.Context) (release func(), err error) {
	l, err := e.lock(ctx, "apply")
	if err != nil {
		return nil, err
	}
	return l.release, nil
}

// LostLock is the end of a run that lost the lock on a host.
func LostLock(host string, why error) error { return &lostError{host, why} }

// Asked lists the hosts that are asked as members of etcd, or as API servers.
func (e *Engine) Asked(r topology.Role) (names []string) {
	for _, h := range e.connectedFirst(r) {
		names = append(names, h.Name)
	}
	return names
}
