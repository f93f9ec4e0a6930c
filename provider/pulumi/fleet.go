package pulumi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
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
			return nil, fmt.Errorf("regions, clusters and topology have to be known as a whole, and only what is in them may be unknown or secret: %w", err)
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
	names := slices.Sorted(maps.Keys(clusters))
	made, nodes := []any{}, []any{sites}
	for _, n := range names {
		a := clusters[n]
		a.Name = pulumisdk.String(n)
		c, err := trivet.NewCluster(ctx, name+"-"+n, a, pulumisdk.Parent(f))
		if err != nil {
			return nil, err
		}
		made = append(made, pulumisdk.All(c.ClusterId, c.Access, c.Kubeconfig, c.Lock).ApplyT(func(all []any) trivet.ClusterResult {
			return trivet.ClusterResult{ClusterId: all[0].(string), Access: all[1].(trivet.Access), Kubeconfig: all[2].(string), Lock: all[3].(string)}
		}))
		nodes = append(nodes, c.Nodes)
	}
	f.Clusters, _ = pulumisdk.All(made...).ApplyT(func(all []any) map[string]trivet.ClusterResult {
		out := map[string]trivet.ClusterResult{}
		for i, n := range names {
			out[n], _ = all[i].(trivet.ClusterResult)
		}
		return out
	}).(trivet.ClusterResultMapOutput)
	f.Sites, _ = pulumisdk.All(nodes...).ApplyT(func(all []any) map[string]trivet.SiteResult {
		out := map[string]trivet.SiteResult{}
		sites, _ := all[0].([]placed)
		for _, s := range sites {
			nodes, _ := all[1+slices.Index(names, s.cluster)].(map[string]trivet.Node)
			out[s.name] = s.result(nodes)
		}
		return out
	}).(trivet.SiteResultMapOutput)
	return f, ctx.RegisterResourceOutputs(f, pulumisdk.Map{"clusters": f.Clusters, "sites": f.Sites})
}

// placed is a site of a cluster.
type placed struct {
	cluster, name, region string
	purpose               *string
	hosts                 []string
}

// result is what a site gives once its cluster is there.
func (s placed) result(nodes map[string]trivet.Node) trivet.SiteResult {
	out := trivet.SiteResult{Region: s.region, Purpose: s.purpose, Cluster: s.cluster, Hosts: map[string]string{}}
	for _, h := range s.hosts {
		if n, ok := nodes[h]; ok {
			out.Hosts[h] = n.Address
		}
	}
	return out
}

// lay makes the arguments of each cluster, and says which sites there are, as an output of []placed. All mistakes are told.
func lay(client *door.Client, args *trivet.FleetArgs) (clusters map[string]*trivet.ClusterArgs, sites pulumisdk.Output, err error) {
	switch {
	case args.Topology != nil && (args.Regions != nil || args.Clusters != nil):
		return nil, nil, errors.New("topology: it describes the fleet, so that regions and clusters have no place beside it")
	case args.Topology != nil:
		return layText(client, args)
	case args.Variables != nil:
		return nil, nil, errors.New("variables: these are values of a topology's variables, and there is no topology")
	case len(args.Regions) == 0:
		return nil, nil, errors.New("regions: a fleet is described by regions and clusters, or by a topology in its own language")
	case len(args.Clusters) == 0:
		return nil, nil, errors.New("clusters: there is none over the regions, so that nothing would be made of them")
	}
	l := laying{clusters: map[string]*trivet.ClusterArgs{}, of: map[string]string{}, hosts: map[string]input.Path{}}
	for _, name := range slices.Sorted(maps.Keys(args.Clusters)) {
		l.cluster(args, name)
	}
	sites = pulumisdk.All(l.sites...).ApplyT(func(all []any) []placed {
		out := []placed{}
		for _, s := range all {
			out = append(out, s.(placed))
		}
		return out
	})
	return l.clusters, sites, errors.Join(l.mistakes...)
}

// laying lays clusters over places.
type laying struct {
	clusters map[string]*trivet.ClusterArgs
	sites    []any                 // outputs of placed
	of       map[string]string     // the cluster of each site
	hosts    map[string]input.Path // where each host stands
	mistakes []error
}

func (l *laying) wrong(at input.Path, format string, args ...any) {
	l.mistakes = append(l.mistakes, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// cluster lays one cluster over its sites, which are all where it names none.
func (l *laying) cluster(args *trivet.FleetArgs, name string) {
	c, only := args.Clusters[name], args.Clusters[name].Sites
	out := &trivet.ClusterArgs{Sites: map[string]trivet.SiteArgs{}, Racks: map[string]trivet.RackArgs{}, Hosts: map[string]trivet.HostArgs{}}
	copyFields(out, c, "Sites")
	fleetWide(out, args)
	l.clusters[name] = out
	at := input.Path{}.Attribute("clusters").Key(name).Attribute("sites")
	there := map[string]bool{}
	for _, region := range slices.Sorted(maps.Keys(args.Regions)) {
		for _, site := range slices.Sorted(maps.Keys(args.Regions[region].Sites)) {
			if there[site] = true; only != nil && !slices.Contains(only, site) {
				continue
			}
			if other, taken := l.of[site]; taken {
				l.wrong(at, "site %q belongs to cluster %q and to cluster %q. Say with sites of each which cluster has which.", site, other, name)
				continue
			}
			l.of[site] = name
			l.place(out, name, region, site, args.Regions[region].Sites[site])
		}
	}
	for i, site := range only {
		if !there[site] {
			l.wrong(at.At(i), "there is no site %q in regions, which have %s.", site, strings.Join(slices.Sorted(maps.Keys(there)), ", "))
		}
	}
}

// place puts the machines of a site into a cluster.
func (l *laying) place(c *trivet.ClusterArgs, cluster, region, name string, s trivet.FleetSiteArgs) {
	out := placed{cluster: cluster, name: name, region: region}
	purpose := pulumisdk.StringPtr(string(topology.PurposeProduction)).ToStringPtrOutput()
	if s.Purpose != nil {
		purpose = s.Purpose.ToStringPtrOutput()
	}
	site := trivet.SiteArgs{Region: pulumisdk.String(region)}
	copyFields(&site, s, "Rooms")
	c.Sites[name] = site
	at := input.Path{}.Attribute("regions").Key(region).Attribute("sites").Key(name).Attribute("rooms")
	for _, room := range slices.Sorted(maps.Keys(s.Rooms)) {
		for _, rack := range slices.Sorted(maps.Keys(s.Rooms[room].Racks)) {
			common, hosts := trivet.RackArgs{}, s.Rooms[room].Racks[rack].Hosts
			copyFields(&common, s.Rooms[room].Racks[rack], "Hosts")
			c.Racks[name+"/"+room+"/"+rack] = common
			for _, host := range slices.Sorted(maps.Keys(hosts)) {
				here := at.Key(room).Attribute("racks").Key(rack).Attribute("hosts").Key(host)
				if other, twice := l.hosts[host]; twice {
					l.wrong(here, "there is a host of this name at %s. A name is an identity, and stands once in a fleet.", other)
					continue
				}
				l.hosts[host] = here
				h := trivet.HostArgs{Site: pulumisdk.String(name), Room: pulumisdk.String(room), Rack: pulumisdk.String(rack)}
				copyFields(&h, hosts[host])
				c.Hosts[host] = h
				out.hosts = append(out.hosts, host)
			}
		}
	}
	l.sites = append(l.sites, purpose.ApplyT(func(p *string) placed {
		out.purpose = p
		return out
	}))
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

// layText makes one cluster of each cluster block of a topology. Where its hosts stand may follow from values of variables, which may be known later.
func layText(client *door.Client, args *trivet.FleetArgs) (map[string]*trivet.ClusterArgs, pulumisdk.Output, error) {
	file, diags := hclsyntax.ParseConfig([]byte(*args.Topology), "topology", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, nil, errors.Join(diags.Errs()...)
	}
	body, _ := file.Body.(*hclsyntax.Body)
	out := map[string]*trivet.ClusterArgs{}
	for _, b := range body.Blocks {
		if b.Type != "cluster" || len(b.Labels) != 1 {
			continue
		}
		c := &trivet.ClusterArgs{Topology: pulumisdk.String(*args.Topology), Variables: args.Variables}
		fleetWide(c, args)
		out[b.Labels[0]] = c
	}
	if len(out) == 0 {
		return nil, nil, errors.New("topology: it has no cluster block, so that nothing would be made of it")
	}
	variables := pulumisdk.StringMap{}.ToStringMapOutput()
	if args.Variables != nil {
		variables = args.Variables.ToStringMapOutput()
	}
	return out, variables.ApplyT(func(values map[string]string) []placed { return placedBy(client, *args.Topology, values) }), nil
}

// placedBy are the sites of a topology. Its mistakes are told by the clusters.
func placedBy(client *door.Client, text string, variables map[string]string) []placed {
	out := []placed{}
	top, _ := client.Parse(text, variables)
	if top == nil {
		return out
	}
	for _, c := range top.Clusters {
		for _, site := range c.Sites {
			p := placed{cluster: c.Name, name: site.Name, region: site.Region.Name, purpose: new(string(site.Purpose))}
			for _, h := range c.Hosts {
				if h.Site() == site {
					p.hosts = append(p.hosts, h.Name)
				}
			}
			out = append(out, p)
		}
	}
	return out
}
