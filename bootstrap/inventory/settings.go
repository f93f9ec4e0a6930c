package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Settings are what workers follow from in the topology beside its hosts, as it was applied last: with them one can be joined by who does not have the topology. Nothing in them depends
// on the machine that applied it: no paths of files, no places in them, and no manifests.
type Settings struct {
	// Shape sums up what a cluster's settings consist of in the version that recorded them. Another version would miss some of them, or take their defaults.
	Shape   string          `json:"shape"`
	Cluster json.RawMessage `json:"cluster"`
	Sites   []Site          `json:"sites"`
}

// Site is a data centre of the cluster.
type Site struct {
	Name     string    `json:"name"`
	Region   string    `json:"region"`
	SSH      SSH       `json:"ssh,omitzero"` // without an address
	Bastions []Bastion `json:"bastions,omitempty"`
	Racks    []Rack    `json:"racks,omitempty"` // that say something
}

// Bastion is a jump host in front of a site.
type Bastion struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Port    int    `json:"port,omitempty"`
	User    string `json:"user,omitempty"`
	HostKey string `json:"hostKey,omitempty"`
}

// Rack is what is common to the hosts of a rack.
type Rack struct {
	Room        string            `json:"room"`
	Name        string            `json:"name"`
	CIDR        netip.Prefix      `json:"cidr,omitzero"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Taints      []topology.Taint  `json:"taints,omitempty"`
}

// shape is that of this version.
var shape = shapeOf(reflect.TypeFor[topology.Cluster]())

// SettingsOf takes a cluster's settings from its topology.
func SettingsOf(c *topology.Cluster) *Settings {
	out := &Settings{Shape: shape, Cluster: settingsJSON(c)}
	for _, s := range c.Sites {
		x := Site{Name: s.Name, Region: s.Region.Name}
		if s.SSH != nil {
			x.SSH = SSH{Port: s.SSH.Port, User: s.SSH.User}
		}
		for _, b := range s.Bastions {
			x.Bastions = append(x.Bastions, Bastion{b.Name, b.Address, b.Port, b.User, b.HostKey})
		}
		for _, room := range s.Rooms {
			for _, r := range room.Racks {
				if r.CIDR.IsValid() || len(r.Labels)+len(r.Annotations)+len(r.Taints) > 0 {
					x.Racks = append(x.Racks, Rack{room.Name, r.Name, r.CIDR, r.Labels, r.Annotations, r.Taints})
				}
			}
		}
		out.Sites = append(out.Sites, x)
	}
	slices.SortFunc(out.Sites, func(a, b Site) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// settingsJSON writes what is not about hosts, in canonical form.
func settingsJSON(c *topology.Cluster) json.RawMessage {
	plain := *c
	plain.Name, plain.Kubernetes = "", "" // the inventory has them
	plain.Hosts, plain.Surge, plain.Sites, plain.Manifests = nil, nil, nil, nil
	// No worker follows from these, and some change while their consequences are still being worked off.
	plain.Etcd, plain.Rotation, plain.AgeRecipients, plain.API.SANs, plain.Upgrade.Paused = topology.Etcd{}, topology.Rotation{}, nil, nil, false
	plain.Components = slices.DeleteFunc(slices.Clone(plain.Components), func(x topology.Component) bool {
		return x.Role != "" && x.Role != topology.RoleWorker || slices.Contains([]string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}, x.Name)
	})
	for i := range plain.Components {
		plain.Components[i].SettingsRange = nil
	}
	return Canonical(plain)
}

// Canonical writes what a topology holds as JSON, without where in a text something stands: what is the same comes out the same, wherever it was written.
func Canonical(plain any) json.RawMessage {
	b, err := json.Marshal(plain)
	if err != nil {
		panic("inventory: " + err.Error()) // a topology holds plain data only
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic("inventory: " + err.Error())
	}
	if b, err = json.Marshal(withoutPlaces(v)); err != nil {
		panic("inventory: " + err.Error())
	}
	return b
}

// withoutPlaces leaves out where in a text something stands.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if isPlace(x) {
				delete(v, k)
			} else {
				v[k] = withoutPlaces(x)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = withoutPlaces(x)
		}
	}
	return v
}

// isPlace recognises an hcl.Range. Its fields' names alone would not do: components have settings that end in Range.
func isPlace(v any) bool {
	m, _ := v.(map[string]any)
	_, file := m["Filename"]
	_, start := m["Start"]
	_, end := m["End"]
	return len(m) == 3 && file && start && end
}

// Usable reports whether workers can be joined by the settings with this version.
func (s *Settings) Usable() bool { return s != nil && s.Shape == shape }

// restore makes the cluster's settings and sites again.
func (s *Settings) restore(ssh topology.SSH) (*topology.Cluster, []*topology.Site, error) {
	switch {
	case s == nil:
		return nil, nil, errors.New("the cluster has not recorded the settings that workers are joined by: apply it once with this version of Trivet (`trivet apply`, or `terraform apply` of the trivet_cluster)")
	case s.Shape != shape:
		return nil, nil, errors.New("the cluster was last applied by another version of Trivet, whose settings this one might misread: apply it once with this version (`trivet apply`, or `terraform apply` of the trivet_cluster)")
	}
	var c topology.Cluster
	d := json.NewDecoder(bytes.NewReader(s.Cluster))
	d.UseNumber()
	if err := d.Decode(&c); err != nil {
		return nil, nil, fmt.Errorf("the cluster's recorded settings cannot be read: %w", err)
	}
	for i := range c.Components {
		for k, v := range c.Components[i].Settings {
			c.Components[i].Settings[k] = numbers(v)
		}
	}
	regions := map[string]*topology.Region{}
	var sites []*topology.Site
	for _, x := range s.Sites {
		if regions[x.Region] == nil {
			regions[x.Region] = &topology.Region{Name: x.Region}
		}
		site := x.restore(regions[x.Region], ssh)
		site.Region.Sites = append(site.Region.Sites, site)
		sites = append(sites, site)
	}
	return &c, sites, nil
}

func (x *Site) restore(region *topology.Region, ssh topology.SSH) *topology.Site {
	site := &topology.Site{Name: x.Name, Region: region}
	if x.SSH != (SSH{}) {
		own := ssh
		if x.SSH.Port != 0 {
			own.Port = x.SSH.Port
		}
		if x.SSH.User != "" {
			own.User = x.SSH.User
		}
		site.SSH = &own
	}
	for _, b := range x.Bastions {
		site.Bastions = append(site.Bastions, topology.Bastion{Name: b.Name, Address: b.Address, Port: b.Port, User: b.User, HostKey: b.HostKey, PrivateKey: ssh.PrivateKey})
	}
	for _, r := range x.Racks {
		i := slices.IndexFunc(site.Rooms, func(room *topology.Room) bool { return room.Name == r.Room })
		if i < 0 {
			i = len(site.Rooms)
			site.Rooms = append(site.Rooms, &topology.Room{Name: r.Room, Site: site})
		}
		room := site.Rooms[i]
		room.Racks = append(room.Racks, &topology.Rack{Name: r.Name, Room: room, CIDR: r.CIDR, Labels: r.Labels, Annotations: r.Annotations, Taints: r.Taints})
	}
	return site
}

// numbers turns numbers into those that a topology has.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i, x := range v {
			v[i] = numbers(x)
		}
	case map[string]any:
		for k, x := range v {
			v[k] = numbers(x)
		}
	}
	return v
}

// shapeOf sums up the fields of a type, and of the types in it.
func shapeOf(t reflect.Type) string {
	var b strings.Builder
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Slice, reflect.Pointer, reflect.Array:
			b.WriteString(t.Kind().String() + " ")
			walk(t.Elem())
		case reflect.Map:
			b.WriteString("map ")
			walk(t.Elem())
		case reflect.Struct:
			b.WriteString(t.String())
			if seen[t] || !strings.Contains(t.PkgPath(), "trivet") {
				return
			}
			seen[t] = true
			b.WriteString("{")
			for i := range t.NumField() {
				f := t.Field(i)
				if !f.IsExported() || strings.HasSuffix(f.Name, "Range") || slices.Contains([]string{"Hosts", "Surge", "Sites", "Manifests", "Etcd", "Rotation"}, f.Name) {
					continue
				}
				b.WriteString(f.Name + " ")
				walk(f.Type)
				b.WriteString(";")
			}
			b.WriteString("}")
		default:
			b.WriteString(t.String())
		}
	}
	walk(t)
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:6])
}
