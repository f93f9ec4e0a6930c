//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/test/kubeadm"
)

const adoptTopology = `
fleet "adopt" {}
region "lab" {
  site "one" {
    room "r" {
      rack "a" {
        cidr = "10.89.1.0/24"
        host "cp1" {
          address = "10.89.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "w1" {
          address = "10.89.1.21"
          roles   = ["worker"]
        }
      }
    }
  }
}
cluster "main" {
  kubernetes   = "1.37.2"
  sites        = ["one"]
  pod_cidr     = "10.244.0.0/16"
  service_cidr = "10.96.0.0/16"
}
`

// adopted is what is read of adopt's result.
type adopted struct {
	Topology   string
	Incomplete []string
	Report     struct {
		Version  string
		Hosts    []struct{ Name, PodCIDR, Problem string }
		Findings []struct{ Level, Subject, What string }
		Members  []struct {
			Name, Version string
			Leader        bool
		}
	}
}

// TestAdopt describes a real cluster of kubeadm's: the topology is one, the report fits, and neither the hosts nor the API have anything changed afterwards.
func TestAdopt(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-adopt", adoptTopology)
	o.kubeadmCluster()
	kubectl := func(args string) string { return o.on("cp1", "sh", "-ec", kubeadm.AdminKubectl+" "+args) }
	kubectl("label node cp1 w1 topology.kubernetes.io/region=north topology.kubernetes.io/zone=north-a")
	kubectl("label node w1 example.com/pool=search")
	kubectl("taint node w1 example.com/dedicated=search:PreferNoSchedule")
	// What the cluster has still to do would be taken for a change.
	kubectl("-n kube-flannel rollout status daemonset kube-flannel-ds --timeout=5m")
	kubectl("-n kube-system rollout status daemonset kube-proxy --timeout=5m")
	kubectl("-n kube-system rollout status deployment coredns --timeout=5m")
	for _, h := range []string{"cp1", "w1"} {
		o.on(h, "timeout", "180", "sh", "-c", "until ip route | grep -q 'dev flannel.1' && nft list tables | grep -q kube-proxy; do sleep 0.2; done")
	}

	hosts, objects := o.atRest([]string{"cp1", "w1"}), o.objects()
	dir := filepath.Join(t.TempDir(), "fleet")
	report := o.must("adopt", "--write", dir, "--fleet", o.fleet, "10.89.1.11").stdout
	t.Logf("trivet adopt:\n%s", report)
	r := decode[adopted](t, o.must("--json", "adopt", "--write", dir, "--force", "--fleet", o.fleet, "10.89.1.11").stdout)
	for h, was := range hosts {
		if now := o.atRest([]string{h})[h]; now != was {
			t.Errorf("host %s was changed:\n%s", h, strings.Join(changedLines(lines(was), lines(now)), "\n"))
		}
	}
	if now := o.objects(); now != objects {
		t.Errorf("objects of the API were changed:\n%s", strings.Join(changedLines(lines(objects), lines(now)), "\n"))
	}
	o.onlyQuestions()
	o.describes(r)
	o.refusesOthers(dir)
}

// kubeadmCluster brings one up on the hosts.
func (o *operator) kubeadmCluster() {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	l, err := kubeadm.Open(o.dir, o.fleet)
	if err != nil {
		o.t.Fatal(err)
	}
	store, err := kubeadm.OpenStore()
	if err != nil {
		o.t.Fatal(err)
	}
	k, err := kubeadm.New(ctx, l, store, o.t.TempDir(), l.Names(), kubeadm.WithAudit)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{k.ImportImages, k.Init, k.Network, func(ctx context.Context) error { return k.Join(ctx, "w1") }, k.WaitReady} {
		if err := step(ctx); err != nil {
			o.t.Fatal(err)
		}
	}
}

// alive are files and mounts that a running cluster changes by itself.
var alive = regexp.MustCompile(`^(\S{10} \d+ \d+ \S |[0-9a-f]{64}  )(/var/lib/etcd|/var/log|/run|/var/lib/containerd|/var/lib/kubelet/(pods|pod_startup_latency|allocated_pods_state|actuated_pods_state)|/var/lib/cni/networks|/root/\.kube/cache|/tmp)(/|\t|$)`)

// atRest inspects hosts of a running cluster, less what lives.
func (o *operator) atRest(hosts []string) map[string]string {
	o.t.Helper()
	out := map[string]string{}
	for h, text := range o.inspectAll(hosts) {
		out[h] = strings.Join(slices.DeleteFunc(lines(text), alive.MatchString), "\n")
	}
	return out
}

// objects lists all of the API, a line each, less what beats by itself: leases, events, and the status of everything with the versions that it raises.
func (o *operator) objects() string {
	o.t.Helper()
	const script = `
k="` + kubeadm.AdminKubectl + ` --cache-dir=/run/kubectl-cache"
for r in $($k api-resources --verbs=list -o name | grep -vE '^(leases.coordination.k8s.io|events|events.events.k8s.io|componentstatuses)$' | sort); do
  $k get $r -A --ignore-not-found -o json | tr -d '\n'
  echo
done`
	var out []string
	for _, l := range lines(o.on("cp1", "sh", "-ec", script)) {
		if strings.TrimSpace(l) == "" {
			continue
		}
		for _, item := range decode[struct{ Items []map[string]any }](o.t, l).Items {
			delete(item, "status")
			metadata := item["metadata"].(map[string]any)
			delete(metadata, "resourceVersion")
			delete(metadata, "managedFields")
			text, err := json.Marshal(item)
			if err != nil {
				o.t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%v %v/%v %s", item["kind"], metadata["namespace"], metadata["name"], text))
		}
	}
	return strings.Join(out, "\n")
}

// onlyQuestions reads in the audit log what the command asked for.
func (o *operator) onlyQuestions() {
	o.t.Helper()
	asked := 0
	for scan := bufio.NewScanner(strings.NewReader(o.on("cp1", "grep", `"userAgent":"trivet`, kubeadm.AuditLog))); scan.Scan(); {
		var e struct {
			Verb, RequestURI string
			User             struct{ Username string }
		}
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			o.t.Fatal(err)
		}
		asked++
		if e.Verb != "get" && e.Verb != "list" || strings.Contains(e.RequestURI, "/secrets") {
			o.t.Errorf("the API was asked to %s %s", e.Verb, e.RequestURI)
		}
	}
	if asked == 0 {
		o.t.Error("the audit log has no request of the command's")
	}
}

// describes checks what was written.
func (o *operator) describes(r adopted) {
	o.t.Helper()
	for _, want := range []string{
		`region "north"`, `site "north-a"`, `host "cp1"`, `roles   = ["etcd", "control-plane"]`, `host "w1"`, `"example.com/pool" = "search"`, `key    = "example.com/dedicated"`,
		`kubernetes     = "1.37.2"`, `pod_cidr       = "10.244.0.0/16"`, `service_cidr   = "10.96.0.0/16"`, `plugin     = "flannel"`, `proxy_mode = "nftables"`,
		`audit-policy-file = "/etc/kubernetes/audit/policy.yaml"`, `imageGCLowThresholdPercent  = 99`,
	} {
		if !strings.Contains(r.Topology, want) {
			o.t.Errorf("the topology lacks %s:\n%s", want, r.Topology)
		}
	}
	if len(r.Incomplete) > 0 || r.Report.Version != "1.37.2" || len(r.Report.Hosts) != 2 || len(r.Report.Members) != 1 || !r.Report.Members[0].Leader {
		o.t.Errorf("incomplete %q, version %s, hosts %+v, members %+v", r.Incomplete, r.Report.Version, r.Report.Hosts, r.Report.Members)
	}
	for _, h := range r.Report.Hosts {
		if h.Problem != "" || !strings.HasPrefix(h.PodCIDR, "10.244.") {
			o.t.Errorf("host %+v", h)
		}
	}
	for _, f := range r.Report.Findings {
		if f.Level == "blocked" {
			o.t.Errorf("finding %+v", f)
		}
	}
	for _, text := range o.said.text {
		if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "client-key-data") {
			o.t.Error("a key was printed")
		}
	}
}

// refusesOthers: what is no control plane, a topology that is there, and an apply over the running cluster.
func (o *operator) refusesOthers(dir string) {
	o.t.Helper()
	said := func(r result, words ...string) {
		o.t.Helper()
		for _, w := range words {
			if !strings.Contains(r.stdout+r.stderr, w) {
				o.t.Errorf("it does not say %q:\n%s%s", w, r.stdout, r.stderr)
			}
		}
	}
	written, err := os.ReadFile(filepath.Join(dir, "main.hcl"))
	if err != nil {
		o.t.Fatal(err)
	}
	said(o.exits(1, "adopt", "--write", dir, "10.89.1.11"), "main.hcl is there", "--force")
	if again, err := os.ReadFile(filepath.Join(dir, "main.hcl")); err != nil || string(again) != string(written) {
		o.t.Errorf("main.hcl was written over: %v", err)
	}
	said(o.exits(1, "adopt", "10.89.1.21"), "is a node and no control plane", "https://10.89.1.11:6443")
	o.on("cp1", "mv", "/etc/kubernetes/admin.conf", "/root/admin.conf")
	said(o.exits(1, "adopt", "10.89.1.11"), "has no /etc/kubernetes/admin.conf", "kubeadm init phase kubeconfig admin")
	o.on("cp1", "mv", "/root/admin.conf", "/etc/kubernetes/admin.conf")

	// As an operator would, with the topology that was written.
	there := *o
	there.dir = dir
	there.must("validate")
	before := o.atRest([]string{"cp1", "w1"})
	said(there.run("apply", "--yes"), "a kubelet runs there, which Trivet did not set up", "manifests of another Kubernetes, such as one of kubeadm")
	for h, was := range before {
		if now := o.atRest([]string{h})[h]; slices.Compare(withoutHelper(was), withoutHelper(now)) != 0 {
			o.t.Errorf("a refused apply changed host %s:\n%s", h, strings.Join(changedLines(withoutHelper(was), withoutHelper(now)), "\n"))
		}
	}
}

// withoutHelper leaves out the helper of other commands than adopt, which stays in its folder.
func withoutHelper(text string) []string {
	return slices.DeleteFunc(lines(text), func(l string) bool { return strings.Contains(l, "/var/tmp/trivet-") })
}
