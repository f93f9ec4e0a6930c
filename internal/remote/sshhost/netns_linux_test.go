package sshhost_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// newNamespace makes a network namespace with its loopback up.
func newNamespace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is not installed: install iproute2")
	}
	name := fmt.Sprintf("trivet-test-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", name).Run() })
	if out, err := exec.Command("ip", "-n", name, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	return name
}

// listenIn listens inside a network namespace. The thread that was there ends with its goroutine.
func listenIn(t *testing.T, namespace string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	got := make(chan result)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open("/run/netns/" + namespace)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		got <- result{l, err}
	}()
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.l
}

func TestNetworkNamespace(t *testing.T) {
	namespace := newNamespace(t)
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{Listener: listenIn(t, namespace)})
	cfg := f.config(s)
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "connection refused")

	cfg.NetworkNamespace = namespace
	h := f.connect(cfg)
	if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
		t.Error(err)
	}
	// Threads come back: what is dialled after it is in our own namespace.
	f.connect(f.config(f.server(remotetest.ServerOptions{})))

	cfg.NetworkNamespace = "trivet-none"
	_, err = sshhost.NewPool(sshhost.Options{}).Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "network namespace trivet-none")
	cfg.NetworkNamespace, cfg.Address = namespace, "localhost"
	_, err = f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "localhost must be an IP address")
}
