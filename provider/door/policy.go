package door

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// Policy is what holds of a setting: the provider's own goes before the resource's.
func Policy(overriding string, o input.Object, name, otherwise string) string {
	if overriding != "" {
		return overriding
	}
	if s, ok := o[name].(string); ok {
		return s
	}
	return otherwise
}

// PolicyUnreachable is what holds of hosts that do not answer.
func (c *Client) PolicyUnreachable(o input.Object) string {
	return Policy(c.Unreachable, o, "unreachable", input.UnreachableFail)
}

// Reachable fails where hosts do not answer and have to.
func (c *Client) Reachable(e *Session, o input.Object) error {
	err := e.Unreachable()
	if err == nil || c.PolicyUnreachable(o) == input.UnreachableForget && len(e.Hosts()) > 0 {
		return nil
	}
	err = fmt.Errorf("hosts that do not answer, so that nothing was done:\n%w\n\nTo go on without them, set unreachable = \"forget\" in the %s", err, c.Words.Provider)
	return &told{err.Error(), e.silent(), err}
}

// silent is the attribute that describes the hosts that do not answer.
func (s *Session) silent() input.Path {
	if s.fleet.text == nil {
		return input.Path{}.Attribute("topology")
	}
	at, answer := input.Path{}.Attribute("hosts"), s.Hosts()
	var names []string
	for _, h := range s.fleet.Cluster.Hosts {
		if answer[h.Name] == nil {
			names = append(names, h.Name)
		}
	}
	if len(names) == 1 {
		at = at.Key(names[0])
	}
	return at
}

// Converge plans and applies, and names the hosts that were left out. They are an error unless they may be.
func Converge(ctx context.Context, e *Session, unreachable string) (left []string, err error) {
	begun := false
	_, err = e.Converge(ctx, func(p *plan.Plan, _ bool) error {
		begun = true
		if p.Empty() {
			return e.Settle(ctx, p)
		}
		return e.Apply(ctx, p)
	}, func(*bootstrap.StaleError) {})
	var partial *bootstrap.PartialError
	if errors.As(err, &partial) && (unreachable == input.UnreachableForget || onlyElastic(e, partial.Skipped)) && len(partial.Blocked) == 0 && partial.Paused == nil {
		for _, s := range partial.Skipped {
			left = append(left, s.Host)
		}
		return left, nil
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("it was interrupted: operations that were under way have been ended, and no further ones were begun: %w", err)
	}
	if err = e.fleet.tell(err); err != nil && !begun {
		err = notBegun{err}
	}
	return nil, err
}

// notBegun is the error of a change of which no plan could be made.
type notBegun struct{ error }

func (e notBegun) Unwrap() error { return e.error }

// Begun says of an error of Converge whether hosts may have been changed before.
func Begun(err error) bool {
	var n notBegun
	return !errors.As(err, &n)
}

// RecordOf is a digest of what must not have changed between a plan and its apply.
func RecordOf(inv *inventory.Inventory) string {
	var hosts []any
	for _, h := range inv.Hosts {
		if h.Elastic == nil { // workers come and go
			hosts = append(hosts, h.Name, h.Address, h.MachineID, h.Roles)
		}
	}
	b, err := json.Marshal([]any{inv.ClusterID, inv.Kubernetes, inv.From, inv.Destroying, hosts})
	if err != nil {
		panic("provider: " + err.Error()) // an inventory holds plain data only
	}
	return hostapi.Digest(b)[:16]
}

// Is fails where the cluster is another one than a record says; an empty one is of a cluster of which nobody knows what it was like.
func (s *Session) Is(ctx context.Context, record string) error {
	if record == "" {
		return nil
	}
	inv, err := s.Inventory(ctx)
	if err != nil {
		return err
	}
	if inv == nil || RecordOf(inv) != record {
		return errors.New("the cluster was changed by somebody else since the plan was made, so nothing was done: hosts, roles or the release are others now. Run `" + s.words.Plan + "` again")
	}
	return nil
}

// RefuseWorkers refuses to destroy a cluster with workers that are no hosts of this resource: others may own their machines.
func (c *Client) RefuseWorkers(inv *inventory.Inventory) error {
	var names []string
	for _, h := range inv.ElasticHosts() {
		names = append(names, h.Name)
	}
	if len(names) == 0 || inv.Destroying {
		return nil
	}
	return fmt.Errorf("cluster %q has workers that are no hosts of this resource: %s. Nothing was changed. Destroy their %s resources first, which other configurations may have. "+
		"Where nobody has them any more, have them leave with `trivet worker leave`, or give back the cluster with all of its machines with `trivet destroy`", inv.Cluster, strings.Join(names, ", "), c.Words.Worker)
}

func elasticHost(e *Session, name string) bool {
	return slices.ContainsFunc(e.Cluster().Hosts, func(h *topology.Host) bool { return h.Elastic && h.Name == name })
}

// onlyElastic says whether all that was left out are such workers: one of them that is gone keeps nothing from being changed.
func onlyElastic(e *Session, skipped []plan.Skip) bool {
	return !slices.ContainsFunc(skipped, func(s plan.Skip) bool { return !elasticHost(e, s.Host) })
}

// LeftWorkers tells of those that were left out; "" where there are none.
func (c *Client) LeftWorkers(e *Session, left []string) string {
	var names []string
	for _, name := range left {
		if elasticHost(e, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("These workers do not answer, and are as they were: %s. Once they do, the next apply of the cluster brings them up to date; remove the %s of one that is gone. An upgrade is not finished before.", strings.Join(names, ", "), c.Words.Worker)
}
