package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// keptIdle is how long a tunnel that was begun for a credential goes on without being used: longer than a certificate lives. Whoever has one that is good does not ask for another, and has to
// find the tunnel; whoever asks for another uses the tunnel by that.
const keptIdle = credentialLifetime + 5*time.Minute

// probeTimeout bounds how long a tunnel may take to lead to the API, which is as long as several control planes that do not answer take.
const probeTimeout = 30 * time.Second

// keepTunnel sees to it that a tunnel to the API listens at an address: one that is there already, whoever began it, or one that goes on after this command.
func (g *global) keepTunnel(ctx context.Context, config []byte, access, address string) error {
	err := leadsToAPI(ctx, config, address)
	if !nobodyListens(err) {
		return tunnelError(address, err)
	}
	// Another command may do the same at this time: then this tunnel cannot listen, and the other one is as good.
	begun := g.beginTunnel(ctx, access, address)
	if err = leadsToAPI(ctx, config, address); nobodyListens(err) && begun != nil {
		return begun
	}
	return tunnelError(address, err)
}

// leadsToAPI fails where no tunnel listens at an address, or one that does not lead to the API of the cluster that a kubeconfig is for.
func leadsToAPI(ctx context.Context, config []byte, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, err := clientcmd.RESTConfigFromKubeConfig(config)
	if err != nil {
		return err
	}
	own, err := rest.TLSConfigFor(c)
	if err != nil {
		return err
	}
	conn, err := (&tls.Dialer{Config: own}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func nobodyListens(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// tunnelError says what is wrong with what listens at an address.
func tunnelError(address string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("what listens at %s is not this cluster's API: %w. Perhaps it is the tunnel to another cluster: end that first", address, err)
	}
	return fmt.Errorf("the tunnel at %s does not lead to the API: %w", address, err)
}

// beginTunnel begins a tunnel, and waits until it leads to the API.
func (g *global) beginTunnel(ctx context.Context, access, address string) error {
	out, err := g.begin("tunnel", "--json", "--access", access, "--address", address, "--idle", keptIdle.String())
	if err != nil {
		return fmt.Errorf("the tunnel cannot be begun: %w", err)
	}
	defer out.Close()
	stop := context.AfterFunc(ctx, func() { out.Close() })
	defer stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var said struct{ Type, Message string }
	if err == nil {
		err = json.Unmarshal(line, &said)
	}
	switch {
	case err != nil:
		return fmt.Errorf("the tunnel ended before it led to the API: %w", err)
	case said.Type != "tunnel":
		return errors.New(said.Message)
	}
	return nil
}

// beginning has a command of this program go on by itself, and gives what it prints.
type beginning func(args ...string) (io.ReadCloser, error)

// beginDetached starts it as a process that belongs to no terminal, and to nobody who ends it or waits for its output. It must print no more than its result.
func beginDetached(args ...string) (io.ReadCloser, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, its, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer its.Close()
	cmd := exec.Command(self, args...) // no context ends it: it goes on
	cmd.Stdout, cmd.SysProcAttr = its, detached
	keepFiles()
	if err := cmd.Start(); err != nil {
		_ = out.Close() // nothing was written
		return nil, err
	}
	return out, cmd.Process.Release()
}
