package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
)

// cluster has n nodes, n1 and so on, in the sites a and b by turns.
func cluster(n int) *topology.Cluster {
	c := &topology.Cluster{Name: "main", Kubernetes: "1.37.2", DNS: topology.DNS{Domain: "cluster.test", Address: netip.MustParseAddr("10.96.0.10")},
		Network: topology.Network{Plugin: "flannel"}}
	for i := range n {
		site := &topology.Site{Name: string(rune('a' + i%2))}
		c.Hosts = append(c.Hosts, &topology.Host{Name: fmt.Sprintf("n%d", i+1), Roles: []topology.Role{topology.RoleWorker}, Rack: &topology.Rack{Room: &topology.Room{Site: site}}})
	}
	return c
}

// TestVerify runs everything against a real control plane; what only kubelets and a network can do comes from the fake world.
func TestVerify(t *testing.T) {
	server := kubetest.Start(t)
	hang := time.AfterFunc(4*time.Minute, func() { panic("TestVerify hangs") })
	defer hang.Stop()
	client, err := kube.New([]kube.Endpoint{server.Endpoint("cp1")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is left to do
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := client.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	server.ControllerManager(t, "serviceaccount-controller,daemonset-controller,namespace-controller,endpointslice-controller")
	server.Scheduler(t)
	prepare(t, client, 3)
	w := &world{t: t, client: client, pods: make(map[netip.Addr]*fakePod), services: make(map[string]string), unset: make(map[string]bool)}
	go w.kubelets(t.Context())
	t.Run("healthy", func(t *testing.T) { healthy(t, w) })
	t.Run("broken", func(t *testing.T) { broken(t, w) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, w) })
}

func (w *world) config(nodes int) Config {
	cfg := Config{Client: w.client, Cluster: cluster(nodes), Hosts: make(map[string]remote.Host), Image: "registry.example/agnhost:1"}
	for _, h := range cfg.Cluster.Hosts {
		cfg.Hosts[h.Name] = &fakeHost{name: h.Name, world: w}
	}
	return cfg
}

// prepare makes nodes that are ready and a CoreDNS that is available.
func prepare(t *testing.T, client *kube.Client, nodes int) {
	t.Helper()
	ctx := t.Context()
	port := kubeletServer(t)
	for i := range nodes {
		node, err := client.Typed().CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i+1)}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		node.Status.NodeInfo.KubeletVersion = "v1.37.2"
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
		node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
		node.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi"), "pods": resource.MustParse("50")}
		node.Status.Capacity = node.Status.Allocatable
		if _, err := client.Typed().CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	manifest := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"coredns","namespace":"kube-system"},"spec":{"replicas":1,
		"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`
	if err := client.Apply(ctx, []desired.Object{{Manifest: []byte(manifest)}}); err != nil {
		t.Fatal(err)
	}
	deployments := client.Typed().AppsV1().Deployments("kube-system")
	coredns, err := deployments.Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	coredns.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1, ReadyReplicas: 1,
		Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}}
	if _, err := deployments.UpdateStatus(ctx, coredns, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft checks that namespaces of runs are gone, or on their way.
func nothingLeft(t *testing.T, w *world) {
	t.Helper()
	list, err := w.client.Typed().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: spaceLabel})
	if err != nil {
		t.Fatal(err)
	}
	for _, space := range list.Items {
		if space.DeletionTimestamp == nil {
			t.Errorf("namespace %s was left behind", space.Name)
		}
	}
}

func healthy(t *testing.T, w *world) {
	cfg := w.config(3)
	w.mu.Lock()
	w.unset["n2"] = true // the first pod there starts before its kubelet knows the Services
	w.mu.Unlock()
	var reported []Check
	cfg.Report = func(c Check) { reported = append(reported, c) }
	report, err := runWith(t.Context(), cfg, w.exec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Failed() {
		t.Errorf("%s at %s: %s", c.Name, place(c), c.Detail)
	}
	if len(reported) != len(report.Checks) {
		t.Errorf("%d checks were reported as they ended, the report has %d", len(reported), len(report.Checks))
	}
	counts := make(map[string]int)
	for _, c := range report.Checks {
		counts[c.Name]++
		if c.Detail == "" {
			t.Errorf("%s at %s says nothing", c.Name, place(c))
		}
	}
	want := map[string]int{CheckNodeReady: 3, CheckVersion: 3, CheckCoreDNS: 1, CheckPod: 3, CheckNodeToPod: 9, CheckPodToPod: 6, CheckEnvironment: 3, CheckDNS: 6, CheckFromPod: 3,
		CheckFromHost: 3, CheckHairpin: 3, CheckLogs: 3, CheckExec: 3, CheckNetwork: 1, CheckIPC: 1, CheckUTS: 1, CheckVolume: 1, CheckOwnPID: 1, CheckPID: 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "checks, all well, in") || !strings.Contains(table.String(), "ok 9 of 9") {
		t.Errorf("the table:\n%s", &table)
	}
	nothingLeft(t, w)
}

// broken: each fault is told at its place, and nowhere else.
func broken(t *testing.T, w *world) {
	cfg := w.config(4) // n4 never registers
	cfg.Timeout = 45 * time.Second
	w.translate, w.noHairpin, w.ownUTS, w.execFails = "n2", "n3", true, "n3"
	cfg.Cluster.Kubernetes = "1.37.9"
	delete(cfg.Hosts, "n1")
	defer func() { w.translate, w.noHairpin, w.ownUTS, w.execFails = "", "", false, "" }()
	report, err := runWith(t.Context(), cfg, w.exec)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(map[string][]string)
	for _, c := range report.Failed() {
		failed[c.Name] = append(failed[c.Name], place(c))
		if c.Remedy == "" {
			t.Errorf("%s at %s has no remedy", c.Name, place(c))
		}
	}
	for name, hosts := range map[string][]string{
		CheckNodeReady: {"n4"}, CheckVersion: {"n1", "n2", "n3", "n4"}, CheckPodToPod: {"n1 → n2", "n1 → n3", "n2 → n1", "n2 → n3"},
		CheckNodeToPod: {"n1 → n1", "n1 → n2", "n1 → n3"}, CheckEnvironment: {"n1 → verify"},
	} {
		if diff := cmp.Diff(hosts, failed[name]); diff != "" {
			t.Errorf("%s failed at (-want +got):\n%s", name, diff)
		}
	}
	var details []string
	for _, c := range report.Failed() {
		details = append(details, c.Name+": "+c.Detail)
	}
	all := strings.Join(details, "\n")
	for _, want := range []string{
		CheckNodeReady + ": the Node is not Ready: no Node object: the kubelet has not registered it",
		CheckVersion + ": the kubelet reports v1.37.2, the topology says v1.37.9",
		"sees it as 198.51.100.9: something between them translates addresses",
		CheckNodeToPod + ": from host n1: ", "there is no connection to host n1",
		CheckHairpin + ": pod probe-", "connection timed out",
		CheckExec + ": tls: failed to verify certificate",
		CheckUTS + ": ", // where the pod runs is the scheduler's choice: either exec or the host name fails
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no failure says %q", want)
		}
	}
	if t.Failed() {
		t.Log(all)
	}
	nothingLeft(t, w)
}

// cancelled: an end from outside leaves nothing behind.
func cancelled(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := w.config(3)
	cfg.Report = func(c Check) {
		if c.Name == CheckPod {
			cancel()
		}
	}
	started := time.Now()
	report, err := runWith(ctx, cfg, w.exec)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s to end", took)
	}
	if !slices.ContainsFunc(report.Checks, func(c Check) bool { return c.Name == CheckNodeReady }) {
		t.Error("what was found until then is lost")
	}
	nothingLeft(t, w)
}

func TestReportTable(t *testing.T) {
	report := Report{Cluster: "main", Elapsed: 2345 * time.Millisecond, Checks: []Check{
		{Name: CheckPodToPod, Host: "w1", Peer: "w2", OK: true, Detail: "seen as 10.128.0.2", Elapsed: 12 * time.Millisecond},
		{Name: CheckPodToPod, Host: "w2", Peer: "w1", Detail: "connect: no route to host", Remedy: "look at flanneld", Elapsed: 15 * time.Second},
		{Name: CheckNodeReady, Host: "w1", OK: true, Detail: "Ready", Elapsed: time.Millisecond},
	}}
	report.sort()
	var b bytes.Buffer
	if err := report.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `CHECK                   RESULT         SLOWEST  WHERE
node ready              ok 1 of 1      1ms      w1
pod to pod without NAT  FAILED 1 of 2  15s      w2 → w1

FAILED pod to pod without NAT at w2 → w1
  connect: no route to host
  What to do: look at flanneld

main: 1 of 3 checks failed, in 2.3s.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(raw), `{"name":"pod to pod without NAT","host":"w2","peer":"w1","ok":false,"detail":"connect: no route to host","remedy":"look at flanneld"`) {
		t.Errorf("as JSON: %s, %v", raw, err)
	}
	if (Report{}).OK() {
		t.Error("a report without a check is no success")
	}
}

func TestPeers(t *testing.T) {
	r := &run{Config: Config{Cluster: cluster(40)}, agents: make(map[string]*agent)}
	for _, h := range r.Cluster.Hosts[:6] {
		r.agents[h.Name] = &agent{node: h.Name}
	}
	if diff := cmp.Diff([]string{"n1", "n3", "n4", "n5", "n6"}, r.peers("n2")); diff != "" {
		t.Errorf("of six (-want +got):\n%s", diff)
	}
	for _, h := range r.Cluster.Hosts {
		r.agents[h.Name] = &agent{node: h.Name}
	}
	asked := make(map[string]int)
	for node := range r.agents {
		peers := r.peers(node)
		if len(peers) != 2 || slices.Contains(peers, node) {
			t.Errorf("%s asks %v, want one of each of two sites", node, peers)
		}
		for _, p := range peers {
			asked[p]++
		}
	}
	for node := range r.agents {
		if asked[node] != 2 {
			t.Errorf("%s is asked by %d nodes, want 2", node, asked[node])
		}
	}
}
