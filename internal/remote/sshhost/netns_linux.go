package sshhost

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// dialInNamespace connects from a network namespace of this machine. A socket belongs to the namespace of the thread that makes it, so the dialling
// goroutine keeps its thread while that is elsewhere. The address must be an IP address: a look-up would run on other threads.
func dialInNamespace(ctx context.Context, namespace, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("%s must be an IP address to be reached from network namespace %s", host, namespace)
	}
	path := namespace
	if !strings.Contains(path, "/") {
		path = filepath.Join("/run/netns", namespace)
	}
	there, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", namespace, err)
	}
	defer there.Close()
	type result struct {
		conn net.Conn
		err  error
	}
	got := make(chan result, 1)
	go func() {
		conn, err := dialFrom(ctx, there, namespace, address)
		got <- result{conn, err}
	}()
	r := <-got
	return r.conn, r.err
}

func dialFrom(ctx context.Context, there *os.File, namespace, address string) (net.Conn, error) {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("entering network namespace %s: %w", namespace, err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	// A thread that cannot go back is not given back: it ends with this goroutine.
	if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return conn, err
}
