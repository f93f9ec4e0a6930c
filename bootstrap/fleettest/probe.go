package fleettest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// diskSize is the size of every disk of a fleet, of which half is free.
const diskSize = 200 << 30

// Probe is the helper's, with disks of one size, and a network that follows from who listens and from the fleet's Way.
func (h *handler) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	local := *req
	local.Targets = nil
	r, err := h.Handler.Probe(ctx, &local)
	if err != nil {
		return nil, err
	}
	for p, f := range r.Paths {
		f.Free, f.Total, f.FreeInodes = diskSize/2, diskSize, -1
		r.Paths[p] = f
	}
	for _, t := range req.Targets {
		r.Reached = append(r.Reached, h.fleet.reach(h.host, t, req.Token))
	}
	return r, nil
}

func (f *Fleet) reach(from string, t hostapi.ProbeTarget, token string) hostapi.Reached {
	to := f.at(t.Address.Addr())
	if to == "" {
		return hostapi.Reached{State: hostapi.ReachUnreachable, Error: fmt.Sprintf("no host has the address %s", t.Address.Addr())}
	}
	if f.Unreachable[to] {
		return hostapi.Reached{State: hostapi.ReachTimeout, Error: "i/o timeout"}
	}
	f.mu.Lock()
	listener, listens := f.probed[hostapi.ProbePort{Network: t.Network, Address: t.Address}]
	f.mu.Unlock()
	switch {
	case t.Echo && !listens:
		return hostapi.Reached{State: hostapi.ReachRefused, Error: "connection refused"}
	case t.Echo && listener != token:
		return hostapi.Reached{State: hostapi.ReachForeign, Error: "another token"}
	case f.Way != nil:
		return f.Way(from, to, t)
	}
	return hostapi.Reached{State: hostapi.ReachOK, RTT: time.Millisecond, Worst: time.Millisecond, PacketSize: t.PacketSize}
}

// at names the host of an address.
func (f *Fleet) at(a netip.Addr) string {
	for _, h := range f.everyHost() {
		if h.Address == a {
			return h.Name
		}
	}
	return ""
}

// ProbeListen notes who listens. A host listens on addresses of its own only, and on a port once.
func (h *handler) ProbeListen(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error {
	f := h.fleet
	answer := hostapi.ProbeListening{Time: f.Machines[h.host].Clock()}
	var mine []hostapi.ProbePort
	f.mu.Lock()
	if f.probed == nil {
		f.probed = map[hostapi.ProbePort]string{}
	}
	for _, p := range req.Ports {
		_, taken := f.probed[p]
		switch {
		case f.at(p.Address.Addr()) != h.host:
			answer.Ports = append(answer.Ports, hostapi.ProbePortState{Error: "bind: cannot assign requested address"})
		case taken:
			answer.Ports = append(answer.Ports, hostapi.ProbePortState{Taken: true})
		default:
			f.probed[p] = req.Token
			mine = append(mine, p)
			answer.Ports = append(answer.Ports, hostapi.ProbePortState{Listening: true})
		}
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, p := range mine {
			delete(f.probed, p)
		}
	}()
	listening(answer)
	<-ctx.Done()
	return nil
}
