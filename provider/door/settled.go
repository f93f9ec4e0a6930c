package door

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/input"
)

// Settled is what cannot change of a cluster, and the release that it has, as they were seen last. A plan is held against it, which contacts nothing: what the engine would refuse in any
// case is refused before other resources are changed.
type Settled struct {
	Kubernetes  string       `json:"kubernetes"`
	From        string       `json:"from,omitempty"`
	PodCIDR     netip.Prefix `json:"podCIDR"`
	NodePrefix  int          `json:"nodePrefix"`
	ServiceCIDR netip.Prefix `json:"serviceCIDR"`
	Issuer      string       `json:"issuer"`
	Domain      string       `json:"domain"`
}

// SettledOf reads it from an inventory; nil where the cluster's first bring-up has not come far enough.
func SettledOf(inv *inventory.Inventory) *Settled {
	if !inv.Initialised {
		return nil
	}
	return &Settled{inv.Kubernetes, inv.From, inv.PodCIDR, inv.NodePrefix, inv.ServiceCIDR, inv.ServiceAccountIssuer, inv.Domain}
}

// Refuse tells what of a configuration no such cluster can have. What is not known yet counts as being as it is.
func (s *Settled) Refuse(f *Fleet, config input.Object) []input.Problem {
	if s == nil {
		return nil
	}
	c := *f.Cluster
	for _, x := range []struct {
		path []string
		keep func()
	}{
		{[]string{"kubernetes"}, func() { c.Kubernetes = s.Kubernetes }},
		{[]string{"pod_cidr"}, func() { c.PodCIDR = s.PodCIDR }},
		{[]string{"node_prefix"}, func() { c.NodePrefix = s.NodePrefix }},
		{[]string{"service_cidr"}, func() { c.ServiceCIDR = s.ServiceCIDR }},
		{[]string{"api", "service_account_issuer"}, func() { c.API.ServiceAccountIssuer = s.Issuer }},
		{[]string{"dns", "domain"}, func() { c.DNS.Domain, c.API.ServiceAccountIssuer = s.Domain, s.Issuer }},
	} {
		if IsUnknown(config, x.path...) {
			x.keep()
		}
	}
	err := plan.Refuse(&c, &inventory.Inventory{
		Cluster: c.Name, Initialised: true, Kubernetes: s.Kubernetes, From: s.From, PodCIDR: s.PodCIDR, NodePrefix: s.NodePrefix, ServiceCIDR: s.ServiceCIDR,
		ServiceAccountIssuer: s.Issuer, Domain: s.Domain,
	})
	var out []input.Problem
	for _, err := range parts(err) {
		var refused *plan.RefusedError
		if !errors.As(err, &refused) {
			continue
		}
		p := input.Problem{Diagnostic: &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot change", Detail: f.reword(err.Error()) + ". Nothing was changed."}}
		if f.text == nil {
			p.Path = input.Path{}.Attribute("topology")
		} else {
			for name := range strings.SplitSeq(refused.Argument, ".") {
				p.Path = p.Path.Attribute(name)
			}
		}
		out = append(out, p)
	}
	return out
}

// parts are the errors that one is joined of.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
