// Package inventory is what a cluster remembers of itself, kept as a generation-numbered document on every control plane: the names, addresses, roles and
// pod ranges that were allotted, and the public half of its identity. It holds no secret.
package inventory

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Document is the name under which the inventory is kept on control planes.
const Document = "inventory.json"

// Format is the version of the document's layout.
const Format = 1

// Inventory is the cluster's memory. Host identity is the name with the machine id, never the address.
type Inventory struct {
	Format     int    `json:"format"`
	Generation uint64 `json:"generation"`
	// Epoch is that of the run that wrote the document. Of two documents the one of the later run is the newer, whatever their generations: a run that reached too few control
	// planes leaves a generation that the next one, which did not see it, counts anew.
	Epoch      uint64 `json:"epoch,omitempty"`
	Cluster    string `json:"cluster"`
	ClusterID  string `json:"clusterID"`
	Kubernetes string `json:"kubernetes"`
	// From is the release that an upgrade, or the way back from one, began at; empty once every host has changed.
	From string `json:"from,omitempty"`
	// Immutable settings of the cluster.
	PodCIDR              netip.Prefix `json:"podCIDR"`
	NodePrefix           int          `json:"nodePrefix"`
	ServiceCIDR          netip.Prefix `json:"serviceCIDR"`
	ServiceAccountIssuer string       `json:"serviceAccountIssuer"`
	Domain               string       `json:"domain"`
	// Initialised is true once etcd has formed its first quorum: from then on no member ever bootstraps a new cluster.
	Initialised bool `json:"initialised"`
	// BringingUp is true until the first bring-up has come to its end, with nothing of the topology left out. It is a mark of what is not done, so that a record without it, as earlier
	// builds wrote them, counts as complete.
	BringingUp bool `json:"bringingUp,omitempty"`
	// Destroying is true once a destroy has begun: nothing but finishing it is safe then.
	Destroying bool `json:"destroying,omitempty"`
	// Recipients are the age recipients that the identity is sealed to, sorted; none where nobody noted them.
	Recipients []string `json:"recipients,omitempty"`
	// Etcd is what was measured before the first bring-up; topologies that set it go before it.
	Etcd   Etcd   `json:"etcd,omitzero"`
	Hosts  []Host `json:"hosts"` // sorted by name
	Public Public `json:"public"`
	// Settings are what workers are joined by that the topology does not name; nil where no apply has recorded them yet.
	Settings *Settings `json:"settings,omitempty"`
	// Electorates are sets of control planes: a run needs the run lock on most of each. There are several while a change of control planes is written down, the last one is that of
	// the topology. Nil where it is that of Hosts.
	Electorates [][]string `json:"electorates,omitempty"`
	// Rotations are the authorities and keys that are not the first of their kind, or are being replaced.
	Rotations map[string]Rotation `json:"rotations,omitempty"`
}

// Etcd holds the intervals of the members, all zero where nothing was measured.
type Etcd struct {
	Heartbeat time.Duration `json:"heartbeat"` // nanoseconds
	Election  time.Duration `json:"election"`
}

// Host is one host of the cluster.
type Host struct {
	Name      string       `json:"name"`
	Address   netip.Addr   `json:"address"`
	HostKey   string       `json:"hostKey,omitempty"` // SSH public key, authorized_keys form
	MachineID string       `json:"machineID"`
	Region    string       `json:"region"`
	Site      string       `json:"site"`
	Roles     []string     `json:"roles"`
	PodCIDR   netip.Prefix `json:"podCIDR,omitzero"`
	// SSH says how the host is reached where that is not as the other hosts of its site are.
	SSH SSH `json:"ssh,omitzero"`
	// Elastic is what the topology would say of a worker that was joined without it; nil of a host that the topology names. Such a host stays until it leaves as it came.
	Elastic *Elastic `json:"elastic,omitempty"`
}

// SSH is how one host is reached, as far as that is its own.
type SSH struct {
	Address string `json:"address,omitempty"`
	Port    int    `json:"port,omitempty"`
	User    string `json:"user,omitempty"`
}

// Public is the public half of the cluster's identity.
type Public struct {
	// Authorities are CA certificates in PEM by authority name ("etcd", "kubernetes", "front-proxy", "online"); several during a rotation.
	Authorities map[string]string `json:"authorities,omitempty"`
	// ServiceAccountKeys is the PEM of the public keys that verify service account tokens.
	ServiceAccountKeys string `json:"serviceAccountKeys,omitempty"`
	// Versions names, without revealing anything, which secret of each kind is current: "service-account", "encryption".
	Versions map[string]string `json:"versions,omitempty"`
}

// Known reports whether the identity exists already.
func (p Public) Known() bool { return len(p.Authorities) > 0 }

// Parse reads the document.
func Parse(b []byte) (*Inventory, error) {
	var inv Inventory
	if err := json.Unmarshal(b, &inv); err != nil {
		return nil, fmt.Errorf("inventory cannot be read: %w", err)
	}
	if inv.Format != Format {
		return nil, fmt.Errorf("inventory has format %d, this trivet knows format %d: use the trivet that wrote it, or a newer one", inv.Format, Format)
	}
	return &inv, nil
}

// Marshal writes the document.
func (inv *Inventory) Marshal() ([]byte, error) { return json.MarshalIndent(inv, "", "  ") }

// Newer reports whether the inventory is newer than another one of the same cluster.
func (inv *Inventory) Newer(than *Inventory) bool {
	if inv.Epoch != than.Epoch {
		return inv.Epoch > than.Epoch
	}
	return inv.Generation > than.Generation
}

// Complete reports whether the first bring-up has come to its end.
func (inv *Inventory) Complete() bool { return inv.Initialised && !inv.BringingUp }

// Host returns the host of that name, or nil.
func (inv *Inventory) Host(name string) *Host {
	for i := range inv.Hosts {
		if inv.Hosts[i].Name == name {
			return &inv.Hosts[i]
		}
	}
	return nil
}

// Has reports whether the host has a role.
func (h Host) Has(r topology.Role) bool { return slices.Contains(h.Roles, string(r)) }

// With lists the names of the hosts with a role.
func (inv *Inventory) With(r topology.Role) []string {
	var out []string
	for _, h := range inv.Hosts {
		if h.Has(r) {
			out = append(out, h.Name)
		}
	}
	return out
}

// Voters are the sets of control planes of each of which a run needs most.
func (inv *Inventory) Voters() [][]string {
	if len(inv.Electorates) > 0 {
		return inv.Electorates
	}
	return [][]string{inv.With(topology.RoleControlPlane)}
}

// Elect adds a set of control planes, sorted, to those that count: it is the last one from now on.
func (inv *Inventory) Elect(next []string) {
	same := func(set []string) bool { return slices.Equal(set, next) }
	inv.Electorates = append(slices.DeleteFunc(slices.Clone(inv.Voters()), same), next)
	inv.tidy()
}

// HandOver ends a change of control planes: the last set alone counts.
func (inv *Inventory) HandOver() {
	if n := len(inv.Electorates); n > 0 {
		inv.Electorates = inv.Electorates[n-1:]
		inv.tidy()
	}
}

// tidy leaves a single set out that is that of the hosts.
func (inv *Inventory) tidy() {
	if len(inv.Electorates) == 1 && slices.Equal(inv.Electorates[0], inv.With(topology.RoleControlPlane)) {
		inv.Electorates = nil
	}
}

// Roles spells roles as the inventory keeps them.
func Roles[R ~string](roles []R) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}
