package desired_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/artifact/image"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// fixture builds topologies in Go.
type fixture struct {
	t       testing.TB
	cluster *topology.Cluster
	regions map[string]*topology.Region
	facts   map[string]hostapi.Facts
}

func newFixture(t testing.TB, kubernetes string) *fixture {
	return &fixture{
		t: t, regions: map[string]*topology.Region{}, facts: map[string]hostapi.Facts{},
		cluster: &topology.Cluster{
			Name: "main", Kubernetes: kubernetes,
			PodCIDR: netip.MustParsePrefix("10.128.0.0/12"), NodePrefix: 24, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"),
			DNS:     topology.DNS{Domain: "cluster.local", Address: netip.MustParseAddr("10.96.0.10"), Replicas: 2},
			Network: topology.Network{Plugin: "flannel", Routes: "static", ProxyMode: "nftables"},
			API:     topology.API{Port: 6443, LocalPort: 7443, ServiceAccountIssuer: "https://kubernetes.default.svc.cluster.local"},
			Etcd: topology.Etcd{
				QuotaBytes: 8 << 30, HeartbeatInterval: 100 * time.Millisecond, ElectionTimeout: time.Second, CompactionRetention: 5 * time.Minute,
			},
			Certificates: topology.Certificates{
				CALifetime: 87600 * time.Hour, LeafLifetime: 8760 * time.Hour, RenewBefore: 720 * time.Hour, AdminLifetime: 24 * time.Hour,
			},
		},
	}
}

// rack makes region, site, room and rack as far as they are not there.
func (f *fixture) rack(region, site, room, rack, cidr string) *topology.Rack {
	r := f.regions[region]
	if r == nil {
		r = &topology.Region{Name: region}
		f.regions[region] = r
	}
	i := slices.IndexFunc(r.Sites, func(s *topology.Site) bool { return s.Name == site })
	if i < 0 {
		r.Sites = append(r.Sites, &topology.Site{Name: site, Region: r})
		i = len(r.Sites) - 1
		f.cluster.Sites = append(f.cluster.Sites, r.Sites[i])
	}
	s := r.Sites[i]
	m := &topology.Room{Name: room, Site: s}
	s.Rooms = append(s.Rooms, m)
	k := &topology.Rack{Name: rack, Room: m, CIDR: netip.MustParsePrefix(cidr)}
	m.Racks = append(m.Racks, k)
	return k
}

// host adds a host with the facts of an ordinary machine.
func (f *fixture) host(rack *topology.Rack, name, address string, roles ...topology.Role) *topology.Host {
	slices.Sort(roles)
	h := &topology.Host{Name: name, Rack: rack, Address: netip.MustParseAddr(address), Roles: roles}
	rack.Hosts = append(rack.Hosts, h)
	f.cluster.Hosts = append(f.cluster.Hosts, h)
	slices.SortFunc(f.cluster.Hosts, func(a, b *topology.Host) int { return strings.Compare(a.Name, b.Name) })
	f.facts[name] = hostapi.Facts{
		Hostname: name, MachineID: fmt.Sprintf("%032x", h.Address.As4()), Architecture: "amd64", Kernel: "6.1.0-18-amd64",
		OS: hostapi.OSRelease{ID: "debian", VersionID: "12"}, Init: "systemd", SystemdVersion: 252, CgroupVersion: 2, CPUs: 4,
		Interfaces: []hostapi.Interface{
			{Name: "lo", MTU: 65536, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{Name: "eth0", MTU: 1500, Addresses: []netip.Prefix{netip.PrefixFrom(h.Address, rack.CIDR.Bits())}},
		},
		Nameservers: []string{"192.0.2.53"}, ResolvConf: "/etc/resolv.conf", ConntrackWritable: true,
	}
	return h
}

// fact changes a host's facts.
func (f *fixture) fact(name string, change func(*hostapi.Facts)) {
	facts := f.facts[name]
	change(&facts)
	f.facts[name] = facts
}

func (f *fixture) release() *release.Release {
	f.t.Helper()
	r, err := release.Lookup(f.cluster.Kubernetes)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// input allots and resolves artifacts, as a run does before it compiles.
func (f *fixture) input() desired.Input {
	f.t.Helper()
	inv, err := desired.Allot(nil, f.cluster, f.facts)
	if err != nil {
		f.t.Fatal(err)
	}
	inv.ClusterID = "00000000000000000000000000000001"
	inv.Public = public
	var entries []artifact.Entry
	for _, w := range desired.Wants(f.cluster, f.release(), f.facts, true) {
		entries = append(entries, entry(f.t, w)...)
	}
	return desired.Input{Cluster: f.cluster, Release: f.release(), Inventory: inv, Facts: f.facts, Artifacts: entries}
}

func (f *fixture) compile() *desired.Cluster {
	f.t.Helper()
	out, err := desired.Compile(f.input())
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// public stands for an identity that exists: no test here looks into certificates.
var public = inventory.Public{
	Authorities: map[string]string{
		"etcd": pem("etcd"), "kubernetes": pem("kubernetes"), "front-proxy": pem("front-proxy"), "online": pem("online"),
	},
	ServiceAccountKeys: "-----BEGIN PUBLIC KEY-----\nc2VydmljZS1hY2NvdW50\n-----END PUBLIC KEY-----\n",
	Versions:           map[string]string{"service-account": "sa-1", "encryption": "enc-1", "online-ca": "online-1"},
}

func pem(name string) string {
	return "-----BEGIN CERTIFICATE-----\n" + name + "\n-----END CERTIFICATE-----\n"
}

// entry stands for a mirror: digests made from names.
func entry(t testing.TB, w artifact.Want) []artifact.Entry {
	t.Helper()
	e := artifact.Entry{Want: w, SHA256: hostapi.Digest([]byte(w.String())), Size: int64(1000 + len(w.String())), Provenance: artifact.Upstream}
	switch w.Kind {
	case artifact.Image:
		ref, err := image.Reference(w.Name, w.Version)
		if err != nil {
			t.Fatal(err)
		}
		e.Reference = ref
	case artifact.Package:
		e.Provenance, e.Distribution, e.Reference = artifact.Distribution, "debian-12", w.Name+"=1"
		dependency := e
		dependency.Reference, dependency.SHA256 = "lib"+w.Name+"=1", hostapi.Digest([]byte("lib"+w.Name+w.Arch))
		return []artifact.Entry{dependency, e}
	}
	return []artifact.Entry{e}
}

const (
	etcd         = topology.RoleEtcd
	controlPlane = topology.RoleControlPlane
	worker       = topology.RoleWorker
)

// topologies by name: what golden files are kept of.
var topologies = map[string]func(t *testing.T, kubernetes string) *fixture{
	"two-places-three-centres": twoPlacesThreeCentres,
	"single-host":              singleHost,
	"bridge":                   bridge,
	"arm64-cgroup1":            arm64CgroupV1,
	"snapshots":                snapshots,
}

func twoPlacesThreeCentres(t *testing.T, kubernetes string) *fixture {
	f := newFixture(t, kubernetes)
	bj1 := f.rack("beijing", "bj1", "101", "a", "10.11.1.0/24")
	bj2 := f.rack("beijing", "bj2", "201", "a", "10.12.1.0/24")
	sh1 := f.rack("shanghai", "sh1", "301", "a", "10.21.1.0/24")
	f.host(bj1, "bj1-cp1", "10.11.1.11", etcd, controlPlane)
	f.host(bj2, "bj2-cp1", "10.12.1.11", etcd, controlPlane)
	f.host(sh1, "sh1-cp1", "10.21.1.11", etcd, controlPlane)
	search := f.host(bj1, "bj1-w1", "10.11.1.101", worker)
	search.ProductLine = "search"
	search.Labels = map[string]string{"disk": "ssd"}
	search.Annotations = map[string]string{"example.com/rack-unit": "17"}
	search.Taints = []topology.Taint{{Key: "search", Value: "only", Effect: "NoSchedule"}}
	f.host(sh1, "sh1-w1", "10.21.1.101", worker)
	f.cluster.Images = []topology.Image{{Reference: "docker.io/library/nginx:1.29"}}
	f.cluster.Components = []topology.Component{
		{Name: "kubelet", Settings: map[string]any{
			"imageGCHighThresholdPercent": int64(95), "evictionHard": map[string]any{"nodefs.available": "5%"},
		}},
		{Name: "kubelet", Role: worker, Settings: map[string]any{"maxPods": int64(200), "featureGates": map[string]any{"GracefulNodeShutdown": true}}},
		{Name: "kube-apiserver", Settings: map[string]any{
			"audit-log-maxage": int64(90), "event-ttl": "2h", "enable-admission-plugins": []any{"AlwaysPullImages"},
		}},
		{Name: "etcd", Settings: map[string]any{"log-level": "warn"}},
		{Name: "kube-scheduler", Settings: map[string]any{"parallelism": int64(8), "featureGates": map[string]any{"AllBeta": false}}},
	}
	return f
}

func singleHost(t *testing.T, kubernetes string) *fixture {
	f := newFixture(t, kubernetes)
	rack := f.rack("home", "closet", "only", "only", "192.0.2.0/24")
	f.host(rack, "one", "192.0.2.10", etcd, controlPlane, worker)
	f.cluster.DNS.Replicas = 1
	// A host as the lab makes it: a container on a machine with cgroup v1 and no way out.
	f.fact("one", func(facts *hostapi.Facts) {
		facts.CgroupVersion, facts.ConntrackWritable, facts.Nameservers = 1, false, nil
	})
	return f
}

func bridge(t *testing.T, kubernetes string) *fixture {
	f := newFixture(t, kubernetes)
	rack := f.rack("north", "n1", "1", "a", "10.5.0.0/24")
	f.cluster.Network.Plugin, f.cluster.Network.ProxyMode = "bridge", "iptables"
	f.cluster.DNS.Upstream = []string{"10.0.0.53", "10.0.0.54:5353"}
	f.host(rack, "cp", "10.5.0.10", controlPlane)
	f.host(rack, "db", "10.5.0.9", etcd)
	f.host(rack, "w1", "10.5.0.11", worker)
	f.host(rack, "w2", "10.5.0.12", worker)
	return f
}

func arm64CgroupV1(t *testing.T, kubernetes string) *fixture {
	f := newFixture(t, kubernetes)
	rack := f.rack("north", "n1", "1", "a", "10.5.0.0/24")
	f.cluster.Network.MTU = 8900
	f.host(rack, "cp", "10.5.0.10", etcd, controlPlane)
	f.host(rack, "edge", "10.5.0.11", worker)
	f.fact("edge", func(facts *hostapi.Facts) {
		facts.Architecture, facts.CgroupVersion, facts.ResolvConf = "arm64", 1, "/run/systemd/resolve/resolv.conf"
		facts.Interfaces[1].Name, facts.Interfaces[1].MTU = "enP2p1s0", 9000
	})
	return f
}

// snapshots has a member, and a worker in another region that gets copies.
func snapshots(t *testing.T, kubernetes string) *fixture {
	f := newFixture(t, kubernetes)
	f.host(f.rack("beijing", "bj1", "101", "a", "10.11.1.0/24"), "bj1-e1", "10.11.1.11", etcd)
	f.host(f.rack("shanghai", "sh1", "301", "a", "10.21.1.0/24"), "sh1-w1", "10.21.1.101", worker)
	schedule, err := topology.ParseCalendar("*-*-* 00/6:00:00")
	if err != nil {
		t.Fatal(err)
	}
	f.cluster.Etcd.Snapshots = topology.Snapshots{Wanted: true, Enabled: true, Schedule: schedule, Keep: 8, KeepFor: 168 * time.Hour, Copies: 1}
	return f
}
