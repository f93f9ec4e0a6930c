package simhosts

import (
	"context"
	"fmt"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
)

// Adapt has an engine of a provider work on the simulated hosts: over SSH as the configuration says, with what is taken for granted of the API.
func Adapt(helper string) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) {
		o.Artifacts, o.Helper = &fleettest.Fleet{}, func(string) (string, error) { return helper, nil }
		o.API = func(e *bootstrap.Engine, _ func() (*identity.Identity, error)) bootstrap.API {
			return settled{sameObjects{cluster: e.Cluster()}}
		}
	}
}

// settled is an API that is as it should be.
type settled struct{ sameObjects }

func (settled) EtcdHealthy(context.Context, []string, func(string)) error   { return nil }
func (settled) APIReady(context.Context, []string, func(string)) error      { return nil }
func (settled) NodesReady(context.Context, []string, func(string)) error    { return nil }
func (settled) NetworksReady(context.Context, []string, func(string)) error { return nil }
func (settled) DNSAvailable(context.Context, int, func(string)) error       { return nil }

// Terraform writes the configuration of a cluster of the simulated hosts in attributes.
func (f *Fleet) Terraform() (string, error) {
	t, err := f.Parse(f.Source(1))
	if err != nil {
		return "", err
	}
	c := t.Clusters[0]
	var sites, hosts strings.Builder
	for _, s := range c.Sites {
		fmt.Fprintf(&sites, "    %s = { region = %q }\n", s.Name, s.Region.Name)
	}
	for _, h := range c.Hosts {
		var roles []string
		for _, r := range h.Roles {
			roles = append(roles, string(r))
		}
		fmt.Fprintf(&hosts, "    %s = { address = %q, ssh_address = %q, ssh_host_key = %q, site = %q, roles = [\"%s\"] }\n",
			h.Name, h.Address, h.SSHAddress, h.HostKey, h.Site().Name, strings.Join(roles, `", "`))
	}
	return fmt.Sprintf(`terraform {
  required_providers {
    trivet = { source = "trivet-dev/trivet" }
  }
}
provider "trivet" {
  ssh          = { user = %q, port = %d, private_key = file(%q) }
  age_identity = %q
}
resource "trivet_cluster" "main" {
  name                = %q
  kubernetes          = %q
  age_recipients      = [%q]
  adopt               = true # it was brought up before
  deletion_protection = false
  sites = {
%s  }
  hosts = {
%s  }
}
`, User, f.Port, f.PrivateKey, f.Identity, c.Name, c.Kubernetes, f.Recipient, sites.String(), hosts.String()), nil
}
