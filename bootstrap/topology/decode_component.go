package topology

import (
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// componentRoles lists the components that take settings, with the roles of the hosts that they run on.
var componentRoles = map[string][]Role{
	"containerd":              {RoleControlPlane, RoleWorker},
	"etcd":                    {RoleEtcd},
	"kube-apiserver":          {RoleControlPlane},
	"kube-controller-manager": {RoleControlPlane},
	"kube-proxy":              {RoleControlPlane, RoleWorker},
	"kube-scheduler":          {RoleControlPlane},
	"kubelet":                 {RoleControlPlane, RoleWorker},
}

func (d *decoder) decodeComponents(b *block, c *Cluster, at *clusterPlaces) []Component {
	var out []Component
	var written []*block // where each of out stands
	known := slices.Sorted(maps.Keys(componentRoles))
	for _, child := range b.children("component") {
		if componentRoles[child.label] == nil {
			d.errorf(child.labelAt, child.rng, "Unknown component", "%s is not one of %s.%s", show(child.label), list(known, "and"), Suggest(child.label, known))
			continue
		}
		comp, ok := d.decodeComponent(child)
		if !ok {
			continue
		}
		what := child.label
		if comp.Role != "" {
			what += " for role " + string(comp.Role)
		}
		key := "component\x00" + child.scope(b) + "\x00" + what
		if first, ok := d.names[key]; ok {
			d.errorf(child.labelAt, child.rng, "Duplicate component",
				"There is already a block of settings for %s at %s. Put all of them there.", what, Place(first))
			continue
		}
		d.names[key] = child.labelAt
		d.noteMaxPods(comp, at)
		out, written = append(out, comp), append(written, child)
	}
	if d.opts.CheckSettings != nil && c.Kubernetes != "" {
		d.checkSettings(c, out, written)
	}
	return out
}

// checkSettings checks each block of settings by itself, then those for a component that meet on some host.
func (d *decoder) checkSettings(c *Cluster, comps []Component, written []*block) {
	for i, comp := range comps {
		for _, fault := range d.opts.CheckSettings(c.Kubernetes, comp) {
			if !fault.Together {
				d.settingFault(fault, written[i])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(componentRoles)) {
		for _, roles := range rolesTogether(c, name) {
			d.checkTogether(c, name, roles, comps, written)
		}
	}
}

// checkTogether checks the settings that hosts with some roles get. A mistake is reported where its field was written last.
func (d *decoder) checkTogether(c *Cluster, name string, roles []Role, comps []Component, written []*block) {
	merged := Component{Name: name, Settings: map[string]any{}}
	var from []int
	for _, forRole := range []bool{false, true} {
		for i, comp := range comps {
			if comp.Name == name && (comp.Role != "") == forRole && (!forRole || slices.Contains(roles, comp.Role)) {
				MergeSettings(merged.Settings, comp.Settings)
				from = append(from, i)
			}
		}
	}
	if len(from) == 0 {
		return
	}
	for _, fault := range d.opts.CheckSettings(c.Kubernetes, merged) {
		if fault.Together {
			i, path := writtenLast(comps, from, fault)
			fault.Path = path
			d.settingFault(fault, written[i])
		}
	}
}

// writtenLast finds the block, and the field in it, that brought fields together which do not fit.
func writtenLast(comps []Component, from []int, fault FieldError) (int, []string) {
	for _, i := range slices.Backward(from) {
		for _, path := range append([][]string{fault.Path}, fault.Also...) {
			if hasSetting(comps[i].Settings, path) {
				return i, path
			}
		}
	}
	return from[len(from)-1], fault.Path
}

// rolesTogether lists the sets of roles, of those that run a component, that hosts of the cluster have.
func rolesTogether(c *Cluster, component string) [][]Role {
	var out [][]Role
	for _, h := range slices.Concat(c.Hosts, c.Surge) {
		var roles []Role
		for _, r := range componentRoles[component] {
			if h.Has(r) {
				roles = append(roles, r)
			}
		}
		if len(roles) > 0 && !slices.ContainsFunc(out, func(other []Role) bool { return slices.Equal(other, roles) }) {
			out = append(out, roles)
		}
	}
	if len(out) == 0 { // hosts are missing because of other mistakes
		for _, r := range componentRoles[component] {
			out = append(out, []Role{r})
		}
	}
	return out
}

// MergeSettings lays settings over others: objects field by field, everything else, lists too, as a whole.
func MergeSettings(into, from map[string]any) {
	for k, v := range from {
		over, isObject := v.(map[string]any)
		if !isObject {
			into[k] = v
			continue
		}
		under, _ := into[k].(map[string]any)
		if under = maps.Clone(under); under == nil {
			under = map[string]any{}
		}
		MergeSettings(under, over)
		into[k] = under
	}
}

// hasSetting reports whether settings hold a path.
func hasSetting(v any, path []string) bool {
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[step]
			if !ok {
				return false
			}
			v = inner
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return false
			}
			v = x[i]
		default:
			return false
		}
	}
	return true
}

func (d *decoder) settingFault(fault FieldError, b *block) {
	detail := fault.Detail
	if detail == "" {
		detail = fieldName(fault.Path) + " cannot be used."
	}
	key, value, depth := b.find(fault.Path)
	at := key
	if fault.Value && depth == len(fault.Path) {
		at = value
	}
	d.errorf(at, b.rng, fault.Summary, "%s", detail)
}

func (d *decoder) decodeComponent(b *block) (Component, bool) {
	comp := Component{Name: b.label, Range: b.rng, SettingsRange: map[string]hcl.Range{}}
	if b.attrs["role"] != nil {
		var words []string
		for _, r := range componentRoles[b.label] {
			words = append(words, string(r))
		}
		s, shown, ok := b.text("role")
		switch {
		case !ok:
			return comp, false
		case !slices.Contains(words, s):
			b.errorf("role", "Wrong role", "%s: %s runs on hosts with the role %s.%s", shown, b.label, list(words, "or"), Suggest(s, words))
			return comp, false
		}
		comp.Role = Role(s)
	}
	val, secret, ok := b.value("settings", cty.DynamicPseudoType)
	if !ok {
		return comp, false
	}
	if secret {
		b.errorf("settings", "Secret in settings", "A sensitive variable is used here, but plans show settings. Components take secrets from files of their own.")
		return comp, false
	}
	if ty := val.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		b.errorf("settings", "Wrong type for settings", "An object is required: settings = { maxPods = 200 }.")
		return comp, false
	}
	x, err := plain(val)
	if err != nil {
		b.errorf("settings", "Wrong value in settings", "%s", sentence(err.Error()))
		return comp, false
	}
	comp.Settings, _ = x.(map[string]any)
	places := keyPlaces(b.attrs["settings"].Expr, d.ctx)
	for field := range comp.Settings {
		comp.SettingsRange[field] = b.at("settings")
		if kv, ok := places[field]; ok {
			comp.SettingsRange[field] = hcl.RangeBetween(kv.Key.Range(), kv.Value.Range())
		}
	}
	return comp, true
}

// find finds where a field of the settings is written, its key and its value, or as near as the text goes: depth says how many steps of the path it
// took.
func (b *block) find(path []string) (key, value hcl.Range, depth int) {
	attr := b.attrs["settings"]
	if attr == nil {
		return b.rng, b.rng, 0
	}
	expr := attr.Expr
	key, value = expr.Range(), expr.Range()
	for i, step := range path {
		if kv, ok := keyPlaces(expr, b.d.ctx)[step]; ok {
			expr, key, value = kv.Value, kv.Key.Range(), kv.Value.Range()
			continue
		}
		exprs, diags := hcl.ExprList(expr)
		n, err := strconv.Atoi(step)
		if diags.HasErrors() || err != nil || n < 0 || n >= len(exprs) {
			return key, value, i
		}
		expr, key, value = exprs[n], exprs[n].Range(), exprs[n].Range()
	}
	return key, value, len(path)
}

// noteMaxPods keeps the kubelets' maxPods for the check of node_prefix.
func (d *decoder) noteMaxPods(comp Component, at *clusterPlaces) {
	if n, ok := comp.Settings["maxPods"].(int64); ok && comp.Name == "kubelet" {
		at.maxPods = append(at.maxPods, located[int64]{n, comp.SettingsRange["maxPods"]})
	}
}
