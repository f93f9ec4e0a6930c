package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// seedTries bounds how many hosts of a site are asked for artifacts that do not answer.
const seedTries = 3

// Join brings workers into the cluster that its topology does not name, or brings those that are in it up to date, all in one run. It contacts the control planes, the workers, and for
// each site of theirs that has no control plane one more host, which hands out artifacts. The engine need be connected to control planes alone; what it knows of the cluster is what the
// last apply recorded, from then on.
//
// The errors are those of the workers that did not come, by name; the last one says why none could.
func (e *Engine) Join(ctx context.Context, workers []Worker, o ElasticOptions) (map[string]error, error) {
	r, err := e.elastic(ctx, "join of "+workerNames(workers), o)
	if err != nil {
		return nil, err
	}
	defer r.lock.release()
	ctx, cancel := r.lock.context(ctx)
	defer cancel(nil)
	return r.failed, r.join(ctx, workers)
}

func workerNames(workers []Worker) string {
	var names []string
	for _, w := range workers {
		names = append(names, w.Name)
	}
	slices.Sort(names)
	return desired.Few(names)
}

func (r *elastic) join(ctx context.Context, workers []Worker) error {
	if n := r.cluster.Network; n.Plugin == release.PluginBridge && n.Routes != "external" {
		return fmt.Errorf("cluster %q has static routes, which every node would need to each new one (network plugin \"bridge\"): name the worker in the topology, or use flannel or routes = \"external\"", r.cluster.Name)
	}
	records := r.accept(workers)
	if err := r.as(withRecords(r.current, records)); err != nil {
		return err
	}
	if err := r.meetWorkers(ctx, workers, records); err != nil {
		return err
	}
	if err := r.preflight(ctx, records); err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(h inventory.Host) bool { return r.failed[h.Name] != nil })
	if len(records) == 0 {
		return nil
	}
	remembered := withRecords(r.current, records)
	if err := r.as(remembered); err != nil {
		return err
	}
	if err := r.lookAtFormers(ctx, r.sight, hostapi.ObserveRequest{}); err != nil {
		return err
	}
	if err := r.meetSeeds(ctx, records); err != nil {
		return err
	}
	s, p, err := r.planJoin(ctx, remembered, records)
	if err != nil {
		return err
	}
	return r.run(ctx, s, p)
}

// accept checks the workers against what the cluster has, and gives those that may come as it will remember them.
func (r *elastic) accept(workers []Worker) []inventory.Host {
	var out []inventory.Host
	for i := range workers {
		w := &workers[i]
		site, err := r.siteOf(w)
		if err == nil {
			err = r.clash(w, out)
		}
		if err != nil {
			r.failed[w.Name] = err
			continue
		}
		out = append(out, w.record(site, r.current.Host(w.Name)))
	}
	return out
}

func (r *elastic) siteOf(w *Worker) (*topology.Site, error) {
	var names []string
	for _, s := range r.cluster.Sites {
		if s.Name != w.Site && (w.Site != "" || len(r.cluster.Sites) > 1) {
			names = append(names, s.Name)
			continue
		}
		for _, room := range s.Rooms {
			for _, k := range room.Racks {
				if room.Name == w.Room && k.Name == w.Rack && k.CIDR.IsValid() && !k.CIDR.Contains(w.Address) {
					return nil, fmt.Errorf("worker %s: its address %s is not in %s, the range of rack %s in room %s of site %s: correct one of the two", w.Name, w.Address, k.CIDR, k.Name, room.Name, s.Name)
				}
			}
		}
		return s, nil
	}
	if w.Site == "" {
		return nil, fmt.Errorf("worker %s: say in which site it stands: cluster %q has %s", w.Name, r.cluster.Name, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("worker %s: cluster %q has no site %q, it has %s", w.Name, r.cluster.Name, w.Site, strings.Join(names, ", "))
}

// clash refuses what another host of the cluster has, or of those that come with it.
func (r *elastic) clash(w *Worker, coming []inventory.Host) error {
	if had := r.current.Host(w.Name); had != nil && had.Elastic == nil {
		return fmt.Errorf("worker %s: cluster %q has a host of this name by its topology: take it out there, and apply, or choose another name", w.Name, r.cluster.Name)
	}
	for _, h := range slices.Concat(r.current.Hosts, coming) {
		if h.Name != w.Name && h.Address == w.Address {
			return fmt.Errorf("worker %s: its address %s is that of host %s of cluster %q", w.Name, w.Address, h.Name, r.cluster.Name)
		}
	}
	if r.cluster.PodCIDR.Contains(w.Address) || r.cluster.ServiceCIDR.Contains(w.Address) {
		return fmt.Errorf("worker %s: its address %s is in the range of the cluster's pods (%s) or Services (%s)", w.Name, w.Address, r.cluster.PodCIDR, r.cluster.ServiceCIDR)
	}
	return nil
}

// meetWorkers connects to the workers, and refuses machines that are something else already. Earlier runs are fenced off on those that have a record.
func (r *elastic) meetWorkers(ctx context.Context, workers []Worker, records []inventory.Host) error {
	hosts := r.hostsOf(records)
	r.meet(ctx, hosts)
	seen, silent := r.observe(ctx, r.connected(hosts), hostapi.ObserveRequest{Contents: true, Packages: r.packageNames(), Paths: []string{"/var/lib", "/opt"}})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var fence []string
	for _, h := range hosts {
		o := seen[h.Name]
		err := cmp.Or(silent[h.Name], r.Engine.failed[h.Name])
		if o != nil {
			fresh := slices.ContainsFunc(workers, func(w Worker) bool { return w.Name == h.Name && w.New })
			err = cmp.Or(r.taken(h, o, fresh), r.fitting(h, o, seen))
		}
		if err != nil {
			r.failed[h.Name] = err
			continue
		}
		r.sight.seen[h.Name] = o
		if o.Record != nil {
			fence = append(fence, h.Name)
		}
	}
	return r.lock.raiseAll(ctx, fence, r.current, seen)
}

func (e *Engine) hostsOf(records []inventory.Host) []*topology.Host {
	return slices.DeleteFunc(slices.Clone(e.cluster.Hosts), func(h *topology.Host) bool {
		return !slices.ContainsFunc(records, func(x inventory.Host) bool { return x.Name == h.Name })
	})
}

// taken refuses a new worker whose name the cluster has for another machine.
func (r *elastic) taken(h *topology.Host, o *hostapi.Observation, fresh bool) error {
	if was := r.current.Host(h.Name); fresh && was != nil && was.MachineID != "" && was.MachineID != o.Facts.MachineID {
		return fmt.Errorf("worker %s: cluster %q has a worker of this name already, another machine, at %s: import that one, have it leave first (`trivet worker leave %s`), or choose another name", h.Name, r.cluster.Name, was.Address, h.Name)
	}
	return nil
}

// fitting refuses a machine that belongs to another cluster, or that the cluster has under another name.
func (r *elastic) fitting(h *topology.Host, o *hostapi.Observation, seen map[string]*hostapi.Observation) error {
	if rec := o.Record; rec != nil && rec.ClusterID != "" && rec.ClusterID != r.current.ClusterID {
		return &ForeignError{Host: h.Name, Cluster: rec.Cluster, ID: rec.ClusterID, Mine: r.cluster.Name}
	}
	if rec := o.Record; rec != nil && rec.Host != "" && rec.Host != h.Name {
		return fmt.Errorf("worker %s: the machine at %s is in the cluster as host %s", h.Name, h.Address, rec.Host)
	}
	for _, x := range r.current.Hosts {
		if x.Name != h.Name && x.MachineID != "" && x.MachineID == o.Facts.MachineID {
			return fmt.Errorf("worker %s: the machine at %s has the machine id %s of host %s of the cluster: they are one machine, or clones; give clones their own with `rm /etc/machine-id && systemd-machine-id-setup`", h.Name, h.Address, x.MachineID, x.Name)
		}
	}
	for name, x := range seen {
		if name < h.Name && x.Facts.MachineID != "" && x.Facts.MachineID == o.Facts.MachineID {
			return fmt.Errorf("workers %s and %s have the same machine id %s: they are one machine, or clones; give clones their own with `rm /etc/machine-id && systemd-machine-id-setup`", name, h.Name, x.Facts.MachineID)
		}
	}
	if len(r.cluster.DNS.Upstream) == 0 {
		for _, c := range r.cluster.HostsWith(topology.RoleControlPlane) {
			if other := r.sight.seen[c.Name]; other != nil && (len(other.Facts.Nameservers) == 0) != (len(o.Facts.Nameservers) == 0) {
				return fmt.Errorf("worker %s: of it and host %s one has a resolver (/etc/resolv.conf) and the other has none, and CoreDNS could run on either: set upstream in the cluster's dns, or give both a resolver", h.Name, c.Name)
			}
		}
	}
	return nil
}

// preflight looks closer at workers that are new.
func (r *elastic) preflight(ctx context.Context, records []inventory.Host) error {
	c := *r.cluster
	c.Hosts = slices.DeleteFunc(slices.Clone(c.Hosts), func(h *topology.Host) bool { return r.sight.seen[h.Name] == nil })
	in, err := preflight.Look(ctx, preflight.Config{Cluster: &c, Hosts: r.hosts, Seen: r.sight.seen, OnlyNew: true, Parallel: r.parallel(), Now: r.Now, Rand: r.Rand})
	if err != nil {
		return err
	}
	found := preflight.Check(in).Skip(r.SkipPreflight)
	problems := map[string][]string{}
	for _, f := range found.Errors() {
		blamed := false
		for _, rec := range records {
			if rec.Name == f.Host || rec.Name == f.Peer {
				problems[rec.Name], blamed = append(problems[rec.Name], f.String()), true
			}
		}
		if !blamed {
			return found.Err()
		}
	}
	for name, texts := range problems {
		r.failed[name] = fmt.Errorf("worker %s: it is not fit for the cluster: %s", name, strings.Join(texts, "; "))
		delete(r.sight.seen, name)
	}
	return nil
}

// meetSeeds looks, in each site of the workers where no control plane was seen, for another host that can hand out artifacts. Where none answers they come from here.
func (r *elastic) meetSeeds(ctx context.Context, records []inventory.Host) error {
	done := map[string]bool{}
	for name := range r.sight.seen {
		if h := r.current.Host(name); h != nil && h.MachineID != "" && (h.Elastic == nil || r.sight.seen[name].Record.Made(hostapi.ID{Kind: hostapi.KindUnit, Name: kubeletUnit})) {
			done[h.Site] = true
		}
	}
	coming := r.hostsOf(records)
	for _, rec := range records {
		if done[rec.Site] {
			continue
		}
		done[rec.Site] = true
		tries := 0
		for _, h := range r.cluster.HostsWith(topology.RoleWorker) {
			if h.Site().Name != rec.Site || named(coming, h.Name) || r.current.Host(h.Name) == nil || tries == seedTries {
				continue
			}
			tries++
			r.meet(ctx, []*topology.Host{h})
			seen, _ := r.observe(ctx, r.connected([]*topology.Host{h}), hostapi.ObserveRequest{})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if o := seen[h.Name]; o != nil && r.stranger(h.Name, o, r.current) == "" {
				r.sight.seen[h.Name] = o
				break
			}
		}
	}
	return nil
}

// planJoin compiles the workers and their Nodes, and plans what is to be done to them.
func (r *elastic) planJoin(ctx context.Context, remembered *inventory.Inventory, records []inventory.Host) (*state, *plan.Plan, error) {
	facts := map[string]hostapi.Facts{}
	var names []string
	for _, rec := range records {
		facts[rec.Name] = r.sight.seen[rec.Name].Facts
		names = append(names, rec.Name)
	}
	target, err := desired.Allot(remembered, r.cluster, facts)
	if err != nil {
		return nil, nil, err
	}
	target.Settings, target.Electorates = r.current.Settings, r.current.Electorates
	s := &state{sight: *r.sight, target: target}
	api := r.API(r.Engine, nil)
	defer api.Close()
	patient, end := context.WithTimeout(ctx, compareTimeout)
	defer end()
	if s.nodes, err = api.Nodes(patient); err != nil {
		return nil, nil, fmt.Errorf("workers are joined through the API, which does not answer: %w", err)
	}
	if err := r.midway(s); err != nil {
		return nil, nil, err
	}
	must := map[artifact.Want]bool{}
	for {
		if err := r.resolve(ctx, s, desired.Wants(r.cluster, r.release, facts, true), must); err != nil {
			return nil, nil, err
		}
		s.desired, err = desired.Compile(desired.Input{Cluster: r.cluster, Release: r.release, Inventory: target, Facts: facts, Artifacts: s.entries})
		if err != nil {
			return nil, nil, err
		}
		s.desired.Objects = slices.DeleteFunc(s.desired.Objects, func(o desired.Object) bool { return o.Kind != "Node" || !slices.Contains(names, o.Name) })
		if s.objects, err = r.compareNodes(ctx, api, s.desired.Objects); err != nil {
			return nil, nil, err
		}
		p, err := plan.Join(plan.Input{Cluster: r.cluster, Current: r.current, Target: target, Desired: s.desired, Formers: r.formersOf(&s.sight), Seen: s.seen, Away: reasons(s.away),
			Objects: s.objects, Nodes: s.nodes, BlobNames: s.blobNames(), Etcd: r.release.Etcd, Now: r.Now()}, names)
		if err != nil {
			return nil, nil, err
		}
		send := s.toSend(p)
		if len(send) == 0 {
			return s, p, nil
		}
		for _, w := range send {
			must[w] = true
		}
	}
}

func (r *elastic) compareNodes(ctx context.Context, api API, objects []desired.Object) ([]plan.ObjectState, error) {
	ctx, end := context.WithTimeout(ctx, compareTimeout)
	defer end()
	return api.Compare(ctx, objects)
}

// midway refuses to join workers while control planes may still be of the older of two releases, or go back to it: no kubelet may be newer than an API server.
func (r *elastic) midway(s *state) error {
	inv := r.current
	if inv.From == "" {
		return nil
	}
	var wait []string
	for _, h := range r.cluster.HostsWith(topology.RoleControlPlane) {
		if s.nodes[h.Name].KubeletVersion != "v"+inv.Kubernetes {
			wait = append(wait, h.Name)
		}
	}
	if release.CompareVersions(inv.Kubernetes, inv.From) > 0 && len(wait) == 0 {
		return nil // the nodes of control planes change after all API servers have
	}
	return fmt.Errorf("cluster %q is on its way from Kubernetes %s to %s, and not all of its control planes have arrived (%s): finish that with an apply, then join workers", inv.Cluster, inv.From, inv.Kubernetes, cmp.Or(strings.Join(wait, ", "), "it goes back"))
}

// run carries a plan out, and notes the workers that failed.
func (r *elastic) run(ctx context.Context, s *state, p *plan.Plan) error {
	for _, skip := range p.Skipped {
		r.failed[skip.Host] = fmt.Errorf("worker %s: %s", skip.Host, skip.Reason)
	}
	k := &keys{engine: r.Engine, documents: r.sight.documents}
	if p.Issues {
		if _, err := k.open(); err != nil {
			return fmt.Errorf("certificates are issued to the workers: %w", err)
		}
	}
	for _, n := range p.Notes {
		r.warn("%s", n)
	}
	r.forgetStarts(p)
	api := r.API(r.Engine, k.open)
	defer api.Close()
	err := execute.Run(ctx, execute.Config{
		Topology: r.cluster, Hosts: r.hosts, Cluster: api,
		Open:     func(ctx context.Context, b hostapi.Blob) (io.ReadCloser, error) { return r.openBlob(ctx, s, b) },
		Identity: k.identity, Sealed: r.sight.documents.Sealed, SealedGeneration: r.sight.documents.SealedGeneration,
		Epoch: r.lock.epoch, Actor: Actor(), Parallel: r.parallel(), GateTimeout: r.GateTimeout, Now: r.Now, Rand: r.Rand, Events: r.Events,
	}, p)
	var some *execute.FailedError
	if errors.As(err, &some) {
		maps.Copy(r.failed, some.Hosts)
		return nil
	}
	return lockLost(ctx, err)
}

// Leave takes elastic workers out of the cluster: their pods go elsewhere, what was set up on them is removed, their Nodes are deleted, and the cluster forgets them. It contacts the
// workers and the control planes. It needs no age identity. A worker that the cluster does not have is no error, nor is a cluster that is no more; errors are as those of Join.
func (e *Engine) Leave(ctx context.Context, names []string, o ElasticOptions) (map[string]error, error) {
	if inv, err := e.memory(ctx); err == nil && inv == nil && e.Unreachable() == nil {
		return nil, nil
	}
	r, err := e.elastic(ctx, "leave of "+desired.Few(slices.Sorted(slices.Values(names))), o)
	if err != nil {
		return nil, err
	}
	defer r.lock.release()
	ctx, cancel := r.lock.context(ctx)
	defer cancel(nil)
	return r.failed, r.leave(ctx, names)
}

func (r *elastic) leave(ctx context.Context, names []string) error {
	var hosts []*topology.Host
	for _, name := range names {
		switch rec := r.current.Host(name); {
		case rec == nil:
		case rec.Elastic == nil:
			r.failed[name] = fmt.Errorf("host %s is in cluster %q by its topology: take it out there, and apply", name, r.cluster.Name)
		default:
			hosts = append(hosts, r.hostsOf([]inventory.Host{*rec})...)
		}
	}
	hosts, err := r.meetLeaving(ctx, hosts)
	if err != nil || len(hosts) == 0 {
		return err
	}
	return r.takeOut(ctx, hosts)
}

// meetLeaving connects to workers that leave, and gives those that can: without those that do not answer, unless they are to be forgotten.
func (r *elastic) meetLeaving(ctx context.Context, hosts []*topology.Host) ([]*topology.Host, error) {
	r.meet(ctx, hosts)
	seen, silent := r.observe(ctx, r.connected(hosts), hostapi.ObserveRequest{})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var out []*topology.Host
	var fence []string
	for _, h := range hosts {
		o := seen[h.Name]
		if o != nil {
			if why := r.stranger(h.Name, o, r.current); why != "" { // the worker is gone, for good
				r.disown(r.sight, h.Name, why)
				out = append(out, h)
				continue
			}
			r.sight.seen[h.Name] = o
			out = append(out, h)
			if o.Record != nil {
				fence = append(fence, h.Name)
			}
			continue
		}
		err := cmp.Or(silent[h.Name], r.Engine.failed[h.Name])
		if !r.ForgetUnreachable {
			r.failed[h.Name] = fmt.Errorf("%w\nTo take it out without it, and leave what is on it as it is, have hosts that do not answer forgotten (`--forget-unreachable`, or unreachable = \"forget\")", err)
			continue
		}
		r.sight.away[h.Name] = err
		out = append(out, h)
	}
	return out, r.lock.raiseAll(ctx, fence, r.current, seen)
}

func (r *elastic) takeOut(ctx context.Context, hosts []*topology.Host) error {
	s := &state{sight: *r.sight, target: r.current}
	api := r.API(r.Engine, nil)
	defer api.Close()
	patient, end := context.WithTimeout(ctx, compareTimeout)
	defer end()
	var err error
	if s.nodes, err = api.Nodes(patient); err != nil {
		return fmt.Errorf("workers are taken out through the API, which does not answer: %w", err)
	}
	p, err := plan.Leave(plan.Input{Cluster: r.cluster, Current: r.current, Target: r.current, Desired: &desired.Cluster{}, Departing: hosts, Seen: s.seen, Away: reasons(s.away), Nodes: s.nodes,
		Etcd: r.release.Etcd, Now: r.Now()})
	if err != nil {
		return err
	}
	return r.run(ctx, s, p)
}
