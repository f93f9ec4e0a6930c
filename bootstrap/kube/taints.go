package kube

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// taint is a Node's taint. Extra keeps fields that the API adds, such as timeAdded.
type taint struct {
	key, value, effect string
	extra              map[string]any
}

// id is what makes a taint one of its kind: there is one value for a key and an effect.
func (t taint) id() string { return t.key + ":" + t.effect }

func (t taint) json() map[string]any {
	out := map[string]any{"key": t.key, "effect": t.effect}
	if t.value != "" {
		out["value"] = t.value
	}
	for k, v := range t.extra {
		out[k] = v
	}
	return out
}

// readTaints reads spec.taints.
func readTaints(node *unstructured.Unstructured) ([]taint, error) {
	value, _, err := unstructured.NestedFieldNoCopy(node.Object, "spec", "taints")
	list, ok := value.([]any)
	if err != nil || !ok && value != nil {
		return nil, fmt.Errorf("Node %s: spec.taints is not a list", node.GetName())
	}
	var out []taint
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("Node %s: spec.taints holds something that is no taint", node.GetName())
		}
		t := taint{extra: make(map[string]any)}
		for k, v := range m {
			s, _ := v.(string)
			switch k {
			case "key":
				t.key = s
			case "value":
				t.value = s
			case "effect":
				t.effect = s
			default:
				t.extra[k] = v
			}
		}
		out = append(out, t)
	}
	return out, nil
}

// takeTaints moves the desired taints out of the apply configuration and leaves a note of them.
func (o *object) takeTaints() error {
	taints, err := readTaints(o.body)
	if err != nil {
		return err
	}
	unstructured.RemoveNestedField(o.body.Object, "spec", "taints")
	if len(taints) == 0 {
		return nil
	}
	o.taints = taints
	var ids []string
	for _, t := range taints {
		ids = append(ids, t.id())
	}
	slices.Sort(ids)
	annotations := o.body.GetAnnotations()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[TaintsAnnotation] = strings.Join(ids, ",")
	o.body.SetAnnotations(annotations)
	return nil
}

// mergeTaints gives the taints that the live node should have: what Trivet wants, and what others set. What Trivet set before, by the node's own note, and
// wants no longer, goes. changed is false when the node has them already.
func mergeTaints(live *unstructured.Unstructured, want []taint) (merged []taint, changed bool, err error) {
	have, err := readTaints(live)
	if err != nil {
		return nil, false, err
	}
	ours := strings.Split(live.GetAnnotations()[TaintsAnnotation], ",")
	missing := make(map[string]taint)
	for _, t := range want {
		missing[t.id()] = t
	}
	for _, t := range have {
		w, wanted := missing[t.id()]
		switch {
		case wanted && w.value == t.value:
			merged = append(merged, t)
		case wanted:
			merged, changed = append(merged, w), true
		case slices.Contains(ours, t.id()):
			changed = true
		default:
			merged = append(merged, t)
		}
		delete(missing, t.id())
	}
	for _, t := range want {
		if _, ok := missing[t.id()]; ok {
			merged, changed = append(merged, t), true
		}
	}
	return merged, changed, nil
}
