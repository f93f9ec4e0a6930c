package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/test/bench/simhosts"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

// newWorker joins the example topology.
const (
	newWorker   = "bj1-w2"
	beforeIt    = "        # Forty workers more"
	newWorkerIs = `        host "bj1-w2" {
          address = "10.11.1.102"
          roles   = ["worker"]
        }
`
)

// contactsOf are how many hosts a new worker has to do with: itself, one of its site, and three control planes, one of which may be that one.
const contactsOf = 5

// runAdd adds one worker to five hosts by each side, and to simulated ones.
func runAdd(ctx context.Context, e *env, r *Result) error {
	s, err := kubeadm.OpenStore()
	if err != nil {
		return err
	}
	rival, own, err := bothSides(ctx, e, s, r, addByKubeadm, addByTrivet)
	if err != nil || e.side == sideKubeadm {
		return err
	}
	if e.side == "" {
		r.beside("one worker more at five hosts, until it is Ready", "s", own.seconds, rival.seconds)
		r.beside("the same, kubeadm's images imported before", "s", own.seconds, rival.ahead)
		r.beside("CPU time of all hosts until then", "s", own.cpu, rival.cpu)
		r.note("Before the clock starts the worker has the same files by both sides. kubeadm: containerd, images (those that run on a worker), join, CNI configuration. trivet: connect to all, plan, preflight, apply; Debian packages are installed within.")
	}
	return addSimulated(ctx, e, r)
}

// withWorker edits the example topology.
func withWorker(source []byte) ([]byte, error) {
	if n := bytes.Count(source, []byte(beforeIt)); n != 1 {
		return nil, fmt.Errorf("the example topology has the line %q %d times", beforeIt, n)
	}
	return bytes.Replace(source, []byte(beforeIt), []byte(newWorkerIs+beforeIt), 1), nil
}

// edit gives a lab another topology, and makes the hosts that are new in it.
func (l *labHosts) edit(ctx context.Context, change func([]byte) ([]byte, error)) error {
	path := filepath.Join(l.folder, "main.hcl")
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if source, err = change(source); err != nil {
		return err
	}
	if err := os.WriteFile(path, source, 0o644); err != nil {
		return err
	}
	if _, err := l.trivet(ctx, "lab", "up"); err != nil {
		return err
	}
	l.Lab, err = kubeadm.Open(l.folder, l.Topology.Fleet.Name)
	return err
}

func (l *labHosts) identities() ([]age.Identity, error) {
	f, err := os.Open(l.Access.AgeIdentity)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return identity.ParseIdentities(f)
}

func addByTrivet(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	l, err := e.bringUpFive(ctx, "bench-add")
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	if _, err := l.apply(ctx); err != nil {
		return t, err
	}
	if err := l.edit(ctx, withWorker); err != nil {
		return t, err
	}
	if err := l.seed(ctx, s); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("trivet: clock starts")
	c, err := simhosts.Change(ctx, bootstrap.Options{
		Topology: l.Topology, NetworkNamespace: l.Access.NetworkNamespace, Artifacts: s, Helper: func(string) (string, error) { return l.helper(), nil }, Identities: l.identities,
	})
	if err != nil {
		return t, err
	}
	e.say("trivet: %.1f s, contacted: %s", c.Total, strings.Join(c.Contacted, ", "))
	r.changePhases("trivet, 5 hosts and one", c)
	r.atMost("hosts that one worker more at five has to do with, beyond a look", "", float64(len(c.Contacted)), contactsOf)
	t.seconds = c.Total
	t.cpu, err = l.cpuSince()
	return t, err
}

func (r *Result) changePhases(of string, c *simhosts.Changed) {
	r.Phases = append(r.Phases, Phase{of, "connect", c.Connect}, Phase{of, "plan", c.Plan}, Phase{of, "apply", c.Apply})
}

func addByKubeadm(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	l, err := e.bringUpFive(ctx, "bench-add", withWorker)
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	k, err := kubeadm.New(ctx, l.Lab, s, l.dir, append(slices.Clone(fiveHosts), newWorker))
	if err != nil {
		return t, err
	}
	all := k.Order
	k.Order = all[:len(all)-1]
	if err := k.Whole(ctx); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	k.Order = all
	e.say("kubeadm: clock starts")
	clock := newLap()
	if err := k.ImportOnWorker(ctx, newWorker); err != nil {
		return t, err
	}
	imported := clock.next()
	r.phase("kubeadm, 5 hosts and one", "containerd and images", imported)
	if err := k.Join(ctx, newWorker); err != nil {
		return t, err
	}
	r.phase("kubeadm, 5 hosts and one", "join", clock.next())
	if err := k.WaitReady(ctx); err != nil {
		return t, err
	}
	r.phase("kubeadm, 5 hosts and one", "Ready", clock.next())
	e.say("kubeadm: %.1f s", clock.total().Seconds())
	t.seconds = clock.total().Seconds()
	t.ahead = t.seconds - imported.Seconds()
	t.cpu, err = l.cpuSince()
	return t, err
}

// addSimulated adds a worker to a running cluster of simulated hosts.
func addSimulated(ctx context.Context, e *env, r *Result) error {
	return withSimulated(ctx, e, func(servers *simulated) error { return measureAdd(ctx, e, r, servers) })
}

func measureAdd(ctx context.Context, e *env, r *Result, servers *simulated) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "add-simulated", "-fleet", servers.description, "-helper", e.helper())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("a worker more among simulated hosts: %w", err)
	}
	var c simhosts.Changed
	if err := json.Unmarshal(out, &c); err != nil {
		return err
	}
	e.say("one worker more at %d hosts: %.1f s, contacted: %s", e.hosts, c.Total, strings.Join(c.Contacted, ", "))
	r.value(fmt.Sprintf("one worker more at %d simulated hosts", e.hosts), "s", c.Total)
	r.atMost("hosts that it has to do with, beyond a look", "", float64(len(c.Contacted)), contactsOf)
	r.changePhases(fmt.Sprintf("trivet, %d hosts and one", e.hosts), &c)
	r.note("Simulated hosts as for scale: real are SSH, the helper, its records and locks, artifacts inside the site, the run lock and the engine; the API answers at once, and a unit runs as soon as it is started.")
	return nil
}

// addSimulatedOnce is the operator's process.
func addSimulatedOnce(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("add-simulated", flag.ContinueOnError)
	fleet := f.String("fleet", "", "")
	helper := f.String("helper", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	b, err := os.ReadFile(*fleet)
	if err != nil {
		return err
	}
	var d simhosts.Fleet
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	c, err := simhosts.Add(ctx, &d, *helper, 32)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}
