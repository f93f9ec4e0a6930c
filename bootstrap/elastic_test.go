package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// spot is an elastic worker of site s1.
func spot(n int) bootstrap.Worker {
	return bootstrap.Worker{Name: fmt.Sprintf("spot-%d", n), Address: netip.MustParseAddr(fmt.Sprintf("10.11.1.%d", 100+n)), Site: "s1", Elastic: inventory.Elastic{Room: "1", Rack: "a"}}
}

// spares makes machines for elastic workers.
func spares(t testing.TB, f *fleettest.Fleet, workers ...bootstrap.Worker) []bootstrap.Worker {
	t.Helper()
	for _, w := range workers {
		if err := f.Spare(w.Name, w.Address.String()); err != nil {
			t.Fatal(err)
		}
	}
	return workers
}

// fromRecord connects to the control planes as one does who knows nothing but them.
func fromRecord(t testing.TB, f *fleettest.Fleet, change ...func(*bootstrap.Options)) *bootstrap.Engine {
	t.Helper()
	region := &topology.Region{Name: "unknown"}
	site := &topology.Site{Name: "unknown", Region: region}
	rack := &topology.Rack{Name: "a", Room: &topology.Room{Name: "1", Site: site}}
	c := &topology.Cluster{Name: "main", Kubernetes: "1.37.2", Sites: []*topology.Site{site}, API: topology.API{Port: 6443, LocalPort: 7443}}
	for _, h := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		x := &topology.Host{Name: h.Name, Address: h.Address, Rack: rack, Roles: []topology.Role{topology.RoleControlPlane}}
		rack.Hosts, c.Hosts = append(rack.Hosts, x), append(c.Hosts, x)
	}
	top := &topology.Topology{Fleet: topology.Fleet{Name: "access", SSH: topology.SSH{User: "ops", Parallel: 4}}, Regions: []*topology.Region{region}, Clusters: []*topology.Cluster{c}}
	return open(t, f, append([]func(*bootstrap.Options){func(o *bootstrap.Options) { o.Topology = top }}, change...)...)
}

func join(t testing.TB, f *fleettest.Fleet, workers ...bootstrap.Worker) {
	t.Helper()
	failed, err := fromRecord(t, f).Join(t.Context(), workers, bootstrap.ElasticOptions{})
	if err != nil || len(failed) > 0 {
		t.Fatalf("join: %v, %v", err, failed)
	}
}

func leave(t testing.TB, f *fleettest.Fleet, o bootstrap.ElasticOptions, names ...string) {
	t.Helper()
	failed, err := fromRecord(t, f).Leave(t.Context(), names, o)
	if err != nil || len(failed) > 0 {
		t.Fatalf("leave: %v, %v", err, failed)
	}
}

func elasticNames(t testing.TB, f *fleettest.Fleet) []string {
	t.Helper()
	inv, err := fromRecord(t, f).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range inv.ElasticHosts() {
		out = append(out, h.Name)
	}
	return out
}

// TestElastic joins workers that the topology does not name, by who knows nothing but the control planes. The cluster has nothing to do for them, and they are in its status.
func TestElastic(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	one := spot(1)
	one.Labels = map[string]string{"pool": "spot"}
	one.Taints = []topology.Taint{{Key: "spot", Effect: "NoSchedule"}}
	join(t, f, spares(t, f, one, spot(2))...)
	if node := string(f.Objects()["Node/spot-1"]); !strings.Contains(node, `"pool":"spot"`) || !strings.Contains(node, `"spot"`) || !strings.Contains(node, `"topology.kubernetes.io/zone":"s1"`) {
		t.Errorf("node: %s", node)
	}
	e := open(t, f)
	if p := planOf(t, e); !p.Empty() {
		t.Errorf("the cluster has something to do: %s", planText(t, p))
	}
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range s.Hosts {
		if h.Elastic {
			got = append(got, h.Name+" "+h.Node)
		}
	}
	if !slices.Equal(got, []string{"spot-1 Ready", "spot-2 Ready"}) || !s.Healthy() {
		t.Errorf("elastic hosts %q, healthy %v: %+v", got, s.Healthy(), s)
	}
	// A second join finds nothing to do on the host.
	before := spareTree(t, f, "spot-1")
	join(t, f, one)
	if !maps.Equal(before, spareTree(t, f, "spot-1")) {
		t.Error("a second join changed the worker")
	}

	leave(t, f, bootstrap.ElasticOptions{}, "spot-1", "gone-already")
	if f.Objects()["Node/spot-1"] != nil || !slices.Equal(f.Drained(), []string{"spot-1"}) || !slices.Equal(elasticNames(t, f), []string{"spot-2"}) {
		t.Errorf("after leaving: drained %v, elastic %v", f.Drained(), elasticNames(t, f))
	}
	if o, err := f.Observe("spot-1"); err != nil || o.Record != nil || len(o.Blobs) > 0 {
		t.Errorf("left on the host: %+v, %v", o, err)
	}
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Errorf("after leaving the cluster has something to do: %s", planText(t, p))
	}
}

func planText(t testing.TB, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteText(&b, plan.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func spareTree(t testing.TB, f *fleettest.Fleet, name string) map[string]string {
	t.Helper()
	tree, err := f.Whole(name)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(tree, func(path, _ string) bool { return strings.HasPrefix(path, "/var/lib/trivet/record") }) // it has the run's epoch
	return tree
}

// TestElasticContacts: joining and leaving have to do with the worker, a host of its site, and the control planes.
func TestElasticContacts(t *testing.T) {
	s := fleettest.Settings{Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s2", Roles: []string{"worker"}}, {Name: "w2", Site: "s2", Roles: []string{"worker"}}, {Name: "w3", Site: "s2", Roles: []string{"worker"}},
	}, Cluster: `etcd { accept_loss = ["s1"] }`}
	f := newFleet(t, s)
	apply(t, open(t, f))
	w := bootstrap.Worker{Name: "spot-1", Address: netip.MustParseAddr("10.12.1.101"), Site: "s2", Elastic: inventory.Elastic{Room: "1", Rack: "a"}}
	spares(t, f, w)
	var mu sync.Mutex
	var met []string
	count := func(o *bootstrap.Options) {
		connect := o.Connect
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			mu.Lock()
			met = append(met, h.Name)
			mu.Unlock()
			return connect(ctx, h)
		}
	}
	f.Unreachable["w1"] = true // then the next one is the seed
	var uploads []string
	f.OnPoint = func(host, point string) {
		if strings.Contains(point, "upload") {
			uploads = append(uploads, host)
		}
	}
	if failed, err := fromRecord(t, f, count).Join(t.Context(), []bootstrap.Worker{w}, bootstrap.ElasticOptions{}); err != nil || len(failed) > 0 {
		t.Fatal(err, failed)
	}
	if want := []string{"cp1", "spot-1", "w1", "w2"}; !slices.Equal(slices.Sorted(slices.Values(met)), want) {
		t.Errorf("joining met %v, want %v", met, want)
	}
	if len(uploads) > 0 {
		t.Errorf("artifacts crossed to the site again: %v", uploads)
	}
	met = nil
	if failed, err := fromRecord(t, f, count).Leave(t.Context(), []string{"spot-1"}, bootstrap.ElasticOptions{}); err != nil || len(failed) > 0 {
		t.Fatal(err, failed)
	}
	if want := []string{"cp1", "spot-1"}; !slices.Equal(slices.Sorted(slices.Values(met)), want) {
		t.Errorf("leaving met %v, want %v", met, want)
	}
}

// TestElasticFails: one worker that cannot be joined keeps no other from it, and a run that ended half way is gone on with.
func TestElasticFails(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	workers := spares(t, f, spot(1), spot(2), spot(3))
	workers = append(workers, spot(4)) // there is no such machine
	same := spot(5)
	same.Address = f.Cluster.Hosts[0].Address
	nowhere := spot(6)
	nowhere.Site = "mars"
	topologys := spot(7)
	topologys.Name = "w1"
	failed, err := fromRecord(t, f).Join(t.Context(), append(workers, same, nowhere, topologys), bootstrap.ElasticOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, failed["spot-4"], "no route to host")
	wants(t, failed["spot-5"], "10.11.1.11", "that of host cp1")
	wants(t, failed["spot-6"], `has no site "mars"`, "s1")
	wants(t, failed["w1"], "by its topology")
	if len(failed) != 4 || !slices.Equal(elasticNames(t, f), []string{"spot-1", "spot-2", "spot-3"}) {
		t.Errorf("failed %v, elastic %v", failed, elasticNames(t, f))
	}

	f.FailDrain("spot-2", errors.New("planted"))
	f.Unreachable["spot-3"] = true
	failed, err = fromRecord(t, f).Leave(t.Context(), []string{"spot-1", "spot-2", "spot-3", "w1"}, bootstrap.ElasticOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, failed["spot-2"], "planted")
	wants(t, failed["spot-3"], "no route to host", "forget")
	wants(t, failed["w1"], "by its topology")
	if !slices.Equal(elasticNames(t, f), []string{"spot-2", "spot-3"}) {
		t.Errorf("elastic %v", elasticNames(t, f))
	}
	f.FailDrain("spot-2", nil)
	leave(t, f, bootstrap.ElasticOptions{ForgetUnreachable: true}, "spot-2", "spot-3")
	if len(elasticNames(t, f)) > 0 || f.Objects()["Node/spot-3"] != nil {
		t.Error("a worker that is gone was not forgotten")
	}
	if p := planOf(t, open(t, f)); !p.Empty() || !p.Complete() {
		t.Errorf("the cluster has something to do: %s", planText(t, p))
	}
}

// TestElasticRefused: what a topology may not have beside an elastic worker.
func TestElasticRefused(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	join(t, f, spares(t, f, spot(1))...)
	for name, c := range map[string]struct {
		host fleettest.Host
		want string
	}{
		"name":    {fleettest.Host{Name: "spot-1", Site: "s1", Roles: []string{"worker"}, Address: "10.11.1.77"}, "is the name of the elastic worker spot-1"},
		"address": {fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}, Address: "10.11.1.101"}, "has the address 10.11.1.101 of the elastic worker spot-1"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := small
			changed.Hosts = append(slices.Clone(small.Hosts), c.host)
			top, err := fleettest.Parse(changed, f.Key.Recipient().String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = open(t, f, func(o *bootstrap.Options) { o.Topology = top }).Plan(t.Context())
			wants(t, err, "fleet.hcl:", c.want, "trivet worker leave spot-1")
		})
	}
}

// TestElasticReplaced: another machine of the same name is set up; one that still runs is given back first.
func TestElasticReplaced(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	w := spot(1)
	join(t, f, spares(t, f, w)...)
	if err := f.Reimage("spot-1"); err != nil {
		t.Fatal(err)
	}
	s, err := open(t, f).Status(t.Context())
	if err != nil || s.Healthy() {
		t.Fatalf("healthy without what was set up: %v", err)
	}
	join(t, f, w)
	if s, err = open(t, f).Status(t.Context()); err != nil || !s.Healthy() {
		t.Errorf("not healthy: %+v, %v", s, err)
	}
	o, err := f.Observe("spot-1")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := fromRecord(t, f).Inventory(t.Context())
	if err != nil || inv.Host("spot-1").MachineID != o.Facts.MachineID {
		t.Errorf("recorded %+v, the machine is %s, %v", inv.Host("spot-1"), o.Facts.MachineID, err)
	}
}

// TestElasticMoved: a worker whose name another machine has by now, at another address, is given back before the other one comes.
func TestElasticMoved(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	w := spot(1)
	join(t, f, spares(t, f, w)...)
	before, err := f.Replace("spot-1")
	if err != nil {
		t.Fatal(err)
	}
	w.Address = netip.MustParseAddr("10.11.1.150")
	join(t, f, spares(t, f, w)...)
	if o, err := f.Observe(before); err != nil || o.Record != nil {
		t.Errorf("the machine before keeps something: %v", err)
	}
	if s, err := open(t, f).Status(t.Context()); err != nil || !s.Healthy() {
		t.Errorf("not healthy: %+v, %v", s, err)
	}
	// It gets another address.
	w.Address = netip.MustParseAddr("10.11.1.151")
	join(t, f, spares(t, f, w)...)
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Errorf("the cluster has something to do: %s", planText(t, p))
	}
}

// TestElasticUpgraded: an upgrade takes elastic workers along, in the budget of the others; a destroy gives them back.
func TestElasticUpgraded(t *testing.T) {
	before := small
	before.Kubernetes = "1.36.3"
	f := newFleet(t, before)
	apply(t, open(t, f))
	join(t, f, spares(t, f, spot(1), spot(2))...)
	if err := f.Change(small); err != nil {
		t.Fatal(err)
	}
	p := planOf(t, open(t, f))
	for _, ph := range p.Phases {
		if ph.Name == "nodes" && (len(ph.Steps) != 3 || ph.Limits[""] != 1) {
			t.Errorf("nodes: %d steps, limits %v", len(ph.Steps), ph.Limits)
		}
	}
	if err := open(t, f).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if d := slices.Sorted(slices.Values(f.Drained())); !slices.Contains(d, "spot-1") || !slices.Contains(d, "spot-2") || !slices.Contains(d, "w1") {
		t.Errorf("drained: %v", d)
	}
	for range 2 { // what is compared with a record of the release before
		if p = planOf(t, open(t, f)); p.Empty() {
			break
		}
		if err := open(t, f).Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if !p.Empty() {
		t.Errorf("after the upgrade: %s", planText(t, p))
	}
	join(t, f, spares(t, f, spot(3))...)
	if err := open(t, f).Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spot-1", "spot-2", "spot-3"} {
		if o, err := f.Observe(name); err != nil || o.Record != nil {
			t.Errorf("%s keeps something: %v", name, err)
		}
	}
}

// TestElasticWaits: a join waits for a run that holds the lock, tells who does, and ends with its context.
func TestElasticWaits(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	workers := spares(t, f, spot(1))
	holder := hostapi.Holder{Actor: "somebody@else[1]", Purpose: "apply", Since: fleettest.Now}
	conn, err := f.Connect(t.Context(), f.Cluster.Hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	grip, _, err := conn.Hold(t.Context(), hostapi.Hold{Holder: holder})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 10)
	tell := func(o *bootstrap.Options) {
		o.Events = func(ev event.Event) {
			if strings.Contains(ev.Message, "waiting for the run lock") {
				told <- ev.Message
			}
		}
	}
	_, err = fromRecord(t, f, tell).Join(t.Context(), workers, bootstrap.ElasticOptions{Wait: time.Millisecond})
	wants(t, err, "waited 1ms for the run lock", "somebody@else[1]")
	if m := <-told; !strings.Contains(m, "somebody@else[1] holds it for apply") {
		t.Error(m)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := fromRecord(t, f, tell).Join(ctx, workers, bootstrap.ElasticOptions{Wait: time.Hour})
		ended <- err
	}()
	<-told
	cancel(errors.New("interrupted"))
	wants(t, <-ended, "interrupted")

	go func() {
		failed, err := fromRecord(t, f, tell).Join(t.Context(), workers, bootstrap.ElasticOptions{Wait: time.Hour})
		ended <- errors.Join(append(slices.Collect(maps.Values(failed)), err)...)
	}()
	<-told
	if err := grip.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestElasticCertificates: those of an elastic worker that are due are told, issued anew by a join or an apply, and by name.
func TestElasticCertificates(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	w := spot(1)
	join(t, f, spares(t, f, w)...)
	due := func(d time.Duration) (out []string) {
		t.Helper()
		list, _, err := fromRecord(t, f, after(d)).Workers(t.Context(), []string{"spot-1"})
		if err != nil || len(list) != 1 || list[0].Err != nil {
			t.Fatal(list, err)
		}
		return list[0].Drift
	}
	if d := due(0); len(d) > 0 {
		t.Errorf("after joining: %v", d)
	}
	if d := due(350 * day); len(d) == 0 || !strings.HasPrefix(d[0], "certificate ") {
		t.Errorf("near their end: %v", d)
	}
	if failed, err := fromRecord(t, f, after(350*day)).Join(t.Context(), []bootstrap.Worker{w}, bootstrap.ElasticOptions{}); err != nil || len(failed) > 0 {
		t.Fatal(err, failed)
	}
	if d := due(350 * day); len(d) > 0 {
		t.Errorf("after joining again: %v", d)
	}
	e := open(t, f, after(351*day))
	var err error
	if e.Renew, err = e.Renewal(t.Context(), []string{"spot-1"}, []string{certs.KubeProxy}); err != nil {
		t.Fatal(err)
	}
	if certificates, _ := issued(planOf(t, e)); !slices.Contains(certificates, "spot-1/kube-proxy") {
		t.Errorf("it issues %v", certificates)
	}
	c, err := open(t, f, after(350*day)).Certificates(t.Context())
	if err != nil || !slices.ContainsFunc(c.Certificates, func(x bootstrap.CertificateState) bool { return x.Host == "spot-1" }) {
		t.Errorf("certificates: %+v, %v", c, err)
	}
}
