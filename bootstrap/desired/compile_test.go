package desired_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// everyHost runs a check on every host of every topology of every release.
func everyHost(t *testing.T, check func(t *testing.T, f *fixture, h *desired.Host)) {
	t.Helper()
	for _, kubernetes := range release.Supported() {
		for name, build := range topologies {
			f := build(t, kubernetes)
			for _, h := range f.compile().Hosts {
				t.Run(kubernetes+"/"+name+"/"+h.Name, func(t *testing.T) { check(t, f, h) })
			}
		}
	}
}

func ids(h *desired.Host) map[hostapi.ID]int {
	at := map[hostapi.ID]int{}
	for i, item := range h.Items {
		at[item.ID()] = i
	}
	return at
}

func content(h *desired.Host, path string) string {
	for _, i := range h.Items {
		if i.File != nil && i.File.Path == path {
			return string(i.File.Content)
		}
	}
	return ""
}

func TestItemsAreUniqueAndInOrder(t *testing.T) {
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		at := ids(h)
		if len(at) != len(h.Items) {
			t.Errorf("%d items have %d ids", len(h.Items), len(at))
		}
		for i, item := range h.Items {
			if item.Part == "" {
				t.Errorf("%s belongs to no part", item.ID())
			}
			for _, p := range pathsOf(item) {
				parent := hostapi.ID{Kind: hostapi.KindDirectory, Name: filepath.Dir(p)}
				if made, ok := at[parent]; ok && made > i {
					t.Errorf("%s comes before its folder", item.ID())
				} else if !ok && !slices.Contains([]string{"/etc", "/opt/trivet", "/var/lib", "/var/log", "/etc/systemd/system"}, parent.Name) {
					t.Errorf("%s lies in %s, which no item makes and not every host has", item.ID(), parent.Name)
				}
			}
			if item.Unit == nil {
				continue
			}
			file := hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/systemd/system/" + item.Unit.Name}
			if !slices.Contains(item.Unit.Inputs, file) {
				t.Errorf("%s is not restarted for its own file", item.ID())
			}
			for _, in := range item.Unit.Inputs {
				if made, ok := at[in]; !ok || made > i {
					t.Errorf("%s has the input %s, which is not made before it", item.ID(), in)
				}
			}
		}
	})
}

func pathsOf(i desired.Item) []string {
	switch {
	case i.File != nil:
		return []string{i.File.Path}
	case i.KeyPair != nil:
		return []string{i.KeyPair.CertPath, i.KeyPair.KeyPath}
	case i.Artifact != nil:
		return []string{i.Artifact.Path}
	case i.Directory != nil:
		return []string{i.Directory.Path}
	}
	return nil
}

var execLine = regexp.MustCompile(`(?m)^Exec\w+=-?(\S+)`)

func TestUnitsRunWhatTheHostHas(t *testing.T) {
	everyHost(t, func(t *testing.T, f *fixture, h *desired.Host) {
		at := ids(h)
		for _, i := range h.Items {
			if i.Unit == nil {
				continue
			}
			text := content(h, "/etc/systemd/system/"+i.Unit.Name)
			if ext := path.Ext(i.Unit.Name); ext == ".timer" || ext == ".socket" {
				// It starts a service, which systemd starts anew each time.
				service := content(h, "/etc/systemd/system/"+strings.TrimSuffix(i.Unit.Name, ext)+".service")
				for _, m := range execLine.FindAllStringSubmatch(service, -1) {
					if _, ok := at[hostapi.ID{Kind: hostapi.KindArtifact, Name: m[1]}]; !ok {
						t.Errorf("%s starts %s, which is no artifact of the host", i.Unit.Name, m[1])
					}
				}
				text += service
			}
			programs := execLine.FindAllStringSubmatch(text, -1)
			if len(programs) == 0 {
				t.Errorf("%s starts nothing", i.Unit.Name)
			}
			for _, m := range programs {
				switch program := m[1]; {
				case path.Base(program) == desired.SnapshotProgram:
				case strings.HasPrefix(program, "/opt/trivet/bin/"):
					id := hostapi.ID{Kind: hostapi.KindArtifact, Name: program}
					if _, ok := at[id]; !ok || !slices.Contains(i.Unit.Inputs, id) {
						t.Errorf("%s runs %s, which is no artifact of the host, or not an input", i.Unit.Name, program)
					}
				case program == "/usr/sbin/haproxy", program == "nft":
					pkg := map[string]string{"/usr/sbin/haproxy": "haproxy", "nft": "nftables"}[program]
					if _, ok := at[hostapi.ID{Kind: hostapi.KindPackage, Name: pkg}]; !ok {
						t.Errorf("%s runs %s, and the package %s is not asked for", i.Unit.Name, program, pkg)
					}
				case program == "ip", program == "/bin/kill": // every host has them
				default:
					t.Errorf("%s runs %s", i.Unit.Name, program)
				}
			}
		}
		node := f.cluster.Hosts[slices.IndexFunc(f.cluster.Hosts, func(x *topology.Host) bool { return x.Name == h.Name })].IsNode()
		for _, program := range []string{"runc", "containerd-shim-runc-v2", "ctr"} {
			if _, ok := at[hostapi.ID{Kind: hostapi.KindArtifact, Name: "/opt/trivet/bin/" + program}]; ok != node {
				t.Errorf("node %t, %s there %t", node, program, ok)
			}
		}
	})
}

var mentioned = regexp.MustCompile(`/etc/(?:kubernetes|etcd|trivet|containerd|cni)/[A-Za-z0-9_./-]+[A-Za-z0-9_-]`)

func TestEveryPathThatAConfigurationNamesExists(t *testing.T) {
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		made := map[string]bool{}
		for _, i := range h.Items {
			for _, p := range pathsOf(i) {
				made[p] = true
			}
		}
		for _, i := range h.Items {
			if i.File == nil {
				continue
			}
			for _, p := range mentioned.FindAllString(string(i.File.Content), -1) {
				if !made[p] {
					t.Errorf("%s names %s, which no item makes", i.File.Path, p)
				}
			}
		}
	})
}

func TestEveryCertificateAppearsOnce(t *testing.T) {
	everyHost(t, func(t *testing.T, f *fixture, h *desired.Host) {
		var got, want []certs.Spec
		for _, i := range h.Items {
			if i.Certificate != nil {
				got = append(got, *i.Certificate)
				if i.KeyPair.CertPath != i.Certificate.CertPath || i.KeyPair.KeyPath != i.Certificate.KeyPath || i.KeyPair.Owner != i.Certificate.Owner {
					t.Errorf("key pair %+v is not where its spec says", i.KeyPair)
				}
			}
		}
		for _, host := range f.cluster.Hosts {
			if host.Name == h.Name {
				want = certs.ForHost(f.cluster, host)
			}
		}
		byName := func(a, b certs.Spec) int { return strings.Compare(a.Identity, b.Identity) }
		slices.SortFunc(got, byName)
		slices.SortFunc(want, byName)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b certs.Spec) bool { return a.Identity == b.Identity && a.CertPath == b.CertPath })); diff != "" {
			t.Error(diff)
		}
	})
}

// TestCertificatesRestartNothing: components read their certificates again by themselves.
func TestCertificatesRestartNothing(t *testing.T) {
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		for _, i := range h.Items {
			if i.Unit == nil {
				continue
			}
			for _, in := range i.Unit.Inputs {
				if in.Kind == hostapi.KindKeyPair || strings.Contains(in.Name, "etcd.service.d") || in.Name == "/etc/etcd/initial-cluster.env" {
					t.Errorf("%s is restarted for %s", i.Unit.Name, in)
				}
			}
		}
	})
}

func TestNoSecretHasContentOrDigest(t *testing.T) {
	secrets := 0
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		for _, i := range h.Items {
			if i.Secret == "" {
				continue
			}
			secrets++
			f := i.File
			if !f.Secret || f.Mode != 0o600 || len(f.Content) > 0 || f.SHA256 != "" || f.Version == "" {
				t.Errorf("secret %s is %+v", i.Secret, f)
			}
		}
	})
	if secrets == 0 {
		t.Error("no secret was met")
	}
}

// TestSecretNames keeps the names in step with the package that makes the content.
func TestSecretNames(t *testing.T) {
	for have, want := range map[desired.Secret]string{
		desired.SecretServiceAccountKey: identity.ServiceAccountKey,
		desired.SecretEncryptionConfig:  identity.EncryptionConfig,
		desired.SecretOnlineCAKey:       identity.OnlineCAKey,
	} {
		if string(have) != want {
			t.Errorf("secret %q is called %q in identity", have, want)
		}
	}
}

func TestCompileIsDeterministic(t *testing.T) {
	first, err := json.Marshal(twoPlacesThreeCentres(t, "1.37.2").compile())
	if err != nil {
		t.Fatal(err)
	}
	shuffle := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f := twoPlacesThreeCentres(t, "1.37.2")
		in := f.input()
		hosts := slices.Clone(f.cluster.Hosts)
		shuffle.Shuffle(len(in.Artifacts), func(i, j int) {
			if in.Artifacts[i].Kind != artifact.Package && in.Artifacts[j].Kind != artifact.Package { // the order of a package's entries has a meaning
				in.Artifacts[i], in.Artifacts[j] = in.Artifacts[j], in.Artifacts[i]
			}
		})
		state, err := desired.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(first), string(again)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(names(hosts), names(f.cluster.Hosts)); diff != "" {
			t.Fatalf("compile reordered its input: %s", diff)
		}
	}
}

func names(hosts []*topology.Host) []string {
	var out []string
	for _, h := range hosts {
		out = append(out, h.Name)
	}
	return out
}

// TestGuardDoesNotDependOnTheInventory: what a host should hold is the same before and after etcd has formed, so that the apply after the first finds nothing to do.
func TestCompileIsTheSameOnceInitialised(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	in := f.input()
	before, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	later := *in.Inventory
	later.Initialised, later.Generation = true, 7
	in.Inventory = &later
	after, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after, cmp.Comparer(func(a, b *certs.Spec) bool { return (a == nil) == (b == nil) && (a == nil || a.CertPath == b.CertPath) })); diff != "" {
		t.Error(diff)
	}
}

// TestUnknownIdentity: before the identity exists its files are there by name, and what the apply makes of them is what the next compile expects.
func TestUnknownIdentity(t *testing.T) {
	f := singleHost(t, "1.37.2")
	in := f.input()
	known, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	blank := *in.Inventory
	blank.Public = inventory.Public{}
	in.Inventory = &blank
	unknown, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	trusts := 0
	for n, i := range unknown.Hosts[0].Items {
		other := known.Hosts[0].Items[n]
		if i.ID() != other.ID() {
			t.Fatalf("item %d is %s, and %s once the identity is known", n, i.ID(), other.ID())
		}
		if len(i.Trust) == 0 && !i.TrustServiceAccount {
			continue
		}
		trusts++
		if len(i.File.Content) > 0 || i.File.SHA256 != "" {
			t.Errorf("%s has content already", i.ID())
		}
		made, err := desired.TrustContent(public, &i)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(other.File.Content), string(made)); diff != "" {
			t.Errorf("%s: %s", i.ID(), diff)
		}
	}
	if trusts < 6 {
		t.Errorf("%d files of trust", trusts)
	}
}

func TestHostsThatWereNotReached(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	in := f.input()
	whole, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	delete(in.Facts, "sh1-w1")
	part, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range part.Hosts {
		if h.Name == "sh1-w1" {
			t.Error("sh1-w1 was compiled without facts")
		}
	}
	if len(part.Hosts) != len(whole.Hosts)-1 {
		t.Errorf("%d hosts", len(part.Hosts))
	}
	if diff := cmp.Diff(whole.Objects, part.Objects); diff != "" {
		t.Errorf("objects changed: %s", diff)
	}
}

// TestAddingAWorkerTouchesOnlyIt.
func TestAddingAWorkerTouchesOnlyIt(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	before := f.compile()
	f.host(f.cluster.Hosts[0].Rack, "bj1-a-first-in-order", "10.11.1.50", worker)
	old := twoPlacesThreeCentres(t, "1.37.2")
	inv, err := desired.Allot(nil, old.cluster, old.facts)
	if err != nil {
		t.Fatal(err)
	}
	inv, err = desired.Allot(inv, f.cluster, f.facts)
	if err != nil {
		t.Fatal(err)
	}
	in := f.input()
	inv.Public = in.Inventory.Public
	in.Inventory = inv
	after, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, was := range before.Hosts {
		i := slices.IndexFunc(after.Hosts, func(h *desired.Host) bool { return h.Name == was.Name })
		a, errA := json.Marshal(was)
		b, errB := json.Marshal(after.Hosts[i])
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("host %s changed: %s", was.Name, cmp.Diff(string(a), string(b)))
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *fixture, in *desired.Input)
		want   []string
	}{
		{"not allotted", func(_ *fixture, in *desired.Input) { in.Inventory = &inventory.Inventory{} },
			[]string{"host bj1-cp1 is not in the inventory", "host sh1-w1 is not in the inventory"}},
		{"architecture", func(f *fixture, _ *desired.Input) {
			f.fact("bj1-w1", func(x *hostapi.Facts) { x.Architecture = "riscv64" })
		}, []string{"host bj1-w1 is a riscv64 machine"}},
		{"kernel", func(f *fixture, _ *desired.Input) {
			f.fact("bj1-w1", func(x *hostapi.Facts) { x.Kernel = "5.10.0-28-amd64" })
		}, []string{"host bj1-w1 runs kernel 5.10.0-28-amd64", `proxy_mode = "iptables"`}},
		{"address on no interface", func(f *fixture, _ *desired.Input) {
			f.fact("bj1-w1", func(x *hostapi.Facts) { x.Interfaces = x.Interfaces[:1] })
		}, []string{"host bj1-w1: none of its interfaces carries 10.11.1.101"}},
		{"no such interface", func(f *fixture, _ *desired.Input) {
			f.cluster.Hosts[f.index("bj1-w1")].Interface = "bond0"
		}, []string{"host bj1-w1: it has no interface bond0"}},
		{"missing artifact", func(_ *fixture, in *desired.Input) {
			in.Artifacts = slices.DeleteFunc(in.Artifacts, func(e artifact.Entry) bool { return e.Name == "kubelet" || e.Name == "pause" })
		}, []string{"host bj1-cp1: artifact kubelet 1.37.2 amd64 binary is missing", "host sh1-w1: artifact pause 3.10.1 amd64 image is missing", "trivet mirror"}},
		{"bridge across racks", func(f *fixture, _ *desired.Input) { f.cluster.Network.Plugin = "bridge" },
			[]string{"one layer-2 domain", "bj1-cp1 (10.11.1.0/24) and bj2-cp1 (10.12.1.0/24)", `routes = "external"`}},
		{"some resolvers", func(f *fixture, _ *desired.Input) {
			f.fact("bj1-w1", func(x *hostapi.Facts) { x.Nameservers = nil })
		}, []string{"some have none (bj1-w1)", "upstream"}},
		{"settings", func(f *fixture, _ *desired.Input) {
			f.cluster.Components = []topology.Component{{Name: "kubelet", Settings: map[string]any{"maxPod": int64(3), "clusterDNS": []any{}}}}
		}, []string{"no field maxPod. Did you mean maxPods?", "clusterDNS of kubelet cannot be set here"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := twoPlacesThreeCentres(t, "1.37.2")
			in := f.input()
			c.change(f, &in)
			_, err := desired.Compile(in)
			if err == nil {
				t.Fatal("compiled")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func (f *fixture) index(name string) int {
	return slices.IndexFunc(f.cluster.Hosts, func(h *topology.Host) bool { return h.Name == name })
}

func TestBridgeWithExternalRoutes(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	f.cluster.Network.Plugin, f.cluster.Network.Routes = "bridge", "external"
	in := f.input()
	state, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range state.Hosts {
		if content(h, "/etc/trivet/routes") != "" {
			t.Errorf("host %s has routes", h.Name)
		}
	}
	var got []string
	for _, r := range desired.Routes(f.cluster, in.Inventory) {
		got = append(got, fmt.Sprintf("%s via %s", r.PodCIDR, r.Address))
	}
	want := []string{
		"10.128.0.0/24 via 10.11.1.11", "10.128.1.0/24 via 10.11.1.101", "10.128.2.0/24 via 10.12.1.11", "10.128.3.0/24 via 10.21.1.11", "10.128.4.0/24 via 10.21.1.101",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkCompile compiles a thousand workers.
func BenchmarkCompile(b *testing.B) {
	f := large(b, 1000)
	in := f.input()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := desired.Compile(in); err != nil {
			b.Fatal(err)
		}
	}
}

func large(t testing.TB, workers int) *fixture {
	f := newFixture(t, "1.37.2")
	f.host(f.rack("r", "s", "1", "cp", "10.1.0.0/24"), "cp", "10.1.0.10", etcd, controlPlane)
	var rack *topology.Rack
	for i := range workers {
		if i%40 == 0 {
			rack = f.rack("r", "s", "1", fmt.Sprint(i/40), fmt.Sprintf("10.2.%d.0/24", i/40))
		}
		f.host(rack, fmt.Sprintf("w%04d", i), fmt.Sprintf("10.2.%d.%d", i/40, 10+i%40), worker)
	}
	return f
}
