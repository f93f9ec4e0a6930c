package plan

import (
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const balancerUnit = "trivet-haproxy.service"

// balancerFirst has a balancer that is reloaded in the same step as an API server ends take up its new settings before that: a HAProxy that begins takes every server to be up until
// its first check has failed (2.6: only from 3.1 on there is init-state), so that one that begins while the host's own API server starts sends everything there, and loses it.
func (m *maker) balancerFirst(h *topology.Host, actions []Action) []Action {
	restarts := func(unit string) bool {
		return slices.ContainsFunc(actions, func(a Action) bool {
			return a.Verb == Restart && a.ID == hostapi.ID{Kind: hostapi.KindUnit, Name: unit}
		})
	}
	balancer := m.wanted(h.Name, hostapi.ID{Kind: hostapi.KindUnit, Name: balancerUnit})
	if balancer == nil || !restarts(balancerUnit) || !restarts(apiServerUnit) && !restarts(desired.EtcdUnit) {
		return actions
	}
	first, rest := split(actions, func(a Action) bool { return a.ID == balancer.ID() || slices.Contains(balancer.Unit.Inputs, a.ID) })
	return slices.Concat(first, rest)
}
