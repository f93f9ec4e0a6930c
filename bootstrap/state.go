package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// compareTimeout bounds how long a plan waits for an API that does not answer.
const compareTimeout = 15 * time.Second

// state is what one look at the cluster gave, with what follows from it.
type state struct {
	seen      map[string]*hostapi.Observation
	documents *observe.Cluster
	target    *inventory.Inventory
	desired   *desired.Cluster
	objects   []plan.ObjectState // nil when the API could not be asked
	apiError  error
	entries   []artifact.Entry
}

// look observes every host. All must answer: a plan that leaves hosts out is not made yet.
func (e *Engine) look(ctx context.Context, contents bool) (map[string]*hostapi.Observation, *observe.Cluster, error) {
	if err := e.Unreachable(); err != nil {
		return nil, nil, err
	}
	req := hostapi.ObserveRequest{Contents: contents, Packages: e.packageNames(), Paths: []string{"/var/lib", "/opt"}}
	seen, failed := observe.Hosts(ctx, e.hosts, req, e.parallel())
	if len(failed) > 0 {
		var errs []error
		for _, h := range e.cluster.Hosts {
			errs = append(errs, failed[h.Name])
		}
		return nil, nil, errors.Join(errs...)
	}
	docs, err := observe.Documents(e.cluster, seen)
	return seen, docs, err
}

func (e *Engine) packageNames() []string {
	return release.Packages(e.cluster.Network.Plugin, e.cluster.Network.ProxyMode)
}

// state observes and compiles.
func (e *Engine) state(ctx context.Context, contents bool) (*state, error) {
	seen, docs, err := e.look(ctx, contents)
	if err != nil {
		return nil, err
	}
	if err := plan.Refuse(e.cluster, docs.Inventory); err != nil {
		return nil, err // before artifacts of another release are fetched
	}
	s := &state{seen: seen, documents: docs}
	facts := map[string]hostapi.Facts{}
	for n, o := range seen {
		facts[n] = o.Facts
	}
	if s.target, err = desired.Allot(docs.Inventory, e.cluster, facts); err != nil {
		return nil, err
	}
	// Compiled as it will be once etcd has formed: that is the state in which a second plan finds nothing to do.
	s.target.Initialised = true
	if s.entries, err = e.Artifacts.Resolve(ctx, desired.Wants(e.cluster, e.release, facts, true)); err != nil {
		return nil, err
	}
	s.desired, err = desired.Compile(desired.Input{Cluster: e.cluster, Release: e.release, Inventory: s.target, Facts: facts, Artifacts: s.entries})
	if err != nil {
		return nil, err
	}
	e.compareObjects(ctx, s)
	return s, nil
}

// compareObjects asks the API how its objects compare, when there is an API.
func (e *Engine) compareObjects(ctx context.Context, s *state) {
	if s.documents.Inventory == nil || !s.documents.Inventory.Initialised {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	api := e.API(e, nil)
	defer api.Close()
	s.objects, s.apiError = api.Compare(ctx, s.desired.Objects)
}

// routesNote is the table of routes that somebody else has to set up.
func (e *Engine) routesNote(s *state) string {
	var b strings.Builder
	b.WriteString("routes = \"external\": the routers between the hosts need these routes, and nothing here sets them:")
	for _, r := range desired.Routes(e.cluster, s.target) {
		fmt.Fprintf(&b, "\n  %s via %s", r.PodCIDR, r.Address)
	}
	return b.String()
}

// Plan observes the cluster and says what an apply would do. It changes nothing.
func (e *Engine) Plan(ctx context.Context) (*plan.Plan, error) {
	p, _, err := e.plan(ctx, true)
	return p, err
}

func (e *Engine) plan(ctx context.Context, contents bool) (*plan.Plan, *state, error) {
	s, err := e.state(ctx, contents)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]string{}
	for _, x := range s.entries {
		names[x.SHA256] = x.Name
		if x.Kind == artifact.Package && x.Reference != "" {
			names[x.SHA256] = x.Reference
		}
	}
	p, err := plan.Make(plan.Input{Cluster: e.cluster, Current: s.documents.Inventory, Target: s.target, Desired: s.desired,
		Seen: s.seen, Objects: s.objects, BlobNames: names, Now: e.Now()})
	if err != nil {
		return nil, nil, err
	}
	if s.apiError != nil {
		note := fmt.Sprintf("the API does not answer, so its objects could not be compared and all of them will be applied: %v", s.apiError)
		p.Notes = append(p.Notes, note)
		e.Events(event.Event{Time: e.Now(), Kind: event.Warning, Message: note})
	}
	if n := e.cluster.Network; n.Plugin == release.PluginBridge && n.Routes == "external" {
		p.Notes = append(p.Notes, e.routesNote(s))
	}
	slices.Sort(p.Notes)
	return p, s, nil
}
