//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// otherCluster has a second topology name the hosts of the first.
func (o *operator) otherCluster() {
	other := o.at(o.t)
	other.dir = o.dir + "-other"
	if err := os.MkdirAll(other.dir, 0o700); err != nil {
		o.t.Fatal(err)
	}
	defer os.RemoveAll(other.dir)
	other.write(o.edited(`cluster "main"`, `cluster "other"`))
	r := other.exits(1, "apply", "--yes")
	o.says(r.stderr, `belongs to cluster "main"`, "bj1-cp1", "destroy")
	o.unchanged()
}

// twoApplies runs one saved plan twice at the same time: one wins, the other does nothing.
func (o *operator) twoApplies() {
	o.change(retention("15m"))
	file := filepath.Join(o.dir, "plan.json")
	defer os.Remove(file)
	o.exits(2, "plan", "--out", file)
	first := o.begin("apply", "--plan", file)
	if !first.until(starts("control-planes")) {
		o.t.Fatalf("the first apply ended: %s", first.end().message())
	}
	second := o.begin("apply", "--plan", file).end()
	if second.code == 0 {
		o.t.Error("both applies went on")
	}
	o.says(second.message(), "lock", "trivet lock")
	if res := first.end(); res.code != 0 {
		o.t.Errorf("the first apply: exit code %d: %s", res.code, res.message())
	}
	o.unchanged()
}

// killedRoll kills the command while it changes one etcd member after the other.
func (o *operator) killedRoll() {
	o.change(pods(100), retention("10m"))
	o.killAt("the first member", amid("control-planes"))
	seen := map[string]bool{}
	o.killAt("the second member", func(e event.Event) bool {
		if e.Phase == "control-planes" && e.Kind == event.HostStarted {
			seen[e.Host] = true
		}
		return len(seen) == 2
	})
	o.must("apply", "--yes")
	o.unchanged()
	o.everyMemberHas("10m0s")
	o.oneAtATime()
}

// oneAtATime checks that of the last restarts of the etcd members none began before the one before it was over. All hosts of a lab have the same clock.
func (o *operator) oneAtATime() {
	o.t.Helper()
	type restart struct {
		host       string
		down, back int
	}
	var all []restart
	for _, h := range []string{"bj1-cp1", "bj2-cp1", "sh1-cp1"} {
		out := o.on(h, "systemctl", "show", "--property=ActiveExitTimestampMonotonic", "--property=ActiveEnterTimestampMonotonic", "etcd.service")
		r := restart{host: h}
		for line := range strings.Lines(out) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			n, err := strconv.Atoi(value)
			if err != nil {
				o.t.Fatal(err)
			}
			if name == "ActiveExitTimestampMonotonic" {
				r.down = n
			} else {
				r.back = n
			}
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b restart) int { return a.down - b.down })
	for i, r := range all {
		o.t.Logf("etcd on %s was down for %d ms", r.host, (r.back-r.down)/1000)
		if i > 0 && r.down < all[i-1].back {
			o.t.Errorf("etcd on %s was stopped before the one on %s was back", r.host, all[i-1].host)
		}
	}
}

func (o *operator) everyMemberHas(retention string) {
	o.t.Helper()
	for _, h := range []string{"bj1-cp1", "bj2-cp1", "sh1-cp1"} {
		if args := o.on(h, "sh", "-c", "cat /etc/etcd/*; tr '\\0' ' ' </proc/$(pidof -s etcd)/cmdline"); !strings.Contains(args, retention) {
			o.t.Errorf("the member on %s has not the retention %s:\n%s", h, retention, args)
		}
	}
}

// lossyRoll loses packets while etcd members are changed.
func (o *operator) lossyRoll() {
	o.change(pods(100))
	r := o.begin("apply", "--yes")
	if !r.until(starts("control-planes")) {
		o.t.Fatalf("the apply ended: %s", r.end().message())
	}
	o.must("lab", "lose", "sh1", "20")
	mended := time.AfterFunc(45*time.Second, func() { o.must("lab", "lose", "sh1", "0") })
	res := r.end()
	mended.Stop()
	o.t.Logf("with a fifth of the packets lost: exit %d: %s", res.code, res.message())
	o.must("lab", "lose", "sh1", "0")
	if res.code != 0 {
		o.says(res.message(), "host ")
		o.must("apply", "--yes")
	}
	o.unchanged()
	o.oneAtATime()
}

// siteCut loses a site with one of three members, from the others and from the operator, with changes to make on both sides of the cut.
func (o *operator) siteCut() {
	started := func(h, unit string) string {
		return o.on(h, "systemctl", "show", "--property=ActiveEnterTimestampMonotonic", unit)
	}
	etcd := []string{started("bj1-cp1", "etcd"), started("bj2-cp1", "etcd")}
	o.must("lab", "cut", "--operator", "sh1")
	o.t.Cleanup(func() { o.must("lab", "join", "sh1") }) // what comes next has nothing to do with a cut
	start := time.Now()
	o.must("kubectl", "create", "configmap", "written-while-cut-off")
	for range 5 {
		o.must("kubectl", "get", "configmap", "written-while-cut-off")
	}
	if took := time.Since(start); took > 45*time.Second { // up to 2 s of each go to the control plane that is away
		o.t.Errorf("six requests right after the cut took %s", took)
	}
	o.change(pods(90), retention("20m"))
	r := o.exits(2, "plan")
	o.says(r.stdout, "sh1-cp1", "sh1-w1", "bj1-cp1", "bj2-cp1")
	r = o.exits(5, "apply", "--yes")
	o.says(r.stderr, "sh1-cp1", "sh1-w1", "bj1-cp1", "bj2-cp1", "2 are needed")
	o.says(o.on("bj1-w1", "cat", "/etc/kubernetes/kubelet.yaml"), "maxPods: 90")
	if diff := cmp.Diff(etcd, []string{started("bj1-cp1", "etcd"), started("bj2-cp1", "etcd")}); diff != "" {
		o.t.Errorf("an etcd member was restarted while another one was away:\n%s", diff)
	}
	o.exits(5, "plan") // nothing more can be done
	o.must("kubectl", "delete", "configmap", "written-while-cut-off")

	o.must("lab", "join", "sh1")
	o.must("apply", "--yes")
	o.unchanged()
	o.everyMemberHas("20m0s")
}

// frozenWorker has a worker that takes connections and never answers.
func (o *operator) frozenWorker() {
	o.must("lab", "freeze", "sh1-w1")
	o.change(pods(80), retention("20m"))
	start := time.Now()
	r := o.exits(5, "apply", "--yes")
	if took := time.Since(start); took > 3*time.Minute {
		o.t.Errorf("an apply with a worker that hangs took %s", took)
	}
	o.says(r.stderr, "sh1-w1")
	o.says(o.on("bj1-w1", "cat", "/etc/kubernetes/kubelet.yaml"), "maxPods: 80")
	o.must("lab", "thaw", "sh1-w1")
	o.must("apply", "--yes")
	o.unchanged()
}

// wipedData takes a member's data away. It must not come back as another member, nor bring the others down.
func (o *operator) wipedData() {
	o.on("sh1-cp1", "sh", "-ec", "systemctl stop etcd && mkdir /var/lib/kept && mv /var/lib/etcd/* /var/lib/kept/")
	r := o.exits(5, "apply", "--yes")
	o.says(r.stderr, "sh1-cp1", "/var/lib/etcd")
	o.on("sh1-cp1", "sh", "-c", "! systemctl start etcd || ! systemctl is-active etcd") // by hand neither
	if left := o.on("sh1-cp1", "ls", "-A", "/var/lib/etcd"); strings.TrimSpace(left) != "" {
		o.t.Errorf("a member without data made some: %s", left)
	}
	o.must("kubectl", "create", "configmap", "written-by-two")
	o.must("kubectl", "delete", "configmap", "written-by-two")
	o.on("sh1-cp1", "sh", "-ec", "mv /var/lib/kept/* /var/lib/etcd/ && rmdir /var/lib/kept")
	o.must("apply", "--yes")
	o.unchanged()
}

// powerLost ends every host at once and starts them one by one, the etcd members among them waiting for each other.
func (o *operator) powerLost() {
	for _, h := range exampleHosts {
		o.must("lab", "kill", h)
	}
	for _, h := range exampleHosts {
		start := time.Now()
		o.must("lab", "start", h)
		if took := time.Since(start); took > time.Minute {
			o.t.Errorf("the start of %s took %s", h, took)
		}
	}
	o.must("apply", "--yes")
	o.unchanged()
}
