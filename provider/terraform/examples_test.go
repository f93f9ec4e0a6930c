package terraform_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/terraform"
)

// examples is where the examples are.
const examples = root + "/examples"

// needs are examples that an example cannot be applied without: those whose folder's files are a part of it, and one that has been applied before, in a root of its own.
var needs = map[string]struct {
	with   []string
	before string
}{
	"data-sources/trivet_cluster_status":    {with: []string{"resources/trivet_cluster"}},
	"ephemeral-resources/trivet_kubeconfig": {with: []string{"resources/trivet_cluster"}},
	"resources/trivet_worker":               {with: []string{"resources/trivet_cluster"}},
	"terraform/workloads":                   {before: "terraform/first-cluster"},
}

// TestExamples applies every example below examples/ over hosts in memory, as whoever copies it would, finds nothing left to do, and destroys what it made.
func TestExamples(t *testing.T) {
	all := exampleFolders(t)
	for name := range needs {
		if !slices.Contains(all, name) {
			t.Errorf("there is no example %s", name)
		}
	}
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			x := newExamples(t)
			if before := needs[name].before; before != "" {
				x.root(t, before).apply(t)
			}
			r := x.root(t, name)
			r.apply(t)
			r.unchanged(t)
			r.imports(t)
			r.destroy(t)
		})
	}
}

// TestExampleOfEverything holds that whatever the provider has is shown in an example.
func TestExampleOfEverything(t *testing.T) {
	var schemas struct {
		Providers map[string]map[string]json.RawMessage `json:"provider_schemas"`
	}
	if err := json.Unmarshal(schemaJSON(t), &schemas); err != nil {
		t.Fatal(err)
	}
	all, seen := exampleFolders(t), 0
	for _, parts := range schemas.Providers {
		for part, folder := range map[string]string{"resource_schemas": "resources", "data_source_schemas": "data-sources", "ephemeral_resource_schemas": "ephemeral-resources", "functions": "functions"} {
			var named map[string]json.RawMessage
			if err := json.Unmarshal(parts[part], &named); err != nil {
				t.Fatalf("%s: %v", part, err)
			}
			for name := range named {
				if seen++; !slices.Contains(all, folder+"/"+name) {
					t.Errorf("examples/%s/%s is missing", folder, name)
				}
			}
		}
	}
	if seen < 7 {
		t.Errorf("the provider has %d things", seen)
	}
}

// exampleFolders lists the folders with configuration of Terraform's.
func exampleFolders(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".tf" {
			return err
		}
		dir, err := filepath.Rel(examples, filepath.Dir(path))
		if err == nil && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("found the examples %v", out)
	}
	return out
}

// exampleWorld is a user's home, with the examples, and machines for whatever hosts are described.
type exampleWorld struct {
	*world
	folder    string
	providers map[string]func() provider.Provider
}

func newExamples(t *testing.T) *exampleWorld {
	t.Helper()
	x := &exampleWorld{world: newWorld(t, small), folder: t.TempDir()}
	x.providers = map[string]func() provider.Provider{
		"registry.terraform.io/trivet-dev/trivet":    terraform.New("test", x.adaptAny),
		"registry.terraform.io/hashicorp/kubernetes": func() provider.Provider { return kubernetesProvider{} },
	}
	if err := os.CopyFS(filepath.Join(x.folder, "examples"), os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".ssh/fleet": string(pem.EncodeToMemory(block)), ".config/trivet/age.key": x.fleet.Key.String() + "\n"} {
		write(t, filepath.Join(x.folder, name), text)
	}
	t.Setenv("HOME", x.folder)
	t.Setenv("TRIVET_AGE_IDENTITY", filepath.Join(x.folder, ".config/trivet/age.key"))
	t.Setenv("TF_VAR_age_recipients", fmt.Sprintf("[%q]", x.fleet.Key.Recipient()))
	x.spares(t, 2)
	t.Setenv("TF_VAR_spots", fmt.Sprintf("{ spot-1 = %q, spot-2 = %q }", spareAddress("spot-1"), spareAddress("spot-2")))
	return x
}

// adaptAny gives hosts that are described for the first time a machine. Access by the control planes alone describes none.
func (x *exampleWorld) adaptAny(o *bootstrap.Options) {
	if c, err := o.Topology.Cluster(o.Cluster); err == nil && len(c.HostsWith(topology.RoleEtcd)) > 0 {
		if err := x.fleet.Use(o.Topology, c); err != nil {
			panic(err)
		}
	}
	x.adapt(o)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// exampleRoot is one root of Terraform's.
type exampleRoot struct {
	*cli
	world *exampleWorld
}

// root makes a folder a root as its reader would: what is no whole configuration is put beside examples/provider and what it needs besides.
func (x *exampleWorld) root(t *testing.T, name string) *exampleRoot {
	t.Helper()
	dir := filepath.Join(x.folder, "examples", name)
	if !strings.HasPrefix(name, "terraform/") && name != "provider" {
		for _, other := range append(needs[name].with, "provider") {
			files, err := filepath.Glob(filepath.Join(x.folder, "examples", other, "*.tf"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %v, %v", other, files, err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, strings.ReplaceAll(other, "/", "-")+"-"+filepath.Base(f)), string(b))
			}
		}
	}
	write(t, filepath.Join(dir, "known_hosts"), "# the hosts in memory have no keys\n")
	r := &exampleRoot{newCLI(t, dir, x.providers), x}
	r.run(t, 0, "fmt", "-check", "-diff")
	r.run(t, 0, "init")
	return r
}

func (r *exampleRoot) apply(t *testing.T) {
	t.Helper()
	r.run(t, 0, "apply", "-auto-approve")
	if made, want := len(r.world.fleet.Namespaces()), strings.Count(r.run(t, 0, "state", "list"), "kubernetes_namespace_v1."); made != want {
		t.Errorf("clients of the API made %d namespaces, want %d", made, want)
	}
}

// unchanged wants nothing left to do.
func (r *exampleRoot) unchanged(t *testing.T) {
	t.Helper()
	r.run(t, 0, "plan", "-detailed-exitcode")
	// Not by its exit code: Terraform takes a number in a state for another one than the same number from a provider (hashicorp/terraform#36403).
	if out := r.run(t, 0, "plan", "-refresh-only"); !strings.Contains(out, "No changes.") {
		t.Errorf("a refresh finds changes:\n%s", out)
	}
}

// imports forgets what an example imports, brings it back by the example's own command, and wants nothing to be changed on hosts by what an apply then completes.
func (r *exampleRoot) imports(t *testing.T) {
	t.Helper()
	command, err := os.ReadFile(filepath.Join(r.folder, "import.sh"))
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	before := r.world.fleet.Trees(t)
	for _, address := range strings.Fields(r.run(t, 0, "state", "list")) {
		if strings.Contains(string(command), address+" ") || strings.Contains(string(command), "'"+address+"'") {
			r.run(t, 0, "state", "rm", address)
		}
	}
	sh := exec.CommandContext(t.Context(), "sh", "-eu", "-c", string(command))
	sh.Dir, sh.Env = r.folder, append(os.Environ(), r.environment...)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.apply(t)
	r.unchanged(t)
	for host, tree := range r.world.fleet.Trees(t) {
		for name, content := range tree {
			if was := before[host][name]; was != content && !strings.HasPrefix(name, "var/lib/trivet/") {
				t.Errorf("host %s: the import has changed %s", host, name)
			}
		}
	}
}

// clusters are the addresses of the clusters in the state.
func (r *exampleRoot) clusters(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, address := range strings.Fields(r.run(t, 0, "state", "list")) {
		if strings.HasPrefix(address, "trivet_cluster.") {
			out = append(out, address)
		}
	}
	return out
}

// destroy lifts the protection first, as the provider wants it, and then wants no host to keep anything.
func (r *exampleRoot) destroy(t *testing.T) {
	t.Helper()
	clusters := r.clusters(t)
	if len(clusters) > 0 {
		var override strings.Builder
		for _, address := range clusters {
			fmt.Fprintf(&override, "resource \"trivet_cluster\" %q {\n  deletion_protection = false\n}\n", strings.TrimPrefix(address, "trivet_cluster."))
		}
		if out := r.run(t, 1, "destroy", "-auto-approve"); !strings.Contains(out, "Cluster is protected") {
			t.Errorf("a cluster that is protected is destroyed:\n%s", out)
		}
		write(t, filepath.Join(r.folder, "override.tf"), override.String())
		r.apply(t)
	}
	r.run(t, 0, "destroy", "-auto-approve")
	if left := r.world.fleet.Namespaces(); len(left) > 0 {
		t.Errorf("the namespaces %v are left", left)
	}
	if len(clusters) == 0 {
		return
	}
	for _, h := range r.world.fleet.Cluster.Hosts {
		o, err := r.world.fleet.Observe(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		if o.Record != nil {
			t.Errorf("host %s keeps a record of the cluster that was destroyed", h.Name)
		}
	}
}
