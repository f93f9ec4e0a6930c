package desired_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	schedulerconfig "k8s.io/kube-scheduler/config/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

func kubelet(t *testing.T, h *desired.Host) kubeletconfig.KubeletConfiguration {
	t.Helper()
	var c kubeletconfig.KubeletConfiguration
	if err := yaml.UnmarshalStrict([]byte(content(h, "/etc/kubernetes/kubelet.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConfigurationsDecode: components ignore fields that they do not know; this does not.
func TestConfigurationsDecode(t *testing.T) {
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		for file, target := range map[string]any{
			"/etc/kubernetes/kubelet.yaml": new(kubeletconfig.KubeletConfiguration), "/etc/kubernetes/kube-proxy.yaml": new(proxyconfig.KubeProxyConfiguration),
			"/etc/kubernetes/kube-scheduler.yaml": new(schedulerconfig.KubeSchedulerConfiguration),
		} {
			if text := content(h, file); text != "" {
				if err := yaml.UnmarshalStrict([]byte(text), target); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
		for _, file := range []string{"/etc/cni/net.d/10-trivet.conflist", "/etc/trivet/flannel.json"} {
			if text := content(h, file); text != "" && !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON: %s", file, text)
			}
		}
	})
}

func TestObjectsDecode(t *testing.T) {
	kinds := map[string]func() any{
		"Node": func() any { return new(corev1.Node) }, "ConfigMap": func() any { return new(corev1.ConfigMap) },
		"Service": func() any { return new(corev1.Service) }, "ServiceAccount": func() any { return new(corev1.ServiceAccount) },
		"Deployment": func() any { return new(appsv1.Deployment) }, "PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
		"ClusterRole": func() any { return new(rbacv1.ClusterRole) }, "ClusterRoleBinding": func() any { return new(rbacv1.ClusterRoleBinding) },
	}
	for name, build := range topologies {
		for _, o := range build(t, "1.37.2").compile().Objects {
			target, ok := kinds[o.Kind]
			if !ok {
				t.Errorf("%s: no type for %s", name, o.Kind)
				continue
			}
			if err := yaml.UnmarshalStrict(o.Manifest, target()); err != nil {
				t.Errorf("%s: %s %s: %v", name, o.Kind, o.Name, err)
			}
		}
	}
}

func TestSettingsAreLaidOverByRole(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	state := f.compile()
	controlPlaneHost, workerHost := kubelet(t, state.Hosts[0]), kubelet(t, state.Hosts[1])
	if controlPlaneHost.MaxPods != 110 || workerHost.MaxPods != 200 {
		t.Errorf("maxPods %d and %d", controlPlaneHost.MaxPods, workerHost.MaxPods)
	}
	for _, c := range []kubeletconfig.KubeletConfiguration{controlPlaneHost, workerHost} {
		if *c.ImageGCHighThresholdPercent != 95 || c.EvictionHard["nodefs.available"] != "5%" {
			t.Errorf("thresholds %v %v", *c.ImageGCHighThresholdPercent, c.EvictionHard)
		}
	}
	if got := f.cluster.Components[0].Settings; len(got) != 2 {
		t.Errorf("the topology was changed: %v", got)
	}
	unit := content(state.Hosts[0], "/etc/systemd/system/kube-apiserver.service")
	for _, want := range []string{"--audit-log-maxage=90 ", "--event-ttl=2h\n", "--enable-admission-plugins=NodeRestriction,AlwaysPullImages "} {
		if strings.Count(unit, want) != 1 || strings.Count(unit, strings.SplitAfter(want, "=")[0]) != 1 {
			t.Errorf("%q is not there once:\n%s", want, unit)
		}
	}
}

// TestGatesOfEtcd: members compare their data at each start, unless a setting says otherwise, and whatever other gates there are.
func TestGatesOfEtcd(t *testing.T) {
	for want, gates := range map[string]map[string]any{
		"--feature-gates=InitialCorruptCheck=true":                       nil,
		"--feature-gates=InitialCorruptCheck=false":                      {"InitialCorruptCheck": false},
		"--feature-gates=CompactHashCheck=true,InitialCorruptCheck=true": {"CompactHashCheck": true},
	} {
		f := singleHost(t, "1.37.2")
		if gates != nil {
			f.cluster.Components = append(f.cluster.Components, topology.Component{Name: "etcd", Settings: map[string]any{"feature-gates": gates}})
		}
		unit := content(f.compile().Hosts[0], "/etc/systemd/system/etcd.service")
		if !strings.Contains(unit, want+" ") && !strings.Contains(unit, want+"\n") {
			t.Errorf("no %s in\n%s", want, unit)
		}
	}
}

// TestFacts: what hosts show decides, never a constant.
func TestFacts(t *testing.T) {
	hosts := map[string]*desired.Host{}
	for _, h := range arm64CgroupV1(t, "1.37.2").compile().Hosts {
		hosts[h.Name] = h
	}
	for name, want := range map[string]bool{"cp": false, "edge": true} {
		c := kubelet(t, hosts[name])
		if got := c.FailCgroupV1 != nil; got != want {
			t.Errorf("%s: failCgroupV1 set: %t", name, got)
		}
	}
	if got := kubelet(t, hosts["edge"]).ResolverConfig; *got != "/run/systemd/resolve/resolv.conf" {
		t.Errorf("resolvConf %s", *got)
	}
	if unit := content(hosts["edge"], "/etc/systemd/system/flanneld.service"); !strings.Contains(unit, "--iface=enP2p1s0 ") {
		t.Error(unit)
	}
	if cni := content(hosts["edge"], "/etc/cni/net.d/10-trivet.conflist"); !strings.Contains(cni, `"mtu": 8900`) {
		t.Error(cni)
	}
}

func sysctl(h *desired.Host, key string) string {
	for _, i := range h.Items {
		if i.Sysctl != nil && i.Sysctl.Key == key {
			return i.Sysctl.Value
		}
	}
	return ""
}

func TestConntrack(t *testing.T) {
	const most = "net.netfilter.nf_conntrack_max"
	if got := sysctl(singleHost(t, "1.37.2").compile().Hosts[0], most); got != "" {
		t.Errorf("a host that cannot set it has %s", got)
	}
	f := bridge(t, "1.37.2")
	f.fact("w1", func(x *hostapi.Facts) { x.CPUs = 64 })
	if got := sysctl(f.compile().Hosts[2], most); got != "2097152" {
		t.Errorf("64 CPUs have %s", got)
	}
	f.cluster.Components = []topology.Component{{Name: "kube-proxy", Settings: map[string]any{"conntrack": map[string]any{"maxPerCore": int64(1000)}}}}
	w1 := f.compile().Hosts[2]
	if got := sysctl(w1, most); got != "" {
		t.Errorf("the user's value is kube-proxy's business, and Trivet sets %s", got)
	}
	var c proxyconfig.KubeProxyConfiguration
	if err := yaml.UnmarshalStrict([]byte(content(w1, "/etc/kubernetes/kube-proxy.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	if *c.Conntrack.MaxPerCore != 1000 || c.Conntrack.TCPEstablishedTimeout.Duration != 0 {
		t.Errorf("conntrack %+v", c.Conntrack)
	}
}

func TestNodeObjects(t *testing.T) {
	nodes := map[string]corev1.Node{}
	for _, o := range twoPlacesThreeCentres(t, "1.37.2").compile().Objects {
		if o.Kind == "Node" {
			var n corev1.Node
			if err := json.Unmarshal(o.Manifest, &n); err != nil {
				t.Fatal(err)
			}
			nodes[n.Name] = n
		}
	}
	w1 := nodes["bj1-w1"]
	want := map[string]string{
		"topology.kubernetes.io/region": "beijing", "topology.kubernetes.io/zone": "bj1", "trivet.dev/room": "101", "trivet.dev/rack": "a", "disk": "ssd",
		"trivet.dev/product-line": "search", "trivet.dev.node-restriction.kubernetes.io/product-line": "search",
	}
	if diff := cmp.Diff(want, w1.Labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]corev1.Taint{{Key: "search", Value: "only", Effect: "NoSchedule"}}, w1.Spec.Taints); diff != "" {
		t.Error(diff)
	}
	if got := w1.Annotations[desired.AnnotationTaints]; got != "search:NoSchedule" {
		t.Errorf("annotation %q", got)
	}
	if w1.Spec.PodCIDR != "10.128.1.0/24" || !slices.Equal(w1.Spec.PodCIDRs, []string{"10.128.1.0/24"}) || w1.Spec.ProviderID != "" {
		t.Errorf("spec %+v", w1.Spec)
	}
	cp := nodes["bj1-cp1"]
	if len(cp.Spec.Taints) != 1 || cp.Spec.Taints[0].Key != "node-role.kubernetes.io/control-plane" {
		t.Errorf("taints %v", cp.Spec.Taints)
	}
	for _, o := range singleHost(t, "1.37.2").compile().Objects {
		if o.Kind == "Node" && strings.Contains(string(o.Manifest), "taints") {
			t.Errorf("a control plane that is a worker is tainted: %s", o.Manifest)
		}
	}
}

func TestImagesAreWhereTheyMayBeWanted(t *testing.T) {
	f := twoPlacesThreeCentres(t, "1.37.2")
	evicting := f.cluster.Hosts[slices.IndexFunc(f.cluster.Hosts, func(h *topology.Host) bool { return h.Name == "sh1-w1" })]
	evicting.Taints = append(evicting.Taints, topology.Taint{Key: "gone", Effect: "NoExecute"})
	for _, h := range f.compile().Hosts {
		var images []string
		for _, i := range h.Items {
			if i.Image != nil {
				images = append(images, i.Image.Reference)
			}
		}
		want := []string{"registry.k8s.io/pause:3.10.1", "registry.k8s.io/coredns/coredns:v1.15.0", "registry.k8s.io/e2e-test-images/agnhost:2.66.1", "docker.io/library/nginx:1.29"}
		// On bj1-w1, with a taint of NoSchedule, a pod of CoreDNS may be that came before the taint.
		if h.Name == evicting.Name {
			want = slices.Delete(want, 1, 2)
		}
		if diff := cmp.Diff(want, images); diff != "" {
			t.Errorf("%s: %s", h.Name, diff)
		}
	}
	in := singleHost(t, "1.37.2").input()
	in.NoVerifyImage = true
	state, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range state.Hosts[0].Items {
		if i.Image != nil && strings.Contains(i.Image.Reference, "agnhost") {
			t.Error("the image of verify is there")
		}
	}
}

// TestRemovalOrder: items are undone from the last to the first. Processes must be gone before what they had mounted, and that before the folders.
func TestRemovalOrder(t *testing.T) {
	everyHost(t, func(t *testing.T, _ *fixture, h *desired.Host) {
		at := ids(h)
		order := []hostapi.ID{
			{Kind: hostapi.KindDirectory, Name: "/var/lib/kubelet"}, {Kind: hostapi.KindClaim, Name: "netns//run/netns/cni-*"},
			{Kind: hostapi.KindClaim, Name: "mounts//var/lib/kubelet"}, {Kind: hostapi.KindClaim, Name: "cgroup/kubepods*"},
			{Kind: hostapi.KindUnit, Name: "containerd.service"}, {Kind: hostapi.KindUnit, Name: "kubelet.service"},
		}
		if _, node := at[order[0]]; !node {
			return
		}
		for i := 1; i < len(order); i++ {
			a, okA := at[order[i-1]]
			b, okB := at[order[i]]
			if !okA || !okB || a > b {
				t.Errorf("%s is not made before %s", order[i-1], order[i])
			}
		}
	})
}

// TestCoreDNSBeginsAnew: its pods are made anew with what they read but once, when that is there to be read, and not before.
func TestCoreDNSBeginsAnew(t *testing.T) {
	type rotations = map[string]inventory.Rotation
	for name, c := range map[string]struct {
		rotations rotations
		want      map[string]string
	}{
		"first":           {nil, nil},
		"authority":       {rotations{"kubernetes_ca": {Generation: 2, Stage: inventory.StageTrust}}, map[string]string{"trivet.dev/kubernetes-ca": "2"}},
		"key accepted":    {rotations{"service_account_key": {Generation: 2, Stage: inventory.StageTrust}}, nil},
		"key signs":       {rotations{"service_account_key": {Generation: 2, Stage: inventory.StageSign}}, map[string]string{"trivet.dev/service-account-key": "2"}},
		"third accepted":  {rotations{"service_account_key": {Generation: 3, Stage: inventory.StageTrust}}, map[string]string{"trivet.dev/service-account-key": "2"}},
		"both, at an end": {rotations{"kubernetes_ca": {Generation: 4}, "service_account_key": {Generation: 2}}, map[string]string{"trivet.dev/kubernetes-ca": "4", "trivet.dev/service-account-key": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := singleHost(t, "1.37.2").input()
			in.Inventory.Rotations = c.rotations
			objects, err := desired.Objects(in)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(objects, func(o desired.Object) bool { return o.Kind == "Deployment" && o.Name == desired.DNSName })
			if i < 0 {
				t.Fatal("no Deployment")
			}
			var d appsv1.Deployment
			if err := yaml.UnmarshalStrict(objects[i].Manifest, &d); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, d.Spec.Template.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
		})
	}
}
