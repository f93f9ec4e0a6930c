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
	known := slices.Sorted(maps.Keys(componentRoles))
	for _, child := range b.children("component") {
		if componentRoles[child.label] == nil {
			d.errorf(child.labelAt, child.rng, "Unknown component", "%s is not one of %s.%s", show(child.label), list(known, "and"), suggest(child.label, known))
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
				"There is already a block of settings for %s at %s. Put all of them there.", what, place(first))
			continue
		}
		d.names[key] = child.labelAt
		if d.opts.CheckSettings != nil && c.Kubernetes != "" {
			for _, fault := range d.opts.CheckSettings(c.Kubernetes, comp) {
				detail := fault.Detail
				if detail == "" {
					detail = fieldName(fault.Path) + " cannot be used."
				}
				d.errorf(child.fieldPlace(fault.Path), child.rng, fault.Summary, "%s", detail)
			}
		}
		d.noteMaxPods(comp, at)
		out = append(out, comp)
	}
	return out
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
			b.errorf("role", "Wrong role", "%s: %s runs on hosts with the role %s.%s", shown, b.label, list(words, "or"), suggest(s, words))
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

// fieldPlace finds where a field of the settings is written: its key, or as near as the text goes.
func (b *block) fieldPlace(path []string) hcl.Range {
	attr := b.attrs["settings"]
	if attr == nil {
		return b.rng
	}
	expr, at := attr.Expr, attr.Expr.Range()
	for _, step := range path {
		if kv, ok := keyPlaces(expr, b.d.ctx)[step]; ok {
			expr, at = kv.Value, kv.Key.Range()
			continue
		}
		exprs, diags := hcl.ExprList(expr)
		i, err := strconv.Atoi(step)
		if diags.HasErrors() || err != nil || i < 0 || i >= len(exprs) {
			break
		}
		expr, at = exprs[i], exprs[i].Range()
	}
	return at
}

// noteMaxPods keeps the kubelets' maxPods for the check of node_prefix.
func (d *decoder) noteMaxPods(comp Component, at *clusterPlaces) {
	if n, ok := comp.Settings["maxPods"].(int64); ok && comp.Name == "kubelet" {
		at.maxPods = append(at.maxPods, located[int64]{n, comp.SettingsRange["maxPods"]})
	}
}
