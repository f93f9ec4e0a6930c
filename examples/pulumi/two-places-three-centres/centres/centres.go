// Package centres is what the program declares: an infra team's own component around Trivet's, as such teams write for all of their fleets.
package centres

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// Centres is two places, three centres: the team's own component.
type Centres struct {
	pulumi.ResourceState

	// Kubeconfig has no secret: certificates come from `trivet credential`.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// Workers are the addresses of the machines that work, by site.
	Workers pulumi.StringArrayMapOutput `pulumi:"workers"`
}

// Args are what differs between the team's fleets.
type Args struct {
	Kubernetes string
	// Recipients are age public keys: whoever holds the identity of one can decrypt the cluster's authorities.
	Recipients pulumi.StringArray
	// Workers are how many machines each site has for work. Control planes are one a site.
	Workers map[string]int
	// MaxPods is how many pods a node may have; 0 leaves it to the kubelet.
	MaxPods int
	// Protected keeps the cluster from being destroyed.
	Protected bool
}

// centre is one of the three.
type centre struct {
	region, name string
	purpose      trivet.SitePurpose
	room         string
	net          int // of 10.x.0.0/16
}

var centres = []centre{
	{"beijing", "bj1", trivet.SitePurposeProduction, "101", 11},
	{"beijing", "bj2", trivet.SitePurposeLocalDr, "201", 12},
	{"shanghai", "sh1", trivet.SitePurposeRemoteDr, "301", 21},
}

// site lays the machines of a centre out. Structure is plain Go; what another resource would compute, an address say, may be a pulumi.StringOutput.
func (c centre) site(workers int) trivet.FleetSiteArgs {
	hosts := map[string]trivet.FleetHostArgs{
		c.name + "-cp1": {Address: pulumi.Sprintf("10.%d.1.11", c.net), Roles: pulumi.StringArray{trivet.RoleEtcd, trivet.RoleControlPlane}},
	}
	for i := range workers {
		hosts[fmt.Sprintf("%s-w%d", c.name, i+1)] = trivet.FleetHostArgs{
			Address: pulumi.Sprintf("10.%d.1.%d", c.net, 101+i), Roles: pulumi.StringArray{trivet.RoleWorker}, ProductLine: pulumi.String("search"),
		}
	}
	rack := trivet.FleetRackArgs{Cidr: pulumi.Sprintf("10.%d.1.0/24", c.net), Hosts: hosts}
	return trivet.FleetSiteArgs{Purpose: c.purpose, Rooms: map[string]trivet.FleetRoomArgs{c.room: {Racks: map[string]trivet.FleetRackArgs{"a": rack}}}}
}

// New declares the three centres.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Centres, error) {
	c := &Centres{}
	if err := ctx.RegisterComponentResource("meridian:index:Centres", name, c, opts...); err != nil {
		return nil, err
	}
	regions := map[string]trivet.FleetRegionArgs{}
	for _, x := range centres {
		if regions[x.region].Sites == nil {
			regions[x.region] = trivet.FleetRegionArgs{Sites: map[string]trivet.FleetSiteArgs{}}
		}
		regions[x.region].Sites[x.name] = x.site(args.Workers[x.name])
	}
	var components []trivet.ComponentArgs
	if args.MaxPods > 0 {
		components = append(components, trivet.ComponentArgs{Name: trivet.ComponentNameKubelet, Settings: pulumi.Map{"maxPods": pulumi.Int(args.MaxPods)}})
	}
	fleet, err := trivet.NewFleet(ctx, name, &trivet.FleetArgs{
		DeletionProtection: pulumi.Bool(args.Protected),
		Regions:            regions,
		Clusters: map[string]trivet.FleetClusterArgs{"main": {
			Kubernetes:    pulumi.String(args.Kubernetes),
			AgeRecipients: args.Recipients,
			// Two of the three members stand in Beijing: the loss of the whole region stops writes until the cluster is recovered from Shanghai.
			Etcd:       &trivet.EtcdArgs{AcceptLoss: pulumi.StringArray{pulumi.String("beijing")}},
			Components: components,
		}},
	}, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}
	c.Kubeconfig = fleet.Clusters.MapIndex(pulumi.String("main")).Kubeconfig()
	c.Workers = fleet.Sites.ApplyT(func(sites map[string]trivet.SiteResult) map[string][]string {
		out := map[string][]string{}
		for site, s := range sites {
			for host, address := range s.Hosts {
				if host != site+"-cp1" {
					out[site] = append(out[site], address)
				}
			}
		}
		return out
	}).(pulumi.StringArrayMapOutput)
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"kubeconfig": c.Kubeconfig, "workers": c.Workers})
}

// Program declares the centres as the stack's configuration says:
//
//	pulumi config set --path 'recipients[0]' age1…
//	pulumi config set maxPods 42
//	pulumi config set protected false   # to destroy it
func Program(ctx *pulumi.Context) error {
	settings := config.New(ctx, "")
	var recipients []string
	if err := settings.TryObject("recipients", &recipients); err != nil {
		return fmt.Errorf("recipients: %w: age public keys, as `trivet identity new` prints them", err)
	}
	protected := true
	if p, err := settings.TryBool("protected"); err == nil {
		protected = p
	}
	c, err := New(ctx, "meridian", Args{
		Kubernetes: "1.37.2", Recipients: pulumi.ToStringArray(recipients), Workers: map[string]int{"bj1": 1, "sh1": 1}, MaxPods: settings.GetInt("maxPods"), Protected: protected,
	})
	if err != nil {
		return err
	}
	ctx.Export("kubeconfig", c.Kubeconfig)
	ctx.Export("workers", c.Workers)
	return nil
}
