//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onOwnThread runs fn on a thread that nothing else uses and that ends with it, so fn may
// change the thread's namespaces and control groups. The main thread cannot end and is
// what /proc/self describes, so it is never used.
func onOwnThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onOwnThread(fn)
			runtime.UnlockOSThread()
			return
		}
		done <- fn() // still locked: the thread ends with this goroutine
	}()
	return <-done
}

// inNetwork runs fn on a thread inside the named network namespace. Processes and
// sockets that fn makes on that thread belong to the namespace.
func inNetwork(path string, fn func() error) error {
	return onOwnThread(func() error {
		if err := enterNetwork(path); err != nil {
			return err
		}
		return fn()
	})
}

func enterNetwork(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	return nil
}

// DialInNamespace dials from inside a network namespace, such as Access.NetworkNamespace.
// The address must be an IP address with a port: a name would be resolved elsewhere.
func DialInNamespace(ctx context.Context, namespace, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial %s from %s: the lab has no name service: use an IP address", address, namespace)
	}
	var conn net.Conn
	err = inNetwork(namespace, func() error {
		var d net.Dialer
		var err error
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// namespaceExists tells a mounted namespace from the empty file a killed command leaves.
func namespaceExists(name string) bool {
	var st unix.Statfs_t
	return unix.Statfs(namespacePath(name), &st) == nil && st.Type == unix.NSFS_MAGIC
}

func createNamespace(name string) error {
	if err := deleteNamespace(name); err != nil {
		return err
	}
	if err := os.MkdirAll(namespaceFolder, 0o755); err != nil {
		return err
	}
	path := namespacePath(name)
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		return err
	}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	})
	if err != nil {
		return fmt.Errorf("create network namespace %s: %w", name, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// deleteNamespace removes a namespace's name; the namespace ends with its last process.
func deleteNamespace(name string) error {
	path := namespacePath(name)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if err == nil {
			continue // it may have been mounted over itself
		}
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount network namespace %s: %w", name, err)
		}
		break
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", name, err)
	}
	return nil
}
