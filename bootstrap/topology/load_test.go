package topology

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite golden files")

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// TestCases runs every testdata/*.txtar: the .hcl files of an archive are one topology, the file "want" holds its
// diagnostics as they are printed, "vars" values of variables, "env" environment variables.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files, opts := map[string][]byte{}, testOptions()
			extra, want := map[string]string{}, ""
			for _, f := range archive.Files {
				switch {
				case f.Name == "want":
					want = string(f.Data)
				case f.Name == "vars":
					opts.Variables = assignments(f.Data)
				case f.Name == "env":
					env := assignments(f.Data)
					opts.Env = func(name string) string { return env[name] }
				case strings.HasSuffix(f.Name, Extension):
					files[f.Name] = f.Data
				default:
					extra["/topo/"+f.Name] = string(f.Data)
					if strings.HasSuffix(f.Name, ".vars") {
						opts.VariableFiles = append(opts.VariableFiles, "/topo/"+f.Name)
					}
				}
			}
			opts.ReadFile = func(path string) ([]byte, error) {
				if s, ok := extra[path]; ok {
					return []byte(s), nil
				}
				return nil, fmt.Errorf("open %s: no such file", path)
			}
			opts.Glob = func(pattern string) (out []string, err error) {
				for name := range extra {
					if ok, err := filepath.Match(pattern, name); err != nil {
						return nil, err
					} else if ok {
						out = append(out, name)
					}
				}
				return out, nil
			}
			got := ""
			for range 3 { // maps inside the libraries must not show
				topo, src, diags := Parse(files, opts)
				if (topo == nil) != diags.HasErrors() {
					t.Errorf("topology is nil: %v, errors: %v", topo == nil, diags.HasErrors())
				}
				var buf bytes.Buffer
				if err := src.Write(&buf, diags, false, 100); err != nil {
					t.Fatal(err)
				}
				if got != "" && got != buf.String() {
					t.Errorf("two runs differ:\n%s", cmp.Diff(got, buf.String()))
				}
				got = buf.String()
			}
			if !*update {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("diagnostics (-want +got):\n%s", diff)
				}
				return
			}
			kept := archive.Files[:0]
			for _, f := range archive.Files {
				if f.Name != "want" {
					kept = append(kept, f)
				}
			}
			archive.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func assignments(data []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[name] = value
		}
	}
	return out
}

// testOptions know two releases and one rule about settings.
func testOptions() Options {
	return Options{
		Dir:  "/topo",
		Home: "/home/op",
		Releases: func(v string) error {
			if v == "1.36.3" || v == "1.37.2" {
				return nil
			}
			return fmt.Errorf("Kubernetes %s is not supported; this version of Trivet knows 1.36.3 and 1.37.2", v)
		},
		CheckSettings: func(kubernetes string, c Component) []FieldError {
			var out []FieldError
			for _, path := range [][]string{{"maxPod"}, {"evictionHard", "memory"}, {"tlsCipherSuites", "1"}} {
				if present(c.Settings, path) {
					out = append(out, FieldError{Path: path, Summary: "Unknown field",
						Detail: fmt.Sprintf("%s of Kubernetes %s has no %s.", c.Name, kubernetes, fieldName(path))})
				}
			}
			return out
		},
		CheckManifests: func(c *Cluster) []ManifestError {
			var out []ManifestError
			for i, m := range c.Manifests {
				if m.Kind == "Node" {
					out = append(out, ManifestError{Manifest: i, Field: []string{"kind"}, Summary: "Wrong manifest", Detail: m.String() + " is Trivet's own."})
				}
			}
			return out
		},
	}
}

func present(settings map[string]any, path []string) bool {
	var v any = settings
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			if len(x) < 2 {
				return false
			}
			v = x[1]
		}
	}
	return v != nil
}

// exampleAccess is what the lab gives.
func exampleAccess() *Access {
	return &Access{User: "lab", PrivateKey: "/lab/key", KnownHosts: "/lab/known_hosts", AgeRecipients: []string{recipient}}
}

func printed(t *testing.T, src *Source, diags hcl.Diagnostics) string {
	t.Helper()
	var buf bytes.Buffer
	if err := src.Write(&buf, diags, false, 100); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/topologies/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			for name, opts := range map[string]Options{
				"lab":         {Access: exampleAccess()},
				"environment": {Env: func(string) string { return `["` + recipient + `"]` }},
			} {
				opts.Home = "/home/op"
				if _, src, diags := Load(dir, opts); len(diags) > 0 {
					t.Errorf("%s:\n%s", name, printed(t, src, diags))
				}
			}
			_, _, diags := Load(dir, Options{Home: "/home/op"})
			if len(diags) != 1 || diags[0].Summary != "Missing age_recipients" || !strings.Contains(diags[0].Detail, "trivet identity new") {
				t.Errorf("without recipients: want exactly the one error with its remedy, got %v", diags)
			}
		})
	}
}

func TestExampleModel(t *testing.T) {
	topo, src, diags := Load("../../examples/topologies/two-places-three-centres", Options{Access: exampleAccess()})
	if diags.HasErrors() {
		t.Fatal(printed(t, src, diags))
	}
	c, err := topo.Cluster("")
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, h := range c.Hosts {
		hosts = append(hosts, fmt.Sprintf("%s %s %s/%s/%s/%s %v", h.Name, h.Address,
			h.Site().Region.Name, h.Site().Name, h.Rack.Room.Name, h.Rack.Name, h.Roles))
	}
	want := []string{
		"bj1-cp1 10.11.1.11 beijing/bj1/101/a [control-plane etcd]",
		"bj1-w1 10.11.1.101 beijing/bj1/101/a [worker]",
		"bj2-cp1 10.12.1.11 beijing/bj2/201/a [control-plane etcd]",
		"sh1-cp1 10.21.1.11 shanghai/sh1/301/a [control-plane etcd]",
		"sh1-w1 10.21.1.101 shanghai/sh1/301/a [worker]",
	}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	type settings struct {
		Network Network
		DNS     string
		API     API
		Etcd    Etcd
		Certs   Certificates
		SSH     SSH
		Source  string
	}
	day := 24 * time.Hour
	got := settings{c.Network, fmt.Sprint(c.DNS), c.API, c.Etcd, c.Certificates, topo.Fleet.SSH, topo.Fleet.Artifacts.Source}
	got.Network.Range, got.API.Range, got.Etcd.Range, got.Certs.Range, got.SSH.Range = hcl.Range{}, hcl.Range{}, hcl.Range{}, hcl.Range{}, hcl.Range{}
	wantSettings := settings{
		Network: Network{Plugin: "flannel", ProxyMode: "nftables"},
		DNS:     "{cluster.local 10.96.0.10 2 []}",
		API:     API{Port: 6443, LocalPort: 7443, ServiceAccountIssuer: "https://kubernetes.default.svc.cluster.local"},
		Etcd: Etcd{QuotaBytes: 8 << 30, HeartbeatInterval: 100 * time.Millisecond, ElectionTimeout: time.Second,
			CompactionRetention: 5 * time.Minute, AcceptLoss: []string{"beijing"}},
		Certs: Certificates{CALifetime: 3650 * day, LeafLifetime: 365 * day, RenewBefore: 30 * day, AdminLifetime: day},
		SSH: SSH{User: "lab", PrivateKey: "/lab/key", KnownHosts: "/lab/known_hosts", HostKeys: HostKeysStrict, ConfigFile: "none",
			ConnectTimeout: 15 * time.Second, KeepAlive: 10 * time.Second, Parallel: 32},
		Source: "auto",
	}
	if diff := cmp.Diff(wantSettings, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	again, _, _ := Load("../../examples/topologies/two-places-three-centres", Options{Access: exampleAccess()})
	if !reflect.DeepEqual(topo, again) {
		t.Error("the same files gave two different topologies")
	}
}

// TestExampleOfDayTwo shows what it says: hooks, manifests, surge hosts, snapshots.
func TestExampleOfDayTwo(t *testing.T) {
	topo, src, diags := Load("../../examples/topologies/day-two", Options{Access: exampleAccess()})
	if diags.HasErrors() {
		t.Fatal(printed(t, src, diags))
	}
	c := topo.Clusters[0]
	var surge, kinds []string
	for _, h := range c.Surge {
		surge = append(surge, h.Name)
	}
	for _, m := range c.Manifests {
		kinds = append(kinds, m.Kind)
	}
	got := fmt.Sprint(len(c.Hooks), " hooks, ", kinds, surge, c.Etcd.Snapshots.Copies, " copy, ", c.Upgrade.MaxUnavailable, " per ", c.Upgrade.Per)
	if want := "2 hooks, [Namespace Deployment PodDisruptionBudget Service] [n1-x1 n2-x1] 1 copy, 1 per site"; got != want {
		t.Errorf("it shows %s, want %s", got, want)
	}
}

func TestLossTable(t *testing.T) {
	topo, _, diags := Load("../../examples/topologies/two-places-three-centres", Options{Access: exampleAccess()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var buf bytes.Buffer
	if err := WriteLossTable(&buf, Quorum(topo.Clusters[0])); err != nil {
		t.Fatal(err)
	}
	want := `LOSS OF          ETCD LEFT  CONTROL PLANES LEFT  WORKERS LEFT  API WRITABLE
site bj1         2 of 3     2                    1             yes
site bj2         2 of 3     2                    2             yes
site sh1         2 of 3     2                    1             yes
region beijing   1 of 3     1                    1             no: 2 of 3 needed
region shanghai  2 of 3     2                    1             yes
`
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEveryMistakeCounts holds that no mistake hides another.
func TestEveryMistakeCounts(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/ten_mistakes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, src, diags := Parse(map[string][]byte{"main.hcl": archive.Files[0].Data}, testOptions())
	if len(diags) != 10 {
		t.Errorf("want 10 diagnostics, got %d:\n%s", len(diags), printed(t, src, diags))
	}
	for _, diag := range diags {
		if diag.Subject == nil || diag.Context == nil || diag.Detail == "" {
			t.Errorf("%s: subject %v, context %v, detail %q", diag.Summary, diag.Subject, diag.Context, diag.Detail)
		}
	}
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, diags := Load(dir, Options{}); len(diags) != 1 || !strings.Contains(diags[0].Detail, "has no file that ends in .hcl") {
		t.Errorf("empty folder: %v", diags)
	}
	if _, _, diags := Load(filepath.Join(dir, "nowhere"), Options{}); len(diags) != 1 || !strings.Contains(diags[0].Detail, "does not exist") {
		t.Errorf("missing folder: %v", diags)
	}
	write("fleet.hcl", "fleet \"f\" {\n  ssh {\n    known_hosts = \"known_hosts\"\n    private_key = \"~/key\"\n  }\n}\n")
	write("place.hcl", "region \"r\" {\n  site \"s\" {\n    ssh {\n      user = \"root\"\n    }\n    room \"1\" {\n      rack \"a\" {\n        cidr = \"10.1.1.0/24\"\n"+
		"        hosts \"n\" {\n          count         = 3\n          first_address = \"10.1.1.5\"\n          roles         = [\"worker\", \"etcd\", \"control-plane\"]\n        }\n      }\n    }\n  }\n}\n")
	write("cluster.hcl", "cluster \"c\" {\n  kubernetes     = \"1.37.2\"\n  sites          = [\"s\"]\n  pod_cidr       = \"10.128.0.0/12\"\n  service_cidr   = \"10.96.0.0/16\"\n"+
		"  age_recipients = [trimspace(file(\"age.pub\"))]\n  etcd {\n    quota = 1073741824\n  }\n}\n")
	write("age.pub", recipient+"\n")
	write("sub/ignored.hcl", "not hcl at all {")
	write(".swap.hcl", "not hcl at all {")
	topo, src, diags := Load(dir, Options{Home: "/home/op"})
	if len(diags) > 0 {
		t.Fatal(printed(t, src, diags))
	}
	got := []string{topo.Fleet.SSH.KnownHosts, topo.Fleet.SSH.PrivateKey, topo.AllSites()[0].SSH.User, topo.AllSites()[0].SSH.KnownHosts}
	for _, h := range topo.AllHosts() {
		got = append(got, fmt.Sprintf("%s %s %v", h.Name, h.Address, h.Roles))
	}
	got = append(got, topo.Clusters[0].AgeRecipients[0], fmt.Sprint(topo.Clusters[0].Etcd.QuotaBytes))
	want := []string{dir + "/known_hosts", "/home/op/key", "root", dir + "/known_hosts",
		"n1 10.1.1.5 [control-plane etcd worker]", "n2 10.1.1.6 [control-plane etcd worker]", "n3 10.1.1.7 [control-plane etcd worker]", recipient, "1073741824"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := topo.Cluster("x"); err == nil || !strings.Contains(err.Error(), `no cluster "x": it has c`) {
		t.Errorf("unknown cluster: %v", err)
	}
}

func TestVariablesReachTheModel(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/variables.txtar")
	if err != nil {
		t.Fatal(err)
	}
	opts := testOptions()
	opts.Variables = map[string]string{"workers": `{ a = { number = 1 }, b = { number = 2, line = "ads" } }`, "net": "10.13"}
	opts.Env = func(name string) string {
		return map[string]string{"TRIVET_VAR_recipients": `["` + recipient + `"]`, "TRIVET_VAR_net": "10.99"}[name]
	}
	topo, src, diags := Parse(map[string][]byte{"main.hcl": archive.Files[0].Data}, opts)
	if diags.HasErrors() {
		t.Fatal(printed(t, src, diags))
	}
	var got []string
	for _, h := range topo.AllHosts() {
		got = append(got, fmt.Sprintf("%s %s %s", h.Name, h.Address, h.ProductLine))
	}
	want := []string{"h1 10.13.1.11 ", "w-a 10.13.1.101 search", "w-b 10.13.1.102 ads"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSecretsAreNotRepeated plants secrets where they do not belong and looks for them in what is printed.
func TestSecretsAreNotRepeated(t *testing.T) {
	for name, secret := range map[string]string{
		"age":     "AGE-SECRET-KEY-1QQPQYYZQQPQYYZQQPQYYZQQPQYYZQQPQYYZQQPQYYZQQPQYYZQQPQYYZQQ",
		"age-pq":  "AGE-SECRET-KEY-PQ-1QQPQYYZQQPQYYZQQPQYYZ",
		"openssh": `-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, template := range []string{
				`fleet "f" { ssh { private_key = "SECRET" } }`,
				`fleet "f" { ssh { user = "SECRET" } }`,
				`fleet "SECRET" {}`,
				"locals { s = \"SECRET\" }\nfleet \"f\" { ssh { port = local.s } }",
				"locals { s = \"SECRET\" }\nfleet \"f\" { ssh { connect_timeout = \"${local.s}!\" } }",
				`region "r" { site "s" { bastion "b" { host_key = "SECRET" } } }`,
				`cluster "c" { age_recipients = ["SECRET"] }`,
				`cluster "c" { kubernetes = upper("SECRET", 1) }`,
				`locals { n = parseint("SECRET", 10) }`,
			} {
				text := strings.ReplaceAll(template, "SECRET", secret)
				topo, src, diags := Parse(map[string][]byte{"main.hcl": []byte(text)}, testOptions())
				if topo != nil {
					t.Errorf("%s: accepted", template)
				}
				for _, part := range []string{"1QQPQYYZ", "b3BlbnNzaC1"} {
					if out := printed(t, src, diags) + fmt.Sprint(diags); strings.Contains(out, part) {
						t.Errorf("%s: repeated:\n%s", template, out)
					}
				}
			}
		})
	}
}

// FuzzParse holds that no input makes the decoder panic, that a topology comes exactly without errors, and that every
// diagnostic can be printed.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	for _, path := range []string{"two-places-three-centres", "single-host", "day-two"} {
		data, err := os.ReadFile("../../examples/topologies/" + path + "/main.hcl")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		topo, src, diags := Parse(map[string][]byte{"main.hcl": data}, testOptions())
		if (topo == nil) != diags.HasErrors() {
			t.Errorf("topology is nil: %v, errors: %v", topo == nil, diags.HasErrors())
		}
		out := printed(t, src, diags)
		_, again, diags := Parse(map[string][]byte{"main.hcl": data}, testOptions())
		if second := printed(t, again, diags); out != second {
			t.Errorf("two runs differ:\n%s", cmp.Diff(out, second))
		}
		if topo != nil {
			for _, c := range topo.Clusters {
				if len(Quorum(c)) == 0 {
					t.Error("a cluster without sites passed")
				}
			}
		}
	})
}
