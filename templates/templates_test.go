package templates_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/templates"
)

// all lists every template, with parameters that are all zero but for what a template takes apart.
var all = []templates.Template{
	templates.EtcdUnit{Flags: templates.NewFlags(nil)}, templates.EtcdExisting{}, templates.EtcdInitialised{}, templates.InitialCluster{},
	templates.APIServerUnit{Flags: templates.NewFlags(nil)}, templates.ControllerManagerUnit{Flags: templates.NewFlags(nil)},
	templates.SchedulerUnit{Flags: templates.NewFlags(nil)}, templates.ContainerdUnit{}, templates.KubeletUnit{}, templates.ProxyUnit{},
	templates.SnapshotUnit{}, templates.SnapshotTimer{}, templates.SnapshotReceiveUnit{}, templates.SnapshotSocket{},
	templates.FlannelUnit{}, templates.HAProxyUnit{}, templates.RoutesUnit{}, templates.Routes{}, templates.Masquerade{},
	templates.ContainerdConfig{}, templates.HAProxyConfig{Servers: []templates.Server{{}}}, templates.CNIConfig{}, templates.FlannelConfig{},
	templates.Kubeconfig{}, templates.Authentication{}, templates.AuditPolicy{}, templates.KubeletConfig{}, templates.ProxyConfig{},
	templates.SchedulerConfig{}, templates.CoreDNS{Forward: []string{"x"}}, templates.RBAC{}, templates.FlannelRBAC{},
}

// TestEveryFileHasParameters: each file is rendered by one parameter struct, and each struct has its file.
func TestEveryFileHasParameters(t *testing.T) {
	var files int
	for _, dir := range []string{"units", "config", "manifests"} {
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		files += len(found)
		for _, f := range found {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(text), "\n") {
				t.Errorf("%s does not end with a line break", f)
			}
		}
	}
	if files != len(all) {
		t.Errorf("%d files and %d parameter structs", files, len(all))
	}
	for _, params := range all {
		out, err := templates.Render(params)
		if err != nil {
			t.Errorf("%s: %v", reflect.TypeOf(params), err)
		}
		if strings.Contains(string(out), "<no value>") {
			t.Errorf("%s renders <no value>:\n%s", reflect.TypeOf(params), out)
		}
	}
}

func TestArgument(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain-1.2_3":            "plain-1.2_3",
		"https://[::1]:2380,x=y": "https://[::1]:2380,x=y",
		"a b":                    `a\x20b`,
		"%i":                     "%%i",
		"$HOME":                  "$$HOME",
		`"q" 'q' \`:              `\x22q\x22\x20\x27q\x27\x20\x5c`,
		"a\nExecStart=/bin/evil": `a\x0aExecStart=/bin/evil`,
		"; rm":                   `\x3b\x20rm`,
		"ü":                      `\xc3\xbc`,
	} {
		if got := templates.Argument(in); got != want {
			t.Errorf("Argument(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	f := templates.NewFlags(map[string][]string{
		"audit-log-maxage": {"90"}, "enable-admission-plugins": {"AlwaysPullImages,NodeRestriction"}, "event-ttl": {"2h"}, "tls-sni-cert-key": {"b", "a"},
	})
	got := []string{f.Or("audit-log-maxage", "30"), f.Or("audit-log-maxsize", "100"), f.With("enable-admission-plugins", "NodeRestriction"), f.With("other", "x")}
	if diff := cmp.Diff([]string{"90", "100", "NodeRestriction,AlwaysPullImages", "x"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"--event-ttl=2h", "--tls-sni-cert-key=a", "--tls-sni-cert-key=b"}, f.Rest()); diff != "" {
		t.Error(diff)
	}
}

// TestValuesCannotBreakOut plants values that would end a line or a quoted string in every file that takes text from a topology.
func TestValuesCannotBreakOut(t *testing.T) {
	evil := "x\"\nevil: 1\n[evil]\n# "
	for _, params := range []templates.Template{
		templates.EtcdUnit{Name: evil, Cluster: evil, Flags: templates.NewFlags(map[string][]string{"log-level": {evil}, "tls-min-version": {evil}})},
		templates.KubeletUnit{Name: evil}, templates.FlannelUnit{Name: evil, Interface: evil}, templates.ContainerdConfig{LogLevel: evil, SandboxImage: evil},
		templates.Kubeconfig{Cluster: evil, User: evil}, templates.KubeletConfig{Domain: evil, ResolvConf: evil}, templates.ProxyUnit{Name: evil},
	} {
		out, err := templates.Render(params)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(strings.TrimSpace(line), "evil") || strings.HasPrefix(strings.TrimSpace(line), "[evil") {
				t.Errorf("%T lets a value out of its place:\n%s", params, out)
			}
		}
	}
}
