package terraform_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

// cli runs terraform itself, in a folder, with providers that run in this process.
type cli struct {
	folder      string
	environment []string
}

// newCLI serves providers, by their source, to terraform in a folder.
func newCLI(t *testing.T, folder string, providers map[string]func() provider.Provider, environment ...string) *cli {
	t.Helper()
	if _, err := lookTerraform(); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	type address struct{ Network, String string }
	type reattach struct {
		Protocol        string
		ProtocolVersion int
		Pid             int
		Test            bool
		Addr            address
	}
	all := map[string]reattach{}
	for source, construct := range providers {
		c := serve(t, source, construct)
		all[source] = reattach{string(c.Protocol), c.ProtocolVersion, c.Pid, true, address{c.Addr.Network(), c.Addr.String()}}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	// None of the user's own: neither settings nor plugins.
	rc := filepath.Join(t.TempDir(), "terraform.rc")
	if err := os.WriteFile(rc, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	environment = append(environment, "TF_REATTACH_PROVIDERS="+string(b), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_ARGS=-no-color")
	return &cli{folder, environment}
}

// serve serves a provider until the test ends.
func serve(t *testing.T, source string, construct func() provider.Provider) *plugin.ReattachConfig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	config, ended := make(chan *plugin.ReattachConfig), make(chan struct{})
	go func() {
		_ = tf6server.Serve(source, func() tfprotov6.ProviderServer { return providerserver.NewProtocol6(construct())() },
			tf6server.WithDebug(ctx, config, ended), tf6server.WithLoggingSink(t))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return <-config
}

// run runs a subcommand that has to end with the exit code, and gives what it printed.
func (c *cli) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "terraform", args...)
	cmd.Dir, cmd.Env = c.folder, append(os.Environ(), c.environment...)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("terraform %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}
