// Package doortest has providers work on a fleet in memory, for the tests of every door.
package doortest

import (
	"context"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Hosts are the machines of a fleet in memory.
type Hosts struct {
	*fleettest.Fleet
	Wrap  func(remote.Host) remote.Host // has the last word on connections; may be nil
	Later time.Duration                 // how far the operator's clock is on
}

// Adapt has an engine work on them.
func (h *Hosts) Adapt(o *bootstrap.Options) {
	o.Connect, o.Artifacts, o.GateTimeout, o.Now = h.connect, h.Fleet, time.Minute, func() time.Time { return fleettest.Now.Add(h.Later) }
	o.API = func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return h.API(id) }
}

// connect finds a host by its name, or by its address where only that is known.
func (h *Hosts) connect(ctx context.Context, host *topology.Host) (remote.Host, error) {
	if h.Machines[host.Name] == nil {
		for _, known := range h.Cluster.Hosts {
			if known.Address == host.Address {
				host = known
			}
		}
	}
	conn, err := h.Connect(ctx, host)
	if err != nil || h.Wrap == nil {
		return conn, err
	}
	return h.Wrap(conn), nil
}
