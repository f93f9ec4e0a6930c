package release_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	schedulerconfig "k8s.io/kube-scheduler/config/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// settings reads YAML as the topology gives settings.
func settings(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCheckSettings(t *testing.T) {
	for _, c := range []struct {
		name, release, component, settings string
		want                               []string // "path: summary: part of the detail"
	}{
		{"good kubelet", "1.37.2", "kubelet", `
imageGCHighThresholdPercent: 95
imageGCLowThresholdPercent: 90
evictionHard: {nodefs.available: "1%", imagefs.available: "1%"}
evictionSoftGracePeriod: {memory.available: 1m30s}
systemReserved: {cpu: 500m}
maxPods: 250
imageMinimumGCAge: 2m
featureGates: {AllAlpha: false, GracefulNodeShutdown: false, DefaultPodSysctls: true, LoggingAlphaOptions: true}
reservedMemory: [{numaNode: 0, limits: {memory: 1Gi}}]
memorySwap: {swapBehavior: LimitedSwap}
failSwapOn: false
logging: {verbosity: 4, format: json, options: {json: {splitStream: true}}}
defaultPodSysctls: {net.core.somaxconn: "1024"}
allowedUnsafeSysctls: [net.core.somaxconn]`, nil},
		{"unknown kubelet field", "1.37.2", "kubelet", `maxPod: 3`, []string{"maxPod: Unknown field: Did you mean maxPods?"}},
		{"wrong case", "1.37.2", "kubelet", `MaxPods: 3`, []string{"MaxPods: Unknown field: Did you mean maxPods?"}},
		{"nested", "1.37.2", "kubelet", `memorySwap: {swapBehaviour: LimitedSwap}`, []string{"memorySwap/swapBehaviour: Unknown field: Did you mean swapBehavior?"}},
		{"in a list", "1.37.2", "kubelet", `reservedMemory: [{numaNode: zero}]`, []string{"reservedMemory/0/numaNode: Wrong type: whole number"}},
		{"later field", "1.36.3", "kubelet", `defaultPodSysctls: {net.core.somaxconn: "1024"}`, []string{"defaultPodSysctls: Field of a later release: came with Kubernetes 1.37"}},
		{"types", "1.37.2", "kubelet", `
maxPods: "110"
failSwapOn: 1
imageMinimumGCAge: 2
evictionHard: [nodefs]
allowedUnsafeSysctls: net.*
clusterDomain: 3
registryPullQPS: 1.5`, []string{
			"allowedUnsafeSysctls: Wrong type: must be a list",
			"clusterDomain: Setting that Trivet makes: domain in the cluster's dns block",
			"evictionHard: Wrong type: must be an object",
			"failSwapOn: Wrong type: true or false",
			"imageMinimumGCAge: Wrong type: must be a duration",
			"maxPods: Wrong type: it is \"110\". Leave out the quotes.",
			"registryPullQPS: Wrong type: whole number",
		}},
		{"range", "1.37.2", "kubelet", `maxPods: 3000000000`, []string{"maxPods: Wrong type: from -2147483648 to 2147483647"}},
		{"control character", "1.37.2", "kubelet", `kubeletCgroups: "a\nb"`, []string{"kubeletCgroups: Wrong type: control character"}},
		{"owned", "1.37.2", "kubelet", `{authentication: {anonymous: {enabled: true}}, clusterDNS: [1.1.1.1], tlsCertFile: /x, kind: X}`, []string{
			"authentication: Setting that Trivet makes: without credentials",
			"clusterDNS: Setting that Trivet makes: use address in the cluster's dns block",
			"kind: Setting that Trivet makes: Trivet writes",
			"tlsCertFile: Setting that Trivet makes: issues the certificates",
		}},
		{"owned by part", "1.37.2", "kube-proxy", `{clientConnection: {kubeconfig: /x, qps: 10}, mode: ipvs, conntrack: {maxPerCore: 1000}}`, []string{
			"clientConnection/kubeconfig: Setting that Trivet makes: Trivet writes it",
			"mode: Setting that Trivet makes: proxy_mode",
		}},
		{"scheduler", "1.37.2", "kube-scheduler", `
parallelism: 8
featureGates: {AllBeta: true}
enableProfiling: true
profiles: [{schedulerName: default-scheduler, plugins: {podGroupPostFilter: {disabled: [{name: X}]}}, pluginConfig: [{name: NodeResourcesFit, args: {anything: true}}]}]`, nil},
		{"scheduler of old", "1.36.3", "kube-scheduler", `profiles: [{plugins: {podGroupPostFilter: {}}}]`,
			[]string{"profiles/0/plugins/podGroupPostFilter: Field of a later release: 1.37"}},
		{"gates", "1.37.2", "kubelet", `featureGates: {SidecarContainers: true, GracefulNodeShutdow: true, HostnameOverride: false, AllBeta: "true"}`, []string{
			"featureGates/AllBeta: Wrong type: true or false",
			"featureGates/GracefulNodeShutdow: Unknown feature gate: Did you mean GracefulNodeShutdown?",
			"featureGates/HostnameOverride: Feature gate that is locked: always true",
			"featureGates/SidecarContainers: Removed feature gate: which 1.36 had",
		}},
		{"gates of old", "1.36.3", "kube-apiserver", `feature-gates: {EvictionRequestAPI: true, AnonymousAuthConfigurableEndpoints: true}`, []string{
			"feature-gates/EvictionRequestAPI: Feature gate of a later release: came with Kubernetes 1.37",
		}},
		{"flags", "1.37.2", "kube-apiserver", `
event-ttl: 2h
audit-log-maxage: 90
goaway-chance: 0.01
profiling: true
enable-admission-plugins: [AlwaysPullImages]
tls-sni-cert-key: ["/a.crt,/a.key", "/b.crt,/b.key:b.example.com"]
runtime-config: {resource.k8s.io/v1alpha3: true}`, nil},
		{"bad flags", "1.37.2", "kube-apiserver", `
audit-log-maxages: 1
anonymous-auth: true
oidc-issuer-url: https://x
event-ttl: 2
enable-admission-plugins: AlwaysPullImages
disable-admission-plugins: [NodeRestriction]`, []string{
			"anonymous-auth: Setting that Trivet makes: health endpoints",
			"audit-log-maxages: Unknown flag: has no flag --audit-log-maxages. Did you mean audit-log-maxage?",
			"disable-admission-plugins: Setting that Trivet makes: NodeRestriction",
			"enable-admission-plugins: Wrong type: Write it in brackets: [\"AlwaysPullImages\"].",
			"event-ttl: Wrong type: Give it a unit: \"2s\".",
			"oidc-issuer-url: Setting that Trivet makes: --authentication-config",
		}},
		{"flags that are maps", "1.37.2", "kube-apiserver", `runtime-config: {"a\nb": true, c: [1], d: false}`, []string{
			"runtime-config/a\nb: Wrong name: control character", "runtime-config/c: Wrong type: must be a string",
		}},
		{"later flag", "1.36.3", "kube-controller-manager", `concurrent-disruption-syncs: 3`, []string{"concurrent-disruption-syncs: Flag of a later release: does not start with it"}},
		{"flag of now", "1.37.2", "kube-controller-manager", `concurrent-disruption-syncs: 3`, nil},
		{"etcd", "1.37.2", "etcd", `
experimental-initial-corrupt-check: true
quota-backend-bytes: 1
snapshot-count: 5000
unsafe-no-fsync: true`, []string{
			"experimental-initial-corrupt-check: Flag of the past: etcd 3.7.3",
			"quota-backend-bytes: Setting that Trivet makes: use quota in the cluster's etcd block",
			"unsafe-no-fsync: Setting that Trivet makes: loses data",
		}},
		{"containerd", "1.37.2", "containerd", `{max_concurrent_downloads: 10, image_pull_progress_timeout: 1m, log_level: debug, root: /x}`, []string{
			"root: Unknown field: has no field root",
		}},
		{"component", "1.37.2", "kube-dns", `{a: b}`, []string{": Unknown component: containerd, etcd, kube-apiserver"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			errs := lookup(t, c.release).CheckSettings(c.component, settings(t, c.settings))
			for i, e := range errs {
				line := strings.Join(e.Path, "/") + ": " + e.Summary
				if i < len(c.want) {
					head, detail := cutLast(c.want[i])
					if !strings.Contains(e.Detail, detail) {
						t.Errorf("detail %q does not say %q", e.Detail, detail)
					}
					if line == head {
						line = c.want[i]
					}
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\n%+v", diff, errs)
			}
		})
	}
}

// cutLast cuts "path: summary: detail" before the detail.
func cutLast(s string) (head, detail string) {
	parts := strings.SplitN(s, ": ", 3)
	return parts[0] + ": " + parts[1], parts[2]
}

func TestCheckComponent(t *testing.T) {
	errs := release.CheckComponent("1.37.2", topology.Component{Name: "kubelet", Settings: map[string]any{"nope": true}})
	if len(errs) != 1 || errs[0].Path[0] != "nope" {
		t.Errorf("errors %v", errs)
	}
	if errs := release.CheckComponent("0.1.2", topology.Component{Name: "kubelet", Settings: map[string]any{"nope": true}}); errs != nil {
		t.Errorf("an unknown release is reported elsewhere: %v", errs)
	}
}

// TestAcceptedSettingsDecode holds the tables to the types: whatever passes the check, strict decoding into the real type takes as well.
func TestAcceptedSettingsDecode(t *testing.T) {
	r := lookup(t, "1.37.2")
	targets := map[string]func() any{
		"kubelet":        func() any { return new(kubeletconfig.KubeletConfiguration) },
		"kube-proxy":     func() any { return new(proxyconfig.KubeProxyConfiguration) },
		"kube-scheduler": func() any { return new(schedulerconfig.KubeSchedulerConfiguration) },
	}
	for component, target := range targets {
		t.Run(component, func(t *testing.T) {
			n := 0
			for _, name := range fieldsOf(t, target()) {
				for _, v := range []any{true, int64(1), 0.5, "30s", []any{}, map[string]any{}, []any{"x"}, map[string]any{"x": "y"}} {
					s := map[string]any{name: v}
					if len(r.CheckSettings(component, s)) > 0 {
						continue
					}
					n++
					text, err := json.Marshal(r.Fields(component, s))
					if err != nil {
						t.Fatal(err)
					}
					if err := yaml.UnmarshalStrict(text, target()); err != nil {
						t.Errorf("%s passes the check and not the decoder: %v", text, err)
					}
				}
			}
			if n < 5 {
				t.Errorf("only %d settings passed", n)
			}
		})
	}
}

// fieldsOf lists the JSON fields of a type, as its source has them, and asks the decoder of each.
func fieldsOf(t *testing.T, target any) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("fields-%s.txt", strings.ToLower(strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%T", target), "Configuration"), "*")))))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range strings.Fields(string(text)) {
		if yaml.UnmarshalStrict([]byte(name+": null"), target) != nil && yaml.UnmarshalStrict([]byte(name+": 30s"), target) != nil {
			t.Errorf("%T has no field %s", target, name)
		}
		out = append(out, name)
	}
	return out
}

func TestFlags(t *testing.T) {
	r := lookup(t, "1.37.2")
	for _, c := range []struct {
		component, settings string
		want                map[string][]string
	}{
		{"kube-apiserver", `{event-ttl: 2h, profiling: false, goaway-chance: 0.01, audit-log-maxage: 90, enable-admission-plugins: [A, B], tls-sni-cert-key: [a, b], feature-gates: {B: true, A: false}}`,
			map[string][]string{
				"event-ttl": {"2h"}, "profiling": {"false"}, "goaway-chance": {"0.01"}, "audit-log-maxage": {"90"}, "enable-admission-plugins": {"A,B"},
				"tls-sni-cert-key": {"a", "b"}, "feature-gates": {"A=false,B=true"},
			}},
		{"kube-scheduler", `{featureGates: {B: true, A: false}, parallelism: 3}`, map[string][]string{"feature-gates": {"A=false,B=true"}}},
		{"kubelet", `{maxPods: 3}`, map[string][]string{}},
		{"etcd", `{snapshot-count: 50000}`, map[string][]string{"snapshot-count": {"50000"}}},
	} {
		if diff := cmp.Diff(c.want, r.Flags(c.component, settings(t, c.settings))); diff != "" {
			t.Errorf("%s: %s", c.component, diff)
		}
	}
	if diff := cmp.Diff(map[string]any{"parallelism": float64(3)}, r.Fields("kube-scheduler", settings(t, `{featureGates: {A: true}, parallelism: 3}`))); diff != "" {
		t.Error(diff)
	}
}

var unitFlag = regexp.MustCompile(`--([a-z0-9-]+)=`)

// TestUnitsUseKnownFlags: each flag in a unit is one that the release has. Trivet's own are in the tables too, though a user may not set them.
func TestUnitsUseKnownFlags(t *testing.T) {
	for _, component := range []string{"kube-apiserver", "kube-controller-manager"} {
		unit, err := os.ReadFile(filepath.Join("..", "..", "templates", "units", component+".service"))
		if err != nil {
			t.Fatal(err)
		}
		table, err := os.ReadFile(filepath.Join("tables", "flags-"+component+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		flags := unitFlag.FindAllStringSubmatch(string(unit), -1)
		if len(flags) < 15 {
			t.Fatalf("%s: %d flags", component, len(flags))
		}
		for _, m := range flags {
			if !regexp.MustCompile(`(?m)^` + m[1] + ` \S+$`).Match(table) {
				t.Errorf("%s: --%s is not a flag of every release", component, m[1])
			}
		}
	}
}

// FuzzCheckSettings: any settings are checked without a panic, and what passes becomes flags.
func FuzzCheckSettings(f *testing.F) {
	f.Add("kubelet", `{"maxPods": 3, "featureGates": {"AllBeta": true}}`)
	f.Add("kube-apiserver", `{"tls-sni-cert-key": ["a"], "runtime-config": {"a": {"b": []}}}`)
	f.Add("kube-scheduler", `{"profiles": [{"plugins": null}]}`)
	f.Add("etcd", `{"log-level": null}`)
	f.Fuzz(func(t *testing.T, component, text string) {
		var s map[string]any
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		for _, v := range release.Supported() {
			r, err := release.Lookup(v)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.CheckSettings(component, s)) > 0 {
				continue
			}
			for name, values := range r.Flags(component, s) {
				for _, v := range values {
					if strings.ContainsAny(v, "\n\r\x00") {
						t.Errorf("flag %s of %s breaks the line: %q", name, component, v)
					}
				}
			}
		}
	})
}
