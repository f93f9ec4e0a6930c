package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/remote"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var (
	control = []string{"control-plane", "etcd"}
	// threeSites has a control plane in each of three sites and two workers in the first.
	threeSites = fleettest.Settings{Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "cp3", Site: "s3", Roles: control},
		{Name: "w1", Site: "s1", Roles: []string{"worker"}}, {Name: "w2", Site: "s2", Roles: []string{"worker"}},
	}}
)

// memoryFleet is the command over a fleet in memory.
type memoryFleet struct {
	*fleettest.Fleet
	t   *testing.T
	dir string
	// ownArtifacts has the command get artifacts by itself, instead of from the fleet.
	ownArtifacts bool
	begin        beginning // of commands that go on by themselves
}

func newMemoryFleet(t *testing.T, s fleettest.Settings) *memoryFleet {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), s)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, filepath.Join(work, name))
	}
	t.Setenv("TRIVET_ARTIFACTS", "source")
	t.Setenv("TRIVET_HELPER_DIR", work)
	if err := os.WriteFile(filepath.Join(work, "trivet-host-linux-amd64"), []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &memoryFleet{Fleet: f, t: t, dir: filepath.Join(work, "fleet")}
	m.write(s)
	return m
}

// write writes the topology, and gives hosts that are new a machine.
func (m *memoryFleet) write(s fleettest.Settings) {
	m.t.Helper()
	if err := m.Change(s); err != nil {
		m.t.Fatal(err)
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	for name, text := range s.Manifests {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.dir, "main.hcl"), []byte(s.HCL(m.Key.Recipient().String())), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// trivet runs the command on the fleet, wants its exit code, and gives what it printed: results and errors.
func (m *memoryFleet) trivet(code int, args ...string) (out, errOut string) {
	m.t.Helper()
	return m.trivetWith(nil, code, args...)
}

func (m *memoryFleet) trivetWith(change func(*bootstrap.Options), code int, args ...string) (out, errOut string) {
	m.t.Helper()
	root, g := newRoot()
	g.begin = m.begin
	g.adapt = func(o *bootstrap.Options) {
		o.Connect, o.Identities = m.Connect, m.Identities
		if !m.ownArtifacts {
			o.Artifacts = m.Fleet
		}
		o.GateTimeout, o.Now = time.Minute, func() time.Time { return fleettest.Now }
		o.API = func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return m.API(id) }
		if change != nil {
			change(o)
		}
	}
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if got := g.run(root, append(args, "-f", m.dir)); got != code {
		m.t.Fatalf("trivet %s ends with %d, not %d\n%s%s", strings.Join(args, " "), got, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

// hold takes the run lock of a control plane as somebody else.
func (m *memoryFleet) hold(name, actor string) {
	m.t.Helper()
	var host *topology.Host
	for _, h := range m.Cluster.Hosts {
		if h.Name == name {
			host = h
		}
	}
	conn, err := m.Connect(m.t.Context(), host)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	if _, _, err := conn.Hold(m.t.Context(), hostapi.Hold{Holder: hostapi.Holder{Actor: actor, Purpose: "apply", Since: fleettest.Now.Add(-90 * time.Second)}}); err != nil {
		m.t.Fatal(err)
	}
}

// matches wants every pattern to be found in a text, line by line.
func matches(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			t.Errorf("no match for %q in:\n%s", p, text)
		}
	}
}

func TestLockCommand(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	out, _ := f.trivet(0, "lock")
	matches(t, out, `^CONTROL PLANE +SITE +RUN LOCK +FOR +SINCE +EPOCH$`, `^cp1 +s1 +not held +- +- +0$`,
		`^The run lock of cluster "main" is not held on any of the 3 control planes that answered\.$`)
	f.trivet(0, "apply", "--yes")
	f.hold("cp1", "ann@desk[12]")
	f.hold("cp2", "ann@desk[12]")
	f.Unreachable["cp3"] = true
	since := fleettest.Now.Add(-90 * time.Second).Format("2006-01-02 15:04:05 UTC")

	out, _ = f.trivet(0, "lock")
	matches(t, out, `^cp1 +s1 +ann@desk\[12\] +apply +`+since+` \(1 min 30 s\) +1$`, `^cp3 +s3 +no answer `, `^✗ host cp3: connect to .*: no route to host$`,
		`^The run lock of cluster "main" is held on 2 of 3 control planes: ann@desk\[12\] holds it for apply since `+since+` \(1m30s ago\)\.$`,
		`end it: trivet lock --take-over -f .*fleet$`)
	out, errOut := f.trivet(0, "lock", "--json")
	matches(t, out, `^\{"type":"lock","held":true,"cluster":"main","epoch":1,"hosts":\[\{"host":"cp1","site":"s1","epoch":1,"holder":\{"actor":"ann@desk\[12\]","purpose":"apply"`)
	if errOut != "" {
		t.Errorf("beside the JSON: %s", errOut)
	}

	out, _ = f.trivet(1, "lock", "--take-over", "--yes", "--cluster", "other")
	out, _ = f.trivet(0, "lock", "--take-over", "--yes")
	matches(t, out, `^Ended the run of ann@desk\[12\] \(apply\); the lock is free\.$`, `^4 hosts will refuse what that run may still send: their epoch is 2\.$`,
		`^Not reached: cp3\.`, `^Next: trivet plan -f `)
	out, _ = f.trivet(0, "lock", "--take-over", "--yes")
	matches(t, out, `is not held on any of the 2 control planes that answered\.$`, `^There is nothing to take over\.$`)
	f.Unreachable["cp2"] = true
	f.hold("cp1", "bob@desk[13]")
	_, errOut = f.trivet(1, "lock", "--take-over", "--yes")
	matches(t, errOut, `needs a majority of the control planes, 2 of 3, and 1 answer`, `host cp2`, `host cp3`)
}

// TestHeldLock: whoever is refused is told who is at it, and the command that ends it, with the flags that lead to this cluster.
func TestHeldLock(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.hold("cp1", "ann@desk[12]")
	for _, args := range [][]string{{"apply", "--yes"}, {"apply", "--yes", "--json"}} {
		out, errOut := f.trivet(1, args...)
		matches(t, out+errOut, `the run lock of cluster .+main.+ is held: on host cp1 ann@desk\[12\] holds it for apply since .* UTC \(1m30s ago\)`, `trivet lock --take-over -f .*fleet`+"`")
	}
	if o, err := f.Observe("w1"); err != nil || o.Record != nil {
		t.Errorf("something was done: %+v, %v", o, err)
	}
}

func TestStatusCommand(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	out, _ := f.trivet(0, "status", "--deep")
	matches(t, out, `^✓ All is well: 5 hosts as recorded, 5 nodes Ready, 3 etcd members healthy\.$`)
	f.ForgetObject("Node/w1")
	f.ForgetObject("Deployment/kube-system/coredns")
	f.Unreachable["w2"] = true
	out, _ = f.trivet(1, "status")
	matches(t, out, `^✗ API: Node w1: missing \(trivet apply mends it\)$`, `^✗ API: Deployment kube-system/coredns: missing`, `^✗ host w2: connect to .*: no route to host$`, `^ +s2 +cp2 .* Ready `)
	f.Unreachable["cp1"], f.Unreachable["cp2"], f.Unreachable["cp3"] = true, true, true
	out, _ = f.trivet(1, "status")
	matches(t, out, `^Cluster "main", Kubernetes 1\.37\.2: 3 control planes not answering, so nobody can tell whether it was brought up$`)
}

// TestConnectsOnlyWhereNeeded: what needs the API only logs in where it has to.
func TestConnectsOnlyWhereNeeded(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"lock"}, "cp1 cp2 cp3"},
		{[]string{"plan"}, "cp1 cp2 cp3 w1 w2"},
	} {
		names := connections(f, c.args...)
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("trivet %s connects to %s, not %s", strings.Join(c.args, " "), got, c.want)
		}
	}
}

// connections runs the command and tells which hosts it connects to.
func connections(f *memoryFleet, args ...string) []string {
	f.t.Helper()
	var mu sync.Mutex
	var names []string
	f.trivetWith(func(o *bootstrap.Options) {
		connect := o.Connect
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			mu.Lock()
			names = append(names, h.Name)
			mu.Unlock()
			return connect(ctx, h)
		}
	}, 0, args...)
	slices.Sort(names)
	return names
}

// TestVerifyWithHostAway: the table is printed in any case, with the host that does not answer in it.
func TestVerifyWithHostAway(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	f.Unreachable["w1"] = true
	out, errOut := f.trivet(exitVerify, "verify", "--timeout", "500ms") // a fleet in memory has no API: what needs it fails, too
	matches(t, out, `^CHECK +RESULT +SLOWEST +WHERE$`, `^FAILED host answers at w1$`, `^  host w1: connect to .*: no route to host`, `^main: .* checks failed`)
	matches(t, errOut, `^✗ w1: host answers$`)
	out, _ = f.trivet(exitVerify, "verify", "--timeout", "500ms", "--json")
	matches(t, out, `^\{"type":"event",.*"kind":"check-failed","host":"w1","item":"host answers","message":"`, `^\{"type":"verify","ok":false,.*"name":"host answers","host":"w1","ok":false`)
	f.Unreachable["cp1"], f.Unreachable["cp2"], f.Unreachable["cp3"] = true, true, true
	out, errOut = f.trivet(exitFailed, "verify", "--timeout", "500ms")
	matches(t, out, `^host answers +FAILED 4 of 4 `, `^FAILED host answers at cp1$`)
	matches(t, errOut, `^Error: the checks could not be carried through: no control plane to talk to`)
}

// TestSecretsWithoutTerminal: what is asked for, and how to give it, since nobody can be asked.
func TestSecretsWithoutTerminal(t *testing.T) {
	if canAsk() {
		t.Skip("TestSecretsWithoutTerminal needs standard input not to be a terminal")
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("correct horse\r\n# of the machines in s1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &session{global: &global{}, topology: &topology.Topology{}}
	_, err := s.sudoPassword(t.Context(), "w1")
	if err == nil || !strings.Contains(err.Error(), "no terminal") || !strings.Contains(err.Error(), "sudo_password_file") || !strings.Contains(err.Error(), "NOPASSWD") {
		t.Errorf("sudo: %v", err)
	}
	if _, err = s.passphrase(t.Context(), "/keys/id"); err == nil || !strings.Contains(err.Error(), "no terminal") || !strings.Contains(err.Error(), "agent = true") {
		t.Errorf("passphrase: %v", err)
	}
	s.topology.Fleet.SSH.SudoPasswordFile = file
	if got, err := s.sudoPassword(t.Context(), "w1"); err != nil || got != "correct horse" {
		t.Errorf("the password is %q, %v", got, err)
	}
	s.topology.Fleet.SSH.SudoPasswordFile = file + ".missing"
	if _, err := s.sudoPassword(t.Context(), "w1"); err == nil || !strings.Contains(err.Error(), "sudo_password_file") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestHostsAway: the rest is done, the exit code tells that it was not all, and every host left out is named.
func TestHostsAway(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(exitOK, "apply", "--yes")
	f.Unreachable["w2"] = true
	out, _ := f.trivet(exitPartial, "plan")
	matches(t, out, `w2.*no route to host`)
	if err := os.Remove(f.Machines["w1"].Path("/etc/kubernetes/kubelet.yaml")); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(f.dir, "plan.json")
	out, _ = f.trivet(exitChanges, "plan", "--out", saved)
	matches(t, out, `/etc/kubernetes/kubelet\.yaml`, `w2.*no route to host`)
	out, errOut := f.trivet(exitPartial, "apply", "--plan", saved)
	matches(t, out, `^Applied in `)
	matches(t, errOut, `^Not complete: the rest is done, and 1 host was skipped; apply again when they can take part:$`, `^  host w2 \(site s2\): connect to .*: no route to host$`)
	out, errOut = f.trivet(exitPartial, "apply", "--yes")
	matches(t, errOut, `^Not complete: .*1 host was skipped`)
	out, errOut = f.trivet(exitPartial, "apply", "--yes", "--json")
	matches(t, out, `^\{"type":"apply","cluster":"main","actions":0,"skipped":\[\{"host":"w2","site":"s2","reason":"`, `^\{"type":"error","exitCode":5,"message":"`)
	if errOut != "" {
		t.Errorf("beside the JSON: %s", errOut)
	}
	f.Unreachable["w2"] = false
	f.trivet(exitOK, "apply", "--yes")
	f.trivet(exitOK, "plan")
}

// TestTunnelWithoutCluster says that there is none, instead of what a refused connection says.
func TestTunnelWithoutCluster(t *testing.T) {
	m := newMemoryFleet(t, threeSites)
	_, errOut := m.trivet(1, "tunnel", "--address", "127.0.0.1:0")
	matches(t, errOut, `^Error: cluster "main" does not exist yet: apply first$`)
}
