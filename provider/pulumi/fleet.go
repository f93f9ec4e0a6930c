package pulumi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// Construct implements pulumirpc.ResourceProviderServer: a fleet becomes its clusters.
func (p *Provider) Construct(ctx context.Context, req *pulumirpc.ConstructRequest) (*pulumirpc.ConstructResponse, error) {
	if req.GetType() != fleetToken {
		return nil, status.Errorf(codes.InvalidArgument, "the provider has no component %s", req.GetType())
	}
	p.mu.Lock()
	host, client := p.host, p.client
	p.mu.Unlock()
	if host == nil {
		return nil, status.Error(codes.FailedPrecondition, "the engine is not known yet")
	}
	return provider.Construct(ctx, req, host.EngineConn(), func(ctx *pulumisdk.Context, typ, name string, inputs provider.ConstructInputs, options pulumisdk.ResourceOption) (*provider.ConstructResult, error) {
		var args trivet.FleetArgs
		if err := inputs.CopyTo(&args); err != nil {
			return nil, fmt.Errorf("regions and clusters have to be known as a whole, and only what is in them may be unknown or secret: %w", err)
		}
		f, err := newFleet(ctx, client, typ, name, &args, options)
		if err != nil {
			return nil, err
		}
		return provider.NewConstructResult(f)
	})
}

// newFleet declares the clusters of a fleet.
func newFleet(ctx *pulumisdk.Context, client *door.Client, typ, name string, args *trivet.FleetArgs, options pulumisdk.ResourceOption) (*trivet.Fleet, error) {
	f := &trivet.Fleet{}
	clusters, sites, err := lay(client, args)
	if err != nil {
		return nil, err
	}
	if err := ctx.RegisterComponentResource(typ, name, f, options); err != nil {
		return nil, err
	}
	outputs, perSite := map[string]any{}, []any{}
	for _, n := range slices.Sorted(maps.Keys(clusters)) {
		a := clusters[n]
		a.Name = pulumisdk.String(n)
		c, err := trivet.NewCluster(ctx, name+"-"+n, a, pulumisdk.Parent(f))
		if err != nil {
			return nil, err
		}
		outputs[n] = pulumisdk.All(c.ClusterID, c.Access, c.Kubeconfig, c.Lock).ApplyT(func(all []any) trivet.ClusterResult {
			return trivet.ClusterResult{ClusterID: all[0].(string), Access: all[1].(trivet.Access), Kubeconfig: all[2].(string), Lock: all[3].(string)}
		})
		for _, s := range sites[n] {
			perSite = append(perSite, pulumisdk.All(s.name, s.region, s.purpose, n, c.Nodes).ApplyT(func(all []any) namedSite { return s.result(all) }))
		}
	}
	byName := []any{}
	names := slices.Sorted(maps.Keys(outputs))
	for _, n := range names {
		byName = append(byName, outputs[n])
	}
	f.Outputs, _ = pulumisdk.All(byName...).ApplyT(func(all []any) map[string]trivet.ClusterResult {
		out := map[string]trivet.ClusterResult{}
		for i, n := range names {
			out[n], _ = all[i].(trivet.ClusterResult)
		}
		return out
	}).(trivet.ClusterResultMapOutput)
	f.Sites, _ = pulumisdk.All(perSite...).ApplyT(func(all []any) map[string]trivet.SiteResult {
		out := map[string]trivet.SiteResult{}
		for _, x := range all {
			if s, ok := x.(namedSite); ok {
				out[s.name] = s.SiteResult
			}
		}
		return out
	}).(trivet.SiteResultMapOutput)
	return f, ctx.RegisterResourceOutputs(f, pulumisdk.Map{"outputs": f.Outputs, "sites": f.Sites})
}

// placed is a site of a cluster.
type placed struct {
	name    string
	region  pulumisdk.StringInput
	purpose pulumisdk.StringInput
	hosts   []string
}

// namedSite is what a site gives.
type namedSite struct {
	name string
	trivet.SiteResult
}

// result is what a site gives once its cluster is there.
func (s placed) result(all []any) namedSite {
	out := namedSite{s.name, trivet.SiteResult{Hosts: map[string]string{}}}
	out.Region, _ = all[1].(string)
	if purpose, ok := all[2].(string); ok {
		out.Purpose = &purpose
	}
	out.Cluster, _ = all[3].(string)
	nodes, _ := all[4].(map[string]trivet.Node)
	for _, h := range s.hosts {
		if n, ok := nodes[h]; ok {
			out.Hosts[h] = n.Address
		}
	}
	return out
}

// lay makes the arguments of each cluster, and says which sites it has.
func lay(client *door.Client, args *trivet.FleetArgs) (map[string]*trivet.ClusterArgs, map[string][]placed, error) {
	switch {
	case args.Topology != "" && (args.Regions != nil || args.Clusters != nil):
		return nil, nil, errors.New("topology describes the fleet, so that regions and clusters have no place beside it")
	case args.Topology != "":
		return layText(client, args)
	case len(args.Clusters) == 0 || len(args.Regions) == 0:
		return nil, nil, errors.New("a fleet is described by regions and clusters, or by a topology in its own language")
	}
	out, sites := map[string]*trivet.ClusterArgs{}, map[string][]placed{}
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(args.Clusters)) {
		c := clusterOf(args.Clusters[name], args)
		only, err := namesOf(args.Clusters[name].Sites)
		if err != nil {
			return nil, nil, fmt.Errorf("clusters[%q].sites: %w", name, err)
		}
		for _, region := range slices.Sorted(maps.Keys(args.Regions)) {
			for _, site := range slices.Sorted(maps.Keys(args.Regions[region].Sites)) {
				if only != nil && !slices.Contains(only, site) {
					continue
				}
				if other, ok := taken[site]; ok {
					return nil, nil, fmt.Errorf("site %q belongs to cluster %q and to cluster %q: say with sites which cluster has which", site, other, name)
				}
				taken[site] = name
				p, err := place(c, region, site, args.Regions[region].Sites[site])
				if err != nil {
					return nil, nil, err
				}
				sites[name] = append(sites[name], p)
			}
		}
		for _, site := range only {
			if taken[site] != name {
				return nil, nil, fmt.Errorf("clusters[%q].sites: there is no site %q", name, site)
			}
		}
		out[name] = c
	}
	return out, sites, nil
}

// namesOf reads names that decide which resources there are; nil where none are given.
func namesOf(list pulumisdk.StringArrayInput) ([]string, error) {
	switch list := list.(type) {
	case nil:
		return nil, nil
	case pulumisdk.StringArray:
		out := []string{}
		for _, e := range list {
			s, ok := e.(pulumisdk.String)
			if !ok {
				return nil, errors.New("the names have to be known")
			}
			out = append(out, string(s))
		}
		return out, nil
	}
	return nil, errors.New("the names have to be known")
}

// place puts the machines of a site into a cluster.
func place(c *trivet.ClusterArgs, region, name string, s trivet.FleetSiteArgs) (placed, error) {
	out := placed{name: name, region: pulumisdk.String(region), purpose: s.Purpose}
	if out.purpose == nil {
		out.purpose = pulumisdk.String("production")
	}
	c.Sites[name] = trivet.SiteArgs{Region: pulumisdk.String(region), Purpose: s.Purpose, SSH: s.SSH, Bastion: s.Bastion}
	for _, room := range slices.Sorted(maps.Keys(s.Rooms)) {
		for _, rack := range slices.Sorted(maps.Keys(s.Rooms[room].Racks)) {
			r := s.Rooms[room].Racks[rack]
			c.Racks[name+"/"+room+"/"+rack] = trivet.RackArgs{CIDR: r.CIDR, Labels: r.Labels, Annotations: r.Annotations, Taints: r.Taints}
			for _, host := range slices.Sorted(maps.Keys(r.Hosts)) {
				if _, twice := c.Hosts[host]; twice {
					return out, fmt.Errorf("there are two hosts %q: a name is an identity, and stands once in a fleet", host)
				}
				h := r.Hosts[host]
				c.Hosts[host] = trivet.HostArgs{
					Site: pulumisdk.String(name), Room: pulumisdk.String(room), Rack: pulumisdk.String(rack),
					Address: h.Address, SSHAddress: h.SSHAddress, SSHHostKey: h.SSHHostKey, Roles: h.Roles, ProductLine: h.ProductLine, Surge: h.Surge, Interface: h.Interface, Port: h.Port,
					User: h.User, Labels: h.Labels, Annotations: h.Annotations, Taints: h.Taints,
				}
				out.hosts = append(out.hosts, host)
			}
		}
	}
	return out, nil
}

// clusterOf has what a cluster's block says, and what holds of all of the fleet's.
func clusterOf(c trivet.FleetClusterArgs, fleet *trivet.FleetArgs) *trivet.ClusterArgs {
	out := &trivet.ClusterArgs{Sites: map[string]trivet.SiteArgs{}, Racks: map[string]trivet.RackArgs{}, Hosts: map[string]trivet.HostArgs{}}
	copyFields(out, c)
	fleetWide(out, fleet)
	return out
}

// fleetWide has what holds of all clusters hold of one that says nothing of it.
func fleetWide(c *trivet.ClusterArgs, fleet *trivet.FleetArgs) {
	if c.DeletionProtection == nil {
		c.DeletionProtection = fleet.DeletionProtection
	}
	if c.OnDestroy == nil {
		c.OnDestroy = fleet.OnDestroy
	}
	if c.Unreachable == nil {
		c.Unreachable = fleet.Unreachable
	}
}

// layText makes one cluster of each cluster block of a topology.
func layText(client *door.Client, args *trivet.FleetArgs) (map[string]*trivet.ClusterArgs, map[string][]placed, error) {
	file, diags := hclsyntax.ParseConfig([]byte(args.Topology), "topology", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	body, _ := file.Body.(*hclsyntax.Body)
	out, sites := map[string]*trivet.ClusterArgs{}, map[string][]placed{}
	for _, b := range body.Blocks {
		if b.Type != "cluster" || len(b.Labels) != 1 {
			continue
		}
		c := &trivet.ClusterArgs{Topology: pulumisdk.String(args.Topology), Variables: args.Variables}
		fleetWide(c, args)
		out[b.Labels[0]] = c
	}
	if len(out) == 0 {
		return nil, nil, errors.New("the topology has no cluster block")
	}
	variables, known := plainVariables(args.Variables)
	if !known {
		return out, sites, nil // where hosts stand follows from values that are not known while the program runs
	}
	top, _ := client.Parse(args.Topology, variables) // its mistakes are told by the clusters
	if top == nil {
		return out, sites, nil
	}
	for _, c := range top.Clusters {
		for _, site := range c.Sites {
			p := placed{name: site.Name, region: pulumisdk.String(site.Region.Name), purpose: pulumisdk.String(string(site.Purpose))}
			for _, h := range c.Hosts {
				if h.Site() == site {
					p.hosts = append(p.hosts, h.Name)
				}
			}
			sites[c.Name] = append(sites[c.Name], p)
		}
	}
	return out, sites, nil
}

// plainVariables reads values of variables where all of them are plain.
func plainVariables(given pulumisdk.StringMapInput) (map[string]string, bool) {
	out := map[string]string{}
	if given == nil {
		return out, true
	}
	m, ok := given.(pulumisdk.StringMap)
	for name, v := range m {
		s, isText := v.(pulumisdk.String)
		ok = ok && isText
		out[name] = string(s)
	}
	return out, ok
}
