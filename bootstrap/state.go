package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

const (
	// compareTimeout bounds how long a plan waits for an API that does not answer.
	compareTimeout = 15 * time.Second
	// compareEach is the time for each manifest besides: every one takes a dry run.
	compareEach = 50 * time.Millisecond
	// lookTimeout bounds how long it waits for a host that is connected and went silent, as with a frozen disk or containerd.
	lookTimeout = time.Minute
)

// state is what one look at the cluster gave, with what follows from it.
type state struct {
	sight
	target   *inventory.Inventory
	desired  *desired.Cluster
	compared []desired.Object   // what the API was asked about
	objects  []plan.ObjectState // nil when the API could not be asked
	orphans  []desired.Object   // Trivet's own objects that are not desired any more
	apiError error
	// manifests is nil when the API could not be asked, for manifestsError.
	manifests      *plan.Manifests
	manifestsError error
	members        *plan.Members // nil when etcd could not be asked, for membersError
	nodes          map[string]kube.NodeInfo
	// asked is true once etcd and the API were asked about members and nodes.
	asked        bool
	turned       bool // replacements of authorities and keys were looked at
	turns        []plan.Turn
	membersError error
	entries      []artifact.Entry
	known        map[string]artifact.Want // by digest, of entries that are pinned and recorded: nobody has looked for the files
}

// sight is what one look at the hosts gave.
type sight struct {
	seen      map[string]*hostapi.Observation
	away      map[string]error // why a host could not be connected or observed
	absent    map[string]error // why a surge host does not come: it is no part of the cluster then
	documents *observe.Cluster
}

// observe reads hosts. One that goes silent is among those that failed.
func (e *Engine) observe(ctx context.Context, hosts map[string]remote.Host, req hostapi.ObserveRequest) (seen map[string]*hostapi.Observation, failed map[string]error) {
	return observe.Hosts(ctx, patientHosts(hosts, e.patience), req, e.parallel())
}

// look observes the hosts that are connected.
func (e *Engine) look(ctx context.Context, contents bool) (*sight, error) {
	req := hostapi.ObserveRequest{Contents: contents, Packages: e.packageNames(), Paths: []string{"/var/lib", "/opt"}}
	s := &sight{}
	s.seen, s.away = e.observe(ctx, e.connected(e.declared.Hosts), req)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // whoever did not answer was not given the time
	}
	if err := e.documents(s); err != nil {
		return nil, err
	}
	if err := e.lookAtMembers(ctx, s, req); err != nil {
		return nil, err
	}
	if err := e.lookAtDeparting(ctx, s, req); err != nil {
		return nil, err
	}
	e.rememberStarts(s.seen)
	e.rememberRoles(s.seen)
	for _, h := range e.everyone() {
		if e.hosts[h.Name] == nil {
			s.away[h.Name] = e.away(h.Name)
		}
	}
	return s, nil
}

func (e *Engine) documents(s *sight) (err error) {
	s.documents, err = observe.Documents(e.cluster, s.seen)
	return err
}

// awayErrors are the hosts that did not answer, in the topology's order, as one error; nil when all did.
func (e *Engine) awayErrors(s *sight) error {
	var errs []error
	for _, h := range e.cluster.Hosts {
		errs = append(errs, s.away[h.Name])
	}
	return errors.Join(errs...)
}

// strangers fails where a host key was refused: such a host is not away, and somebody may be listening in. The hosts that do not answer for other reasons are told, too.
func (e *Engine) strangers(s *sight) error {
	for _, err := range s.away {
		if errors.Is(err, sshhost.ErrHostKey) {
			return fmt.Errorf("a host key is not the one that is known, so nothing was done:\n%w", e.awayErrors(s))
		}
	}
	return nil
}

// reasons are the hosts that did not answer as a plan has them.
func reasons(away map[string]error) map[string]string {
	out := make(map[string]string, len(away))
	for name, err := range away {
		out[name] = err.Error()
	}
	return out
}

func (e *Engine) packageNames() []string {
	return release.Packages(e.cluster.Network.Plugin, e.cluster.Network.ProxyMode)
}

// state observes, and says what the inventory is to be.
func (e *Engine) state(ctx context.Context, contents bool) (*state, error) {
	sight, err := e.look(ctx, contents)
	if err != nil {
		return nil, err
	}
	if err := e.strangers(sight); err != nil {
		return nil, err
	}
	// What can be refused by the look alone is, before artifacts are fetched.
	if err := plan.Refuse(e.cluster, sight.documents.Inventory); err != nil {
		return nil, err
	}
	if err := plan.RefuseAway(e.cluster, sight.documents.Inventory, sight.seen, reasons(sight.away)); err != nil {
		return nil, err
	}
	s := &state{sight: *sight}
	return s, s.allot(e.cluster)
}

// allot brings the inventory up to the topology, as far as hosts were seen.
func (s *state) allot(c *topology.Cluster) error {
	target, err := desired.Allot(s.documents.Inventory, c, s.facts())
	if err != nil {
		return err
	}
	// Compiled as it will be once etcd has formed: that is the state in which a second plan finds nothing to do.
	target.Initialised = true
	if s.target != nil {
		target.Etcd = s.target.Etcd // as it was measured
	}
	s.target = target
	return nil
}

func (s *sight) facts() map[string]hostapi.Facts {
	out := make(map[string]hostapi.Facts, len(s.seen))
	for n, o := range s.seen {
		out[n] = o.Facts
	}
	return out
}

// compile works out what is desired. The wants in must are asked of the artifacts, whatever records say.
func (e *Engine) compile(ctx context.Context, s *state, must map[artifact.Want]bool) error {
	facts := s.facts()
	if err := e.resolve(ctx, s, desired.Wants(e.cluster, e.release, facts, true), must); err != nil {
		return err
	}
	var err error
	s.desired, err = desired.Compile(desired.Input{Cluster: e.cluster, Release: e.release, Inventory: s.target, Facts: facts, Artifacts: s.entries})
	if err != nil {
		return err
	}
	e.askCluster(ctx, s)
	return nil
}

// askCluster asks etcd and the API, once there are any, about members, nodes, objects and manifests, at the same time.
func (e *Engine) askCluster(ctx context.Context, s *state) {
	if s.documents.Inventory == nil || !s.documents.Inventory.Initialised {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { e.compareObjects(ctx, s) })
	if !s.asked {
		s.asked = true
		api := e.API(e, nil)
		defer api.Close()
		patient, end := context.WithTimeout(ctx, compareTimeout+time.Duration(len(s.desired.Manifests))*compareEach)
		defer end()
		wg.Go(func() { s.manifests, s.manifestsError = api.CompareManifests(patient, s.desired.Manifests) })
		ctx, cancel := context.WithTimeout(ctx, compareTimeout)
		defer cancel()
		wg.Go(func() { s.members, s.membersError = membersOf(api.Membership(ctx)) })
		wg.Go(func() { s.nodes, _ = api.Nodes(ctx) }) // the comparison of objects tells why not
	}
	wg.Wait()
}

// compareObjects asks the API how its objects compare, when there is an API and it was not asked about the same ones.
func (e *Engine) compareObjects(ctx context.Context, s *state) {
	same := func(a, b desired.Object) bool { return bytes.Equal(a.Manifest, b.Manifest) }
	if s.compared != nil && slices.EqualFunc(s.compared, s.desired.Objects, same) {
		return
	}
	s.compared = s.desired.Objects
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	api := e.API(e, nil)
	defer api.Close()
	if s.objects, s.apiError = api.Compare(ctx, s.desired.Objects); s.apiError == nil {
		s.orphans, s.apiError = api.Orphans(ctx, s.desired.Objects)
	}
	if s.apiError != nil {
		s.objects, s.orphans = nil, nil
	}
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
	s, err := e.state(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := e.identityNeeded(s); err != nil {
		e.warn("%v", err) // a plan can do without, and getting artifacts may take long
	}
	if err := e.lookAtNew(ctx, &s.sight); err != nil {
		return nil, err
	}
	s.time(measured(e.checkNew(nil)))
	p, r, err := e.fit(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(r.Hosts) > 0 {
		p.Preflight = &r
	}
	return p, nil
}

// identityNeeded fails where it is certain, before anything was compiled, that an apply needs the age identity and has none: a bring-up that was interrupted after it had sealed
// the cluster's identity goes on with that one.
func (e *Engine) identityNeeded(s *state) error {
	if inv := s.documents.Inventory; len(s.documents.Sealed) == 0 || (inv != nil && inv.Initialised) {
		return nil
	}
	if e.Identities == nil {
		return fmt.Errorf("applying this plan issues certificates or writes secrets: %w", errNoIdentity)
	}
	_, err := e.Identities()
	return err
}

// plan compiles and plans. What turns out to have to be sent from here, and was known from records alone, is got before the plan is given.
func (e *Engine) plan(ctx context.Context, s *state) (*plan.Plan, error) {
	must := map[artifact.Want]bool{}
	for {
		if err := e.compile(ctx, s, must); err != nil {
			return nil, err
		}
		in := plan.Input{Cluster: e.cluster, Current: s.documents.Inventory, Target: s.target, Desired: s.desired, Departing: e.departed(s.documents.Inventory), Formers: e.formersOf(&s.sight),
			Seen: s.seen, Away: reasons(s.away), Absent: reasons(s.absent), Members: s.members, Objects: s.objects, Orphans: s.orphans, Manifests: s.manifests, Nodes: s.nodes, BlobNames: s.blobNames(), Etcd: e.release.Etcd, Renew: e.Renew, Turns: s.turns, Now: e.Now()}
		if s.membersError != nil {
			in.MembersError = s.membersError.Error()
		}
		p, err := plan.Make(in)
		if err != nil {
			return nil, err
		}
		send := s.toSend(p)
		if len(send) == 0 {
			again, err := e.turn(s, p)
			if err != nil {
				return nil, err
			}
			if again {
				continue
			}
			e.note(s, p)
			return p, nil
		}
		for _, w := range send {
			must[w] = true
		}
	}
}

// blobNames names artifacts for the reader.
func (s *state) blobNames() map[string]string {
	names := map[string]string{}
	for _, x := range s.entries {
		names[x.SHA256] = x.Name
		if x.Kind == artifact.Package && x.Reference != "" {
			names[x.SHA256] = x.Reference
		}
	}
	return names
}

// note adds what the reader of a plan should know.
func (e *Engine) note(s *state, p *plan.Plan) {
	if s.apiError != nil {
		note := fmt.Sprintf("the objects of the API could not be compared, so all of them will be applied: %v", s.apiError)
		p.Notes = append(p.Notes, note)
		e.warn("%s", note)
	}
	if s.manifestsError != nil && len(s.desired.Manifests) > 0 {
		note := fmt.Sprintf("the manifests could not be compared, so all of them will be applied, and what is in none any more is deleted by the next apply: %v", s.manifestsError)
		p.Notes = append(p.Notes, note)
		e.warn("%s", note)
	}
	if note := e.recipientsNote(s.documents.Inventory); note != "" {
		p.Notes = append(p.Notes, note)
	}
	if n := e.cluster.Network; n.Plugin == release.PluginBridge && n.Routes == "external" {
		p.Notes = append(p.Notes, e.routesNote(s))
	}
	slices.Sort(p.Notes)
}
