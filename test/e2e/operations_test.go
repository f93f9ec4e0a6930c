//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upgradeBlock is one with the given arguments.
func upgradeBlock(arguments string) string { return "  upgrade {\n    " + arguments + "\n  }\n" }

// kubeletBreaks keeps the kubelet of a host from starting, until the function that it returns is called.
func (o *operator) kubeletBreaks(host string) func() {
	o.t.Helper()
	const dropIn = "/etc/systemd/system/kubelet.service.d/99-broken.conf"
	o.on(host, "sh", "-ec", "mkdir -p "+filepath.Dir(dropIn)+"; printf '[Service]\\nExecStartPre=/bin/false\\n' > "+dropIn+"; systemctl daemon-reload")
	return func() { o.t.Helper(); o.on(host, "sh", "-ec", "rm "+dropIn+"; systemctl daemon-reload") }
}

// TestOperations does on a cluster in use what operators do besides: they let workers fail, relax a drain that comes to no end, renew certificates, watch, mend what was changed by hand, and change manifests.
func TestOperations(t *testing.T) {
	inFull(t)
	f := newFleet(t, "e2e-operations")
	f.step("a worker fails, and may", (*fleet).workerFails)
	f.step("watched", (*fleet).watched)
	f.step("certificates are renewed", (*fleet).renewed)
	f.step("drift is mended, with hooks, and manifests change", (*fleet).used)
	f.step("a drain comes to its time-out", (*fleet).drainTimesOut)
	f.must("verify")
}

// workerFails: with max_failed an apply goes on past a worker that fails, names it, and has an exit code of its own.
func (f *fleet) workerFails() {
	mend := f.kubeletBreaks("w1")
	f.write(cluster(f.hosts, maxPods(101)+upgradeBlock("max_failed = 1")))
	res := f.exits(6, "apply", "--yes")
	f.says(res.stdout+res.stderr, "w1", "kubelet.service")
	for _, h := range []string{"cp1", "cp2", "cp3", "w2"} {
		f.says(f.on(h, "cat", "/etc/kubernetes/kubelet.yaml"), "maxPods: 101")
	}
	if nodes := strings.Join(f.nodes(), "\n"); !strings.Contains(nodes, "w2 10.51.1.102 True") {
		f.t.Errorf("the other worker:\n%s", nodes)
	}
	f.says(f.exits(2, "plan").stdout, "host w1")
	mend()
	f.must("apply", "--yes")
	f.whole(change{})
}

// watched: status --watch tells of what comes and goes, and ends by Ctrl-C.
func (f *fleet) watched() {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	cmd := f.command(ctx, "status", "--watch", "--interval", "1s")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var said []string
	wait := func(for_ string) {
		f.t.Helper()
		for lines.Scan() {
			said = append(said, lines.Text())
			if strings.Contains(lines.Text(), for_) {
				return
			}
		}
		f.t.Fatalf("it ended without %q:\n%s", for_, strings.Join(said, "\n"))
	}
	const trouble = "✗ host w1: unit kube-proxy.service: not running (inactive)"
	wait("✓ All is well: 5 hosts as recorded, 5 nodes Ready, 3 etcd members healthy.")
	f.on("w1", "systemctl", "stop", "kube-proxy.service")
	wait(trouble)
	f.must("apply", "--yes")
	wait("gone: " + trouble)
	wait("✓ All is well")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		f.t.Fatal(err)
	}
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		f.t.Errorf("ended by Ctrl-C: %v", err)
	}
	f.t.Logf("it said:\n%s", strings.Join(said[max(0, len(said)-8):], "\n"))
}

// ends are when certificates end, by host and name.
func (f *fleet) ends() map[string]time.Time {
	f.t.Helper()
	all := map[string]time.Time{}
	for _, c := range f.certificates(0).Certificates {
		all[c.Host+" "+c.Name] = c.NotAfter
	}
	return all
}

// renewed: some certificates of one host, then all there are, under the eyes of clients.
func (f *fleet) renewed() {
	before := f.ends()
	f.must("certs", "renew", "--yes", "--host", "w1", "kubelet-server")
	for name, end := range f.ends() {
		if later := end.After(before[name]); later != (name == "w1 kubelet-server") {
			f.t.Errorf("of w1's kubelet-server alone: %s ends at %s, before at %s", name, end, before[name])
		}
	}
	f.must("status")
	before = f.ends()
	p := f.probe("w1")
	f.must("certs", "renew", "--yes")
	p.stop()
	p.allow(bounds{0, 2 * time.Second}, bounds{0, 2 * time.Second})
	for name, end := range f.ends() {
		if !end.After(before[name]) {
			f.t.Errorf("%s ends at %s as before", name, end)
		}
	}
	f.unchanged()
}

// haveHook gives every host a program for hooks that does nothing.
func (f *fleet) haveHook() {
	f.t.Helper()
	for _, h := range f.hosts {
		f.on(h.name, "sh", "-ec", "printf '#!/bin/sh\\nexit 0\\n' >/usr/local/sbin/hook; chmod 755 /usr/local/sbin/hook")
	}
}

// used: what is left of an operator's day, under the eyes of clients.
func (f *fleet) used() {
	applied := func() {
		f.t.Helper()
		p := f.probe("w2")
		p.stop(f.applied()...)
		p.allow(bounds{0, 2 * time.Second}, bounds{0, 2 * time.Second})
		f.unchanged()
	}
	f.haveHook()
	more := maxPods(101) + "  hook \"around\" {\n    before  = [\"change\"]\n    after   = [\"change\"]\n    command = [\"/usr/local/sbin/hook\"]\n  }\n"
	f.write(cluster(f.hosts, more))
	f.must("apply", "--yes")
	f.on("w1", "rm", "/etc/trivet/haproxy.cfg")
	f.on("cp2", "sh", "-ec", "systemctl stop kube-scheduler.service; echo '# edited' >>/etc/kubernetes/kubelet.yaml")
	f.must("kubectl", "label", "node", "w2", "trivet.dev/rack-")
	f.t.Log("drift, and hooks on its hosts")
	applied()
	f.t.Log("manifests")
	f.write(cluster(f.hosts, more+"  manifests = [\"till.yaml\"]\n"))
	if err := os.WriteFile(filepath.Join(f.dir, "till.yaml"), []byte("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: manifested\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	applied()
	f.must("kubectl", "get", "namespace", "manifested")
	f.write(cluster(f.hosts, maxPods(101)))
	f.must("apply", "--yes")
}

// drainTimesOut: a budget holds up the drain of a worker that leaves, and so does a pod that nobody would make anew; both are named, and what was to be done about them helps.
func (f *fleet) drainTimesOut() {
	budget := filepath.Join(f.dir, "budget.yaml")
	if err := os.WriteFile(budget, []byte(`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: all, namespace: till}, spec: {minAvailable: 1, selector: {matchLabels: {app: till}}}}`), 0o600); err != nil {
		f.t.Fatal(err)
	}
	goods := f.agnhost("w1")
	f.must("kubectl", "create", "namespace", "till")
	f.must("kubectl", "apply", "-f", budget)
	f.must("kubectl", "-n", "till", "create", "deployment", "till", "--image="+goods, "--", "/agnhost", "pause")
	f.must("kubectl", "-n", "till", "patch", "deployment", "till", "--type=merge", "-p", `{"spec":{"template":{"spec":{"nodeName":"w2","terminationGracePeriodSeconds":0}}}}`)
	f.must("kubectl", "-n", "till", "rollout", "status", "deployment/till", "--timeout=120s")

	staying := without("w2")(f.hosts)
	f.write(cluster(staying, upgradeBlock(`drain_timeout = "20s"`)))
	res := f.exits(1, "apply", "--yes")
	f.says(res.stdout+res.stderr, "node w2 is not drained after 20s", "till/till-", "PodDisruptionBudget till/all allows 0 disruptions")
	if nodes := strings.Join(f.nodes(), "\n"); !strings.Contains(nodes, "w2 10.51.1.102 Truetrue") {
		f.t.Errorf("w2 does not stay cordoned:\n%s", nodes)
	}
	f.must("kubectl", "delete", "namespace", "till")

	f.must("kubectl", "run", "lone", "--image="+goods, `--overrides={"spec":{"nodeName":"w2"}}`, "--", "pause")
	f.must("kubectl", "wait", "pod/lone", "--for=condition=Ready", "--timeout=120s")
	res = f.exits(1, "apply", "--yes")
	f.says(res.stdout+res.stderr, "default/lone", "w2")
	f.must("kubectl", "get", "pod", "lone")

	f.write(cluster(staying, upgradeBlock("drain_force = true")))
	f.says(f.exits(2, "plan").stdout, "those without a controller are lost")
	f.must("apply", "--yes")
	f.hosts = staying
	f.isReset("w2")
	f.must("apply", "--yes") // hosts of a lab have one kernel, and w2 took its sysctls back for all of them
	f.whole(change{})
}

// TestOperationsInterrupted kills commands at every point that has a name of its own, in all that is not a host that comes or goes, an upgrade or a rotation, which have tests of their own.
func TestOperationsInterrupted(t *testing.T) {
	inFull(t)
	f := newFleet(t, "e2e-killed")
	f.haveHook()
	const (
		settings = `
  component "kube-apiserver" {
    settings = { event-ttl = "2h" }
  }
  component "kube-proxy" {
    settings = { configSyncPeriod = "10m0s" }
  }
  etcd {
    compaction_retention = "15m"
%s  }
  hook "around" {
    before  = ["change"]
    after   = ["change"]
    command = ["/usr/local/sbin/hook"]
  }
`
		schedule = "    snapshots {\n      keep = 2\n    }\n"
		short    = "  certificates {\n    leaf_lifetime = \"2m\"\n    renew_before = \"1s\"\n  }\n"
	)
	killed := func(name, more string, before func(*fleet)) {
		f.step(name, func(f *fleet) {
			f.write(cluster(f.hosts, more))
			if before != nil {
				before(f)
			}
			f.killUntil(map[string]bool{}, never)
			f.whole(change{})
		})
	}
	more := fmt.Sprintf(settings, "") + maxPods(102)
	killed("settings, with hooks", more, nil)
	more = fmt.Sprintf(settings, schedule) + maxPods(102)
	killed("snapshots", more, nil)
	f.step("a member's snapshot", func(f *fleet) {
		f.on("cp1", "systemctl", "start", "trivet-snapshot.service")
		f.on("cp1", "sh", "-c", "ls /var/lib/trivet-snapshots/cp1_*.db")
	})
	more = fmt.Sprintf(settings, "") + maxPods(102)
	killed("no snapshots", more, nil)
	killed("drift", more, func(f *fleet) {
		f.on("w1", "sh", "-ec", "rm /etc/trivet/haproxy.cfg; systemctl disable --now kube-proxy.service; sysctl -qw net.ipv4.conf.all.forwarding=0")
		f.on("cp2", "sh", "-ec", "systemctl stop kube-scheduler.service; echo '# edited' >>/etc/kubernetes/kubelet.yaml")
		f.must("kubectl", "delete", "node", "w2")
	})
	f.step("certificates renewed", func(f *fleet) {
		before := f.ends()
		f.commandKilled(map[string]bool{}, never, "certs", "renew", "--yes")
		f.unchanged()
		for name, end := range f.ends() {
			if !end.After(before[name]) {
				f.t.Errorf("%s ends at %s as before", name, end)
			}
		}
	})
	killed("certificates that end", more+short, nil)
	f.ended()
	killed("ended certificates", more, nil)
	f.must("verify")
}

// TestDestroyInterrupted kills a destroy at every point that has a name of its own, until nothing is left of the cluster.
func TestDestroyInterrupted(t *testing.T) {
	inFull(t)
	f := newFleet(t, "e2e-destroy")
	f.commandKilled(map[string]bool{}, never, "destroy", "--confirm", "five")
	for _, h := range f.hosts {
		f.isReset(h.name)
	}
}
