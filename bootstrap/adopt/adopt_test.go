package adopt_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/adopt"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var update = flag.Bool("update", false, "write the expected topologies and reports anew")

// now is the moment of all tests; testdata's certificates are good for a while longer, but for one.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// fixture is what a txtar says of a cluster besides texts: files of hosts lie under hosts/NODE/, those of every control plane under control-plane/, of every node under node/.
type fixture struct {
	Address string `json:"address"`
	First   string `json:"first"`
	Nodes   []struct {
		Name, Address, Kubelet, Runtime, PodCIDR, Problem string
		Labels                                            map[string]string
		Taints                                            []corev1.Taint
		ControlPlane, NotReady                            bool
		Facts                                             map[string]any
	} `json:"nodes"`
	Workloads  []adopt.Workload `json:"workloads"`
	PodRanges  []string         `json:"podRanges"`
	Statuses   []etcd.Status    `json:"statuses"`
	Options    adopt.Options    `json:"options"`
	Incomplete bool             `json:"incomplete"` // whether the topology may have mistakes
}

func TestDescribe(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { testDescribe(t, file) })
	}
}

func testDescribe(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, found := load(t, archive)
	got, err := adopt.Describe(found, f.Options)
	if err != nil {
		t.Fatal(err)
	}
	if (len(got.Incomplete) > 0) != f.Incomplete {
		t.Errorf("incomplete: %q", got.Incomplete)
	}
	_, _, diags := topology.Parse(map[string][]byte{"main.hcl": []byte(got.Topology)}, topology.Options{Dir: "/", Home: "/home/ops", Releases: release.Known, CheckSettings: release.CheckComponent})
	if diags.HasErrors() != f.Incomplete {
		t.Errorf("the topology: %v\n%s", diags, got.Topology)
	}
	var text bytes.Buffer
	if err := got.Report.WriteText(&text, adopt.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	compare(t, archive, "want/main.hcl", got.Topology)
	compare(t, archive, "want/report.txt", text.String())
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(got)
	if err != nil || bytes.Contains(raw, []byte("planted")) || strings.Contains(text.String(), "planted") {
		t.Errorf("a planted secret is in the description, or it has no JSON: %v", err)
	}
	again, err := adopt.Describe(found, f.Options)
	if err != nil || cmp.Diff(got, again) != "" {
		t.Errorf("the same input gives another description: %v %s", err, cmp.Diff(got, again))
	}
}

func compare(t *testing.T, archive *txtar.Archive, name, is string) {
	t.Helper()
	for i := range archive.Files {
		if archive.Files[i].Name != name {
			continue
		}
		if diff := cmp.Diff(string(archive.Files[i].Data), is); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		archive.Files[i].Data = []byte(is)
		return
	}
	if !*update {
		t.Errorf("%s is missing", name)
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(is)})
}

// base is what clusters have in common; a file of the archive takes the place of one here.
func load(t *testing.T, archive *txtar.Archive) (*fixture, *adopt.Found) {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, a := range []*txtar.Archive{base, archive} {
		for _, f := range a.Files {
			files[f.Name] = string(f.Data)
		}
	}
	f := &fixture{}
	if err := yaml.UnmarshalStrict([]byte(files["cluster.yaml"]), f); err != nil {
		t.Fatal(err)
	}
	f.Options.Now = now
	if len(f.Options.AgeRecipients) == 0 {
		f.Options.AgeRecipients = []string{recipient}
	}
	found := &adopt.Found{
		Address: f.Address, First: f.First, ClusterConfig: files["kubeadm-config.yaml"], KubeletConfig: files["kubelet-config.yaml"], ProxyConfig: files["kube-proxy.yaml"],
		Corefile: files["Corefile"], FlannelConfig: files["net-conf.json"], PodRanges: f.PodRanges, Workloads: f.Workloads, Statuses: f.Statuses, Hosts: map[string]*adopt.Host{},
	}
	for _, s := range f.Statuses {
		found.Members = append(found.Members, etcd.Member{ID: s.ID, Name: s.Name})
	}
	for i := range f.Nodes {
		f.addNode(t, found, files, i)
	}
	return f, found
}

func (f *fixture) addNode(t *testing.T, found *adopt.Found, files map[string]string, i int) {
	t.Helper()
	n := &f.Nodes[i]
	node := corev1.Node{}
	node.Name, node.Labels = n.Name, map[string]string{"kubernetes.io/hostname": n.Name, "kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64"}
	if n.ControlPlane {
		node.Labels["node-role.kubernetes.io/control-plane"], node.Labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "", ""
	}
	for k, v := range n.Labels {
		node.Labels[k] = v
	}
	node.Spec.PodCIDR, node.Spec.Taints = n.PodCIDR, n.Taints
	id := fmt.Sprintf("%032d", i+1)
	node.Status.NodeInfo = corev1.NodeSystemInfo{MachineID: id, KubeletVersion: "v" + n.Kubelet, ContainerRuntimeVersion: n.Runtime, OSImage: "Debian GNU/Linux 12 (bookworm)", KernelVersion: "6.1.0-18-amd64"}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.Address}}
	if !n.NotReady {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	}
	found.Nodes = append(found.Nodes, node)
	if n.Problem != "" {
		found.Hosts[n.Name] = &adopt.Host{Problem: n.Problem}
		return
	}
	host := &adopt.Host{Files: map[string]hostapi.FileFound{}, Facts: hostapi.Facts{
		Hostname: n.Name, MachineID: id, Architecture: "amd64", Kernel: "6.1.0-18-amd64", OS: hostapi.OSRelease{ID: "debian", VersionID: "12"}, Init: "systemd", SystemdVersion: 252,
		CgroupVersion: 2, CPUs: 4, Nameservers: []string{"192.0.2.53"}, ResolvConf: "/etc/resolv.conf", ConntrackWritable: true,
		Interfaces: []hostapi.Interface{{Name: "eth0", MTU: 1500, Addresses: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(n.Address), 24)}}},
	}}
	raw, err := json.Marshal(n.Facts)
	if err == nil {
		err = json.Unmarshal(raw, &host.Facts)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"node", "control-plane", "hosts/" + n.Name} {
		if prefix == "control-plane" && !n.ControlPlane {
			continue
		}
		for name, data := range files {
			p, ok := strings.CutPrefix(name, prefix+"/")
			if !ok {
				continue
			}
			data = strings.NewReplacer("ADDRESS", n.Address, "NAME", n.Name).Replace(data)
			switch why, withheld := strings.CutPrefix(data, "withheld: "); {
			case data == "":
				delete(host.Files, "/"+p)
			case withheld:
				host.Files["/"+p] = hostapi.FileFound{Withheld: strings.TrimSpace(why)}
			default:
				host.Files["/"+p] = hostapi.FileFound{Content: []byte(data)}
			}
		}
	}
	found.Hosts[n.Name] = host
}
