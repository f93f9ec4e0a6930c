package kube

import (
	"encoding/base64"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

const (
	// Manager is the field manager under which Trivet applies its own objects.
	Manager = "trivet"
	// OwnerLabel marks, with the value Manager, every object but Nodes that Trivet applied.
	OwnerLabel = "app.kubernetes.io/managed-by"
	// TaintsAnnotation lists the taints of a Node that Trivet set. Taints are one atomic list that controllers write too, so that field ownership cannot tell.
	TaintsAnnotation = "trivet.dev/taints"
)

// object is a desired object as it is sent to the API.
type object struct {
	desired.Object
	owner  owner
	kind   *kind
	body   *unstructured.Unstructured // the apply configuration; without taints for a Node
	taints []taint                    // of a Node
}

// String names the object for messages.
func (o *object) String() string { return describe(o.Kind, o.Namespace, o.Name) }

func describe(kind, namespace, name string) string {
	if namespace != "" {
		return kind + " " + namespace + "/" + name
	}
	return kind + " " + name
}

// parse reads desired objects and reports everything that is wrong with them at once.
func parse(objs []desired.Object) ([]*object, error) {
	out := make([]*object, 0, len(objs))
	seen := make(map[string]bool)
	var errs []error
	for _, d := range objs {
		o, err := parseOne(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		id := o.kind.Group + "/" + o.String()
		if seen[id] {
			errs = append(errs, fmt.Errorf("%s is desired twice: keep one of the two", o))
			continue
		}
		seen[id] = true
		out = append(out, o)
	}
	return out, errors.Join(errs...)
}

func parseOne(d desired.Object) (*object, error) {
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(d.Manifest); err != nil {
		return nil, fmt.Errorf("the manifest of %s cannot be read: %w", describe(d.Kind, d.Namespace, d.Name), err)
	}
	d.APIVersion, d.Kind, d.Namespace, d.Name = u.GetAPIVersion(), u.GetKind(), u.GetNamespace(), u.GetName()
	k, err := lookup(d.APIVersion, d.Kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", describe(d.Kind, d.Namespace, d.Name), err)
	}
	o := &object{Object: d, owner: own, kind: k, body: &u}
	return o, o.prepare()
}

// prepare checks the object's name against its kind, and marks it.
func (o *object) prepare() error {
	d, k := &o.Object, o.kind
	switch {
	case d.Name == "":
		return fmt.Errorf("a %s has no metadata.name: give it one", d.Kind)
	case k.namespaced && d.Namespace == "":
		return fmt.Errorf("%s has no metadata.namespace: name one", o)
	case !k.namespaced && d.Namespace != "":
		return fmt.Errorf("%s has a metadata.namespace, but objects of kind %s are in none: leave it out", o, d.Kind)
	}
	unstructured.RemoveNestedField(o.body.Object, "status")
	if d.Kind == nodeKind {
		return o.takeTaints()
	}
	labels := o.body.GetLabels()
	if labels == nil {
		labels = make(map[string]string)
	}
	labels[o.owner.label] = o.owner.value
	o.body.SetLabels(labels)
	return o.encodeStringData()
}

// encodeStringData writes stringData of a Secret as data, since the API server does and never gives stringData back.
func (o *object) encodeStringData() error {
	if o.Kind != "Secret" {
		return nil
	}
	plain, found, err := unstructured.NestedStringMap(o.body.Object, "stringData")
	if err != nil {
		return fmt.Errorf("%s: stringData has values that are not strings", o)
	}
	if !found {
		return nil
	}
	for key, value := range plain {
		if err := unstructured.SetNestedField(o.body.Object, base64.StdEncoding.EncodeToString([]byte(value)), "data", key); err != nil {
			return fmt.Errorf("%s: data is not a map of strings", o)
		}
	}
	unstructured.RemoveNestedField(o.body.Object, "stringData")
	return nil
}

// resource is the client for an object's kind and namespace.
func (c *Client) resource(k *kind, namespace string) dynamic.ResourceInterface {
	if k.namespaced && namespace != "" {
		return c.dynamic.Resource(k.gvr()).Namespace(namespace)
	}
	return c.dynamic.Resource(k.gvr())
}
