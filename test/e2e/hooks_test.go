//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// hookProgram writes down each of its runs. What it does besides is for the test to say, in files beside it.
const hookProgram = `#!/bin/sh
echo "$TRIVET_WHEN $TRIVET_STEP on $TRIVET_HOST: $*" >>/root/hooks.log
echo "$TRIVET_HOOK for $TRIVET_CLUSTER $TRIVET_KUBERNETES"
if [ -e /root/hooks.hang ] && [ "$TRIVET_WHEN" = before ]; then
	sleep 1234 &
	echo hanging
	wait
fi
if [ -e "/root/hooks.fail.$TRIVET_WHEN" ]; then
	echo "the pool is closed" >&2
	exit 3
fi
`

const aroundHook = `
  hook "around" {
    before  = ["install", "change", "remove"]
    after   = ["install", "change", "remove"]
    roles   = ["worker"]
    command = ["/usr/local/sbin/hook", "a b", "$(id)"]
  }
`

// maxPods are settings of the kubelets.
func maxPods(n int) string {
	return fmt.Sprintf("  component \"kubelet\" {\n    settings = { maxPods = %d }\n  }\n", n)
}

// TestHooks has commands run before and after what is done to real hosts: counted, failing, killed with the run, owed, and on hosts that are given back.
func TestHooks(t *testing.T) {
	hosts := []machine{{"cp1", "10.51.1.11", `"etcd", "control-plane"`}, {"w1", "10.51.1.101", worker}, {"w2", "10.51.1.102", worker}}
	o := newOperator(t, "e2e-hooks", cluster(hosts, aroundHook))
	for _, h := range hosts {
		o.on(h.name, "sh", "-ec", `printf %s "$1" >/usr/local/sbin/hook; chmod 755 /usr/local/sbin/hook`, "sh", hookProgram)
	}
	o.must("apply", "--yes")
	o.ran("a bring-up", "w1: before install, after install", "w2: before install, after install")
	o.unchanged()
	o.ran("an apply with nothing to do")

	ok := t.Run("a change", func(t *testing.T) {
		o := o.at(t)
		o.write(cluster(hosts, aroundHook+maxPods(101)))
		o.says(o.exits(2, "plan").stdout, "hook around before change", `/usr/local/sbin/hook "a b" "$(id)"`, "4 hooks to run")
		o.must("apply", "--yes")
		o.ran("a change", "w1: before change, after change", "w2: before change, after change")
		o.unchanged()
	}) && t.Run("a hook fails before a step", func(t *testing.T) {
		o := o.at(t)
		o.on("w1", "touch", "/root/hooks.fail.before")
		o.write(cluster(hosts, aroundHook+maxPods(102)))
		res := o.exits(1, "apply", "--yes")
		o.says(res.stdout+res.stderr, "host w1: hook:around: /usr/local/sbin/hook failed: exit status 3", "the pool is closed", `the step "change" was not begun on the host`)
		o.ran("a hook that fails", "w1: before change")
		for _, h := range []string{"w1", "w2"} {
			o.says(o.on(h, "cat", "/etc/kubernetes/kubelet.yaml"), "maxPods: 101")
		}
		o.on("w1", "rm", "/root/hooks.fail.before")
		o.must("apply", "--yes")
		o.ran("the apply after it", "w1: before change, after change", "w2: before change, after change")
		o.unchanged()
	}) && t.Run("a hook is owed", func(t *testing.T) {
		o := o.at(t)
		o.on("w1", "touch", "/root/hooks.fail.after")
		o.write(cluster(hosts, aroundHook+maxPods(103)))
		res := o.exits(1, "apply", "--yes")
		o.says(res.stdout+res.stderr, "host w1: hook:around", "exit status 3", "the hook is owed")
		o.ran("a hook that fails", "w1: before change, after change")
		o.says(o.on("w1", "cat", "/etc/kubernetes/kubelet.yaml"), "maxPods: 103")
		o.on("w1", "rm", "/root/hooks.fail.after")
		o.says(o.exits(2, "plan").stdout, "it is owed")
		o.must("apply", "--yes")
		o.ran("the apply after it", "w1: after change", "w2: before change, after change")
		o.unchanged()
	}) && t.Run("killed with the run", func(t *testing.T) {
		o := o.at(t)
		o.on("w1", "touch", "/root/hooks.hang")
		o.write(cluster(hosts, aroundHook+maxPods(104)))
		o.killAt("a hook that runs", func(e event.Event) bool {
			return e.Kind == event.Output && e.Host == "w1" && e.Message == "hanging"
		})
		ended := time.Now()
		for o.on("w1", "sh", "-c", "pgrep -fc '[s]leep 1234' || true") != "0\n" {
			if time.Since(ended) > time.Minute {
				t.Fatal("the hook's child is there a minute after the run was killed")
			}
		}
		t.Logf("the hook and its child were gone %.1f s after the kill", time.Since(ended).Seconds())
		o.ran("the killed run", "w1: before change")
		o.on("w1", "rm", "/root/hooks.hang")
		// The change is taken back: nothing is left to do but what the host owes.
		o.write(cluster(hosts, aroundHook+maxPods(103)))
		o.must("apply", "--yes")
		o.ran("the apply without the change", "w1: after change")
		o.unchanged()
	}) && t.Run("hosts are given back", func(t *testing.T) {
		o := o.at(t)
		o.write(cluster(hosts[:2], aroundHook+maxPods(103)))
		o.must("apply", "--yes")
		o.ran("a worker that leaves", "w2: before remove, after remove")
		o.must("destroy", "--confirm", "five")
		o.ran("a destroy", "w1: before remove, after remove")
	})
	if !ok {
		t.Log("the rest was left out")
	}
}

// ran checks which hooks ran since it looked last, by host.
func (o *operator) ran(what string, want ...string) {
	o.t.Helper()
	var got []string
	for _, h := range []string{"cp1", "w1", "w2"} {
		var runs []string
		for line := range strings.Lines(o.on(h, "sh", "-ec", "cat /root/hooks.log 2>/dev/null || true; rm -f /root/hooks.log")) {
			run, ok := strings.CutSuffix(strings.TrimSpace(line), " on "+h+": a b $(id)")
			if !ok {
				o.t.Errorf("a hook on %s wrote %q", h, line)
			}
			runs = append(runs, run)
		}
		if len(runs) > 0 {
			got = append(got, h+": "+strings.Join(runs, ", "))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		o.t.Errorf("hooks of %s (-want +got):\n%s", what, d)
	}
}
