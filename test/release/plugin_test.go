//go:build release

package release

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestPlugin installs the released archive from a server, as `pulumi plugin install resource trivet VERSION --server URL` does and with Pulumi's own code as far as that
// is in its SDK, and has Pulumi find the plugin. It says the release's version, so does its schema, and it comes as far as a host by the programs that lie beside it.
func TestPlugin(t *testing.T) {
	v := version(t)
	t.Setenv("PULUMI_HOME", t.TempDir())
	t.Setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dist, plugin.folder))))
	defer server.Close()
	spec := pluginSpec(t, v, server.URL)
	dir, err := spec.DirPath()
	if err != nil {
		t.Fatal(err)
	}
	packed, _, err := spec.Download(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	b, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	files, err := tarred(b)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, files)
	// After it has unpacked a plugin, Pulumi installs what this file asks for: nothing, where there is none.
	if _, err := workspace.LoadPluginProject(filepath.Join(dir, "PulumiPlugin.yaml")); !os.IsNotExist(err) {
		t.Errorf("there is something to install for the plugin: %v", err)
	}
	program, err := workspace.GetPluginPath(t.Context(), diag.DefaultSink(os.Stdout, os.Stderr, diag.FormatOptions{Color: "never"}), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(program) != dir {
		t.Errorf("Pulumi takes %s for the plugin, which was installed in %s", program, dir)
	}

	p := start(t, program)
	info, err := p.GetPluginInfo(t.Context(), &emptypb.Empty{})
	if err != nil || info.GetVersion() != v {
		t.Errorf("the plugin says that it is %q, %v; want %s", info.GetVersion(), err, v)
	}
	got, err := p.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Name, Version, PluginDownloadURL string
		Resources                        map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(got.GetSchema()), &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Name != "trivet" || schema.Version != v || schema.Resources["trivet:index:Cluster"] == nil {
		t.Errorf("the schema is of %s %s, with resources %d", schema.Name, schema.Version, len(schema.Resources))
	}
	if err := create(t, p); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the plugin does not come as far as the host: %v", err)
	}
	for _, h := range helpers {
		if err := os.Remove(filepath.Join(dir, h)); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(t, p); err == nil || !strings.Contains(err.Error(), "the host helper for linux/amd64 is missing") {
		t.Errorf("without the programs for hosts the plugin says: %v", err)
	}
}

// TestPluginByPulumi installs the released archive by the command itself, from a file and from a server.
func TestPluginByPulumi(t *testing.T) {
	pulumi, err := exec.LookPath("pulumi")
	if err != nil {
		t.Skip("pulumi is not on the PATH")
	}
	v := version(t)
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dist, plugin.folder))))
	defer server.Close()
	for name, from := range map[string][]string{"file": {"--file", plugin.path(t, here)}, "server": {"--server", server.URL}} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			cmd := exec.CommandContext(t.Context(), pulumi, append([]string{"plugin", "install", "resource", "trivet", v}, from...)...)
			cmd.Env = append(os.Environ(), "PULUMI_HOME="+home, "PULUMI_SKIP_UPDATE_CHECK=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for file := range plugin.contents(t, here) {
				if _, err := os.Stat(filepath.Join(home, "plugins", "resource-trivet-v"+v, file)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// pluginSpec is what Pulumi knows of a plugin that it is to install. It has no checksum: Pulumi 3.263 leaves the end of what comes over HTTP/1.1 out of the digest that it compares.
func pluginSpec(t *testing.T, v, server string) workspace.PluginDescriptor {
	t.Helper()
	parsed, err := semver.Parse(v)
	if err != nil {
		t.Fatal(err)
	}
	return workspace.PluginDescriptor{Name: "trivet", Kind: apitype.ResourcePlugin, Version: &parsed, PluginDownloadURL: server}
}

// start runs the plugin, which says where it listens.
func start(t *testing.T, program string) pulumirpc.ResourceProviderClient {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's end has interrupted it
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pulumirpc.NewResourceProviderClient(conn)
}

// create asks the plugin for a cluster of a host whose address is nobody's: what is tried is how far it comes.
func create(t *testing.T, p pulumirpc.ResourceProviderClient) error {
	t.Helper()
	urn := string(resource.NewURN("stack", "project", "", "trivet:index:Cluster", "main"))
	sent := func(m map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(m)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ctx := t.Context()
	settings := sent(map[string]any{"ssh": map[string]any{"user": "ops", "privateKey": privateKey(t), "knownHosts": "# nobody is met"}})
	if _, err := p.Configure(ctx, &pulumirpc.ConfigureRequest{Args: settings, AcceptSecrets: true}); err != nil {
		t.Fatal(err)
	}
	host := map[string]any{"address": "10.11.1.11", "sshAddress": "127.0.0.1", "port": 1, "roles": []any{"etcd", "control-plane"}}
	checked, err := p.Check(ctx, &pulumirpc.CheckRequest{Urn: urn, News: sent(map[string]any{
		"kubernetes": "1.37.2", "ageRecipients": []any{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
		"sites": map[string]any{"s1": map[string]any{"region": "r"}}, "hosts": map[string]any{"cp1": host},
	})})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatalf("%v, %v", err, checked.GetFailures())
	}
	_, err = p.Create(ctx, &pulumirpc.CreateRequest{Urn: urn, Properties: checked.GetInputs()})
	return err
}
