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
	outputs, perSite := map[string]any{}, []any{}
	for _, n := range slices.Sorted(maps.Keys(clusters)) {
		a := clusters[n]
		a.Name = pulumisdk.String(n)
		c, err := trivet.NewCluster(ctx, name+"-"+n, a, pulumisdk.Parent(f))
		if err != nil {
			return nil, err
		}
		outputs[n] = pulumisdk.All(c.ClusterId, c.Access, c.Kubeconfig, c.Lock).ApplyT(func(all []any) trivet.ClusterResult {
			return trivet.ClusterResult{ClusterId: all[0].(string), Access: all[1].(trivet.Access), Kubeconfig: all[2].(string), Lock: all[3].(string)}
		})
		for _, s := range sites[n] {
			perSite = append(perSite, pulumisdk.All(s.purpose, n, c.Nodes).ApplyT(func(all []any) namedSite { return s.result(all) }))
		}
	}
	byName := []any{}
	names := slices.Sorted(maps.Keys(outputs))
	for _, n := range names {
		byName = append(byName, outputs[n])
	}
	f.Clusters, _ = pulumisdk.All(byName...).ApplyT(func(all []any) map[string]trivet.ClusterResult {
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
	return f, ctx.RegisterResourceOutputs(f, pulumisdk.Map{"clusters": f.Clusters, "sites": f.Sites})
}

// placed is a site of a cluster.
type placed struct {
	name    string
	region  string
	purpose pulumisdk.StringPtrOutput
	hosts   []string
}

// namedSite is what a site gives.
type namedSite struct {
	name string
	trivet.SiteResult
}

// result is what a site gives once its cluster is there.
func (s placed) result(all []any) namedSite {
	out := namedSite{s.name, trivet.SiteResult{Region: s.region, Hosts: map[string]string{}}}
	out.Purpose, _ = all[0].(*string)
	out.Cluster, _ = all[1].(string)
	nodes, _ := all[2].(map[string]trivet.Node)
	for _, h := range s.hosts {
		if n, ok := nodes[h]; ok {
			out.Hosts[h] = n.Address
		}
	}
	return out
}

// lay makes the arguments of each cluster, and says which sites it has. All mistakes are told.
func lay(client *door.Client, args *trivet.FleetArgs) (map[string]*trivet.ClusterArgs, map[string][]placed, error) {
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
	l := laying{clusters: map[string]*trivet.ClusterArgs{}, sites: map[string][]placed{}, of: map[string]string{}, hosts: map[string]input.Path{}}
	for _, name := range slices.Sorted(maps.Keys(args.Clusters)) {
		l.cluster(args, name)
	}
	return l.clusters, l.sites, errors.Join(l.mistakes...)
}

// laying lays clusters over places.
type laying struct {
	clusters map[string]*trivet.ClusterArgs
	sites    map[string][]placed
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
			l.sites[name] = append(l.sites[name], l.place(out, region, site, args.Regions[region].Sites[site]))
		}
	}
	for i, site := range only {
		if !there[site] {
			l.wrong(at.At(i), "there is no site %q in regions, which have %s.", site, strings.Join(slices.Sorted(maps.Keys(there)), ", "))
		}
	}
}

// place puts the machines of a site into a cluster.
func (l *laying) place(c *trivet.ClusterArgs, region, name string, s trivet.FleetSiteArgs) placed {
	out := placed{name: name, region: region, purpose: pulumisdk.StringPtr(string(topology.PurposeProduction)).ToStringPtrOutput()}
	if s.Purpose != nil {
		out.purpose = s.Purpose.ToStringPtrOutput()
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
	file, diags := hclsyntax.ParseConfig([]byte(*args.Topology), "topology", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, nil, errors.Join(diags.Errs()...)
	}
	body, _ := file.Body.(*hclsyntax.Body)
	out, sites := map[string]*trivet.ClusterArgs{}, map[string][]placed{}
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
	variables, known := plainVariables(args.Variables)
	if !known {
		return out, sites, nil // where hosts stand follows from values that are not known while the program runs
	}
	top, _ := client.Parse(*args.Topology, variables) // its mistakes are told by the clusters
	if top == nil {
		return out, sites, nil
	}
	for _, c := range top.Clusters {
		for _, site := range c.Sites {
			p := placed{name: site.Name, region: site.Region.Name, purpose: pulumisdk.StringPtr(string(site.Purpose)).ToStringPtrOutput()}
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
