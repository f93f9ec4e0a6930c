package terraform

import (
	"context"
	"fmt"
	"math/bits"
	"net"
	"net/netip"

	cidrs "github.com/apparentlymart/go-cidr/cidr"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// hostsInRack is how many hosts the topology language has in one rack.
const hostsInRack = topology.HostsInRack

// functions are the provider's.
func functions() []func() function.Function {
	return []func() function.Function{
		func() function.Function { return quorumFunction{} },
		func() function.Function { return skewFunction{} },
		func() function.Function { return racksFunction{} },
		func() function.Function { return addressesFunction{} },
	}
}

// quorumFunction is quorum(members).
type quorumFunction struct{}

// Metadata implements function.Function.
func (quorumFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "quorum"
}

var quorumTypes = map[string]attr.Type{"quorum": types.Int64Type, "may_fail": types.Int64Type}

// Definition implements function.Function.
func (quorumFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary:             "What a number of etcd members bears",
		MarkdownDescription: "Gives an object: `quorum`, the members that writes need, and `may_fail`, those that may fail at once.",
		Parameters:          []function.Parameter{function.Int64Parameter{Name: "members", MarkdownDescription: "How many etcd members there are."}},
		Return:              function.ObjectReturn{AttributeTypes: quorumTypes},
	}
}

// Run implements function.Function.
func (quorumFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var members int64
	if resp.Error = req.Arguments.Get(ctx, &members); resp.Error != nil {
		return
	}
	if members < 1 || members > 1000 {
		resp.Error = function.NewArgumentFuncError(0, "members must be a whole number from 1 to 1000")
		return
	}
	q := int64(topology.Majority(int(members)))
	resp.Error = resp.Result.Set(ctx, types.ObjectValueMust(quorumTypes, map[string]attr.Value{"quorum": types.Int64Value(q), "may_fail": types.Int64Value(members - q)}))
}

// skewFunction is upgrade_path(from, to).
type skewFunction struct{}

// Metadata implements function.Function.
func (skewFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "upgrade_path"
}

// Definition implements function.Function.
func (skewFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary:             "The releases on the way from one to another",
		MarkdownDescription: "Lists the releases that a cluster goes through, the last being `to`: [minor releases cannot be skipped](https://kubernetes.io/releases/version-skew-policy). It fails where one of them is not known, or `to` is older than `from`.",
		Parameters: []function.Parameter{
			function.StringParameter{Name: "from", MarkdownDescription: "The release that the cluster has."},
			function.StringParameter{Name: "to", MarkdownDescription: "The release that it is to have."},
		},
		Return: function.ListReturn{ElementType: types.StringType},
	}
}

// Run implements function.Function.
func (skewFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var from, to string
	if resp.Error = req.Arguments.Get(ctx, &from, &to); resp.Error != nil {
		return
	}
	path, at, err := upgradePath(from, to)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(at, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, path)
}

func upgradePath(from, to string) (path []string, argument int64, err error) {
	was, ok := release.ReadVersion(from)
	if !ok {
		return nil, 0, fmt.Errorf("%q is not a Kubernetes release", from)
	}
	if err := release.Known(to); err != nil {
		return nil, 1, err
	}
	is, _ := release.ReadVersion(to)
	if is.Compare(was) < 0 {
		return nil, 1, fmt.Errorf("%s is older than %s, and a finished upgrade has no way back", to, from)
	}
	path = []string{}
	for minor := was[1] + 1; minor < is[1] && was[0] == is[0]; minor++ {
		step := ""
		for _, v := range release.Supported() { // the oldest first: the last of the minor counts
			if x, _ := release.ReadVersion(v); x[0] == is[0] && x[1] == minor {
				step = v
			}
		}
		if step == "" {
			return nil, 0, fmt.Errorf("from %s to %s the way leads through %d.%d, which this version of Trivet does not know", from, to, is[0], minor)
		}
		path = append(path, step)
	}
	if was.Compare(is) != 0 {
		path = append(path, to)
	}
	return path, 0, nil
}

// racksFunction is racks(cidr, hosts).
type racksFunction struct{}

// Metadata implements function.Function.
func (racksFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "racks"
}

var rackTypes = map[string]attr.Type{"cidr": types.StringType, "hosts": types.Int64Type}

// Definition implements function.Function.
func (racksFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary:             "Lays hosts out in racks",
		MarkdownDescription: fmt.Sprintf("Divides a site's range into racks of at most %d hosts, as many as one access switch serves, and lists them: `cidr`, the subnet of a /24 or as large as the range has room for, and `hosts`, how many stand there.", hostsInRack),
		Parameters: []function.Parameter{
			function.StringParameter{Name: "cidr", MarkdownDescription: "The IPv4 range of the site."},
			function.Int64Parameter{Name: "hosts", MarkdownDescription: "How many hosts there are."},
		},
		Return: function.ListReturn{ElementType: types.ObjectType{AttrTypes: rackTypes}},
	}
}

// Run implements function.Function.
func (racksFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var cidr string
	var hosts int64
	if resp.Error = req.Arguments.Get(ctx, &cidr, &hosts); resp.Error != nil {
		return
	}
	racks, at, err := layRacks(cidr, hosts)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(at, err.Error())
		return
	}
	out := []attr.Value{}
	for _, r := range racks {
		out = append(out, types.ObjectValueMust(rackTypes, map[string]attr.Value{"cidr": types.StringValue(r.cidr), "hosts": types.Int64Value(r.hosts)}))
	}
	resp.Error = resp.Result.Set(ctx, types.ListValueMust(types.ObjectType{AttrTypes: rackTypes}, out))
}

type laidRack struct {
	cidr  string
	hosts int64
}

// layRacks fills racks one after the other.
func layRacks(cidr string, hosts int64) (racks []laidRack, argument int64, err error) {
	site, err := rangeOf(cidr, "10.11.0.0/16")
	if err != nil {
		return nil, 0, err
	}
	if hosts < 0 || hosts > 100_000 {
		return nil, 1, fmt.Errorf("hosts must be a whole number from 0 to 100000")
	}
	n := (hosts + hostsInRack - 1) / hostsInRack
	if n == 0 {
		return nil, 0, nil
	}
	have, _ := site.Mask.Size()
	size := max(24, have+bits.Len64(uint64(n-1)))
	least := min(hosts, hostsInRack) + 2 // with the network's own address and the broadcast address
	if size > 30 || int64(1)<<(32-size) < least {
		return nil, 0, fmt.Errorf("%s has no room for %d racks with %d addresses each: %d hosts need a larger range", cidr, n, least, hosts)
	}
	for i := range n {
		rack, err := cidrs.Subnet(site, size-have, int(i))
		if err != nil {
			return nil, 0, err
		}
		racks = append(racks, laidRack{rack.String(), min(hosts-i*hostsInRack, hostsInRack)})
	}
	return racks, 0, nil
}

// rangeOf reads an IPv4 range.
func rangeOf(text, example string) (*net.IPNet, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p != p.Masked() {
		return nil, fmt.Errorf("%q is not an IPv4 range such as %q", text, example)
	}
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}, nil
}

// addressesFunction is addresses(cidr, first, count).
type addressesFunction struct{}

// Metadata implements function.Function.
func (addressesFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "addresses"
}

// Definition implements function.Function.
func (addressesFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary:             "Consecutive addresses of a rack",
		MarkdownDescription: "Lists `count` addresses of a range from its `first` one on, and fails where they would leave the range, or be its network or broadcast address.",
		Parameters: []function.Parameter{
			function.StringParameter{Name: "cidr", MarkdownDescription: "The IPv4 range of the rack."},
			function.Int64Parameter{Name: "first", MarkdownDescription: "The number of the first address in the range: 11 in 10.11.1.0/24 is 10.11.1.11."},
			function.Int64Parameter{Name: "count", MarkdownDescription: "How many."},
		},
		Return: function.ListReturn{ElementType: types.StringType},
	}
}

// Run implements function.Function.
func (addressesFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var cidr string
	var first, count int64
	if resp.Error = req.Arguments.Get(ctx, &cidr, &first, &count); resp.Error != nil {
		return
	}
	rack, err := rangeOf(cidr, "10.11.1.0/24")
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	have, _ := rack.Mask.Size()
	size := int64(1) << (32 - have)
	if first < 1 || count < 0 || first+count > size-1 {
		resp.Error = function.NewArgumentFuncError(1, fmt.Sprintf("%s has addresses for hosts from 1 to %d; %d from %d on are not among them", cidr, size-2, count, first))
		return
	}
	out := []string{}
	for i := range count {
		a, err := cidrs.Host(rack, int(first+i))
		if err != nil {
			resp.Error = function.NewArgumentFuncError(1, err.Error())
			return
		}
		out = append(out, a.String())
	}
	resp.Error = resp.Result.Set(ctx, out)
}
