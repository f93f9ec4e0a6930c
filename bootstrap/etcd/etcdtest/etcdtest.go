// Package etcdtest runs real etcd members on the loopback address for tests.
package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/artifact"
)

// Binary finds a program of a Kubernetes release: the file that the variable names, else the newest of that name in the user's artifact folder. It skips the
// test, and says so, where there is none.
func Binary(t *testing.T, name, variable string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := fromArtifacts(t, name, "")
	if err != nil {
		t.Skipf("%s needs a real %s: set %s to one, or fill the artifact folder (%v)", t.Name(), name, variable, err)
	}
	return path
}

// BinaryOf finds the newest program of some versions, such as "3.6.", in the user's artifact folder, and skips the test where there is none.
func BinaryOf(t *testing.T, name, versions string) string {
	t.Helper()
	path, err := fromArtifacts(t, name, versions)
	if err != nil {
		t.Skipf("%s needs a real %s %s*: fill the artifact folder (%v)", t.Name(), name, versions, err)
	}
	return path
}

func fromArtifacts(t *testing.T, name, versions string) (string, error) {
	t.Helper()
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return "", err
	}
	folder, err := artifact.OpenFolder(dir)
	if err != nil {
		return "", err
	}
	entries, err := folder.Entries()
	if err != nil {
		return "", err
	}
	entries = slices.DeleteFunc(entries, func(e artifact.Entry) bool {
		return e.Name != name || e.Arch != runtime.GOARCH || e.Kind != artifact.Binary || !strings.HasPrefix(e.Version, versions)
	})
	if len(entries) == 0 {
		return "", fmt.Errorf("%s has no %s %s for %s", dir, name, versions, runtime.GOARCH)
	}
	newest := slices.MaxFunc(entries, func(a, b artifact.Entry) int { return strings.Compare(a.Version, b.Version) })
	blob, err := folder.Path(newest)
	if err != nil {
		return "", err
	}
	// Blobs need not be executable.
	content, err := os.ReadFile(blob)
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.TempDir(), name)
	return path, os.WriteFile(path, content, 0o755)
}

// Port finds a TCP port of the loopback address that is free now. It is below those that the kernel gives to outgoing connections, so that none of these takes it
// before it is listened on.
func Port(t *testing.T) int {
	t.Helper()
	const first, count, tries = 20000, 12000, 100
	var err error
	for range tries {
		port := first + rand.IntN(count)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close() // it only tried the number
			return port
		}
	}
	t.Fatalf("no free port of the loopback address: %v", err)
	return 0
}

// Member is a running member.
type Member struct {
	Name    string
	Address string // where clients connect, without TLS
	PeerURL string // where other members connect
	Flags   []string
	// Program is etcd's; that of Binary when empty.
	Program string
	cmd     *exec.Cmd
	log     string
	data    string
}

// Dial connects to the member.
func (m *Member) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", m.Address)
}

// Stop kills the member as a power failure would, unless it has ended.
func (m *Member) Stop() {
	if m.cmd.ProcessState == nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
	}
}

// Freeze has the member answer nothing until it is stopped; connections to it are taken and stay silent.
func (m *Member) Freeze() error { return m.cmd.Process.Signal(syscall.SIGSTOP) }

// Data is the folder of the member's data.
func (m *Member) Data() string { return m.data }

// Ended waits until the member has ended by itself, and gives what it wrote. It fails the test where that takes longer than a minute.
func (m *Member) Ended(t *testing.T) string {
	t.Helper()
	stop := time.AfterFunc(time.Minute, func() {
		t.Errorf("the member %s still runs", m.Name)
		_ = m.cmd.Process.Kill()
	})
	defer stop.Stop()
	_ = m.cmd.Wait() // how it ended is told by what it wrote
	content, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Start runs a cluster of members called m1, m2, … with more flags until the test ends. They may not have a leader yet.
func Start(t *testing.T, n int, flags ...string) []*Member {
	t.Helper()
	var members []*Member
	var cluster []string
	for i := range n {
		m := New(t, fmt.Sprintf("m%d", i+1))
		m.Flags = flags
		cluster = append(cluster, m.Name+"="+m.PeerURL)
		members = append(members, m)
	}
	for _, m := range members {
		m.Start(t, "new", strings.Join(cluster, ","))
	}
	return members
}

// New makes a member that does not run yet.
func New(t *testing.T, name string) *Member {
	t.Helper()
	return &Member{Name: name, Address: fmt.Sprintf("127.0.0.1:%d", Port(t)), PeerURL: fmt.Sprintf("http://127.0.0.1:%d", Port(t)), data: t.TempDir()}
}

// Start runs the member until the test ends or it is stopped. state is "new", or "existing" for one that joins; one that has run before goes by its data.
func (m *Member) Start(t *testing.T, state, cluster string) {
	t.Helper()
	if m.Program == "" {
		m.Program = Binary(t, "etcd", "TRIVET_ETCD")
	}
	Run(t, m, m.Program, append([]string{"--name=" + m.Name, "--data-dir=" + m.data, "--initial-cluster=" + cluster, "--initial-cluster-state=" + state,
		"--initial-cluster-token=test", "--listen-peer-urls=" + m.PeerURL, "--initial-advertise-peer-urls=" + m.PeerURL, "--listen-client-urls=http://" + m.Address,
		"--advertise-client-urls=http://" + m.Address, "--unsafe-no-fsync", "--log-level=warn"}, m.Flags...)...)
}

// Run starts a program for the time of the test. Its output is shown when the test fails.
func Run(t *testing.T, m *Member, binary string, args ...string) {
	t.Helper()
	m.log = filepath.Join(t.TempDir(), m.Name+".log")
	output, err := os.Create(m.log)
	if err != nil {
		t.Fatal(err)
	}
	m.cmd = exec.Command(binary, args...)
	m.cmd.Stdout, m.cmd.Stderr = output, output
	m.cmd.WaitDelay = 5 * time.Second
	if err := errors.Join(m.cmd.Start(), output.Close()); err != nil {
		t.Fatalf("starting %s: %v", binary, err)
	}
	t.Cleanup(func() {
		m.Stop()
		if !t.Failed() {
			return
		}
		if content, err := os.ReadFile(m.log); err == nil {
			t.Logf("the last of what %s said:\n%s", m.Name, content[max(0, len(content)-4000):])
		}
	})
}
