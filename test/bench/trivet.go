package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

// example is the text of an example topology.
func example(name string) ([]byte, error) {
	return os.ReadFile("examples/topologies/" + name + "/main.hcl")
}

// engine connects to a lab's hosts.
func (l *labHosts) engine(ctx context.Context, s *kubeadm.Store) (*bootstrap.Engine, error) {
	e, err := bootstrap.Connect(ctx, bootstrap.Options{
		Topology: l.Topology, NetworkNamespace: l.Access.NetworkNamespace, Artifacts: s, Helper: func(string) (string, error) { return l.helper(), nil },
	})
	if err != nil {
		return nil, err
	}
	if err := e.Unreachable(); err != nil {
		_ = e.Close()
		return nil, err
	}
	return e, nil
}

// seed brings to every host the artifacts that an apply would transfer, so that it finds them there.
func (l *labHosts) seed(ctx context.Context, s *kubeadm.Store) error {
	l.say("trivet: artifacts on every host")
	e, err := l.engine(ctx, s)
	if err != nil {
		return err
	}
	defer e.Close()
	p, err := e.Plan(ctx)
	if err != nil {
		return err
	}
	byHost := map[string][]*plan.TransferOf{}
	for _, t := range transfers(p) {
		byHost[t.host] = append(byHost[t.host], t.TransferOf)
	}
	return kubeadm.Each(l.Names(), func(host string) error {
		for _, t := range byHost[host] {
			if err := upload(ctx, e, s, host, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// transfer is a transfer to a host.
type transfer struct {
	host, site string
	*plan.TransferOf
}

func transfers(p *plan.Plan) (out []transfer) {
	for _, ph := range p.Phases {
		for _, step := range ph.Steps {
			for _, a := range step.Actions {
				if a.Transfer != nil {
					out = append(out, transfer{step.Host, step.Site, a.Transfer})
				}
			}
		}
	}
	return out
}

func upload(ctx context.Context, e *bootstrap.Engine, s *kubeadm.Store, host string, t *plan.TransferOf) error {
	content, err := os.Open(s.Blob(t.Blob.SHA256))
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	defer content.Close()
	return e.Hosts()[host].Upload(ctx, content, t.Blob, nil)
}

// applyTime says where the time of an apply went.
type applyTime struct {
	seconds float64
	phases  []Phase
}

// apply runs `trivet apply`.
func (l *labHosts) apply(ctx context.Context) (*applyTime, error) {
	cmd := l.command(ctx, "apply", "--yes", "--json")
	start := time.Now()
	out, err := kubeadm.Output(cmd)
	end := time.Now()
	if err != nil {
		return nil, err
	}
	if l.profile != "" {
		if err := os.WriteFile(filepath.Join(l.profile, l.Topology.Fleet.Name+"-apply.jsonl"), out, 0o644); err != nil {
			return nil, err
		}
	}
	a := &applyTime{seconds: end.Sub(start).Seconds()}
	lastEnd := start
	for line := range bytes.Lines(out) {
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("trivet apply --json: %w: %s", err, line)
		}
		switch e.Kind {
		case event.PhaseStarted:
			if lastEnd.Equal(start) {
				a.phases = append(a.phases, Phase{"trivet apply", "connect, plan, lock", e.Time.Sub(start).Seconds()})
			}
			lastEnd = e.Time
		case event.PhaseDone:
			a.phases = append(a.phases, Phase{"trivet apply", e.Phase, e.Time.Sub(lastEnd).Seconds()})
			lastEnd = e.Time
		}
	}
	a.phases = append(a.phases, Phase{"trivet apply", "end", end.Sub(lastEnd).Seconds()})
	return a, nil
}
