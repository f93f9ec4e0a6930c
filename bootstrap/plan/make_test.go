package plan_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// outline is a plan's phases in a few words.
func outline(p *plan.Plan) []string {
	var out []string
	for _, ph := range p.Phases {
		s := ph.Name
		if ph.Serial {
			s += " one at a time"
		}
		var hosts []string
		for _, step := range ph.Steps {
			if step.Host != "" {
				hosts = append(hosts, step.Host)
			} else {
				hosts = append(hosts, "api")
			}
		}
		if len(hosts) > 0 {
			s += ": " + strings.Join(hosts, " ")
		}
		gates := ph.Gates
		if n := len(ph.Steps); ph.Serial && n > 0 {
			gates = slices.Concat(gates, ph.Steps[n-1].Gates)
		}
		for _, g := range gates {
			s += "; " + string(g.Kind)
			if len(g.Hosts) > 0 {
				s += " of " + strings.Join(g.Hosts, " ")
			}
		}
		out = append(out, s)
	}
	return out
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestBringUp(t *testing.T) {
	w := newWorld(t, threeSites)
	p := w.plan()
	all := "cp1 cp2 cp3 w1 w2"
	control := "; etcd-healthy of cp1 cp2 cp3; api-ready of cp1 cp2 cp3"
	same(t, "phases", []string{
		"seed: cp1 cp2 cp3", "spread: w1 w2", "identity: cp1 cp2 cp3", "configure: cp1 cp2 cp3", "start: cp1 cp2 cp3", "install: " + all, "images: " + all,
		"quorum" + control, "seal: cp1 cp2 cp3", "objects: api", "join: " + all, "ready; nodes-ready of " + all + "; networks-ready of " + all + "; dns-available",
		"brought-up: cp1 cp2 cp3",
	}, outline(p))
	if !p.NewIdentity || !p.Issues || p.GenerationIn(plan.PhaseSeal) != 2 || p.Generation != 0 || p.ClusterID != "" || p.Empty() {
		t.Errorf("a first bring-up makes an identity and issues certificates: %+v", *p)
	}
	units := map[string]string{"etcd.service": "start", "kube-apiserver.service": "start", "containerd.service": "images", "trivet-haproxy.service": "images"}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Item == nil {
					continue
				}
				want := "install"
				switch {
				case a.Part == desired.PartEtcdGuard:
					want = "seal"
				case units[a.ID.Name] != "":
					want = units[a.ID.Name]
				case a.Item.Unit != nil:
					want = "join"
				case a.Item.Image != nil:
					want = "images"
				case a.Part == desired.PartEtcd, a.Part == desired.PartAPIServer, a.Item.User != nil:
					want = "configure"
				}
				if want != ph.Name {
					t.Errorf("%s of host %s is in phase %s, not %s", a.ID, s.Host, ph.Name, want)
				}
			}
		}
	}
	if second := w.plan(); second.Digest() != p.Digest() {
		t.Error("the same world gives another plan")
	}
}

func TestSettledWorldNeedsNothing(t *testing.T) {
	w := newWorld(t, threeSites)
	w.settle()
	p := w.plan()
	if !p.Empty() || p.Issues || p.NewIdentity {
		t.Errorf("a plan has %d actions", p.Actions())
	}
	same(t, "phases", []string{"ready; nodes-ready of cp1 cp2 cp3 w1 w2; networks-ready of cp1 cp2 cp3 w1 w2; dns-available"}, outline(p))
}

func TestRoll(t *testing.T) {
	control := "; etcd-healthy of cp1 cp2 cp3; api-ready of cp1 cp2 cp3"
	ready := "ready; nodes-ready of cp1 cp2 cp3 w1 w2; networks-ready of cp1 cp2 cp3 w1 w2; dns-available"
	for _, c := range []struct {
		name   string
		change func(w *world)
		want   []string
	}{
		{"drift on control planes and workers", func(w *world) {
			for n := range w.seen {
				w.drift(n, hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
			}
		}, []string{"control-planes one at a time: cp1 cp2 cp3" + control, "nodes: w1 w2", ready}},
		{"a member that is down comes first", func(w *world) {
			w.drift("cp3", hostapi.KindUnit, "etcd.service", "not running (failed)", hostapi.DriftDown)
			w.drift("cp1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "missing")
			w.drift("cp3", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "missing")
		}, []string{"revive: cp3" + control, "control-planes one at a time: cp1 cp3" + control, ready}},
		{"a unit that was being restarted comes first", func(w *world) {
			for i := range w.seen["cp2"].Record.Items {
				if it := &w.seen["cp2"].Record.Items[i]; it.Item.Unit != nil && it.Item.Unit.Name == "etcd.service" {
					it.Pending = true
				}
			}
			w.drift("cp1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "missing")
		}, []string{"control-planes one at a time: cp2 cp1" + control, ready}},
		{"objects alone", func(w *world) { w.objects[0].Exists = false; w.objects[1].Fields = []string{"spec.replicas"} }, []string{"objects: api", ready}},
		{"a control plane without its documents", func(w *world) { w.seen["cp2"].Documents = nil },
			[]string{"inventory: cp1 cp2 cp3", ready}},
		{"a worker more", func(w *world) {
			s := threeSites
			s.Hosts = append(slices.Clone(s.Hosts), fleettest.Host{Name: "w3", Site: "s3", Roles: []string{"worker"}})
			if err := w.fleet.Change(s); err != nil {
				t.Fatal(err)
			}
			w.observe()
		}, []string{"spread: w3", "inventory: cp1 cp2 cp3", "node-objects: api", "workers: w3", strings.ReplaceAll(ready, "w1 w2", "w1 w2 w3")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			c.change(w)
			if c.name == "a worker more" {
				w.addNode()
			}
			same(t, "phases", c.want, outline(w.plan()))
		})
	}
}

// addNode has the API lack objects that the topology has come to need.
func (w *world) addNode() {
	in := w.input()
	have := map[string]bool{}
	for _, o := range w.objects {
		have[o.Object.Kind+o.Object.Name] = true
	}
	w.objects = nil
	for i := range in.Desired.Objects {
		o := &in.Desired.Objects[i]
		w.objects = append(w.objects, plan.ObjectState{Object: o, Exists: have[o.Kind+o.Name]})
	}
}

// TestTransfers wants one copy of each blob to cross to each site, and the site's other hosts to take it there, from a host that has it if there is one.
func TestTransfers(t *testing.T) {
	w := newWorld(t, threeSites)
	crossed := func(p *plan.Plan) map[string]string {
		out := map[string]string{} // site and blob: host that it crosses to
		for _, ph := range p.Phases {
			for _, s := range ph.Steps {
				for _, a := range s.Actions {
					if a.Transfer == nil {
						continue
					}
					key := s.Site + " " + a.Transfer.Name
					switch from := a.Transfer.From; {
					case from == "" && ph.Name == "seed":
						if other, ok := out[key]; ok {
							t.Errorf("%s crosses to %s and to %s", key, other, s.Host)
						}
						out[key] = s.Host
					case from == s.Host || ph.Name != plan.PhaseSpread:
						t.Errorf("%s: %s gets %s from %q", ph.Name, s.Host, a.Transfer.Name, from)
					}
				}
			}
		}
		return out
	}
	first := crossed(w.plan())
	for key, host := range first {
		if want := "cp" + key[1:2]; host != want {
			t.Errorf("%s crosses to %s, not to %s, the first that needs it", key, host, want)
		}
	}
	// A host of the site that has a blob serves it, whatever its place in the list.
	in := w.input()
	var kubelet hostapi.Blob
	for digest, name := range in.BlobNames {
		if name == "kubelet" {
			kubelet.SHA256 = digest
		}
	}
	w.seen["w2"].Blobs = []hostapi.Blob{kubelet}
	p := w.plan()
	if host, ok := crossed(p)["s1 kubelet"]; ok {
		t.Errorf("the kubelet crosses to %s, although w2 of that site has it", host)
	}
	var from []string
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Transfer != nil && a.Transfer.Name == "kubelet" && a.Transfer.From != "" {
					from = append(from, a.Transfer.From+" to "+s.Host)
				}
			}
		}
	}
	same(t, "the kubelet inside s1", []string{"w2 to cp1", "w2 to w1"}, from)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, in *plan.Input)
		want   []string
	}{
		{"another version", func(_ *world, in *plan.Input) { in.Current.Kubernetes = "1.35.4" }, []string{"fleet.hcl:", `runs Kubernetes 1.35.4`, "1.37.2", "cannot be skipped", "1.36 first"}},
		{"an older version", func(_ *world, in *plan.Input) { in.Current.Kubernetes = "1.37.3" }, []string{"fleet.hcl:", `runs Kubernetes 1.37.3`, "cannot be taken back"}},
		{"another version during an upgrade", func(_ *world, in *plan.Input) { in.Current.Kubernetes, in.Current.From = "1.36.4", "1.36.3" }, []string{"upgrade from 1.36.3 is not finished", `"1.36.4"`, `"1.36.3"`}},
		{"back where etcd cannot go", func(_ *world, in *plan.Input) {
			in.Target.From, in.Members.Storage, in.Etcd = "1.38.0", "3.8.0", "3.7.3"
		}, []string{"cannot go back", "etcd 3.8.0", `"1.38.0"`}},
		{"what cannot change", func(_ *world, in *plan.Input) {
			in.Cluster.NodePrefix++
			in.Current.PodCIDR = netip.MustParsePrefix("10.64.0.0/12")
		}, []string{"fleet.hcl:", "node_prefix", "pod_cidr", "10.64.0.0/12 and cannot change", "set it back"}},
		{"issuer", func(_ *world, in *plan.Input) { in.Cluster.API.ServiceAccountIssuer = "https://other" }, []string{"service_account_issuer", "https://other"}},
		{"dns domain", func(_ *world, in *plan.Input) { in.Cluster.DNS.Domain = "other" }, []string{"dns.domain", "other"}},
		{"being destroyed", func(_ *world, in *plan.Input) { in.Current.Destroying = true }, []string{`"main" is being destroyed`, "trivet destroy"}},
		{"renamed", func(w *world, _ *plan.Input) { w.seen["w1"].Record.Host = "w0" }, []string{"fleet.hcl:", "host w1, at 10.11.1.12, is in the cluster as host w0", "put the name back"}},
		{"host not observed", func(w *world, _ *plan.Input) { delete(w.seen, "w1") }, []string{"host w1 was not observed"}},
		{"items without an inventory", func(_ *world, in *plan.Input) { in.Current = nil }, []string{"host cp1 was set up for cluster \"main\"", "host w2", "no control plane has the inventory", "trivet destroy"}},
		{"another cluster's host", func(w *world, in *plan.Input) {
			in.Current, w.seen["w1"].Record.Cluster = nil, "other"
			for _, n := range []string{"cp1", "cp2", "cp3", "w2"} {
				w.seen[n].Record = nil
			}
		}, []string{`host w1 was set up for cluster "other"`, `not for "main"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			in := w.input()
			current, cluster := *in.Current, *in.Cluster
			current.Hosts = slices.Clone(current.Hosts)
			in.Current, in.Cluster = &current, &cluster
			c.change(w, &in)
			_, err := plan.Make(in)
			if err == nil {
				t.Fatal("not refused")
			}
			for _, s := range c.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q is missing in: %v", s, err)
				}
			}
		})
	}
}

// TestClusterIDOfInterruptedRun takes over the id that a run left in a record before it had stored an identity, and only that of an empty record.
func TestClusterIDOfInterruptedRun(t *testing.T) {
	w := newWorld(t, threeSites)
	w.seen["cp2"].Record = &hostapi.Record{Cluster: "main", ClusterID: "left", Host: "cp2", Epoch: 1}
	if p := w.plan(); p.ClusterID != "left" || !p.NewIdentity {
		t.Errorf("cluster id %q, new identity %t", p.ClusterID, p.NewIdentity)
	}
	w.seen["cp3"].Record = &hostapi.Record{Cluster: "main", ClusterID: "other", Host: "cp3", Epoch: 1}
	if _, err := plan.Make(w.input()); err == nil || !strings.Contains(err.Error(), "hosts cp2 and cp3") {
		t.Errorf("records of two clusters give %v", err)
	}
}

// TestFacts says which changes of a host make a plan stale.
func TestFacts(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(o *hostapi.Observation)
		stale  bool
	}{
		{"nothing", func(*hostapi.Observation) {}, false},
		{"time and space", func(o *hostapi.Observation) {
			o.Facts.Time = o.Facts.Time.Add(1)
			o.Facts.FreeBytes = map[string]int64{"/opt": 1}
		}, false},
		{"epoch and generation", func(o *hostapi.Observation) { o.Record.Epoch++; o.Record.Generation++ }, false},
		{"contents that were asked for", func(o *hostapi.Observation) { o.Contents = map[string][]byte{"/etc/x": nil} }, false},
		{"machine", func(o *hostapi.Observation) { o.Facts.MachineID = "0" }, true},
		{"reboot", func(o *hostapi.Observation) { o.Facts.BootID = "0" }, true},
		{"drift", func(o *hostapi.Observation) { o.Drift = []hostapi.Drift{{What: "missing"}} }, true},
		{"pending item", func(o *hostapi.Observation) { o.Record.Items[3].Pending = true }, true},
		{"stale unit", func(o *hostapi.Observation) { o.Record.Items[3].Stale = true }, true},
		{"item gone", func(o *hostapi.Observation) { o.Record.Items = o.Record.Items[1:] }, true},
		{"cluster", func(o *hostapi.Observation) { o.Record.ClusterID = "0" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			before := plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil).Facts["w1"]
			c.change(w.seen["w1"])
			if after := plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil).Facts["w1"]; (after != before) != c.stale {
				t.Errorf("stale: %t, want %t", after != before, c.stale)
			}
		})
	}
}

func TestDestroy(t *testing.T) {
	w := newWorld(t, threeSites)
	for _, h := range []string{"", "w1"} {
		if h != "" { // it has been sent artifacts only
			w.seen[h].Blobs = []hostapi.Blob{{SHA256: "aa", Size: 1}}
		}
		p := plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, nil, w.seen, nil)
		same(t, "hosts that lose the helper", []string{"workers: w1 w2", "control-planes: cp1 cp2 cp3"}, outline(p))
		for _, ph := range p.Phases {
			for _, s := range ph.Steps {
				want := "the helper; nothing else is left"
				if s.Host == h {
					want = "record, store and documents"
				}
				if len(s.Actions) != 1 || s.Actions[0].Verb != plan.Forget || s.Actions[0].Reason != want {
					t.Errorf("host %s: %+v, want a forget: %s", s.Host, s.Actions, want)
				}
			}
		}
	}

	w.settle()
	p := plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil)
	same(t, "notes", []string(nil), p.Notes)
	more := *w.current
	more.Hosts = append(slices.Clone(more.Hosts), inventory.Host{Name: "w9"})
	same(t, "notes of a host that left the topology", true, strings.Contains(strings.Join(plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, &more, w.seen, nil).Notes, "\n"), "host w9 "))
	blank, err := w.fleet.Observe("w2")
	if err != nil {
		t.Fatal(err)
	}
	blank.Documents = w.seen["cp1"].Documents
	forgetful := maps.Clone(w.seen)
	forgetful["w2"] = blank
	q := plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, forgetful, nil)
	same(t, "notes of a host without a record", true, strings.Contains(strings.Join(q.Notes, "\n"), "host w2 "))
	same(t, "its documents go", true, slices.Contains(outline(q), "workers: w1 w2"))
	same(t, "phases", []string{"mark: cp1 cp2 cp3", "workers: w1 w2", "stop: cp1 cp2 cp3", "control-planes: cp1 cp2 cp3"}, outline(p))
	if !p.Inventory.Destroying || w.current.Destroying {
		t.Error("the plan's inventory, and only that, says that the cluster is being destroyed")
	}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			if last := s.Actions[len(s.Actions)-1]; (ph.Name == "workers" || ph.Name == "control-planes") && last.Verb != plan.Forget {
				t.Errorf("%s: host %s ends with %s %s", ph.Name, s.Host, last.Verb, last.ID)
			}
		}
	}
	var removed []hostapi.ID
	for _, a := range p.Phases[1].Steps[0].Actions[:len(p.Phases[1].Steps[0].Actions)-1] {
		removed = append(removed, a.ID)
	}
	var made []hostapi.ID
	for _, r := range w.seen["w1"].Record.Items {
		made = append(made, r.Item.ID())
	}
	slices.Reverse(made)
	same(t, "what is removed, the last made first", made, removed)

	// Interrupted when one control plane was marked: the others are marked too, also where an earlier run left as high a generation that nobody saw.
	keep := func(host string, inv inventory.Inventory) {
		content, err := inv.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		w.seen[host].Documents[inventory.Document] = hostapi.Document{Name: inventory.Document, Generation: inv.Generation, Content: content}
	}
	w.current.Generation, w.current.Epoch = 3, 8
	keep("cp2", *w.current)
	w.current.Destroying, w.current.Epoch = true, 9
	keep("cp1", *w.current)
	same(t, "phases of a destroy that goes on", "mark: cp2 cp3", outline(plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil))[0])
}

// TestBroughtUp: the last thing that a first bring-up does is to note that it has come to its end. One that leaves something out has not; elastic workers are nothing that it could leave out.
func TestBroughtUp(t *testing.T) {
	for name, c := range map[string]struct {
		away   string
		change func(in *plan.Input)
		want   bool
	}{
		"nothing else is left to do": {want: true},
		"a host does not answer":     {away: "w2"},
		"an elastic worker does not": {away: "w2", want: true, change: func(in *plan.Input) {
			in.Cluster.Hosts[slices.IndexFunc(in.Cluster.Hosts, func(h *topology.Host) bool { return h.Name == "w2" })].Elastic = true
		}},
		"an object cannot be applied": {change: func(in *plan.Input) {
			in.Manifests = &plan.Manifests{Objects: []plan.ObjectState{{Object: &in.Desired.Objects[0], Problem: "no such kind"}}}
		}},
		"a record of an earlier build": {change: func(in *plan.Input) { in.Current.BringingUp, in.Target.BringingUp = false, false }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			w.current.BringingUp = true
			var away map[string]string
			if c.away != "" {
				away = w.away(c.away)
			}
			in := w.input()
			in.Away = away
			if c.change != nil {
				c.change(&in)
			}
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			last := p.Phases[len(p.Phases)-1]
			if got := last.Name == plan.PhaseBroughtUp && p.GenerationIn(plan.PhaseBroughtUp) == p.Generation+1; got != c.want {
				t.Errorf("noted: %t, want %t: %v, skipped %v", got, c.want, outline(p), skipped(p))
			}
		})
	}
}
