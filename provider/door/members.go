package door

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// RefuseMembers refuses to take away more than one etcd member at once, or to move more than one, before a machine is touched: machines may be gone before the cluster's resource is
// updated, and a quorum that is lost with them cannot be brought back by the rest. A member whose address or host key is not known yet counts as one that moves. Bringing a cluster back from a
// snapshot, for which the name restore is reserved, will be the exception.
func RefuseMembers(f *Fleet, config input.Object, prior map[string]Node, w input.Words) []input.Problem {
	members := map[string]Node{}
	for name, n := range prior {
		if slices.Contains(n.Roles, string(topology.RoleEtcd)) {
			members[name] = n
		}
	}
	hosts, known := config["hosts"].(input.Object)
	switch {
	case len(members) < 2:
		return nil
	case f.Cluster != nil:
		return refuseGone(members, config, w, f.member)
	case known: // too much is unknown for a topology, as where a host stands
		return refuseGone(members, config, w, func(name string) (bool, string) { return memberIn(hosts, name) })
	}
	for _, name := range []string{"hosts", "topology", "variables"} {
		if HasUnknown(config[name]) {
			return []input.Problem{input.Mistake(name, tooManyMembers, fmt.Sprintf("Which hosts there will be is not known yet, so that none of the %d etcd members is certain to stay, and writes need a quorum of %d. "+
				"%s: have names and addresses known, or apply what they depend on first, with %s. Nothing was changed.", len(members), topology.Majority(len(members)), w.Machines, w.Target))}
		}
	}
	return nil
}

const tooManyMembers = "Too many etcd members change at once"

// member says whether a host is a member of etcd by what is described, and its address; "" is one that is not known.
func (f *Fleet) member(name string) (stays bool, address string) {
	i := slices.IndexFunc(f.Cluster.Hosts, func(h *topology.Host) bool { return h.Name == name })
	if i < 0 || !f.Cluster.Hosts[i].Has(topology.RoleEtcd) {
		return false, ""
	}
	if !f.Cluster.Hosts[i].Address.IsValid() {
		return true, ""
	}
	return true, f.Cluster.Hosts[i].Address.String()
}

// memberIn says the same by attributes alone.
func memberIn(hosts input.Object, name string) (stays bool, address string) {
	h, ok := hosts[name].(input.Object)
	if !ok {
		return hosts[name] != nil, ""
	}
	if roles := Texts(h["roles"]); !HasUnknown(h["roles"]) && !slices.Contains(roles, string(topology.RoleEtcd)) {
		return false, ""
	}
	address, _ = h["address"].(string)
	return true, address
}

// refuseGone refuses where more than one member does not stay what it is.
func refuseGone(members map[string]Node, config input.Object, w input.Words, now func(name string) (stays bool, address string)) []input.Problem {
	var gone []string
	for name, was := range members {
		switch stays, address := now(name); {
		case !stays:
			gone = append(gone, name+" is removed")
		case address == "":
			gone = append(gone, name+" gets an address that is not known yet, so perhaps another machine")
		case address != was.Address:
			gone = append(gone, fmt.Sprintf("%s moves from %s to %s", name, was.Address, address))
		case IsUnknown(config, "hosts", name, "ssh_host_key"):
			gone = append(gone, name+" gets an SSH host key that is not known yet, so perhaps another machine")
		}
	}
	if len(gone) < 2 {
		return nil
	}
	sort.Strings(gone)
	at := "hosts"
	if config["topology"] != nil {
		at = "topology"
	}
	return []input.Problem{input.Mistake(at, tooManyMembers,
		fmt.Sprintf("Of %d etcd members, writes need a quorum of %d. This plan changes %d of them: %s. %s, so change one, apply, and then the next. Nothing was changed.",
			len(members), topology.Majority(len(members)), len(gone), strings.Join(gone, "; "), w.Machines))}
}
