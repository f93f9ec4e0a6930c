package desired

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/templates"
)

// Labels and annotations of Node objects.
const (
	controlPlaneLabel = "node-role.kubernetes.io/control-plane"
	labelRegion       = "topology.kubernetes.io/region"
	labelZone         = "topology.kubernetes.io/zone"
	labelRoom         = "trivet.dev/room"
	labelRack         = "trivet.dev/rack"
	labelProductLine  = "trivet.dev/product-line"
	// A kubelet may not change labels with this prefix: workloads can be kept apart by them.
	isolatedProductLine = "trivet.dev.node-restriction.kubernetes.io/product-line"
	noExternalBalancer  = "node.kubernetes.io/exclude-from-external-load-balancers"
	// AnnotationTaints lists the taints, as key:effect, that Trivet put on a Node. Controllers put others there, so Trivet needs to know its own to take them away.
	AnnotationTaints = "trivet.dev/taints"
)

// Objects compiles the objects of the API alone. Of the artifacts it needs no more than the reference of CoreDNS's image, where that is not upstream's.
func Objects(in Input) ([]Object, error) { return objects(&in) }

// objects makes what Trivet owns in the API: rights first, then nodes, then the name service.
func objects(in *Input) ([]Object, error) {
	var out []Object
	add := func(params templates.Template) error {
		text, err := templates.Render(params)
		if err != nil {
			return err
		}
		list, err := manifests(text)
		out = append(out, list...)
		return err
	}
	if err := add(templates.RBAC{AdminGroup: certs.GroupAdmins, KubeletGroup: certs.GroupKubeletAPI}); err != nil {
		return nil, err
	}
	if in.Cluster.Network.Plugin == release.PluginFlannel {
		if err := add(templates.FlannelRBAC{User: certs.UserFlannel}); err != nil {
			return nil, err
		}
	}
	for _, h := range in.Cluster.Nodes() {
		if rec := in.Inventory.Host(h.Name); rec == nil || !rec.PodCIDR.IsValid() {
			continue // not reached, and never allotted anything
		}
		o, err := object(node(in, h))
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	forward, err := forwarders(in)
	if err != nil {
		return nil, err
	}
	dns := in.Cluster.DNS
	return out, add(templates.CoreDNS{Domain: dns.Domain, Forward: forward, Replicas: dns.Replicas, Image: coreDNSImage(in), Address: dns.Address,
		Authority: authorityOfPods(in.Inventory), TokenKey: tokenKey(in.Inventory)})
}

// authorityOfPods counts the authorities of Kubernetes, from the second on.
func authorityOfPods(inv *inventory.Inventory) int {
	return fromSecond(inv.Rotation("kubernetes_ca").Generation)
}

// tokenKey counts the service account keys that have signed, from the second on. Objects are applied after the API servers, which sign with the newest by then.
func tokenKey(inv *inventory.Inventory) int {
	r := inv.Rotation(identity.RotateServiceAccount)
	if r.Stage == inventory.StageTrust {
		r.Generation--
	}
	return fromSecond(r.Generation)
}

// fromSecond leaves the pods of a cluster alone in which nothing was ever replaced: 0 for the first generation.
func fromSecond(generation int) int {
	if generation > 1 {
		return generation
	}
	return 0
}

// coreDNSImage is the reference under which the artifacts have it.
func coreDNSImage(in *Input) string {
	s := index(in.Artifacts)
	reference := in.Release.CoreDNSImage()
	for _, arch := range []string{"amd64", "arm64"} {
		reference = s.reference(artifact.Want{Name: "coredns", Version: in.Release.CoreDNS, Arch: arch, Kind: artifact.Image}, reference)
	}
	return reference
}

// forwarders are the servers for names outside the cluster: the topology's, or those of the nodes. Without any, CoreDNS answers for the cluster alone:
// it refuses to start with an empty resolv.conf to forward to.
func forwarders(in *Input) ([]string, error) {
	if len(in.Cluster.DNS.Upstream) > 0 {
		return in.Cluster.DNS.Upstream, nil
	}
	var with, without []string
	for _, h := range in.Cluster.Nodes() {
		if f, ok := in.Facts[h.Name]; !ok {
			continue
		} else if len(f.Nameservers) > 0 {
			with = append(with, h.Name)
		} else {
			without = append(without, h.Name)
		}
	}
	switch {
	case len(with) == 0:
		return nil, nil
	case len(without) == 0:
		return []string{"/etc/resolv.conf"}, nil
	}
	return nil, fmt.Errorf("%s: some nodes have a resolver (%s) and some have none (%s), and CoreDNS could run on either: set upstream in a dns block, or give all of them a resolver",
		topology.Place(in.Cluster.Range), Few(with), Few(without))
}

// Few lists names for a reader, the first five of many.
func Few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// node is the Node object of a host. The kubelet finds it there when it registers, and adds what it knows.
func node(in *Input, h *topology.Host) map[string]any {
	labels := maps.Clone(h.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	rack := h.Rack
	labels[labelRegion], labels[labelZone] = h.Site().Region.Name, h.Site().Name
	labels[labelRoom], labels[labelRack] = rack.Room.Name, rack.Name
	if h.ProductLine != "" {
		labels[labelProductLine], labels[isolatedProductLine] = h.ProductLine, h.ProductLine
	}
	taints := slices.Clone(h.Taints)
	if h.Has(topology.RoleControlPlane) {
		labels[controlPlaneLabel], labels[noExternalBalancer] = "", ""
		own := topology.Taint{Key: controlPlaneLabel, Effect: "NoSchedule"}
		if !h.Has(topology.RoleWorker) && !slices.Contains(taints, own) {
			taints = append([]topology.Taint{own}, taints...)
		}
	}
	metadata := map[string]any{"name": h.Name, "labels": labels}
	annotations := maps.Clone(h.Annotations)
	pods := in.Inventory.Host(h.Name).PodCIDR.String()
	spec := map[string]any{"podCIDR": pods, "podCIDRs": []string{pods}}
	if len(taints) > 0 {
		var list []map[string]any
		var names []string
		for _, t := range taints {
			entry := map[string]any{"key": t.Key, "effect": t.Effect}
			if t.Value != "" {
				entry["value"] = t.Value
			}
			list = append(list, entry)
			names = append(names, t.Key+":"+t.Effect)
		}
		spec["taints"] = list
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[AnnotationTaints] = strings.Join(names, ",")
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}
}

// manifests reads a file of YAML documents.
func manifests(text []byte) ([]Object, error) {
	var out []Object
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var v map[string]any
		if err := yaml.Unmarshal(doc, &v); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		o, err := object(v)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// object writes canonical JSON, which encoding/json does of maps: keys sorted.
func object(v map[string]any) (Object, error) {
	manifest, err := json.Marshal(v)
	if err != nil {
		return Object{}, fmt.Errorf("manifest: %w", err)
	}
	o := Object{Manifest: manifest}
	var head struct {
		APIVersion string
		Kind       string
		Metadata   struct{ Namespace, Name string }
	}
	if err := json.Unmarshal(manifest, &head); err != nil {
		return Object{}, fmt.Errorf("manifest: %w", err)
	}
	if o.APIVersion, o.Kind, o.Namespace, o.Name = head.APIVersion, head.Kind, head.Metadata.Namespace, head.Metadata.Name; o.Kind == "" || o.Name == "" {
		return Object{}, errors.New("manifest without kind or name")
	}
	return o, nil
}
