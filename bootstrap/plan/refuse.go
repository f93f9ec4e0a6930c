package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// RefusedError is a change that no running cluster survives, or that Kubernetes does not support.
type RefusedError struct {
	Argument string // of the cluster block, that of a block in it after the block's name: dns.domain
	text     string
}

// Error implements error.
func (e *RefusedError) Error() string { return e.text }

// Refuse stops what this version cannot do to a cluster, with the remedy, by its inventory alone: before anything is fetched or compiled.
func Refuse(c *topology.Cluster, cur *inventory.Inventory) error {
	if cur == nil {
		return nil
	}
	if cur.Destroying {
		return fmt.Errorf("cluster %q is being destroyed: run the destroy again, with `trivet destroy` or what began it, then apply", cur.Cluster)
	}
	if err := refuseVersion(c, cur); err != nil {
		return err
	}
	var errs []error
	for _, f := range []struct {
		argument, was, is string
		at                hcl.Range
	}{
		{"pod_cidr", cur.PodCIDR.String(), c.PodCIDR.String(), c.PodCIDRRange},
		{"node_prefix", fmt.Sprint(cur.NodePrefix), fmt.Sprint(c.NodePrefix), c.Range},
		{"service_cidr", cur.ServiceCIDR.String(), c.ServiceCIDR.String(), c.ServiceRange},
		{"dns.domain", cur.Domain, c.DNS.Domain, c.Range},
		{"api.service_account_issuer", cur.ServiceAccountIssuer, c.API.ServiceAccountIssuer, c.API.Range},
	} {
		if f.at.Filename == "" {
			f.at = c.Range // the default counts
		}
		derived := f.argument == "api.service_account_issuer" && cur.Domain != c.DNS.Domain
		if f.was != f.is && !derived {
			errs = append(errs, &RefusedError{f.argument, fmt.Sprintf("%s: %s of cluster %q is %s and cannot change while the cluster lives (the topology says %s): set it back, or destroy the cluster and apply again",
				topology.Place(f.at), f.argument, c.Name, f.was, f.is)})
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := refuseElastic(c, cur); err != nil {
		return err
	}
	for _, old := range cur.Hosts {
		if !cur.Initialised && !slices.ContainsFunc(c.Hosts, func(h *topology.Host) bool { return h.Name == old.Name }) {
			return fmt.Errorf("host %s was begun as a part of cluster %q, whose first bring-up is not finished, and is no longer in the topology: put it back, a worker may be away; or give the hosts back with `trivet destroy` while it is there, then apply without it",
				old.Name, cur.Cluster)
		}
	}
	return nil
}

// refuseElastic refuses a topology that has the name or the address of an elastic worker for a host of its own: one of the two would have to go first.
func refuseElastic(c *topology.Cluster, cur *inventory.Inventory) error {
	var errs []error
	for _, w := range cur.ElasticHosts() {
		for _, h := range slices.Concat(c.Hosts, c.Surge) {
			same := ""
			switch {
			case h.Elastic:
				continue
			case h.Name == w.Name:
				same = "is the name of"
			case h.Address == w.Address:
				same = fmt.Sprintf("has the address %s of", h.Address)
			default:
				continue
			}
			errs = append(errs, fmt.Errorf("%s: host %s of the topology %s the elastic worker %s, which was joined to cluster %q without it: take it out of the topology, or have the worker leave first (`trivet worker leave %s`, or remove its trivet_worker)",
				h.Range, h.Name, same, w.Name, c.Name, w.Name))
		}
	}
	return errors.Join(errs...)
}

// refuse stops what this version cannot do safely, with the remedy.
func (m *maker) refuse() error {
	cur, c := m.Current, m.Cluster
	if err := Refuse(c, cur); err != nil {
		return err
	}
	if err := RefuseAway(c, cur, m.Seen, m.Away); err != nil {
		return err
	}
	if cur == nil {
		return m.refuseRecords()
	}
	if !cur.Initialised {
		return m.refuseMembers()
	}
	return m.refuseNames()
}

// refuseNames refuses machines that the cluster knows by another name: what stands on them is that host's.
func (m *maker) refuseNames() error {
	var errs []error
	for _, h := range m.Cluster.Hosts {
		o := m.Seen[h.Name]
		if o == nil || o.Record == nil || o.Record.Host == "" || o.Record.Host == h.Name {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: host %s, at %s, is in the cluster as host %s: put the name back; to rename it, take it out of the topology and apply, then add it under its new name",
			topology.Place(h.Range), h.Name, h.Address, o.Record.Host))
	}
	return errors.Join(errs...)
}

// refuseMembers keeps the members of an etcd that may have formed already in a bring-up that is not finished: it would not take others, nor get by without those it has.
func (m *maker) refuseMembers() error {
	is := names(m.Cluster.HostsWith(topology.RoleEtcd))
	was := slices.Sorted(slices.Values(m.Current.With(topology.RoleEtcd)))
	if slices.Equal(was, is) || !slices.ContainsFunc(m.Cluster.Hosts, func(h *topology.Host) bool { return m.Seen[h.Name] != nil && hasMember(m.Seen[h.Name].Record) }) {
		return nil
	}
	return fmt.Errorf("cluster %q: its first bring-up is not finished and began with the etcd members %s, the topology has %s: the members of etcd change only once it is finished; set the roles back and apply, then change them, or give the hosts back with `trivet destroy`, then apply",
		m.Current.Cluster, strings.Join(was, ", "), strings.Join(is, ", "))
}

// refuseRecords looks at hosts that have a record although no control plane has an inventory. A run that was interrupted before it had stored the identity leaves records
// without items; their cluster id is taken over, since a host keeps to the one that it has seen. Anything else belongs to another cluster, or to one that was lost.
func (m *maker) refuseRecords() error {
	c, from := m.Cluster, ""
	var errs []error
	for _, h := range c.Hosts {
		o := m.Seen[h.Name]
		if o == nil || o.Record == nil || o.Record.ClusterID == "" {
			continue
		}
		switch r := o.Record; {
		case r.Cluster != c.Name:
			errs = append(errs, fmt.Errorf("host %s was set up for cluster %q (%s), not for %q: run `trivet destroy` with the topology of that cluster, or take the host out of this one",
				h.Name, r.Cluster, r.ClusterID, c.Name))
		case len(r.Items) > 0:
			errs = append(errs, fmt.Errorf("host %s was set up for cluster %q (%s), and no control plane has the inventory of it: bring a control plane of that cluster back, or give the host back with `trivet destroy`",
				h.Name, r.Cluster, r.ClusterID))
		case m.plan.ClusterID == "":
			m.plan.ClusterID, from = r.ClusterID, h.Name
		case m.plan.ClusterID != r.ClusterID:
			errs = append(errs, fmt.Errorf("hosts %s and %s were begun for different clusters of the name %q (%s and %s): give them back with `trivet destroy`, one at a time, then apply",
				from, h.Name, c.Name, m.plan.ClusterID, r.ClusterID))
		}
	}
	return errors.Join(errs...)
}
