package topology

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
)

// reservedLabels are key prefixes that are not the user's to set, with the reason. A dot in front stands for any subdomain.
var reservedLabels = []struct{ domain, why string }{
	{"trivet.dev", "Trivet sets labels in this domain from the topology: room, rack, product line"},
	{"trivet.dev.node-restriction.kubernetes.io", "Trivet sets labels in this domain from the topology, to isolate product lines"},
	{"topology.kubernetes.io", "Trivet sets region and zone from the region and site blocks"},
	{"failure-domain.beta.kubernetes.io", "it is the old name of topology.kubernetes.io, which Trivet sets"},
	{"kubernetes.io", "this domain belongs to Kubernetes"},
	{".kubernetes.io", "this domain belongs to Kubernetes"},
	{"k8s.io", "this domain belongs to Kubernetes"},
	{".k8s.io", "this domain belongs to Kubernetes"},
}

// openLabels are parts of Kubernetes' domains that are meant for users.
var openLabels = []struct{ domain, except string }{
	{"node-role.kubernetes.io", "control-plane"},
	{"node-restriction.kubernetes.io", ""},
	{".node-restriction.kubernetes.io", ""},
	{"node.kubernetes.io", ""},
}

// ReservedLabel says why a label key may not be set, or "".
func ReservedLabel(key string) string {
	domain, name, found := strings.Cut(key, "/")
	if !found {
		return ""
	}
	in := func(pattern string) bool {
		return domain == pattern || strings.HasPrefix(pattern, ".") && strings.HasSuffix(domain, pattern)
	}
	for _, r := range reservedLabels {
		if !in(r.domain) {
			continue
		}
		if strings.Contains(r.domain, "trivet") {
			return r.why
		}
		for _, o := range openLabels {
			if in(o.domain) && (o.except == "" || name != o.except) {
				return ""
			}
		}
		return r.why
	}
	return ""
}

// decodeLabels reads node labels and lays them over those of the rack.
func (d *decoder) decodeLabels(b *block, rack map[string]string) map[string]string {
	out := maps.Clone(rack)
	for _, p := range b.pairs("labels") {
		good := true
		if msgs := content.IsLabelKey(p.key); len(msgs) > 0 {
			d.errorf(p.keyAt, b.rng, "Wrong label key", "%s cannot be used. %s", show(p.key), labelKeyRule)
			good = false
		} else if why := ReservedLabel(p.key); why != "" {
			d.errorf(p.keyAt, b.rng, "Reserved label", "%s cannot be set: %s. Use a domain of your own.", show(p.key), why)
			good = false
		}
		if msgs := content.IsLabelValue(p.value); len(msgs) > 0 {
			d.errorf(p.valueAt, b.rng, "Wrong label value", "%s cannot be used. %s", show(p.value), valueRule)
			good = false
		}
		if good {
			out = with(out, p)
		}
	}
	return out
}

// decodeAnnotations reads node annotations and lays them over those of the rack.
func (d *decoder) decodeAnnotations(b *block, rack map[string]string) map[string]string {
	const largest = 256 << 10 // of all annotations of an object together
	out := maps.Clone(rack)
	total := 0
	for _, p := range b.pairs("annotations") {
		domain, _, _ := strings.Cut(p.key, "/")
		total += len(p.key) + len(p.value)
		switch msgs := content.IsLabelKey(strings.ToLower(p.key)); {
		case len(msgs) > 0:
			d.errorf(p.keyAt, b.rng, "Wrong annotation key", "%s cannot be used. %s", show(p.key), labelKeyRule)
		case domain == "trivet.dev":
			d.errorf(p.keyAt, b.rng, "Reserved annotation", "%s cannot be set: Trivet keeps annotations of its own in this domain. Use a domain of your own.", show(p.key))
		default:
			out = with(out, p)
		}
	}
	if total > largest {
		b.errorf("annotations", "Annotations too large", "They have %d bytes; Kubernetes allows %d for all annotations of a node.", total, largest)
	}
	return out
}

func with(m map[string]string, p pair) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[p.key] = p.value
	return m
}

// decodeTaints reads taint blocks; one with the key and effect of a rack's taint replaces it.
func (d *decoder) decodeTaints(b *block, rack []Taint) []Taint {
	out := slices.Clone(rack)
	for _, child := range b.children("taint") {
		key, shown, ok := child.text("key")
		good := ok
		if msgs := content.IsLabelKey(key); ok && len(msgs) > 0 {
			child.errorf("key", "Wrong taint key", "%s cannot be used. %s", shown, labelKeyRule)
			good = false
		} else if strings.HasPrefix(key, "node.kubernetes.io/") {
			child.errorf("key", "Reserved taint", "%s cannot be set: Kubernetes sets and removes taints in this domain by itself.", shown)
			good = false
		}
		value, shown, ok := child.text("value")
		if msgs := content.IsLabelValue(value); ok && len(msgs) > 0 {
			child.errorf("value", "Wrong taint value", "%s cannot be used. %s", shown, valueRule)
			good = false
		}
		effect := child.oneOf("effect", "")
		if !good || effect == "" || !d.unique("taint", child.scope(b), key+":"+effect, child.at("key"), child.rng) {
			continue
		}
		taint := Taint{Key: key, Value: value, Effect: effect}
		same := func(t Taint) bool { return t.Key == key && t.Effect == effect }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i] = taint
		} else {
			out = append(out, taint)
		}
	}
	return out
}

// scope names the block that a nested block is in; dynamic blocks share places but not labels.
func (b *block) scope(parent *block) string {
	return parent.rng.String() + " " + parent.label
}
