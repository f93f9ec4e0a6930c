package bootstrap

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const kubeletUnit = "kubelet.service"

// startsTimeout bounds the question when kubelets began. A host that does not answer it is taken at its node's word.
const startsTimeout = 10 * time.Second

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
	ctx, cancel := context.WithTimeout(ctx, startsTimeout)
	defer cancel()
	out := maps.Clone(e.started)
	if out == nil {
		out = map[string]time.Time{}
	}
	unknown := slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
		_, known := e.started[name]
		return known || e.hosts[name] == nil
	})
	var mu sync.Mutex
	each(ctx, e.parallel(), unknown, func(name string) {
		r, err := e.hosts[name].Probe(ctx, &hostapi.ProbeRequest{Units: []string{kubeletUnit}})
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		out[name] = r.Units[kubeletUnit].Started
	})
	return out
}
