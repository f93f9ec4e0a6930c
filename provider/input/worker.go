package input

import (
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// What a topology needs beside a worker: it is checked by itself, since nobody knows the cluster before it is reached. The ranges are those for benchmarks (RFC 2544) and the address is
// one for documentation (RFC 5737), which no worker has.
const (
	somewhere      = "somewhere"
	pods, services = "198.18.0.0/16", "198.19.0.0/16"
	other          = "the-control-plane"
	otherAddress   = "192.0.2.1"
)

// Worker reads an elastic worker from the attributes that a host has in Write, but for its roles, and its name in name, with the checks and the words of the language. Neither site need
// be given. It is nil where there are mistakes, or where too much is not known yet.
func Worker(attributes Object, options topology.Options) (*bootstrap.Worker, []Problem) {
	name, known := attributes["name"].(string)
	if !known {
		return nil, nil
	}
	site, _ := attributes["site"].(string)
	if site == "" {
		site = somewhere
	}
	host := maps.Clone(attributes)
	delete(host, "name")
	host["site"], host["roles"] = site, []any{string(topology.RoleWorker)}
	text, ok := Write(Object{
		"name": somewhere, "kubernetes": "1.0.0", "age_recipients": []any{recipient()}, "pod_cidr": pods, "service_cidr": services,
		"sites": Object{site: Object{"region": somewhere}},
		"hosts": Object{name: host, other: Object{"site": site, "room": somewhere, "rack": somewhere, "address": otherAddress, "roles": []any{"control-plane", "etcd"}}},
	})
	if !ok {
		return nil, nil
	}
	options.Releases = nil // it is the cluster's
	top, found := text.Parse(options)
	problems := problemsOf(text, name, found)
	if top == nil || len(problems) > 0 {
		return nil, problems
	}
	i := slices.IndexFunc(top.AllHosts(), func(h *topology.Host) bool { return h.Name == name })
	return workerOf(top.AllHosts()[i]), nil
}

// recipient is one that nobody has the key of.
func recipient() string {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		panic("input: " + err.Error()) // the system's random source is broken
	}
	return key.Recipient().String()
}

// problemsOf are the errors in what was written of the worker; all else was made up.
func problemsOf(text *Text, name string, found hcl.Diagnostics) []Problem {
	var out []Problem
	at := Path{}.Attribute("hosts").Key(name)
	for _, d := range found {
		if d.Subject == nil || d.Severity != hcl.DiagError {
			continue
		}
		p := text.Path(*d.Subject)
		if len(p) < len(at) || !slices.Equal(p[:len(at)], at) {
			continue
		}
		if p = p[len(at):]; len(p) == 0 {
			p = Path{}.Attribute("name")
		}
		own := *d
		own.Detail = strings.ReplaceAll(text.Reword(d.Detail), at.String()+".", "")
		out = append(out, Problem{p, &own})
	}
	return out
}

func workerOf(h *topology.Host) *bootstrap.Worker {
	w := &bootstrap.Worker{
		Name: h.Name, Address: h.Address, HostKey: h.HostKey, Site: h.Site().Name, SSH: inventory.SSH{Address: h.SSHAddress, Port: h.Port, User: h.User},
		Elastic: inventory.Elastic{Room: h.Rack.Room.Name, Rack: h.Rack.Name, Interface: h.Interface, ProductLine: h.ProductLine, Labels: h.Labels, Annotations: h.Annotations, Taints: h.Taints},
	}
	if w.Site == somewhere {
		w.Site = ""
	}
	return w
}
