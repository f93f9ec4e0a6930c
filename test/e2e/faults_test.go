//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/lab"
)

// TestFaults breaks things, one after the other, in one lab with the example topology: before there is a cluster, during its bring-up, and once it runs. Each fault has to end
// in a clear error or in a whole cluster, and the next apply in a whole cluster.
func TestFaults(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-faults", example(t, "two-places-three-centres"))
	step := func(name string, fn func(*operator)) {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			fn(o.at(t))
			t.Logf("%s took %.1f s", name, time.Since(start).Seconds())
		})
	}
	step("hosts that do not let us in", (*operator).shutOut)
	step("port taken", (*operator).portTaken)
	step("killed and cut while sending", (*operator).brokenSending)
	step("artifact with a wrong digest", (*operator).wrongDigest)
	step("disk full", (*operator).diskFull)
	step("killed while spreading", (*operator).brokenSpreading)
	step("etcd data of another cluster", (*operator).foreignData)
	if t.Failed() {
		t.Fatal("what was to stay out of the hosts may be in them: no cluster is brought up on top of it")
	}
	step("bring-up, killed and cut again and again", (*operator).brokenBringUp)
	step("a host of another cluster", (*operator).otherCluster)
	step("two applies at once", (*operator).twoApplies)
	step("killed while rolling a change", (*operator).killedRoll)
	step("packets lost while rolling a change", (*operator).lossyRoll)
	step("a site cut off", (*operator).siteCut)
	step("a worker that hangs", (*operator).frozenWorker)
	step("wiped etcd data", (*operator).wipedData)
	step("power lost everywhere", (*operator).powerLost)
	step("in the end", func(o *operator) {
		o.must("verify")
		o.unchanged()
	})
}

// The lab's hosts share the machine's clock and architecture: what depends on another one is tested without a lab.
func TestFaultsThatNoLabMakes(t *testing.T) {
	t.Run("clock skew", func(t *testing.T) {
		t.Skip("the hosts of a lab share the machine's clock; bootstrap/preflight tests the check")
	})
	t.Run("no systemd", func(t *testing.T) {
		t.Skip("every host of a lab runs systemd; internal/hostd tests the refusal")
	})
	t.Run("unsupported architecture", func(t *testing.T) {
		t.Skip("every host of a lab has the machine's architecture; internal/remote/sshhost tests the refusal")
	})
}

// edited is the example topology with the text of one line replaced.
func (o *operator) edited(replace ...string) string {
	o.t.Helper()
	text := example(o.t, "two-places-three-centres")
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(text, replace[i]) != 1 {
			o.t.Fatalf("the example has %q not once", replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return text
}

// pods changes the workers' kubelets, and them alone.
func pods(n int) []string {
	return []string{"  etcd {\n", fmt.Sprintf("  component \"kubelet\" {\n    role     = \"worker\"\n    settings = { maxPods = %d }\n  }\n\n  etcd {\n", n)}
}

// retention changes every etcd member.
func retention(d string) []string {
	return []string{"    accept_loss =", fmt.Sprintf("    compaction_retention = %q\n    accept_loss =", d)}
}

// change makes several changes at once.
func (o *operator) change(changes ...[]string) {
	o.t.Helper()
	o.write(o.edited(slices.Concat(changes...)...))
}

// says checks that an output names what it should.
func (o *operator) says(text string, want ...string) {
	o.t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			o.t.Errorf("it does not say %q:\n%s", w, text)
		}
	}
}

// saysNot checks that a text lacks something.
func (o *operator) saysNot(text, unwanted string) {
	o.t.Helper()
	if strings.Contains(text, unwanted) {
		o.t.Errorf("%q is in:\n%s", unwanted, text)
	}
}

// shutOut makes every host refuse the operator, each for a reason of its own. One plan tells them all, and no host is touched.
func (o *operator) shutOut() {
	l, err := lab.Open(o.fleet)
	if err != nil {
		o.t.Fatal(err)
	}
	before := o.inspectAll([]string{"bj1-cp1", "bj1-w1", "bj2-cp1", "sh1-cp1"})
	known, err := os.ReadFile(l.Access().KnownHosts)
	if err != nil {
		o.t.Fatal(err)
	}
	keys := map[string]string{}
	for line := range strings.Lines(string(known)) {
		names, key, _ := strings.Cut(line, " ")
		_, name, _ := strings.Cut(names, ",")
		keys[name] = key
	}
	forged := strings.Replace(string(known), keys["bj2-cp1"], keys["sh1-w1"], 1)
	lines := slices.DeleteFunc(slices.Collect(strings.Lines(forged)), func(line string) bool { return strings.Contains(line, "bj1-cp1 ") })
	if err := os.WriteFile(l.Access().KnownHosts, []byte(strings.Join(lines, "")), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.on("bj1-w1", "mv", "/etc/sudoers.d/trivet-lab", "/etc/trivet-lab.sudoers")
	o.on("sh1-cp1", "mv", "/home/ops/.ssh/authorized_keys", "/home/ops/.ssh/kept")
	o.must("lab", "kill", "sh1-w1")

	r := o.exits(1, "plan")
	for _, host := range exampleHosts {
		if n := strings.Count(r.stderr, "host "+host); n != 1 {
			o.t.Errorf("host %s is named %d times, not once:\n%s", host, n, r.stderr)
		}
	}
	o.says(r.stderr, "is not known", "HOST KEY CHANGED", "sudo", "NOPASSWD", "key")

	o.must("lab", "start", "sh1-w1")
	o.on("sh1-cp1", "mv", "/home/ops/.ssh/kept", "/home/ops/.ssh/authorized_keys")
	o.on("bj1-w1", "mv", "/etc/trivet-lab.sudoers", "/etc/sudoers.d/trivet-lab")
	if err := os.WriteFile(l.Access().KnownHosts, known, 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.on("bj1-w1", "rm", "-r", "/var/tmp/trivet-1000") // the helper, which the login user placed and may not run as root
	o.on("bj1-w1", "rm", "-r", "/run/sudo/ts")         // sudo's own note of whom it refused
	o.asBefore(before)
}

// portTaken has something else listen where the API server is to.
func (o *operator) portTaken() {
	o.on("bj2-cp1", "systemd-run", "--unit=squatter", "--service-type=exec", "socat", "TCP-LISTEN:6443,fork,reuseaddr", "EXEC:/bin/true")
	defer func() { o.on("bj2-cp1", "systemctl", "stop", "squatter.service") }()
	o.on("bj2-cp1", "timeout", "20", "sh", "-c", "until ss -Hltn | grep -q :6443; do sleep 0.1; done")
	r := o.exits(4, "preflight")
	o.says(r.stdout, "bj2-cp1", "6443", "socat")
	r = o.exits(4, "apply", "--yes")
	o.says(r.stderr, "bj2-cp1", "6443", "socat", "nothing was changed", "--skip-preflight=ports")
}

// wrongDigest takes artifacts from a folder in which one file was changed.
func (o *operator) wrongDigest() {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		o.t.Fatal(err)
	}
	folder := filepath.Join(o.dir, "mirror")
	if err := os.RemoveAll(folder); err != nil {
		o.t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	const script = `mkdir "$2" && cp -al "$1/blobs" "$1/index.json" "$2/" && mkdir -p "$2/tmp"`
	o.sh(script, dir, folder)
	blob := o.blobOf(folder, "runc")
	data, err := os.ReadFile(blob)
	if err != nil {
		o.t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(blob); err != nil { // the file of the cache has the same inode
		o.t.Fatal(err)
	}
	if err := os.WriteFile(blob, data, 0o644); err != nil {
		o.t.Fatal(err)
	}
	r := o.exits(1, "apply", "--yes", "--artifacts", folder)
	o.says(r.stderr, "runc", filepath.Base(blob)[:12])
	for _, h := range exampleHosts {
		out := o.on(h, "sh", "-c", `cd /opt/trivet/store/sha256 2>/dev/null || exit 0; test ! -e "$1" || sha256sum "$1"`, "sh", filepath.Base(blob))
		if out != "" && !strings.HasPrefix(out, filepath.Base(blob)) {
			o.t.Errorf("host %s took the wrong file into its store: %s", h, out)
		}
	}
}

// blobOf finds the file of an artifact in a folder.
func (o *operator) blobOf(folder, name string) string {
	o.t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		o.t.Fatal(err)
	}
	var index struct{ Entries []artifact.Entry }
	if err := json.Unmarshal(data, &index); err != nil {
		o.t.Fatal(err)
	}
	for _, e := range index.Entries {
		if e.Name == name && e.Arch == runtime.GOARCH {
			return filepath.Join(folder, "blobs/sha256", e.SHA256)
		}
	}
	o.t.Fatalf("%s has no %s", folder, name)
	return ""
}

// diskFull gives one host no room for the artifacts: it is foreseen, and it stops a run that was told to go on.
func (o *operator) diskFull() {
	o.must("lab", "fill", "bj1-w1", "/opt/trivet", "--free", "30Mi")
	r := o.exits(4, "apply", "--yes")
	o.says(r.stderr, "bj1-w1", "/opt/trivet", "are needed", "--skip-preflight=disk")
	r = o.exits(1, "apply", "--yes", "--skip-preflight=disk")
	o.says(r.stderr, "bj1-w1", "/opt")
	if !strings.Contains(r.stderr, "space") && !strings.Contains(r.stderr, "free") {
		o.t.Errorf("it does not say that the disk is full:\n%s", r.stderr)
	}
	o.must("lab", "empty", "bj1-w1", "/opt/trivet")
}

// foreignData puts the data of an etcd that is not ours where a member is to be.
func (o *operator) foreignData() {
	o.on("sh1-cp1", "sh", "-ec", "test ! -e /var/lib/etcd; mkdir -p /var/lib/etcd/member/wal /var/lib/etcd/member/snap && echo 'of another cluster' | tee /var/lib/etcd/member/wal/0.wal >/var/lib/etcd/member/snap/db && chmod -R go= /var/lib/etcd")
	list := func() string {
		return o.on("sh1-cp1", "sh", "-c", "find /var/lib/etcd -printf '%p %M %u %g %s %T@\n' | sort; cat /var/lib/etcd/member/*/*")
	}
	before := list()
	r := o.exits(4, "apply", "--yes")
	o.says(r.stderr, "sh1-cp1", "/var/lib/etcd", "never wipes it")
	r = o.exits(1, "apply", "--yes", "--skip-preflight=foreign")
	o.says(r.stdout+r.stderr, "sh1-cp1", "/var/lib/etcd")
	if diff := cmp.Diff(before, list()); diff != "" {
		o.t.Errorf("the data of another cluster was touched:\n%s", diff)
	}
	o.on("sh1-cp1", "rm", "-r", "/var/lib/etcd")
}

// brokenSending kills the command and cuts a host off while the first artifacts go to the sites.
func (o *operator) brokenSending() {
	o.killAt("the first transfer", starts("seed"))
	o.killAt("half a transfer", amid("seed"))
	o.unplugAt("sh1-cp1", "a transfer", func(e event.Event) bool { return e.Phase == "seed" && e.Host == "sh1-cp1" && e.Kind == event.Progress })
}

// brokenSpreading kills it while hosts take artifacts from each other, and before the first document.
func (o *operator) brokenSpreading() {
	o.killAt("artifacts inside the sites", amid("spread"))
	o.killAt("the identity", starts("identity"))
}

// brokenBringUp kills the command at one point after the other, and cuts hosts off in between. Each run goes on where the last one was stopped.
func (o *operator) brokenBringUp() {
	o.killAt("the first steps", starts("configure"))
	o.killAt("half the files", amid("configure"))
	o.unplugAt("bj2-cp1", "a step", amid("configure"))
	o.killAt("the first units", amid("start"))
	o.unplugAt("sh1-cp1", "the start of etcd", starts("start"))
	o.killAt("half the packages and files", amid("install"))
	o.killAt("the images", starts("images"))
	o.killAt("half the images", amid("images"))
	o.killAt("the wait for a quorum", starts("quorum"))
	o.killAt("the guard", starts("seal"))
	o.killAt("the objects of the API", starts("objects"))
	o.killAt("the workers, of a cluster that has begun to be one", starts("workers"))
	o.killAt("the last wait", starts("ready"))
	o.must("apply", "--yes")
	o.unchanged()
	o.must("verify")
}

// unplugAt pulls a host's cable during an apply, which has to end with an error that names the host, and puts it back.
func (o *operator) unplugAt(host, what string, at func(event.Event) bool) {
	o.t.Helper()
	r := o.begin("apply", "--yes")
	if !r.until(at) {
		res := r.end()
		o.t.Errorf("the apply that was to lose %s during %s ended before, with exit code %d: %s\n%s", host, what, res.code, res.message(), r.phases())
		return
	}
	o.must("lab", "unplug", host)
	start := time.Now()
	res := r.end()
	o.t.Logf("%s unplugged during %s: exit %d after %.1f s: %s", host, what, res.code, time.Since(start).Seconds(), res.message())
	if res.code != 1 || !strings.Contains(res.message(), host) {
		o.t.Errorf("with %s unplugged during %s: exit code %d, want 1 and an error that names it: %s", host, what, res.code, res.message())
	}
	o.must("lab", "plug", host)
}
