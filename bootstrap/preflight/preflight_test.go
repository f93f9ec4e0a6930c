package preflight

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// now is the operator's clock.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// fleet is one host of each kind in a site of its own: three control planes with etcd, an arbiter with etcd only would make four; workers in two sites.
const fleet = `
fleet "test" {}
region "r" {
  site "s1" {
    room "1" {
      rack "a" {
        cidr = "10.1.1.0/24"
        host "cp1" {
          address = "10.1.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "w1" {
          address = "10.1.1.21"
          roles   = ["worker"]
        }
      }
    }
  }
  site "s2" {
    room "1" {
      rack "a" {
        cidr = "10.2.1.0/24"
        host "cp2" {
          address = "10.2.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "w2" {
          address = "10.2.1.21"
          roles   = ["worker"]
        }
      }
    }
  }
  site "s3" {
    room "1" {
      rack "a" {
        cidr = "10.3.1.0/24"
        host "e3" {
          address = "10.3.1.11"
          roles   = ["etcd"]
        }
      }
    }
  }
}
`

func clusterOf(t testing.TB, fleet, more string) *topology.Cluster {
	t.Helper()
	var sites []string
	for line := range strings.Lines(fleet) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "site "); ok {
			sites = append(sites, strings.TrimSuffix(name, " {"))
		}
	}
	source := fmt.Sprintf("%s\ncluster \"main\" {\n  kubernetes = \"1.37.2\"\n  sites = [%s]\n  pod_cidr = \"10.128.0.0/12\"\n  service_cidr = \"10.96.0.0/16\"\n  age_recipients = [%q]\n%s\n}\n",
		fleet, strings.Join(sites, ", "), recipient, more)
	top, _, diags := topology.Parse(map[string][]byte{"fleet.hcl": []byte(source)}, topology.Options{Releases: release.Known, CheckSettings: release.CheckComponent})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c, err := top.Cluster("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// healthy is what fresh hosts without any fault answer.
func healthy(t testing.TB, fleet, more string) *Input {
	t.Helper()
	in := &Input{Cluster: clusterOf(t, fleet, more), Seen: map[string]*hostapi.Observation{}, Listening: map[string]Listening{},
		Probes: map[string]*hostapi.ProbeResult{}, Failed: map[string]error{}}
	for i, h := range in.Cluster.Hosts {
		in.Seen[h.Name] = &hostapi.Observation{Facts: hostapi.Facts{
			Hostname: h.Name, MachineID: fmt.Sprintf("%032x", i+1), Architecture: "amd64", Kernel: "6.1.0-18-amd64", Init: "systemd", SystemdVersion: 252, CgroupVersion: 2,
			CPUs: 4, MemoryBytes: 8 << 30, Nameservers: []string{"192.0.2.53"}, ResolvConf: "/etc/resolv.conf",
			Interfaces: []hostapi.Interface{{Name: "lo", MTU: 65536, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}, {Name: "eth0", MTU: 1500, Addresses: []netip.Prefix{netip.PrefixFrom(h.Address, 24)}}},
			Listeners:  []hostapi.Listener{{Protocol: "tcp", Address: netip.IPv4Unspecified(), Port: 22, Process: "sshd"}},
		}}
		p := &hostapi.ProbeResult{Clock: hostapi.ClockSynchronised, Paths: map[string]hostapi.PathFound{}, Features: map[string]bool{"overlay": true, "vxlan": true, "cgroup:memory": true},
			Sync: hostapi.SyncLatency{Path: "/var/lib", Writes: 100, Median: time.Millisecond, P99: 2 * time.Millisecond, Max: 3 * time.Millisecond}}
		for _, at := range []string{storePath, etcdPath, containerdPath, kubeletPath, statePath, unitPath} {
			p.Paths[at] = hostapi.PathFound{Mount: "/", FSType: "ext4", Free: 80 << 30, Total: 100 << 30, FreeInodes: 5_000_000}
		}
		in.Probes[h.Name] = p
	}
	listenAll(in)
	return in
}

// listenAll has every host listen and reach all that it tries.
func listenAll(in *Input) {
	for _, h := range in.Cluster.Hosts {
		l := Listening{Asked: now, Answered: now.Add(2 * time.Millisecond)}
		l.Time = now.Add(time.Millisecond)
		for range in.bound(h) {
			l.Ports = append(l.Ports, hostapi.ProbePortState{Listening: true})
		}
		in.Listening[h.Name] = l
	}
	reachAll(in)
}

func reachAll(in *Input) {
	ways := in.waysTo()
	for name, p := range in.Probes {
		p.Reached = nil
		for _, w := range ways[name] {
			p.Reached = append(p.Reached, hostapi.Reached{State: hostapi.ReachOK, RTT: time.Millisecond, Worst: time.Millisecond, PacketSize: w.target.PacketSize})
		}
	}
}

// reach sets what comes of the ways that match.
func reach(in *Input, match func(way) bool, set func(*hostapi.Reached)) {
	for name, ways := range in.waysTo() {
		for i, w := range ways {
			if match(w) {
				set(&in.Probes[name].Reached[i])
			}
		}
	}
}

func state(s hostapi.ReachState) func(*hostapi.Reached) {
	return func(r *hostapi.Reached) { *r = hostapi.Reached{State: s, Error: "because"} }
}

func facts(in *Input, host string) *hostapi.Facts { return &in.Seen[host].Facts }

// record makes a host part of a cluster.
func record(in *Input, hosts ...string) {
	for _, host := range hosts {
		r := &hostapi.Record{Cluster: "main", ClusterID: "id", Host: host}
		o := in.Seen[host]
		units := map[string]bool{}
		for _, h := range in.Cluster.Hosts {
			if h.Name != host {
				continue
			}
			for _, p := range portsOf(in.Cluster, h) {
				a := h.Address
				if p.on == onLoopback {
					a = netip.MustParseAddr("127.0.0.1")
				}
				o.Facts.Listeners = append(o.Facts.Listeners, hostapi.Listener{Protocol: p.network, Address: a, Port: p.number, Process: strings.TrimSuffix(p.unit, ".service")})
				if !units[p.unit] {
					units[p.unit] = true
					r.Items = append(r.Items, hostapi.RecordedItem{Item: hostapi.Item{Unit: &hostapi.Unit{Name: p.unit}}})
				}
			}
		}
		for _, d := range []string{"/var/lib/etcd", "/var/lib/containerd", "/var/lib/kubelet", "/etc/cni/net.d"} {
			r.Items = append(r.Items, hostapi.RecordedItem{Item: hostapi.Item{Directory: &hostapi.Directory{Path: d, Data: true}}})
		}
		o.Record = r
	}
	listenAll(in)
}

// lines writes findings as "severity check place: message", without remedies, which must all be there.
func lines(t *testing.T, r Report) []string {
	t.Helper()
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Check, f.Place(), f.Message))
		if f.Remedy == "" || !slices.Contains(Checks, f.Check) {
			t.Errorf("finding without remedy, or of no check: %+v", f)
		}
	}
	return out
}

func toSite(name string) func(way) bool { return func(w way) bool { return w.to.Site().Name == name } }

func TestHealthy(t *testing.T) {
	r := Check(*healthy(t, fleet, ""))
	if got := lines(t, r); len(got) > 0 {
		t.Errorf("findings: %q", got)
	}
	if !r.OK() || r.Err() != nil || len(r.Hosts) != 5 || r.Ways == 0 {
		t.Errorf("%+v", r)
	}
	if want := (&EtcdTiming{RTT: time.Millisecond, From: "cp1", To: "cp2", Heartbeat: 100 * time.Millisecond, Election: time.Second}); cmp.Diff(want, r.Etcd) != "" {
		t.Errorf("timing: %+v", r.Etcd)
	}
}

func TestFindings(t *testing.T) {
	all := func(way) bool { return true }
	for _, tc := range []struct {
		name    string
		cluster string
		change  func(in *Input)
		want    []string
	}{
		{"a host that was lost", "", func(in *Input) {
			delete(in.Seen, "w1")
			in.Failed["w1"] = errors.New("host w1: connect to 10.1.1.21: no route to host")
			listenAll(in)
		}, []string{"error connect w1: it could not be looked at: connect to 10.1.1.21: no route to host"}},

		{"programs of hooks", "hook \"lb\" {\n before = [\"change\"]\n roles = [\"worker\"]\n command = [\"/sbin/lb\"]\n}\nhook \"back\" {\n after = [\"change\"]\n roles = [\"worker\"]\n command = [\"/sbin/lb\", \"in\"]\n}\nhook \"note\" {\n after = [\"upgrade\"]\n command = [\"/opt/note\"]\n}", func(in *Input) {
			for name, p := range in.Probes {
				p.Paths["/opt/note"] = hostapi.PathFound{Exists: true, Program: true, NoExec: name == "e3", Mount: "/opt"}
			}
			in.Probes["w1"].Paths["/sbin/lb"] = hostapi.PathFound{}
			in.Probes["w2"].Paths["/sbin/lb"] = hostapi.PathFound{Exists: true}
			in.Probes["cp1"].Paths["/sbin/lb"] = hostapi.PathFound{} // where it does not run
		}, []string{
			"warning hooks e3: /opt/note, the program of the hook note, lies on /opt, which is mounted noexec",
			"warning hooks w1: /sbin/lb, the program of the hooks lb, back, is not there",
			"warning hooks w2: /sbin/lb, the program of the hooks lb, back, is no file that may be executed"}},

		{"clock of one", "", func(in *Input) { skewed(in, "w1", -31*time.Second) },
			[]string{"error clock w1: its clock is 31s behind this machine's (±1ms): certificates and leases suffer"}},
		{"clock a little off", "", func(in *Input) { skewed(in, "cp1", 2500*time.Millisecond) },
			[]string{"warning clock cp1: its clock is 2.5s ahead of this machine's (±1ms): certificates and leases suffer"}},
		{"clock within the time of the request", "", func(in *Input) {
			skewed(in, "cp1", 1500*time.Millisecond)
			l := in.Listening["cp1"]
			l.Asked, l.Answered = l.Asked.Add(-time.Second), l.Answered.Add(time.Second)
			in.Listening["cp1"] = l
		}, nil},
		{"clocks on either side", "", func(in *Input) { skewed(in, "cp1", 20*time.Second); skewed(in, "cp2", -20*time.Second) }, []string{
			"error clock cp2 → cp1: their clocks are 40s apart: certificates and leases suffer",
			"warning clock cp1: its clock is 20s ahead of this machine's (±1ms): certificates and leases suffer",
			"warning clock cp2: its clock is 20s behind this machine's (±1ms): certificates and leases suffer"}},
		{"clock of the operator", "", func(in *Input) {
			for _, h := range in.Cluster.Hosts {
				skewed(in, h.Name, time.Hour)
			}
		}, []string{"error clock : the clocks of all hosts agree, and are 1h0m0s ahead of those of this machine"}},
		{"no time service", "", func(in *Input) { in.Probes["w1"].Clock = hostapi.ClockUnsynchronised },
			[]string{"warning clock w1: nothing keeps its clock right: the kernel calls it unsynchronised"}},
		{"a container's clock", "", func(in *Input) { in.Probes["w1"].Clock = hostapi.ClockUnknown }, nil},

		{"clones", "", func(in *Input) {
			facts(in, "w2").MachineID = facts(in, "w1").MachineID
			facts(in, "w2").Hostname = "w1"
		}, []string{
			"error identity : w1, w2 have the same machine id 00000000000000000000000000000004: they are one machine, or clones",
			"warning identity : w1, w2 all call themselves \"w1\""}},
		{"no machine id", "", func(in *Input) { facts(in, "w1").MachineID = ""; facts(in, "w2").MachineID = "uninitialized" },
			[]string{"error identity w1: it has no machine id", "error identity w2: it has no machine id"}},
		{"another address", "", func(in *Input) {
			facts(in, "w1").Interfaces[1].Addresses[0] = netip.MustParsePrefix("10.1.1.99/24")
			listenAll(in)
		}, []string{"error address w1: none of its interfaces carries 10.1.1.21 (it has eth0 10.1.1.99)"}},

		{"no systemd", "", func(in *Input) { facts(in, "e3").Init = "init"; facts(in, "e3").SystemdVersion = 0 },
			[]string{"error system e3: its first process is init and not systemd"}},
		{"old systemd", "", func(in *Input) { facts(in, "e3").SystemdVersion = 219; facts(in, "w1").SystemdVersion = 241 },
			[]string{"error system e3: it has systemd 219", "warning system w1: it has systemd 241 with control groups version 2"}},
		{"architecture", "", func(in *Input) { facts(in, "w1").Architecture = "riscv64" }, []string{"error system w1: it is a riscv64 machine"}},
		{"small hosts", "", func(in *Input) {
			facts(in, "w1").MemoryBytes = 512 << 20
			facts(in, "cp1").MemoryBytes, facts(in, "cp1").CPUs = 1<<30, 1
			facts(in, "e3").MemoryBytes = 1 << 30
		}, []string{
			"error resources w1: it has 512 MiB of memory, too little for worker",
			"warning resources cp1: it has 1 processor, few for a control plane",
			"warning resources cp1: it has 1.0 GiB of memory, little for control-plane and etcd",
			"warning resources e3: it has 1.0 GiB of memory, little for etcd"}},

		{"swap", "", func(in *Input) { facts(in, "w1").SwapBytes = 2 << 30; facts(in, "e3").SwapBytes = 2 << 30 },
			[]string{"error swap w1: 2.0 GiB of swap are on, with which the kubelet does not start"}},
		{"swap that the kubelet is told of", "component \"kubelet\" {\n settings = { failSwapOn = false }\n}", func(in *Input) { facts(in, "w1").SwapBytes = 2 << 30 }, nil},

		{"old kernel", "", func(in *Input) { facts(in, "w1").Kernel = "5.10.0-28-amd64"; facts(in, "e3").Kernel = "4.4.0" },
			[]string{"error kernel w1: it runs kernel 5.10.0-28-amd64, and kube-proxy's nftables mode needs 5.13"}},
		{"old kernel for the iptables mode", "network {\n proxy_mode = \"iptables\"\n}", func(in *Input) { facts(in, "w1").Kernel = "5.10.0-28-amd64"; facts(in, "w2").Kernel = "4.18.0-553.el8" },
			[]string{"error kernel w2: it runs kernel 4.18.0-553.el8, and Kubernetes needs 4.19"}},
		{"kernel features", "", func(in *Input) {
			in.Probes["w1"].Features = map[string]bool{"vxlan": false, "cgroup:memory": false, "overlay": true}
			in.Probes["e3"].Features = map[string]bool{"vxlan": false}
		}, []string{
			"error kernel w1: its kernel lacks the control group controller memory, which the kubelet needs",
			"error kernel w1: its kernel lacks the module vxlan, which flannel needs"}},

		{"resolver that loops", "", func(in *Input) {
			facts(in, "w1").Nameservers = []string{"127.0.0.53"}
			facts(in, "w2").Nameservers = []string{"192.0.2.1", "10.96.0.10"}
			facts(in, "e3").Nameservers = []string{"127.0.0.1"}
		}, []string{
			"error resolver w1: /etc/resolv.conf names 127.0.0.53, which in a pod is the pod itself or CoreDNS: CoreDNS would ask itself, notice and end",
			"error resolver w2: /etc/resolv.conf names 10.96.0.10, which in a pod is the pod itself or CoreDNS: CoreDNS would ask itself, notice and end"}},
		{"resolver that loops, with servers in the topology", "dns {\n upstream = [\"192.0.2.1\"]\n}", func(in *Input) { facts(in, "w1").Nameservers = []string{"127.0.0.53"} }, []string{
			"warning resolver w1: /etc/resolv.conf names 127.0.0.53, which in a pod is the pod itself or CoreDNS: pods with dnsPolicy Default have no names from outside"}},
		{"resolvers of some", "", func(in *Input) { facts(in, "w1").Nameservers = nil; facts(in, "cp1").Nameservers = nil },
			[]string{"error resolver : some nodes have a name server (cp2, w2) and some have none (cp1, w1), and CoreDNS could run on either"}},
		{"no resolvers", "", func(in *Input) {
			for _, h := range in.Cluster.Hosts {
				facts(in, h.Name).Nameservers = nil
			}
		}, nil},

		{"another Kubernetes", "", func(in *Input) {
			in.Probes["cp1"].Units = map[string]hostapi.UnitFound{"kubelet.service": {Active: "active", Load: "loaded"}, "etcd.service": {Active: "inactive", Load: "loaded"}}
			in.Probes["w1"].Units = map[string]hostapi.UnitFound{"docker.service": {Active: "active", Load: "loaded"}, "k3s-agent.service": {Active: "activating", Load: "loaded"}, "etcd.service": {Active: "active", Load: "loaded"}}
			in.Probes["w2"].Units = map[string]hostapi.UnitFound{"containerd.service": {Active: "inactive", Load: "masked"}, "docker.service": {Active: "inactive", Load: "loaded"}}
			in.Probes["cp2"].Paths["/var/lib/etcd"] = hostapi.PathFound{Exists: true, Entries: 1, Mount: "/", Free: 80 << 30, Total: 100 << 30, FreeInodes: -1}
			in.Probes["w2"].Paths["/etc/kubernetes/manifests"] = hostapi.PathFound{Exists: true, Entries: 4}
			in.Probes["w1"].Paths["/var/lib/etcd"] = hostapi.PathFound{Exists: true, Entries: 1, Mount: "/", Free: 80 << 30, Total: 100 << 30, FreeInodes: -1}
			in.Probes["w1"].Paths["/etc/cni/net.d"] = hostapi.PathFound{Exists: true, Entries: 1}
		}, []string{
			"error foreign cp1: a kubelet runs there, which Trivet did not set up (kubelet.service)",
			"error foreign cp2: /var/lib/etcd is not empty: data of another etcd",
			"error foreign w1: k3s runs there, which Trivet did not set up (k3s-agent.service)",
			"error foreign w2: /etc/kubernetes/manifests is not empty: manifests of another Kubernetes, such as one of kubeadm",
			"error foreign w2: containerd.service is masked",
			"warning foreign cp1: etcd is installed, and does not run (etcd.service)",
			"warning foreign w1: /etc/cni/net.d is not empty: a network configuration of another Kubernetes or of Podman, which containerd may prefer",
			"warning foreign w1: Docker runs there, which Trivet did not set up (docker.service)"}},

		{"other clusters", "", func(in *Input) {
			record(in, "cp1", "cp2", "w1")
			in.Seen["w1"].Record.Cluster = "other"
			in.Seen["cp2"].Record.ClusterID = "id2"
		}, []string{
			"error foreign : hosts were set up for different clusters of the same name: cp1 for id, cp2 for id2",
			"error foreign w1: it was set up for cluster \"other\" (id)"}},

		{"ports taken", "", func(in *Input) {
			l := func(host, protocol, address string, port int, process string) {
				facts(in, host).Listeners = append(facts(in, host).Listeners, hostapi.Listener{Protocol: protocol, Address: netip.MustParseAddr(address), Port: port, Process: process})
			}
			l("cp1", "tcp", "0.0.0.0", 2380, "etcd")
			l("cp1", "tcp", "127.0.0.1", 10257, "python3")
			l("w1", "tcp", "::", 10250, "nginx")
			l("w1", "tcp", "127.0.0.1", 6443, "nginx")  // a worker has no API server
			l("w2", "udp", "127.0.0.1", 8472, "dnsd")   // another address
			l("w2", "tcp", "192.0.2.9", 10256, "nginx") // kube-proxy listens on all
			l("e3", "tcp", "10.3.1.11", 2379, "")
		}, []string{
			"error ports cp1: port 10257/tcp, which kube-controller-manager needs, is taken by python3 on 127.0.0.1",
			"error ports cp1: port 2380/tcp, which etcd needs, is taken by etcd on 0.0.0.0",
			"error ports e3: port 2379/tcp, which etcd needs, is taken by an unknown process on 10.3.1.11",
			"error ports w1: port 10250/tcp, which kubelet needs, is taken by nginx on ::",
			"error ports w2: port 10256/tcp, which kube-proxy needs, is taken by nginx on 192.0.2.9"}},
		{"a port that only a listener finds taken", "", func(in *Input) {
			in.Listening["w1"].Ports[1] = hostapi.ProbePortState{Taken: true}
			in.Listening["w2"].Ports[0] = hostapi.ProbePortState{Error: "listen tcp 10.2.1.21:10250: operation not permitted"}
			reachAll(in)
		}, []string{
			"error ports w1: port 8472/udp, which flanneld needs, is taken",
			"error ports w2: nothing can listen on port 10250/tcp, which kubelet needs: listen tcp 10.2.1.21:10250: operation not permitted"}},

		{"firewalls and SELinux", "", func(in *Input) {
			in.Probes["w1"].Units = map[string]hostapi.UnitFound{"firewalld.service": {Active: "active", Load: "loaded"}, "ufw.service": {Active: "inactive", Load: "loaded"}}
			in.Probes["w1"].SELinux, in.Probes["w2"].SELinux = "enforcing", "permissive"
		}, []string{"warning firewall w1: firewalld is active", "warning selinux w1: SELinux is enforcing"}},

		{"mounts", "", func(in *Input) {
			p := in.Probes["w1"].Paths
			mount := func(at, point string, ro, noexec bool) {
				p[at] = hostapi.PathFound{Mount: point, ReadOnly: ro, NoExec: noexec, Free: 80 << 30, Total: 100 << 30, FreeInodes: -1}
			}
			mount(storePath, "/opt", false, true)
			mount(containerdPath, "/var/lib/containerd", false, true)
			mount(kubeletPath, "/var/lib", true, false)
			mount(statePath, "/var/lib", true, false)
		}, []string{
			"error mounts w1: /opt, where programs are to be, is mounted noexec",
			"error mounts w1: /var/lib, where /var/lib/kubelet is to be, is mounted read-only",
			"warning mounts w1: /var/lib/containerd, where containers are to be, is mounted noexec"}},

		{"slow disks", "", func(in *Input) {
			in.Probes["cp1"].Sync = hostapi.SyncLatency{Path: "/var/lib", Writes: 100, Median: 4 * time.Millisecond, P99: 23 * time.Millisecond, Max: 50 * time.Millisecond}
			in.Probes["cp2"].Sync = hostapi.SyncLatency{Path: "/var/lib", Writes: 7, Median: 140 * time.Millisecond, P99: 190 * time.Millisecond, Max: 190 * time.Millisecond}
			in.Probes["e3"].Sync = hostapi.SyncLatency{Path: "/var/lib", Error: "read-only file system"}
		}, []string{
			"warning disk-latency cp1: a synchronous write below /var/lib took 23ms at the 99th percentile, 4ms at the median, of 100; etcd wants less than 10 ms",
			"warning disk-latency cp2: a synchronous write below /var/lib took 190ms at the 99th percentile, 140ms at the median, of 7: etcd will lose its leader again and again",
			"warning disk-latency e3: the disk below /var/lib could not be measured: read-only file system"}},

		{"nothing goes to a site", "", func(in *Input) {
			reach(in, func(w way) bool { return w.to.Site().Name == "s2" && w.from.Site().Name == "s1" && w.use == usePods }, state(hostapi.ReachTimeout))
		}, []string{"error network : port 8472/udp is not reached from site s1 to site s2 in 4 of 4 attempts: no answer (the pod network (VXLAN); cp1 → cp2, cp1 → w2, w1 → cp2, w1 → w2)"}},
		{"a host that nobody reaches", "", func(in *Input) {
			reach(in, func(w way) bool { return w.to.Name == "cp2" && w.use == useAPI }, state(hostapi.ReachRefused))
		}, []string{"error network cp2: port 6443/tcp is not reached from cp1, w1, w2: refused (nodes to the API server)"}},
		{"one way between members", "", func(in *Input) {
			reach(in, func(w way) bool { return w.from.Name == "e3" && w.to.Name == "cp1" }, state(hostapi.ReachForeign))
		}, []string{"error network e3 → cp1: port 2380/tcp is not reached: something else answers (etcd's members to one another)"}},
		{"everything dropped", "", func(in *Input) {
			reach(in, func(w way) bool { return w.use == useKubelet && w.from.Site() != w.to.Site() }, state(hostapi.ReachUnreachable))
		}, []string{
			"error network : port 10250/tcp is not reached from site s1 to site s2 in 2 of 2 attempts: unreachable (API servers to kubelets; cp1 → cp2, cp1 → w2)",
			"error network : port 10250/tcp is not reached from site s2 to site s1 in 2 of 2 attempts: unreachable (API servers to kubelets; cp2 → cp1, cp2 → w1)"}},

		{"a site cut off", "", func(in *Input) {
			reach(in, func(w way) bool {
				return w.from.Site() != w.to.Site() && (w.from.Site().Name == "s2" || w.to.Site().Name == "s2")
			}, state(hostapi.ReachTimeout))
		}, []string{
			"error network : nothing arrives between site s1 and site s2 in 20 attempts: no answer",
			"error network : nothing arrives between site s2 and site s3 in 3 attempts: no answer"}},
		{"a host that drops everything", "", func(in *Input) {
			reach(in, func(w way) bool { return w.to.Name == "cp2" }, state(hostapi.ReachTimeout))
		}, []string{"error network cp2: nothing arrives from cp1, e3, w1, w2 on 10250/tcp, 2379/tcp, 2380/tcp, 6443/tcp, 8472/udp: no answer"}},

		{"narrow way", "", func(in *Input) {
			reach(in, func(w way) bool { return w.target.PacketSize > 0 && w.from.Site() != w.to.Site() }, func(r *hostapi.Reached) { r.PacketSize = 1442 })
			reach(in, func(w way) bool { return w.from.Name == "w1" && w.to.Name == "w2" && w.use == usePods }, func(r *hostapi.Reached) { r.PacketSize = 1400 })
		}, []string{
			"error mtu : packets of 1500 bytes do not arrive from site s1 to site s2, the largest that do have 1400 (w1 → w2): what pods send would vanish",
			"error mtu : packets of 1500 bytes do not arrive from site s2 to site s1, the largest that do have 1442 (cp2 → cp1): what pods send would vanish"}},
		{"no packet with the bit set", "", func(in *Input) {
			reach(in, func(w way) bool { return w.from.Name == "w1" && w.to.Name == "w2" && w.use == usePods }, func(r *hostapi.Reached) { r.PacketSize = 0 })
		}, []string{"error mtu w1 → w2: packets that may not be cut into fragments do not arrive from site s1 to site s2, however small (w1 → w2)"}},
		{"mtu above the interface's", "network {\n mtu = 1460\n}", func(in *Input) {
			for _, n := range []string{"cp1", "cp2", "w2"} {
				facts(in, n).Interfaces[1].MTU = 9000
			}
		}, []string{"error mtu w1: packets of 1510 bytes will be sent over eth0, which takes 1500"}},

		{"members far apart", "", func(in *Input) {
			reach(in, func(w way) bool { return w.use == useEtcdPeers }, func(r *hostapi.Reached) { r.RTT = 72 * time.Millisecond })
		}, []string{"warning etcd-rtt cp1 → cp2: a round trip takes 72ms: every write waits for one, and etcd's members are best within 66ms"}},
		{"intervals that do not fit", "etcd {\n heartbeat_interval = \"10ms\"\n election_timeout = \"100ms\"\n}", func(in *Input) {
			reach(in, toSite("s3"), func(r *hostapi.Reached) { r.RTT = 30 * time.Millisecond })
		}, []string{
			"warning etcd-rtt cp1 → e3: election_timeout is 100ms, and a round trip takes 30ms: ten times that is the least",
			"warning etcd-rtt cp1 → e3: heartbeat_interval is 10ms, and a round trip takes 30ms: half of that is the least"}},

		{"a running cluster", "", func(in *Input) {
			in.Probes["cp1"].Paths["/var/lib/etcd"] = hostapi.PathFound{Exists: true, Entries: 1, Mount: "/", Free: 80 << 30, Total: 100 << 30, FreeInodes: -1}
			in.Probes["cp1"].Units = map[string]hostapi.UnitFound{"etcd.service": {Active: "active", Load: "loaded"}, "kubelet.service": {Active: "active", Load: "loaded"}}
			record(in, "cp1", "cp2", "e3", "w1", "w2")
			reach(in, all, func(r *hostapi.Reached) { r.RTT = 2 * time.Millisecond })
		}, nil},
		{"a new worker of a running cluster", "", func(in *Input) {
			in.OnlyNew = true
			facts(in, "w1").SwapBytes = 1 << 30
			facts(in, "w2").SwapBytes = 1 << 30
			record(in, "cp1", "cp2", "e3", "w1")
			reach(in, func(w way) bool { return w.from.Name == "w2" && w.use == useAPI }, state(hostapi.ReachTimeout))
		}, []string{
			"error network w2 → cp1: port 6443/tcp is not reached: no answer (nodes to the API server)",
			"error network w2 → cp2: port 6443/tcp is not reached: no answer (nodes to the API server)",
			"error swap w2: 1.0 GiB of swap are on, with which the kubelet does not start"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := healthy(t, fleet, tc.cluster)
			tc.change(in)
			got := lines(t, Check(*in))
			slices.Sort(got)
			slices.Sort(tc.want)
			if d := cmp.Diff(tc.want, got, cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func skewed(in *Input, host string, by time.Duration) {
	l := in.Listening[host]
	l.Time = l.Time.Add(by)
	in.Listening[host] = l
}

func TestDisk(t *testing.T) {
	on := func(in *Input, host string, free, total int64) {
		for at, f := range in.Probes[host].Paths {
			f.Free, f.Total = free, total
			in.Probes[host].Paths[at] = f
		}
	}
	for _, tc := range []struct {
		name    string
		cluster string
		change  func(in *Input)
		want    []string
	}{
		{"full", "", func(in *Input) { on(in, "e3", 400<<20, 20<<30) },
			[]string{"error disk e3: 400 MiB are free on /, for artifacts, etcd, whose quota is 8.0 GiB"}},
		{"less than the quota", "", func(in *Input) { on(in, "e3", 5<<30, 20<<30) },
			[]string{"warning disk e3: 5.0 GiB are free on /, for artifacts, etcd, whose quota is 8.0 GiB"}},
		{"as much as the topology's quota", "etcd {\n quota = \"2Gi\"\n}", func(in *Input) { on(in, "e3", 5<<30, 20<<30) }, nil},
		{"eviction", "", func(in *Input) { on(in, "w1", 100<<30, 1000<<30) },
			[]string{"error disk w1: 99 GiB of 1000 GiB will be free on / (9 %), and below 15% the kubelet evicts pods and takes no new ones"}},
		{"eviction as it is set", "component \"kubelet\" {\n settings = { evictionHard = { \"imagefs.available\" = \"1Gi\" } }\n}", func(in *Input) { on(in, "w1", 100<<30, 1000<<30) }, nil},
		{"eviction by a quantity", "component \"kubelet\" {\n settings = { evictionHard = { \"nodefs.available\" = \"75Gi\" } }\n}", func(in *Input) { on(in, "w1", 70<<30, 1000<<30) },
			[]string{"error disk w1: 69 GiB of 1000 GiB will be free on / (6 %), and below 75Gi the kubelet evicts pods and takes no new ones"}},
		{"a disk of its own", "", func(in *Input) {
			in.Probes["w1"].Paths[containerdPath] = hostapi.PathFound{Mount: "/var/lib/containerd", Free: 2 << 30, Total: 10 << 30, FreeInodes: 100}
		}, []string{
			"warning disk w1: 100 inodes are free on /var/lib/containerd: images are many small files",
			"warning disk w1: 2.0 GiB are free on /var/lib/containerd, for images and containers"}},
		{"artifacts that are known", "", func(in *Input) {
			in.Needs = map[string]int64{"e3": 30 << 30}
			on(in, "e3", 40<<30, 50<<30)
		}, []string{"warning disk e3: 40 GiB are free on /, for artifacts, etcd, whose quota is 8.0 GiB"}},
		{"a member", "", func(in *Input) {
			record(in, "e3")
			on(in, "e3", 600<<20, 20<<30)
		}, []string{"warning disk e3: 600 MiB are free on /, for records, artifacts"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := healthy(t, fleet, tc.cluster)
			tc.change(in)
			got := lines(t, Check(*in))
			slices.Sort(got)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestTiming(t *testing.T) {
	for _, tc := range []struct{ rtt, heartbeat, election string }{
		{"200µs", "100ms", "1s"}, {"33ms", "100ms", "1s"}, {"95ms", "100ms", "1s"}, {"101ms", "110ms", "1.1s"}, {"250ms", "250ms", "2.5s"},
		{"4.999s", "5s", "50s"}, {"20s", "5s", "50s"},
	} {
		rtt, err := time.ParseDuration(tc.rtt)
		if err != nil {
			t.Fatal(err)
		}
		if h, e := Timing(rtt); h.String() != tc.heartbeat || e.String() != tc.election {
			t.Errorf("%s: got %s and %s, want %s and %s", tc.rtt, h, e, tc.heartbeat, tc.election)
		}
	}
}

func TestSkip(t *testing.T) {
	in := healthy(t, fleet, "")
	facts(in, "w1").SwapBytes = 1 << 30
	facts(in, "w2").Init = "init"
	r := Check(*in)
	var err *Errors
	if !errors.As(r.Err(), &err) || len(err.Findings) != 2 || !strings.Contains(err.Error(), "--skip-preflight=swap,system") {
		t.Errorf("got %v", r.Err())
	}
	if err := Known([]string{CheckSwap, All, "swop"}); err == nil || !strings.Contains(err.Error(), `no preflight check "swop"`) {
		t.Errorf("got %v", err)
	}
	if err := Known([]string{CheckSwap, All}); err != nil {
		t.Error(err)
	}
	for _, checks := range [][]string{{CheckSwap, CheckSystem}, {All}} {
		if skipped := r.Skip(checks); !skipped.OK() || len(skipped.Warnings()) != 2 || len(r.Errors()) != 2 {
			t.Errorf("%v: %+v", checks, skipped)
		}
	}
	if skipped := r.Skip([]string{CheckSwap}); len(skipped.Errors()) != 1 || skipped.Errors()[0].Check != CheckSystem {
		t.Errorf("%+v", skipped)
	}
}
