package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// RefuseAway refuses what too many absent hosts forbid. A cluster that does not exist yet needs every etcd member and control plane. Of one that exists a majority of the
// recorded control planes must answer, with an inventory: every inventory was kept by a majority, so that any other majority knows the newest. Where none of them is away there is
// none that could know more.
func RefuseAway(c *topology.Cluster, cur *inventory.Inventory, seen map[string]*hostapi.Observation, away map[string]string) error {
	if len(away) == 0 {
		return nil
	}
	if cur == nil || !cur.Initialised {
		return refuseFresh(c, cur, away)
	}
	for _, voters := range cur.Voters() {
		if err := refuseVoters(c, voters, seen, away); err != nil {
			return err
		}
	}
	return nil
}

// refuseVoters refuses where too few of a set of control planes remember the cluster.
func refuseVoters(c *topology.Cluster, recorded []string, seen map[string]*hostapi.Observation, away map[string]string) error {
	missing, gone := map[string]string{}, false
	for _, name := range recorded {
		if why, isAway := away[name]; isAway {
			missing[name], gone = why, true
		} else if !remembers(seen[name]) {
			missing[name] = "it has no inventory any more"
		}
	}
	have, need := len(recorded)-len(missing), topology.Majority(len(recorded))
	if have >= need || !gone {
		return nil
	}
	return fmt.Errorf("%d of %d control planes of cluster %q %s, %d are needed: with fewer nobody can know which inventory is the newest, nor keep a new one. Bring one of them back, then run the same command again: %s",
		have, len(recorded), c.Name, verb(have, "answers", "answer"), need, reasons(slices.Sorted(maps.Keys(missing)), missing))
}

// remembers says whether a control plane has an inventory.
func remembers(o *hostapi.Observation) bool {
	if o == nil {
		return false
	}
	_, ok := o.Documents[inventory.Document]
	return ok
}

// refuseFresh needs every etcd member and control plane of a cluster that is to be made, or that may exist already where nobody looked.
func refuseFresh(c *topology.Cluster, cur *inventory.Inventory, away map[string]string) error {
	var missing []string
	for _, h := range c.Hosts {
		if _, gone := away[h.Name]; gone && (h.Has(topology.RoleControlPlane) || h.Has(topology.RoleEtcd)) {
			missing = append(missing, h.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	why := "the first bring-up is not finished and needs every etcd member and control plane"
	if cur == nil {
		why = "no host that answers has the cluster's inventory, so nobody can know whether it exists already, and a first bring-up needs every etcd member and control plane"
	}
	slices.Sort(missing)
	return fmt.Errorf("cluster %q: %s, of which %d %s not answer. Bring them back, then run the same command again: %s",
		c.Name, why, len(missing), verb(len(missing), "does", "do"), reasons(missing, away))
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// reasons lists hosts with why they are away.
func reasons(hosts []string, away map[string]string) string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = "host " + h + ": " + bare(h, away[h])
	}
	return strings.Join(out, "; ")
}

// bare takes the host's name, and the address that may follow it, off a reason that begins with them.
func bare(host, reason string) string {
	if rest, ok := strings.CutPrefix(reason, "host "+host+": "); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(reason, "host "+host+" ("); ok {
		if address, why, ok := strings.Cut(rest, "): "); ok {
			return address + ": " + why
		}
	}
	return reason
}

// leaveOutAway notes the hosts that were not seen.
func (m *maker) leaveOutAway() {
	for _, h := range m.Cluster.Hosts {
		switch why := bare(h.Name, cmp.Or(m.Away[h.Name], "it was not observed")); {
		case m.Seen[h.Name] == nil && h.Surge:
			m.surgeAway(h, why)
			continue
		case m.Seen[h.Name] == nil:
			m.skip(h, why)
			continue
		}
		m.hosts = append(m.hosts, h)
	}
	m.leaveOutDeparting()
}

// hasMember says whether a member of etcd was set up on a host.
func hasMember(r *hostapi.Record) bool {
	return r.Has(hostapi.ID{Kind: hostapi.KindDirectory, Name: desired.EtcdData})
}

func (m *maker) skip(h *topology.Host, reason string) {
	m.plan.Skipped = append(m.plan.Skipped, Skip{Host: h.Name, Site: h.Site().Name, Reason: reason})
	slices.SortFunc(m.plan.Skipped, func(a, b Skip) int { return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(a.Host, b.Host)) })
}

// holdBack leaves out the hosts of a running cluster whose changes would stop an etcd member that the others, as far as they were seen, could not bear to lose. What only raises
// what is down there stays. API servers need no such sum here: a majority of several control planes was seen, so there is another one.
func (m *maker) holdBack() {
	for _, h := range m.hosts {
		if m.lost[h.Name] {
			m.actions[h.Name] = nil
			continue
		}
		if m.members.joins[h.Name] != nil {
			continue // it holds nothing that could be missed
		}
		raise, rest := m.raising(h)
		if etcd, _ := disrupts(rest); !etcd {
			continue
		}
		if _, unknown := m.unaccepted(h); unknown[certs.Etcd] {
			continue // the others do not accept it as it is
		}
		if why := m.withoutMember(h.Name); why != "" {
			m.skip(h, why)
			m.actions[h.Name] = raise
			delete(m.members.moves, h.Name)
		}
	}
}

// dataGone says whether a member has lost what it keeps. Nothing can raise it: a member that forgot what it has voted for must not come back as what it was.
func (m *maker) dataGone(h *topology.Host) bool {
	return h.Has(topology.RoleEtcd) && slices.ContainsFunc(m.Seen[h.Name].Drift, func(d hostapi.Drift) bool {
		return d.ID == (hostapi.ID{Kind: hostapi.KindDirectory, Name: desired.EtcdData}) && d.Code == hostapi.DriftDataGone
	})
}

// disrupts tells what a host's actions stop for a while: every action on a unit may, but for its first start.
func disrupts(actions []Action) (etcd, api bool) {
	for _, a := range actions {
		if kindOf(a) != hostapi.KindUnit || a.Verb == Start {
			continue
		}
		etcd = etcd || a.ID.Name == desired.EtcdUnit
		api = api || a.ID.Name == apiServerUnit
	}
	return etcd, api
}

// recorded lists the hosts that the running cluster remembers with a role, and those of them that were not seen or have lost their data.
func (m *maker) recorded(r topology.Role) (all, away []string) {
	if m.Current == nil {
		return nil, nil
	}
	all = slices.DeleteFunc(m.Current.With(r), func(name string) bool { return r == topology.RoleEtcd && departed(m.members.dead, name) })
	for _, name := range all {
		if m.Seen[name] == nil || (r == topology.RoleEtcd && m.lost[name]) {
			away = append(away, name)
		}
	}
	return all, away
}

// withoutMember does the sum of etcd's members without the one on a host; "" when the others keep the quorum. Members that are down on hosts that were seen count: the plan raises
// them first, and waits for them. The only member may stop: there is no quorum that others could keep.
func (m *maker) withoutMember(host string) string {
	members, away := m.recorded(topology.RoleEtcd)
	left, need := len(members)-len(away)-1, topology.Majority(len(members))
	if left >= need || len(members) <= 1 {
		return ""
	}
	return fmt.Sprintf("held back, since its etcd would restart: of %d members %d %s away or lost (%s), without %s %d %s left, and %d are needed",
		len(members), len(away), verb(len(away), "is", "are"), strings.Join(away, ", "), host, left, verb(left, "is", "are"), need)
}

// guards are what must be true at the moment a step begins: the same sums, done again by what etcd and the API servers say then.
func (m *maker) guards(s Step) []Gate {
	var out []Gate
	etcd, api := disrupts(s.Actions)
	api = api || etcd && m.isControlPlane(s.Host) // an API server asks the member on its own host
	if members, _ := m.recorded(topology.RoleEtcd); etcd && len(members) > 1 {
		out = append(out, Gate{Kind: GuardEtcd, Hosts: []string{s.Host}})
	}
	if servers, _ := m.recorded(topology.RoleControlPlane); api && len(servers) > 1 {
		out = append(out, Gate{Kind: GuardAPI, Hosts: []string{s.Host}})
	}
	return out
}
