package pulumi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// TestManifestsGone: files of manifests that the state names and that are gone keep nobody from reading the hosts, from an update that names them no more, nor from a destroy.
func TestManifestsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	file := filepath.Join(t.TempDir(), "conf.yaml")
	write := func() {
		t.Helper()
		if err := os.WriteFile(file, []byte(`{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: default}, data: {size: "1"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gone := func() {
		t.Helper()
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	with := w.cluster(small, func(a *trivet.ClusterArgs) { a.Manifests = pulumisdk.StringArray{pulumisdk.String(file)} })
	without := w.cluster(small, nil)
	write()
	w.up(with, minengine.Create)
	gone()
	w.damage("w1")
	if err := w.Preview(without); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, "manifests", `objects["ConfigMap default/conf"]`, `nodes["w1"].drift`)
	if !w.said("Manifests not read") {
		t.Errorf("it says %v", w.Messages)
	}
	w.fails(with, "manifests[0]", "finds no file")
	w.changes(without, "main", minengine.Update, "manifests", `objects["ConfigMap default/conf"]`)
	w.up(without, minengine.Same)
	if _, there := w.Fleet.Objects()["ConfigMap/default/conf"]; there {
		t.Error("the object is still there")
	}

	write()
	w.up(with, minengine.Update)
	gone()
	w.destroyed()

	// In a topology in its own language they are a part of the text.
	write()
	text := strings.Replace(w.topology(small), "kubernetes     =", "manifests = [\""+file+"\"]\n  kubernetes     =", 1)
	w.up(w.cluster(small, described(pulumisdk.String(text), nil)), minengine.Create)
	gone()
	w.destroyed()
}

// TestRefreshRefusesNothing: after a refresh, the engine asks how a cluster differs from what was given before. What others have done to it is no change that somebody asks for.
func TestRefreshRefusesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, three)
	w.up(w.cluster(three, nil), minengine.Create)
	state := w.State("main")
	sent := changed(t, state.Outputs, func(moved resource.PropertyMap) {
		for _, name := range []resource.PropertyKey{"cp2", "cp3"} {
			moved["nodes"].ObjectValue()[name].ObjectValue()["address"] = resource.NewProperty("10.99.1." + string(name[2:]))
		}
	})
	p := pulumi.New(nil, "test", nil)
	diff, err := p.Diff(t.Context(), &pulumirpc.DiffRequest{Id: state.ID, Urn: string(state.URN), Olds: sent, OldInputs: state.Inputs, News: state.Inputs})
	if err != nil {
		t.Fatal(err)
	}
	if diff.GetDetailedDiff()[`nodes["cp2"].address`] == nil {
		t.Errorf("it differs in %v", diff.GetDetailedDiff())
	}
	// An update that would move them back is refused by itself.
	_, err = p.Update(t.Context(), &pulumirpc.UpdateRequest{Id: state.ID, Urn: string(state.URN), Olds: sent, OldInputs: state.Inputs, News: state.Inputs, Preview: true})
	wantError(t, err, "Too many etcd members change at once")
}

// TestDestroyCut: a cluster of which a destroy was begun and not ended is not as it should be, whatever is still on its hosts. To destroy it goes on.
func TestDestroyCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	cut := false
	w.OnPoint = func(host, _ string) {
		if !cut && host == "w1" && destroying(w) {
			cut = true
			if err := w.Cancel(); err != nil {
				t.Error(err)
			}
		}
	}
	wantError(t, w.Destroy(), "Cluster not destroyed")
	w.OnPoint = nil
	if err := w.Preview(w.cluster(small, nil)); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, `nodes["cp1"].drift`)
	w.fails(w.cluster(small, nil), "is being destroyed")
	w.destroyed()
}

// destroying says whether the control plane has recorded that the cluster is being destroyed.
func destroying(w *world) bool {
	o, err := w.Observe("cp1")
	return err == nil && strings.Contains(string(o.Documents[inventory.Document].Content), `"destroying"`)
}
