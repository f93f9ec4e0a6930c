package bootstrap

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const kubeletUnit = "kubelet.service"

// unitTimeout bounds the question for a unit of a host. For a host that does not answer it, its node's word is taken.
const unitTimeout = 10 * time.Second

// rememberStarts keeps what a look at the hosts told of their kubelets.
func (e *Engine) rememberStarts(seen map[string]*hostapi.Observation) {
	e.started = make(map[string]time.Time, len(seen))
	for name, o := range seen {
		e.started[name] = o.Started[kubeletUnit] // zero where no kubelet runs
	}
}

// forgetStarts forgets it of the hosts that a plan is about to change.
func (e *Engine) forgetStarts(p *plan.Plan) {
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			delete(e.started, s.Host)
		}
	}
}

// kubeletStarts tells when the kubelets of nodes began, each by its own host's clock. Hosts that were looked at and not touched since are not asked again.
func (e *Engine) kubeletStarts(ctx context.Context, nodes []string) map[string]time.Time {
	out := maps.Clone(e.started)
	if out == nil {
		out = map[string]time.Time{}
	}
	unknown := slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
		_, known := e.started[name]
		return known || e.hosts[name] == nil
	})
	for name, u := range e.unitsFound(ctx, kubeletUnit, unknown) {
		out[name] = u.Started
	}
	return out
}
