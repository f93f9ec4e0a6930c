package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Former is the machine that a host was, where another one has its name at another address now.
type Former struct {
	Of string // the host's name
	// Host is the machine, under a name of its own; where it answers it is in Seen, else in Away.
	Host *topology.Host
}

// FormerName is what a machine goes by whose name another one has. No host of a topology can be called so.
func FormerName(name string, address netip.Addr) string { return name + "@" + address.String() }

// nameOf is the name that a host, or the machine that it was, has in the topology.
func nameOf(h *topology.Host) string {
	name, _, _ := strings.Cut(h.Name, "@")
	return name
}

const phaseFormer = "former"

const superseded = "another machine has its name"

// compareFormers finds the machines that are to be given back before others take their names. Where that cannot be now, the others are left out, too.
func (m *maker) compareFormers() {
	m.Formers = slices.DeleteFunc(slices.Clone(m.Formers), func(f Former) bool {
		i := slices.IndexFunc(m.hosts, func(h *topology.Host) bool { return h.Name == f.Of })
		switch {
		case m.fresh || i < 0 || m.skipped(f.Of):
			return true
		case m.Seen[f.Host.Name] == nil:
			m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("host %s is another machine than before; the one before, at %s, does not answer (%s), and what is on it stays. It must not come back as it is: install it anew, or bring it back now and plan again",
				f.Of, f.Host.Address, bare(f.Host.Name, cmp.Or(m.Away[f.Host.Name], "it was not observed"))))
			m.hooksLeftOut(f.Host)
			return true
		case m.Nodes == nil && f.Host.IsNode():
			m.leaveMemberOut(m.hosts[i], fmt.Sprintf("it is another machine than before, and the one before, at %s, cannot be drained while the API does not answer", f.Host.Address))
			delete(m.members.joins, f.Of)
			return true
		}
		return false
	})
}

// giveBackFormers takes machines out whose names others have, as hosts that leave are. They go before all else, the inventory too: it alone knows where they are.
func (m *maker) giveBackFormers() {
	var steps []Step
	for _, f := range m.Formers {
		steps = append(steps, m.formerStep(f))
	}
	m.phase(Phase{Name: phaseFormer, Title: "Machines whose names others have", Serial: true, Steps: steps})
}

func (m *maker) formerStep(f Former) Step {
	s := Step{Host: f.Host.Name, Site: f.Host.Site().Name}
	o := m.Seen[f.Host.Name]
	m.plan.Facts[f.Host.Name] = factsDigest(o)
	stop, rest := split(removeAll(o, superseded), stopsFirst)
	if o.Blank() {
		s.Actions = rest
		return s
	}
	if _, node := m.Nodes[f.Of]; node && recordsUnit(o.Record, kubeletUnit) {
		m.drained = append(m.drained, f.Of)
		s.Actions = append(s.Actions, m.drain(f.Of, "api", superseded))
	}
	if recordsUnit(o.Record, apiServerUnit) {
		s.Guards = append(s.Guards, Gate{Kind: GuardAPI, Hosts: []string{f.Host.Name}})
	}
	s.Actions = append(s.Actions, stop...)
	if j := m.members.joins[f.Of]; j != nil && j.old != nil {
		s.Actions = append(s.Actions, removal(*j.old, superseded))
		j.old = nil
	} else if recordsUnit(o.Record, desired.EtcdUnit) {
		s.Guards = append(s.Guards, Gate{Kind: GuardEtcd, Hosts: []string{f.Of}})
	}
	s.Actions = append(s.Actions, rest...)
	return s
}
