package plan_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestJSON wants a plan that was saved and read again to be the same plan.
func TestJSON(t *testing.T) {
	fresh, drifted := newWorld(t, threeSites), newWorld(t, threeSites)
	drifted.settle()
	drifted.drift("cp1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	drifted.objects[0].Fields = []string{"spec"}
	for name, p := range map[string]*plan.Plan{"bring-up": fresh.plan(), "drift": drifted.plan(), "destroy": plan.Destroy(drifted.fleet.Cluster, drifted.fleet.Cluster.Hosts, drifted.current, drifted.seen, nil)} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got plan.Plan
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got.Digest() != p.Digest() || !plan.SameWork(&got, p) || !reflect.DeepEqual(outline(&got), outline(p)) {
			t.Errorf("%s: digest %s became %s", name, p.Digest(), got.Digest())
		}
	}
}

// TestNoSecretInPlans plants secrets in all that a plan is made from and looks for them in all that shows one.
func TestNoSecretInPlans(t *testing.T) {
	w := newWorld(t, threeSites)
	var secrets []string
	for _, s := range []string{identity.ServiceAccountKey, identity.EncryptionConfig, identity.OnlineCAKey} {
		content, _, err := w.id.SecretContent(s)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, string(content), hostapi.Digest(content))
	}
	plans := []*plan.Plan{w.plan()}
	w.settle()
	for n, o := range w.seen {
		o.Contents = map[string][]byte{}
		for i := range o.Record.Items {
			switch it := &o.Record.Items[i].Item; {
			case it.File != nil && it.File.Secret: // a helper gone wrong
				planted := fmt.Sprintf("planted-%s-%d", n, i)
				o.Contents[it.File.Path], it.File.Content, it.File.SHA256 = []byte(planted), []byte(planted), hostapi.Digest([]byte(planted))
				secrets = append(secrets, planted, it.File.SHA256)
				w.drift(n, hostapi.KindFile, it.File.Path, "content differs")
			case it.KeyPair != nil:
				it.KeyPair.Key = fmt.Appendf(nil, "planted-key-%s-%d", n, i)
				secrets = append(secrets, string(it.KeyPair.Key))
				w.drift(n, hostapi.KindKeyPair, it.KeyPair.CertPath, "the key does not fit")
			}
		}
	}
	plans = append(plans, w.plan(), plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil))
	for _, p := range plans {
		b, err := json.MarshalIndent(p, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		shown := string(b) + text(t, p, plan.TextOptions{Full: true}) + fmt.Sprintf("%+v", p)
		if strings.Contains(shown, "PRIVATE KEY") {
			t.Error("a plan holds a private key")
		}
		for _, s := range secrets {
			j, _ := json.Marshal([]byte(s))
			if strings.Contains(shown, strings.TrimSpace(s)) || strings.Contains(shown, strings.Trim(string(j), `"`)) {
				t.Errorf("a plan shows the secret %.20q", s)
			}
		}
	}
}

func text(t *testing.T, p *plan.Plan, o plan.TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteText(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestText compares what a reader is shown with testdata.
func TestText(t *testing.T) {
	for name, p := range textPlans() {
		for form, o := range map[string]plan.TextOptions{"": {}, "-full": {Full: true}} {
			path := filepath.Join("testdata", name+form+".txt")
			got := text(t, p, o)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			same(t, path, strings.Split(string(want), "\n"), strings.Split(got, "\n"))
		}
	}
	if s := text(t, textPlans()["drift"], plan.TextOptions{Color: true}); !strings.Contains(s, "\x1b[33m~\x1b[0m") {
		t.Errorf("no colours in %q", s)
	}
}

// textPlans are plans with a little of everything.
func textPlans() map[string]*plan.Plan {
	item := func(i hostapi.Item) *desired.Item { return &desired.Item{Item: i} }
	create := func(part string, i hostapi.Item) plan.Action {
		v := plan.Create
		if i.Unit != nil {
			v = plan.Start
		}
		return plan.Action{Verb: v, ID: i.ID(), Part: part, Reason: "not there yet", Item: item(i)}
	}
	transfer := func(name, from string, size int64) plan.Action {
		return plan.Action{Verb: plan.Transfer, Reason: "not in the host's store", Transfer: &plan.TransferOf{Name: name, Blob: hostapi.Blob{SHA256: name, Size: size}, From: from}}
	}
	file := func(path string) hostapi.Item { return hostapi.Item{File: &hostapi.File{Path: path}} }
	unit := func(name string) hostapi.Item { return hostapi.Item{Unit: &hostapi.Unit{Name: name}} }
	object := &desired.Object{Kind: "Deployment", Namespace: "kube-system", Name: "coredns"}
	node := &desired.Object{Kind: "Node", Name: "w1"}
	head := func(phases ...plan.Phase) *plan.Plan {
		return &plan.Plan{Format: plan.Format, Cluster: "main", Kubernetes: "1.37.2", Phases: phases}
	}
	bringUp := head(
		plan.Phase{Name: "seed", Steps: []plan.Step{{Host: "cp1", Site: "bj1", Actions: []plan.Action{transfer("kubelet", "", 60<<20), transfer("pause", "", 700<<10)}}}},
		plan.Phase{Name: "spread", Steps: []plan.Step{{Host: "w1", Site: "bj1", Actions: []plan.Action{transfer("kubelet", "cp1", 60<<20)}}}},
		plan.Phase{Name: "configure", Steps: []plan.Step{
			{Host: "w1", Site: "bj1", Actions: []plan.Action{
				create("host", hostapi.Item{Sysctl: &hostapi.Sysctl{Key: "net.ipv4.ip_forward"}}), create("kubelet", file("/etc/kubernetes/kubelet.yaml")),
				create("kubelet", hostapi.Item{KeyPair: &hostapi.KeyPair{CertPath: "/etc/kubernetes/pki/kubelet-client.crt"}}), create("kubelet", unit("kubelet.service")),
			}},
			{Host: "cp1", Site: "bj1", Actions: []plan.Action{
				create("etcd", file("/etc/etcd/a")), create("etcd", file("/etc/etcd/b")), create("etcd", hostapi.Item{Directory: &hostapi.Directory{Path: "/var/lib/etcd"}}),
				{Verb: plan.Store, Document: inventory.Document, Reason: "names, addresses, roles and pod ranges"},
			}},
		}},
		plan.Phase{Name: "objects", Steps: []plan.Step{{Actions: []plan.Action{{Verb: plan.Create, Object: node, Reason: "not there yet"}}}}},
		plan.Phase{Name: "ready", Gates: []plan.Gate{{Kind: plan.GateNodes, Hosts: []string{"w1"}}}},
	)
	bringUp.NewIdentity, bringUp.Notes = true, []string{"losing site bj1 stops writes"}
	drift := head(
		plan.Phase{Name: "control-planes", Serial: true, Steps: []plan.Step{{Host: "sh1-cp1", Site: "sh1", Actions: []plan.Action{
			{Verb: plan.Mend, ID: hostapi.ID{Kind: hostapi.KindSysctl, Name: "net.ipv4.ip_forward"}, Reason: "is 0, recorded 1"},
			{Verb: plan.Update, ID: hostapi.ID{Kind: hostapi.KindKeyPair, Name: "/etc/etcd/pki/etcd-peer.crt"}, Reason: "expires 2026-06-01, renewal is due 30d before", Before: "cp1, expires 2026-06-01"},
			{Verb: plan.Remove, ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/old.yaml"}, Reason: "no longer part of the topology"},
		}}}},
		plan.Phase{Name: "workers", Steps: []plan.Step{{Host: "w1", Site: "bj1", Actions: []plan.Action{
			{Verb: plan.Update, ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/kubelet.yaml"}, Reason: "content changed", Before: "0123456789ab", After: "ba9876543210",
				Diff: "--- a (host)\n+++ a (desired)\n@@ -1 +1 @@\n-maxPods: 110\n+maxPods: 200\n"},
			{Verb: plan.Restart, ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "kubelet.service"}, Reason: "changed: /etc/kubernetes/kubelet.yaml", Disrupts: "kubelet.service on this host, while it restarts"},
		}}}},
		plan.Phase{Name: "objects", Steps: []plan.Step{{Actions: []plan.Action{{Verb: plan.Apply, Object: object, Reason: "spec.replicas"}}}}},
	)
	kubelet := drift.Phases[1].Steps[0].Actions
	alike := head(
		plan.Phase{Name: "control-planes", Serial: true, Steps: []plan.Step{{Host: "cp1", Site: "bj1", Actions: append(slices.Clone(drift.Phases[0].Steps[0].Actions[:1]), kubelet...)}}},
		plan.Phase{Name: "workers", Steps: []plan.Step{{Host: "sh1-w1", Site: "sh1", Actions: kubelet}}},
	)
	for i := range 14 {
		alike.Phases[1].Steps = append(alike.Phases[1].Steps, plan.Step{Host: fmt.Sprintf("w%02d", i+1), Site: "bj1", Actions: kubelet})
	}
	destroy := head(plan.Phase{Name: "workers", Steps: []plan.Step{{Host: "w1", Site: "bj1", Actions: []plan.Action{
		{Verb: plan.Remove, ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "kubelet.service"}, Reason: "the cluster is destroyed"},
		{Verb: plan.Remove, ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/kubelet.yaml"}, Reason: "the cluster is destroyed"},
		{Verb: plan.Forget, Reason: "record, store and documents"},
	}}}})
	destroy.Inventory = &inventory.Inventory{Destroying: true}
	partial := head(
		plan.Phase{Name: "workers", Steps: []plan.Step{{Host: "w1", Site: "bj1", Actions: []plan.Action{
			{Verb: plan.Mend, ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/kubelet.yaml"}, Reason: "mode 0600, recorded 0644"},
		}}}},
		plan.Phase{Name: "prune", Steps: []plan.Step{{Host: "w1", Site: "bj1", Actions: []plan.Action{
			{Verb: plan.Prune, Reason: "2 artifacts, 61 MiB, that nothing uses", Unused: []hostapi.Blob{{SHA256: "a", Size: 60 << 20}, {SHA256: "b", Size: 1 << 20}}},
		}}}},
	)
	skipped := []plan.Skip{
		{Host: "cp1", Site: "bj1", Reason: "held back, since its etcd would restart: of 3 members 1 is away or lost (cp3), without cp1 1 is left, and 2 are needed"},
		{Host: "cp3", Site: "sh1", Reason: "connect to 10.13.1.11: no route to host"},
	}
	partial.Skipped = skipped
	nothing := head()
	nothing.Skipped = skipped[1:]
	return map[string]*plan.Plan{"bring-up": bringUp, "drift": drift, "alike": alike, "destroy": destroy, "empty": head(), "partial": partial, "skipped": nothing}
}
