package pulumi_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// TestTooManyMembers refuses, in the preview and in the update, what would take a quorum of etcd away before the cluster can do without it; one member at a time may go.
func TestTooManyMembers(t *testing.T) {
	roles := []string{"control-plane", "etcd"}
	hosts := []fleettest.Host{{Name: "cp1", Site: "s1", Roles: roles}, {Name: "cp2", Site: "s2", Roles: roles}, {Name: "cp3", Site: "s3", Roles: roles}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}}
	w := newWorld(t, hosts)
	w.up(w.cluster(hosts, nil), minengine.Create)

	// each changes every host of these names.
	each := func(change func(*trivet.HostArgs), names ...string) func(*trivet.ClusterArgs) {
		return func(a *trivet.ClusterArgs) {
			for _, name := range names {
				h := a.Hosts[name]
				change(&h)
				a.Hosts[name] = h
			}
		}
	}
	without := func(names ...string) func(*trivet.ClusterArgs) {
		return func(a *trivet.ClusterArgs) {
			for _, name := range names {
				delete(a.Hosts, name)
			}
		}
	}
	moves := func(h *trivet.HostArgs) {
		h.Address = pulumisdk.String(strings.TrimSuffix(string(h.Address.(pulumisdk.String)), "11") + "99")
	}
	unknown := func(h *trivet.HostArgs) { h.Address = pulumisdk.String(plugin.UnknownStringValue) }
	noMember := func(h *trivet.HostArgs) { h.Roles = pulumisdk.ToStringArray([]string{"control-plane"}) }
	anywhere := func(h *trivet.HostArgs) { h.Site = pulumisdk.String(plugin.UnknownStringValue) }
	member := each(func(h *trivet.HostArgs) { h.Roles = pulumisdk.ToStringArray([]string{"etcd", "worker"}) }, "w1") // in the place of another one
	both := func(changes ...func(*trivet.ClusterArgs)) func(*trivet.ClusterArgs) {
		return func(a *trivet.ClusterArgs) {
			for _, change := range changes {
				change(a)
			}
		}
	}
	const refused = "hosts: Too many etcd members change at once: Of 3 etcd members, writes need a quorum of 2. This plan changes 2 of them: "
	for name, c := range map[string]struct {
		change func(*trivet.ClusterArgs)
		want   string
	}{
		"removed":           {without("cp2", "cp3"), refused + "cp2 is removed; cp3 is removed. Pulumi may delete machines"},
		"moved":             {each(moves, "cp2", "cp3"), refused + "cp2 moves from "},
		"unknown":           {each(unknown, "cp2", "cp3"), refused + "cp2 gets an address that is not known yet"},
		"of another role":   {each(noMember, "cp2", "cp3"), refused + "cp2 is removed; cp3 is removed"},
		"of two kinds":      {both(without("cp2"), member, each(unknown, "cp3")), refused + "cp2 is removed; cp3 gets an address"},
		"without a site":    {both(without("cp2", "cp3"), each(anywhere, "w1")), refused + "cp2 is removed; cp3 is removed"},
		"of unknown hosts":  {described(pulumisdk.String(plugin.UnknownStringValue), nil), "topology: Too many etcd members change at once: Which hosts there will be is not known yet"},
		"of unknown values": {described(pulumisdk.String(""), pulumisdk.StringMap{"a": pulumisdk.String(plugin.UnknownStringValue)}), "variables: Too many etcd members change at once"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.Preview(w.cluster(hosts, c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	for name, change := range map[string]func(*trivet.ClusterArgs){
		"one removed": both(without("cp3"), member), "one moved": each(moves, "cp3"), "one unknown": each(unknown, "cp3"), "workers": both(without("w1"), each(unknown, "cp3")),
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.Preview(w.cluster(hosts, change)); err != nil {
				t.Error(err)
			}
			w.did("main", minengine.Update)
		})
	}

	// Whoever leaves the preview out is refused all the same, and nothing is done to hosts.
	before := w.managed()
	if _, err := w.Up(w.cluster(hosts, without("cp2", "cp3"))); err == nil || !strings.Contains(err.Error(), refused) {
		t.Errorf("%v", err)
	}
	if after := w.managed(); after != before {
		t.Errorf("%d hosts are managed, of %d before", after, before)
	}
	w.up(w.cluster(hosts, nil), minengine.Same)
}

// described is a cluster by a topology in its own language.
func described(topology pulumisdk.StringInput, variables pulumisdk.StringMap) func(*trivet.ClusterArgs) {
	return func(a *trivet.ClusterArgs) {
		*a = trivet.ClusterArgs{Topology: topology, DeletionProtection: a.DeletionProtection}
		if variables != nil {
			a.Variables = variables
		}
	}
}
