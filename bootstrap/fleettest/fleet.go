// Package fleettest is a fleet in memory for tests of the engine: hosts in folders behind the helper's real code and protocol, artifacts, and an etcd and API that follow from
// what runs on the hosts. A run over it can be killed at any point.
package fleettest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

// Now is the time on every fleet's clock. It stands still, and is close to the real time: hosts prove who they are to one another by TLS.
var Now = time.Now().UTC().Truncate(time.Second)

// Host is a host of a simple topology.
type Host struct {
	Name, Site string
	Roles      []string
	Address    string // the next of its site when empty
	Surge      bool
}

// Settings of a simple topology.
type Settings struct {
	Hosts      []Host
	Name       string            // of the cluster; main when empty
	Kubernetes string            // 1.37.2 when empty
	Parallel   int               // hosts at once; 1 when zero, so that runs are the same every time
	Cluster    string            // more of the cluster block
	Manifests  map[string]string // files by name, which ends in .yaml
}

// HCL writes a topology: one region, a rack in each site, addresses counted up.
func (s Settings) HCL(recipient string) string {
	var sites []string
	for _, h := range s.Hosts {
		if !slices.Contains(sites, h.Site) {
			sites = append(sites, h.Site)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "fleet \"memory\" {\n  ssh {\n    user     = \"ops\"\n    parallel = %d\n  }\n}\nregion \"r\" {\n", max(s.Parallel, 1))
	for i, site := range sites {
		fmt.Fprintf(&b, "  site %q {\n    room \"1\" {\n      rack \"a\" {\n        cidr = \"10.%d.1.0/24\"\n", site, 11+i)
		n := 11
		for _, h := range s.Hosts {
			if h.Site == site {
				address := cmp.Or(h.Address, fmt.Sprintf("10.%d.1.%d", 11+i, n))
				surge := ""
				if h.Surge {
					surge = "          surge   = true\n"
				}
				fmt.Fprintf(&b, "        host %q {\n          address = %q\n          roles   = [\"%s\"]\n%s        }\n", h.Name, address, strings.Join(h.Roles, `", "`), surge)
				n++
			}
		}
		b.WriteString("      }\n    }\n  }\n")
	}
	if len(s.Manifests) > 0 {
		s.Cluster += "\n  manifests = [\"*.yaml\"]"
	}
	fmt.Fprintf(&b, "}\ncluster %q {\n  kubernetes     = %q\n  sites          = [\"%s\"]\n  pod_cidr       = \"10.128.0.0/12\"\n  service_cidr   = \"10.96.0.0/16\"\n  age_recipients = [%q]\n%s\n}\n",
		cmp.Or(s.Name, "main"), cmp.Or(s.Kubernetes, "1.37.2"), strings.Join(sites, `", "`), recipient, s.Cluster)
	return b.String()
}

// Fleet is a fleet in a folder.
type Fleet struct {
	Topology *topology.Topology
	Cluster  *topology.Cluster
	Machines map[string]*hostdtest.Machine
	// Key opens the sealed identity.
	Key *age.X25519Identity
	// Cut says where the next run is killed.
	Cut Cut
	// Unreachable hosts do not answer; from Blocked ones other hosts get no artifacts.
	Unreachable, Blocked map[string]bool
	// Way, when set, says how an attempt of a host to reach another ends that something listens for; otherwise all arrive, in a millisecond.
	Way func(from, to string, t hostapi.ProbeTarget) hostapi.Reached
	// OnPoint, when set, sees every point that a run passes.
	OnPoint func(host, point string)

	spares    []*topology.Host
	dir       string
	api       *apiState
	served    served
	artifacts artifacts
	mu        sync.Mutex
	session   *session
	addresses map[string]netip.Addr
	images    int                          // hosts that were installed anew
	probed    map[hostapi.ProbePort]string // token of the listener that is there for a probe
}

// overlay is the interface that the network plugin makes.
const overlay = "flannel.1"

// staging is where a connection puts the helper on a host.
const staging = "/var/tmp/trivet-1000"

// Dir is a folder for a fleet, in memory where there is one: tests make hundreds of machines. It goes with the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "trivet-fleet-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// New makes the fleet's machines below dir. They forget what is not synced to disk; nothing is.
func New(dir string, s Settings) (*Fleet, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	f := &Fleet{Machines: map[string]*hostdtest.Machine{}, Key: key, Unreachable: map[string]bool{}, Blocked: map[string]bool{}, dir: dir, session: newSession()}
	f.api = newAPIState()
	f.served.requests, f.served.namespaces = map[string]*certificatesv1.CertificateSigningRequest{}, map[string]*corev1.Namespace{}
	return f, f.Change(s)
}

// Change gives the fleet another topology; hosts that are new get a machine.
func (f *Fleet) Change(s Settings) error {
	t, err := Parse(s, f.Key.Recipient().String())
	if err != nil {
		return err
	}
	c, err := t.Cluster("")
	if err != nil {
		return err
	}
	return f.Use(t, c)
}

// Use gives the fleet a topology that was made elsewhere; hosts that are new get a machine.
func (f *Fleet) Use(t *topology.Topology, c *topology.Cluster) error {
	f.Topology, f.Cluster = t, c
	for _, h := range f.everyHost() {
		f.setAddress(h.Name, h.Address)
		if f.Machines[h.Name] != nil {
			continue
		}
		if err := f.machine(h); err != nil {
			return err
		}
	}
	return nil
}

// Parse reads the topology of settings.
func Parse(s Settings, recipient string) (*topology.Topology, error) {
	t, _, diags := topology.Parse(map[string][]byte{"fleet.hcl": []byte(s.HCL(recipient))}, s.withManifests(topology.Options{
		Releases:      func(v string) error { _, err := release.Lookup(v); return err },
		CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests,
	}))
	if diags.HasErrors() {
		return nil, diagnosticsError(diags)
	}
	return t, nil
}

// everyHost lists the cluster's hosts with those that are there for the time of an upgrade, and machines that no topology names.
func (f *Fleet) everyHost() []*topology.Host {
	return slices.Concat(f.Cluster.Hosts, f.Cluster.Surge, f.spares)
}

func diagnosticsError(diags hcl.Diagnostics) error {
	var errs []error
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errs = append(errs, d)
		}
	}
	return errors.Join(errs...)
}

func (f *Fleet) machine(h *topology.Host) error { return f.machineIn(h.Name, h) }

// machineIn makes a machine in a folder, whose name makes its machine id.
func (f *Fleet) machineIn(dir string, h *topology.Host) error {
	m, err := hostdtest.New(filepath.Join(f.dir, dir), dir)
	if err != nil {
		return err
	}
	m.NoSync, m.Staging = true, m.Path(staging)
	m.Hook = func(point string) {
		if f.point(h.Name, point) {
			panic(errCut)
		}
	}
	m.Clock = func() time.Time { return Now }
	m.Kernel.LinkRoutes = map[string]int{overlay: 1}
	m.Units.OnStart = func(unit string) {
		switch unit {
		case desired.EtcdUnit:
			f.startEtcd(m, h.Name)
		case desired.FlannelUnit:
			f.api.mu.Lock()
			delete(f.api.silent, h.Name)
			f.api.mu.Unlock()
			_ = m.Kernel.DeleteLink(context.Background(), overlay) // one that is there already is taken over
			m.Kernel.AddLink(overlay)
		}
	}
	m.Kernel.Links[1].Addresses = []netip.Prefix{netip.PrefixFrom(h.Address, 24)}
	f.Machines[h.Name] = m
	return nil
}

// Identities opens the sealed identity.
func (f *Fleet) Identities() ([]age.Identity, error) { return []age.Identity{f.Key}, nil }

// Connect connects to a host, and puts the helper there.
func (f *Fleet) Connect(_ context.Context, h *topology.Host) (remote.Host, error) {
	m := f.Machines[h.Name]
	if f.Unreachable[h.Name] || m == nil {
		return nil, fmt.Errorf("host %s: connect to %s: no route to host", h.Name, h.Address)
	}
	if err := place(m.Staging); err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	conn := remotetest.NewMemoryHostIn(m.Root, h.Name, &handler{Handler: m.Host(), fleet: f, host: h.Name, session: f.session})
	f.session.conns = append(f.session.conns, conn)
	return conn, nil
}

// place puts a helper's file into its folder; what runs is the handler.
func place(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "trivet-host-0123456789abcdef"), nil, 0o700)
}

// Stray lists machines that have the helper and nothing else of Trivet's: nobody comes for it.
func (f *Fleet) Stray() ([]string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.Machines)) {
		if _, err := os.Lstat(f.Machines[name].Staging); err != nil {
			continue
		}
		o, err := f.Observe(name)
		if err != nil {
			return nil, err
		}
		if o.Blank() {
			out = append(out, name)
		}
	}
	return out, nil
}

// Vanish has a host answer no more, in the midst of a run: OnPoint is the place to call it from.
func (f *Fleet) Vanish(host string) {
	f.Unreachable[host] = true
	for _, c := range f.session.conns {
		if c.Name() == host {
			go c.Close()
		}
	}
}

// Trees is everything on every host, for tests that want hosts to be as they were.
func (f *Fleet) Trees(t testing.TB) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, h := range f.everyHost() {
		tree, err := f.Whole(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = tree
	}
	return out
}

// Observe looks at a host over no connection.
func (f *Fleet) Observe(name string) (*hostapi.Observation, error) {
	return f.Machines[name].Host().Observe(context.Background(), hostapi.ObserveRequest{})
}

// Spare adds a machine that no topology names, or gives one that was added another address.
func (f *Fleet) Spare(name, address string) error {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(f.spares, func(h *topology.Host) bool { return h.Name == name })
	if f.setAddress(name, a); i >= 0 {
		f.spares[i].Address = a
		return nil
	}
	h := &topology.Host{Name: name, Address: a}
	f.spares = append(f.spares, h)
	return f.machine(h)
}
