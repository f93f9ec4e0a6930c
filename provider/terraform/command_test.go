package terraform_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/terraform"
)

// command is terraform in a folder of its own, with a provider of its own over the fleet.
type command struct {
	t   *testing.T
	cli *cli
	log string // file that terraform's own log goes to; "" for none
}

func (w *world) command(t *testing.T, adapt func(*bootstrap.Options)) *command {
	t.Helper()
	return &command{t: t, cli: newCLI(t, t.TempDir(), map[string]func() provider.Provider{"registry.terraform.io/hashicorp/trivet": terraform.New("test", adapt)})}
}

// write writes the configuration.
func (c *command) write(config string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.cli.folder, "main.tf"), []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// start starts terraform; wait gives what it said.
func (c *command) start(args ...string) (cmd *exec.Cmd, wait func() (string, error)) {
	c.t.Helper()
	cmd = exec.Command("terraform", args...)
	cmd.Dir = c.cli.folder
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(append(os.Environ(), c.cli.environment...), "TF_INPUT=0")
	if c.log != "" {
		cmd.Env = append(cmd.Env, "TF_LOG=TRACE", "TF_LOG_PATH="+c.log)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return cmd, func() (string, error) {
		err := cmd.Wait()
		return out.String(), err
	}
}

// run runs terraform and gives what it said.
func (c *command) run(args ...string) (string, error) {
	c.t.Helper()
	_, wait := c.start(args...)
	return wait()
}

// must runs terraform, which has to succeed.
func (c *command) must(args ...string) string {
	c.t.Helper()
	return c.cli.run(c.t, 0, args...)
}

// empty wants a plan, refreshed, to have nothing to do.
func (c *command) empty() {
	c.t.Helper()
	c.cli.run(c.t, 0, "plan", "-detailed-exitcode")
}

// sshFleet has SSH servers listen for a fleet's hosts.
type sshFleet struct{ *doortest.SSH }

// listen lets an SSH server listen for each host.
func (w *world) listen(t *testing.T) *sshFleet {
	t.Helper()
	return &sshFleet{doortest.Listen(t, w.hosts())}
}

// config has the provider and the hosts say how the servers are reached. Secrets are ephemeral variables: variables gives them.
func (f *sshFleet) config(w *world, text string) string {
	text = strings.Replace(text, `ssh          = { user = "ops" }`, fmt.Sprintf("ssh = { user = \"ops\", port = %d, sudo_password = var.sudo_password, private_key = var.private_key }", f.Port), 1)
	text = strings.Replace(text, strconv.Quote(w.fleet.Key.String()), "var.age_identity", 1)
	for name := range f.variables(w) {
		text += fmt.Sprintf("variable %q {\n  type = string\n  ephemeral = true\n  sensitive = true\n}\n", name)
	}
	for _, h := range w.fleet.Cluster.Hosts {
		text = strings.Replace(text, fmt.Sprintf("address = %q", h.Address), fmt.Sprintf("address = %q, ssh_address = %q, ssh_host_key = %q", h.Address, f.Address(h.Name), f.HostKey(h.Name)), 1)
	}
	return text
}

func (f *sshFleet) variables(w *world) map[string]string {
	return map[string]string{"sudo_password": doortest.SudoPassword, "private_key": f.PrivateKey, "age_identity": w.fleet.Key.String()}
}
