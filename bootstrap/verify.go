package bootstrap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/verify"
)

// Verify checks the running cluster by using it. Hosts that are not connected are failed checks, and hinder no other. With an error the report has what was found until then.
func (e *Engine) Verify(ctx context.Context, timeout time.Duration) (verify.Report, error) {
	if err := e.known(ctx); err != nil {
		return verify.Report{Cluster: e.cluster.Name, Checks: e.awayChecks()}, err
	}
	client, err := e.kube()
	if err != nil {
		return verify.Report{Cluster: e.cluster.Name, Checks: e.awayChecks()}, err
	}
	defer client.Close()
	return verify.Run(ctx, verify.Config{Client: client, Cluster: e.cluster, Hosts: e.hosts, Away: e.failed, Image: e.release.AgnhostImage(), Timeout: timeout,
		Report: func(c verify.Check) {
			if !c.OK {
				e.emit(event.Event{Kind: event.CheckFailed, Host: c.Host, Item: c.Name, Message: c.Detail})
			}
		}})
}

// memoryPatience bounds the question whether there is a cluster: a host that went silent must not keep the checks of the others waiting.
const memoryPatience = 15 * time.Second

// known is an error where all hosts answer and none knows of a cluster. Where some are away, the checks tell. It connects to the elastic workers that the cluster remembers.
func (e *Engine) known(ctx context.Context) error {
	someAway := e.Unreachable() != nil
	short, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	inv, err := e.memory(short)
	if err != nil {
		return nil //nolint:nilerr // what is amiss with the hosts, the checks find
	}
	e.meetElastic(ctx, inv)
	if someAway {
		return nil
	}
	return e.exists(inv)
}

// awayChecks are the failed checks of hosts that cannot be connected to, where there is no API to check anything else with.
func (e *Engine) awayChecks() []verify.Check {
	var out []verify.Check
	for name, err := range e.failed {
		out = append(out, verify.Check{Name: verify.CheckHost, Host: name, Detail: err.Error()})
	}
	slices.SortFunc(out, func(a, b verify.Check) int { return strings.Compare(a.Host, b.Host) })
	return out
}
