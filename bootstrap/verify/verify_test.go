package verify

import (
	"bytes"
	"context"
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
	if err := client.HostsReady(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	server.ControllerManager(t, "serviceaccount-controller,daemonset-controller,namespace-controller,endpointslice-controller")
	server.Scheduler(t)
	prepare(t, client, 3)
	w := &world{t: t, client: client, pods: make(map[netip.Addr]*fakePod), services: make(map[string]service), unset: make(map[string]bool), dead: make(map[string]bool)}
	go w.kubelets(t.Context())
	t.Run("healthy", func(t *testing.T) { healthy(t, w) })
	t.Run("broken", func(t *testing.T) { broken(t, w) })
	t.Run("unrouted", func(t *testing.T) { unrouted(t, w) })
	t.Run("site away", func(t *testing.T) { siteAway(t, w) })
	t.Run("node lost", func(t *testing.T) { nodeLost(t, w) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, w) })
}

func (w *world) config(nodes int) Config {
	cfg := Config{Client: w.client, Cluster: cluster(nodes), Hosts: make(map[string]remote.Host), Image: "registry.example/agnhost:1", patience: 3 * time.Second}
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
		pods, err := w.client.Typed().CoreV1().Pods(space.Name).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp == nil && metav1.GetControllerOf(&pod) == nil {
				t.Errorf("pod %s/%s was not told to end: a drain would refuse to lose it", space.Name, pod.Name)
			}
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
	want := map[string]int{CheckHost: 3, CheckNodeReady: 3, CheckVersion: 3, CheckCoreDNS: 1, CheckPod: 3, CheckNodeToPod: 9, CheckPodToPod: 6, CheckEnvironment: 3, CheckDNS: 6, CheckFromPod: 3,
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
	cfg.Away = map[string]error{"n1": errors.New("ssh: n1 refuses the key")}
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
		CheckHost: {"n1"}, CheckNodeReady: {"n4"}, CheckVersion: {"n1", "n2", "n3", "n4"}, CheckPodToPod: {"n2 → n1", "n2 → n3"},
		CheckNodeToPod: nil, CheckEnvironment: nil, CheckPod: nil,
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
		CheckHost + ": ssh: n1 refuses the key; what would have been asked from it was left out",
		CheckHairpin + ": pod probe-", "connection timed out",
		CheckExec + ": tls: failed to verify certificate",
		CheckUTS + ": container second of pod shared on n2 changed the host name to \"mount-tester new file\", and container first still has trivet-",
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

// unrouted: the host that lost its routes is named, with the unit that makes them.
func unrouted(t *testing.T, w *world) {
	cfg := w.config(3)
	w.unrouted = "n2"
	defer func() { w.unrouted = "" }()
	report, err := runWith(t.Context(), cfg, w.exec)
	if err != nil {
		t.Fatal(err)
	}
	failed := report.Failed()
	if len(failed) == 0 {
		t.Error("nothing failed")
	}
	for _, c := range failed {
		switch {
		case c.Name != CheckNodeToPod && c.Name != CheckPodToPod, c.Host != "n2" && c.Peer != "n2":
			t.Errorf("%s at %s failed: %s", c.Name, place(c), c.Detail)
		case !strings.Contains(c.Remedy, "systemctl restart flanneld on n2"):
			t.Errorf("%s at %s: %s", c.Name, place(c), c.Remedy)
		}
	}
	nothingLeft(t, w)
}

// siteAway: a host does not answer and its node is not ready; another does not answer, and its node is ready by the API's last word. All else is checked, and soon.
func siteAway(t *testing.T, w *world) {
	cfg := w.config(3)
	cfg.Hosts = map[string]remote.Host{"n1": cfg.Hosts["n1"]}
	gone := errors.New("ssh: no route to host")
	cfg.Away = map[string]error{"n2": gone, "n3": gone}
	setNode(t, w.client, "n2", corev1.ConditionUnknown)
	w.mu.Lock()
	w.dead["n2"], w.dead["n3"] = true, true
	w.mu.Unlock()
	defer func() {
		setNode(t, w.client, "n2", corev1.ConditionTrue)
		w.mu.Lock()
		clear(w.dead)
		w.mu.Unlock()
	}()
	started := time.Now()
	report, err := runWith(t.Context(), cfg, w.exec)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	got := make(map[string][]string)
	passed := make(map[string]int)
	for _, c := range report.Checks {
		if c.OK {
			passed[c.Name]++
		} else {
			got[c.Name] = append(got[c.Name], place(c))
		}
	}
	if diff := cmp.Diff(map[string][]string{CheckHost: {"n2", "n3"}, CheckNodeReady: {"n2"}, CheckPod: {"n3"}}, got); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	for _, name := range order {
		if passed[name] == 0 && name != CheckPodToPod && name != CheckCleanup && name != CheckAPI {
			t.Errorf("no check %q passed", name)
		}
	}
	for _, c := range report.Checks {
		if c.Name == CheckCoreDNS && c.Detail != "available, while 1 of 3 nodes are not ready" {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	nothingLeft(t, w)
}

// TestSilentAPI: one cause is one row, and nothing waits for what the API would have to tell.
func TestSilentAPI(t *testing.T) {
	cfg := (&world{t: t}).config(3)
	client, err := kube.New([]kube.Endpoint{kube.Away("cp1", errors.New("dial tcp 127.0.0.1:6443: connection refused"))})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is left to do
	cfg.Client, cfg.Timeout = client, 3*time.Second
	started := time.Now()
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > 2500*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	failed := report.Failed()
	if len(failed) != 1 || failed[0].Name != CheckAPI || !strings.Contains(failed[0].Detail, "connection refused") || !strings.Contains(failed[0].Remedy, "trivet status") || report.OK() {
		t.Errorf("%+v", failed)
	}
	if len(report.Checks) != 4 { // that the hosts answer
		t.Errorf("%d checks", len(report.Checks))
	}
}

// nodeLost: a node stops being ready while its pods should start. What waits for it waits no longer than that.
func nodeLost(t *testing.T, w *world) {
	cfg := w.config(3)
	w.mu.Lock()
	w.dead["n2"] = true
	w.mu.Unlock()
	defer func() {
		setNode(t, w.client, "n2", corev1.ConditionTrue)
		w.mu.Lock()
		clear(w.dead)
		w.mu.Unlock()
	}()
	cfg.Report = func(c Check) {
		if c.Name == CheckPod && c.OK && c.Host == "n1" {
			setNode(t, w.client, "n2", corev1.ConditionUnknown)
		}
	}
	started := time.Now()
	report, err := runWith(t.Context(), cfg, w.exec)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	got := make(map[string]string)
	for _, c := range report.Failed() {
		got[c.Name] += place(c)
		if !strings.Contains(c.Detail, "its node stopped being ready: Test: Kubelet stopped posting node status.") {
			t.Errorf("%s at %s: %s", c.Name, place(c), c.Detail)
		}
	}
	if diff := cmp.Diff(map[string]string{CheckPod: "n2", CheckPID: "pod pid"}, got); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	nothingLeft(t, w)
}

func setNode(t *testing.T, client *kube.Client, name string, status corev1.ConditionStatus) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q,"reason":"Test","message":"Kubelet stopped posting node status."}]}}`, status)
	if _, err := client.Typed().CoreV1().Nodes().PatchStatus(context.Background(), name, []byte(patch)); err != nil {
		t.Error(err)
	}
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
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil || report.OK() || !strings.Contains(table.String(), "not all was checked: context canceled. Of ") {
		t.Errorf("%v, the table:\n%s", err, &table)
	}
	nothingLeft(t, w)
}

func TestSample(t *testing.T) {
	r := &run{Config: Config{Cluster: cluster(1000)}}
	if diff := cmp.Diff([]string{"n1", "n3", "n4", "n5", "n6"}, r.sample([]string{"n1", "n2", "n3", "n4", "n5", "n6"})["n2"]); diff != "" {
		t.Errorf("of six (-want +got):\n%s", diff)
	}
	asked, pairs := make(map[string]int), 0
	for node, peers := range r.sample(r.nodeNames()) {
		if len(peers) != 2 || slices.Contains(peers, node) {
			t.Errorf("%s asks %v, want one of each of two sites", node, peers)
		}
		for _, p := range peers {
			asked[p]++
			pairs++
		}
	}
	for _, node := range r.nodeNames() {
		if asked[node] != 2 {
			t.Errorf("%s is asked by %d nodes, want 2", node, asked[node])
		}
	}
	if pairs != 2000 {
		t.Errorf("%d pairs of 1,000 nodes, want 2,000", pairs)
	}
}
