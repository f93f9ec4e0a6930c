package terraform_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
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
type sshFleet struct {
	servers    map[string]*remotetest.Server
	privateKey string // in PEM
	port       int
	helper     string
}

const sudoPassword = "planted-sudo-password"

// listen lets an SSH server listen for each host, on an address of the loopback interface of its own. sudo asks for a password there.
func (w *world) listen(t *testing.T) *sshFleet {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	authorized, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := &sshFleet{servers: map[string]*remotetest.Server{}, privateKey: string(pem.EncodeToMemory(block)), helper: filepath.Join(dir, "helper")}
	content := []byte("stands for the helper")
	write := func(path string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(f.helper)
	for i, h := range w.fleet.Cluster.Hosts {
		root := w.fleet.Machines[h.Name].Root
		staging := filepath.Join(root, "var/tmp/trivet")
		write(filepath.Join(staging, "trivet-host-"+hostapi.Digest(content)[:16]))
		l, err := net.Listen("tcp", fmt.Sprintf("127.78.%d.%d:%d", os.Getpid()%250, i+1, f.port))
		if err != nil {
			t.Fatal(err)
		}
		f.port = l.Addr().(*net.TCPAddr).Port
		s, err := remotetest.NewServer(remotetest.ServerOptions{
			User: "ops", Authorized: []ssh.PublicKey{authorized}, UID: 1000, Sudo: remotetest.SudoPassword, Password: sudoPassword,
			Staging: staging, Helper: remotetest.ServeHandler(rooted{w.fleet.Handler(h.Name), root}), Listener: l,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if u := s.Unexpected(); len(u) > 0 {
				t.Errorf("unexpected commands: %q", u)
			}
			_ = s.Close()
		})
		f.servers[h.Name] = s
	}
	return f
}

// rooted is a handler whose host is a folder: uploads are below it.
type rooted struct {
	hostapi.Handler
	root string
}

// Receive implements hostapi.Handler.
func (r rooted) Receive(ctx context.Context, req *hostapi.Receive) error {
	inside := *req
	inside.Path = strings.TrimPrefix(req.Path, r.root)
	return r.Handler.Receive(ctx, &inside)
}

// adapt has the engine go to the SSH servers.
func (f *sshFleet) adapt(w *world) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) {
		w.adapt(o)
		o.Connect = nil
		o.Helper = func(string) (string, error) { return f.helper, nil }
	}
}

// config has the provider and the hosts say how the servers are reached. Secrets are ephemeral variables: variables gives them.
func (f *sshFleet) config(w *world, text string) string {
	text = strings.Replace(text, `ssh          = { user = "ops" }`, fmt.Sprintf("ssh = { user = \"ops\", port = %d, sudo_password = var.sudo_password, private_key = var.private_key }", f.port), 1)
	text = strings.Replace(text, strconv.Quote(w.fleet.Key.String()), "var.age_identity", 1)
	for name := range f.variables(w) {
		text += fmt.Sprintf("variable %q {\n  type = string\n  ephemeral = true\n  sensitive = true\n}\n", name)
	}
	for _, h := range w.fleet.Cluster.Hosts {
		s := f.servers[h.Name]
		text = strings.Replace(text, fmt.Sprintf("address = %q", h.Address), fmt.Sprintf("address = %q, ssh_address = %q, ssh_host_key = %q", h.Address, s.Address().Host(), strings.TrimSpace(s.HostKey())), 1)
	}
	return text
}

func (f *sshFleet) variables(w *world) map[string]string {
	return map[string]string{"sudo_password": sudoPassword, "private_key": f.privateKey, "age_identity": w.fleet.Key.String()}
}
