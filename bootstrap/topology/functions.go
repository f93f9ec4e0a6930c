package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"sigs.k8s.io/yaml"
)

// functions are the functions of the language. None depends on the time, on chance or on the environment: the same files
// mean the same fleet everywhere.
func functions(opts Options) map[string]function.Function {
	return map[string]function.Function{
		"abs":             stdlib.AbsoluteFunc,
		"can":             tryfunc.CanFunc,
		"ceil":            stdlib.CeilFunc,
		"chomp":           stdlib.ChompFunc,
		"chunklist":       stdlib.ChunklistFunc,
		"cidrhost":        cidrHostFunc,
		"cidrnetmask":     cidrNetmaskFunc,
		"cidrsubnet":      cidrSubnetFunc,
		"cidrsubnets":     cidrSubnetsFunc,
		"coalesce":        stdlib.CoalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"file":            fileFunc(opts),
		"flatten":         stdlib.FlattenFunc,
		"floor":           stdlib.FloorFunc,
		"format":          stdlib.FormatFunc,
		"formatlist":      stdlib.FormatListFunc,
		"indent":          stdlib.IndentFunc,
		"join":            stdlib.JoinFunc,
		"jsondecode":      stdlib.JSONDecodeFunc,
		"jsonencode":      stdlib.JSONEncodeFunc,
		"keys":            stdlib.KeysFunc,
		"length":          stdlib.LengthFunc,
		"lookup":          stdlib.LookupFunc,
		"lower":           stdlib.LowerFunc,
		"max":             stdlib.MaxFunc,
		"merge":           stdlib.MergeFunc,
		"min":             stdlib.MinFunc,
		"parseint":        stdlib.ParseIntFunc,
		"range":           stdlib.RangeFunc,
		"regex":           stdlib.RegexFunc,
		"regexall":        stdlib.RegexAllFunc,
		"replace":         stdlib.ReplaceFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"split":           stdlib.SplitFunc,
		"strlen":          stdlib.StrlenFunc,
		"substr":          stdlib.SubstrFunc,
		"title":           stdlib.TitleFunc,
		"tobool":          stdlib.MakeToFunc(cty.Bool),
		"tolist":          stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":           stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber":        stdlib.MakeToFunc(cty.Number),
		"toset":           stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":        stdlib.MakeToFunc(cty.String),
		"trim":            stdlib.TrimFunc,
		"trimprefix":      stdlib.TrimPrefixFunc,
		"trimspace":       stdlib.TrimSpaceFunc,
		"trimsuffix":      stdlib.TrimSuffixFunc,
		"try":             tryfunc.TryFunc,
		"upper":           stdlib.UpperFunc,
		"values":          stdlib.ValuesFunc,
		"yamldecode":      yamlDecodeFunc,
		"zipmap":          stdlib.ZipmapFunc,
	}
}

func parameter(name string, ty cty.Type) function.Parameter {
	return function.Parameter{Name: name, Type: ty}
}

var cidrHostFunc = function.New(&function.Spec{
	Description: "The address with the given number in a range; negative numbers count from its end.",
	Params:      []function.Parameter{parameter("prefix", cty.String), parameter("number", cty.Number)},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := networkArgument(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		number, accuracy := args[1].AsBigFloat().Int(nil)
		if number == nil || accuracy != big.Exact {
			return cty.NilVal, function.NewArgErrorf(1, "a whole number is required")
		}
		ip, err := cidr.HostBig(network, number)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%s has no address number %s", network, number)
		}
		return cty.StringVal(ip.String()), nil
	},
})

var cidrNetmaskFunc = function.New(&function.Spec{
	Description: "The mask of a range in dotted notation.",
	Params:      []function.Parameter{parameter("prefix", cty.String)},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := networkArgument(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.StringVal(net.IP(network.Mask).String()), nil
	},
})

var cidrSubnetFunc = function.New(&function.Spec{
	Description: "The part with the given number of a range split by so many more bits.",
	Params: []function.Parameter{
		parameter("prefix", cty.String), parameter("newbits", cty.Number), parameter("number", cty.Number),
	},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := networkArgument(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		bits, err := smallNumber(args[1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		number, accuracy := args[2].AsBigFloat().Int(nil)
		if number == nil || accuracy != big.Exact {
			return cty.NilVal, function.NewArgErrorf(2, "a whole number is required")
		}
		sub, err := cidr.SubnetBig(network, bits, number)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s split by %d more bits has no part number %s", network, bits, number)
		}
		return cty.StringVal(sub.String()), nil
	},
})

var cidrSubnetsFunc = function.New(&function.Spec{
	Description: "Consecutive parts of a range, each with so many more bits.",
	Params:      []function.Parameter{parameter("prefix", cty.String)},
	VarParam:    &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:        function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := networkArgument(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		out := make([]cty.Value, 0, len(args)-1)
		ones, _ := network.Mask.Size()
		var last *net.IPNet
		for i, arg := range args[1:] {
			bits, err := smallNumber(arg)
			if err != nil || ones+bits > 32 {
				return cty.NilVal, function.NewArgErrorf(i+1, "%s has no room for so many more bits", network)
			}
			sub, err := cidr.SubnetBig(network, bits, big.NewInt(0))
			if err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			if last != nil {
				next, rollover := cidr.NextSubnet(last, ones+bits)
				if rollover || !network.Contains(next.IP) {
					return cty.NilVal, function.NewArgErrorf(i+1, "%s is used up", network)
				}
				sub = next
			}
			last = sub
			out = append(out, cty.StringVal(sub.String()))
		}
		if len(out) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(out), nil
	},
})

func networkArgument(v cty.Value) (*net.IPNet, error) {
	p, err := netip.ParsePrefix(v.AsString())
	if err != nil {
		return nil, fmt.Errorf("%s is not a range such as \"10.11.1.0/24\"", show(v.AsString()))
	}
	if !p.Addr().Is4() {
		return nil, errors.New("only IPv4 is supported")
	}
	_, network, err := net.ParseCIDR(p.Masked().String())
	return network, err
}

// smallNumber reads a number of bits.
func smallNumber(v cty.Value) (int, error) {
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < 0 || n > 32 {
		return 0, errors.New("a whole number from 0 to 32 is required")
	}
	return int(n), nil
}

var yamlDecodeFunc = function.New(&function.Spec{
	Description: "The value of a YAML document.",
	Params:      []function.Parameter{parameter("text", cty.String)},
	Type: func(args []cty.Value) (cty.Type, error) {
		if !args[0].IsKnown() {
			return cty.DynamicPseudoType, nil
		}
		v, err := decodeYAML(args[0])
		if err != nil {
			return cty.NilType, function.NewArgError(0, err)
		}
		return v.Type(), nil
	},
	Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
		v, err := decodeYAML(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return convert.Convert(v, want)
	},
})

func decodeYAML(v cty.Value) (cty.Value, error) {
	data, err := yaml.YAMLToJSON([]byte(v.AsString()))
	if err != nil {
		return cty.NilVal, err
	}
	return stdlib.JSONDecode(cty.StringVal(string(data)))
}

// fileFunc reads text files beside the topology.
func fileFunc(opts Options) function.Function {
	const largest = 1 << 20
	return function.New(&function.Spec{
		Description: "The text of a file; its path is relative to the topology's folder.",
		Params:      []function.Parameter{parameter("path", cty.String)},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if opts.ReadFile == nil {
				return cty.NilVal, errors.New("files cannot be read here")
			}
			path, err := resolvePath(opts, args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			data, err := opts.ReadFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return cty.NilVal, function.NewArgErrorf(0, "the file %s does not exist", path)
			case err != nil:
				return cty.NilVal, function.NewArgError(0, err)
			case len(data) > largest:
				return cty.NilVal, function.NewArgErrorf(0, "%s is larger than 1 MiB", path)
			case !utf8.Valid(data):
				return cty.NilVal, function.NewArgErrorf(0, "%s is not UTF-8 text", path)
			}
			return cty.StringVal(string(data)), nil
		},
	})
}

// resolvePath makes a path absolute as far as the options allow: "~" is the home directory, other paths start at the
// topology's folder.
func resolvePath(opts Options, path string) (string, error) {
	switch {
	case secretText.MatchString(path) || strings.ContainsAny(path, "\x00\r\n"):
		return "", errors.New("the path of a file is required here, not its contents")
	case path == "":
		return "", errors.New("the path is empty")
	case path == "~" || strings.HasPrefix(path, "~/"):
		if opts.Home == "" {
			return "", fmt.Errorf("%s starts at the home directory, which is unknown; write the whole path", show(path))
		}
		return filepath.Join(opts.Home, path[1:]), nil
	case strings.HasPrefix(path, "~"):
		return "", fmt.Errorf("%s is another user's home directory; write the whole path", show(path))
	case filepath.IsAbs(path):
		return filepath.Clean(path), nil
	}
	return filepath.Join(opts.Dir, path), nil
}
