package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// CordonAnnotation marks a Node that Trivet made unschedulable. It is set and removed in one request with spec.unschedulable, so that a run that comes
	// after a killed one knows whose cordon it finds.
	CordonAnnotation = "trivet.dev/cordoned"
	// cordonManager writes both. It is not the manager of Trivet's applies, which would remove them.
	cordonManager = Manager + "-cordon"
)

// NodeInfo is what the API knows of a node.
type NodeInfo struct {
	Name  string
	State string // "Ready", or why it is not
	// Unschedulable tells that no new pods come to it, CordonedByTrivet that Uncordon would end that.
	Unschedulable, CordonedByTrivet bool
	KubeletVersion                  string            // such as v1.37.2; "" before its kubelet has reported
	InternalIP                      string            // the first one
	MachineID                       string            // of the machine that its kubelet reported from
	NetworkReady                    bool              // the network plugin says so; without one nobody does
	Labels                          map[string]string // those of Trivet: under trivet.dev and its subdomains
}

// Ready reports whether the node is.
func (n *NodeInfo) Ready() bool { return n.State == readyState }

const readyState = "Ready"

// NodeInfos tells of every node, by name. It asks for all of them at once, in pages, and keeps trying for a few seconds where the API does not answer.
func (c *Client) NodeInfos(ctx context.Context) (map[string]NodeInfo, error) {
	var items map[string]*unstructured.Unstructured
	err := c.soon(ctx, func(ctx context.Context) (err error) {
		items, _, err = c.snapshot(ctx, must("v1", nodeKind), "", metav1.ListOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make(map[string]NodeInfo, len(items))
	for name, u := range items {
		node, err := Convert[corev1.Node](u)
		if err != nil {
			return nil, err
		}
		out[name] = nodeInfo(node)
	}
	return out, nil
}

func nodeInfo(node *corev1.Node) NodeInfo {
	info := NodeInfo{Name: node.Name, State: NotReady(node), Unschedulable: node.Spec.Unschedulable, CordonedByTrivet: node.Spec.Unschedulable && node.Annotations[CordonAnnotation] != "",
		KubeletVersion: node.Status.NodeInfo.KubeletVersion, MachineID: node.Status.NodeInfo.MachineID, NetworkReady: networkNotReady(node) == ""}
	if info.State == "" {
		info.State = readyState
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			info.InternalIP = address.Address
			break
		}
	}
	for key, value := range node.Labels {
		domain, _, _ := strings.Cut(key, "/")
		if domain == "trivet.dev" || strings.HasPrefix(domain, "trivet.dev.") {
			if info.Labels == nil {
				info.Labels = make(map[string]string)
			}
			info.Labels[key] = value
		}
	}
	return info
}

// Cordon makes a node unschedulable: pods that are on it stay, and no new ones come. A cordon of somebody else's is left as it is, and stays somebody else's.
func (c *Client) Cordon(ctx context.Context, node string) error {
	err := c.changeNode(ctx, node, func(live *corev1.Node) map[string]any {
		if live.Spec.Unschedulable {
			return nil
		}
		return map[string]any{"metadata": map[string]any{"annotations": map[string]any{CordonAnnotation: "true"}}, "spec": map[string]any{"unschedulable": true}}
	})
	if err != nil {
		return fmt.Errorf("cordon node %s: %w", node, err)
	}
	return nil
}

// Uncordon ends a cordon that Trivet made; those of others stay. The annotation alone says whose it is: managedFields do not tell it of every Node. A node that is not there needs nothing.
func (c *Client) Uncordon(ctx context.Context, node string) error {
	err := c.changeNode(ctx, node, func(live *corev1.Node) map[string]any {
		if live.Annotations[CordonAnnotation] == "" {
			return nil
		}
		patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{CordonAnnotation: nil}}}
		if live.Spec.Unschedulable {
			patch["spec"] = map[string]any{"unschedulable": nil}
		}
		return patch
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("uncordon node %s: %w", node, err)
	}
	return nil
}

// changeNode sends the merge patch that change makes of a live node, for the very version that it was made from. Without a patch there is nothing to do.
func (c *Client) changeNode(ctx context.Context, name string, change func(*corev1.Node) map[string]any) error {
	nodes := c.typed.CoreV1().Nodes()
	return c.again(ctx, func(ctx context.Context) error {
		live, err := nodes.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		patch := change(live)
		if patch == nil {
			return nil
		}
		patch["metadata"].(map[string]any)["resourceVersion"] = live.ResourceVersion
		raw, err := json.Marshal(patch)
		if err != nil {
			return err
		}
		_, err = nodes.Patch(ctx, name, types.MergePatchType, raw, metav1.PatchOptions{FieldManager: cordonManager})
		return err
	})
}

// DeleteNode deletes a Node; one that is gone already is fine.
//
// What was bound to it goes with it, also where its host is dead and no kubelet ends anything: the controller manager's pod garbage collector deletes pods
// of Nodes that do not exist, without a grace period, once the Node has been away for 40 s, and looks every 20 s (pkg/controller/podgc, 1.37.2). Controllers make them
// anew elsewhere. A kubelet that still runs registers its Node again when it is started the next time: stop it before.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	err := c.again(ctx, func(ctx context.Context) error {
		return c.typed.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete node %s: %w", name, err)
	}
	return nil
}
