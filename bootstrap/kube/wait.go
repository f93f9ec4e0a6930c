package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// diagnosis bounds the look for reasons after a wait has ended.
const diagnosis = 5 * time.Second

// NodesReady returns when all named nodes are Ready. report is called at first and after each change, with "" for a node that is ready and otherwise why it
// is not. Once ctx ends, the error names those that are not ready and why.
//
// It does not believe what a node's kubelet said before it was started. started has the time at which the process began, by the clock of its own host, which is
// the clock that the kubelet stamps its reports with; a node that is not in it needs to be Ready and no more. A kubelet reports as soon as it runs and reaches
// the API, whatever was reported before, so that the wait for the report is short.
func (c *Client) NodesReady(ctx context.Context, names []string, started map[string]time.Time, report func(ready map[string]string)) error {
	return c.nodes(ctx, names, func(node *corev1.Node) string { return notReadySince(node, started[node.Name]) }, report)
}

// NetworksReady returns when the network plugin has said of all named nodes that their pod network is up. It reports as NodesReady does.
func (c *Client) NetworksReady(ctx context.Context, names []string, report func(ready map[string]string)) error {
	return c.nodes(ctx, names, networkNotReady, report)
}

// nodes returns when not gives no reason for any of the named nodes.
func (c *Client) nodes(ctx context.Context, names []string, not func(*corev1.Node) string, report func(ready map[string]string)) error {
	if len(names) == 0 {
		return nil
	}
	options := metav1.ListOptions{}
	if len(names) == 1 {
		options.FieldSelector = "metadata.name=" + names[0]
	}
	state := make(map[string]string)
	first := true
	var known Converter[corev1.Node]
	err := c.follow(ctx, must("v1", nodeKind), "", options, func(items map[string]*unstructured.Unstructured) (bool, error) {
		now, err := readiness(&known, items, names, not)
		if err != nil {
			return false, err
		}
		if report != nil && (first || !maps.Equal(now, state)) {
			report(maps.Clone(now))
		}
		state, first = now, false
		return waiting(state) == 0, nil
	})
	if err == nil {
		return nil
	}
	if first {
		return fmt.Errorf("waiting for nodes: %w", err)
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if state[name] != "" {
			lines = append(lines, name+": "+state[name])
		}
	}
	return &NodesError{State: state, lines: lines, of: len(names), err: err}
}

// NodesError says which nodes a wait ended for in vain.
type NodesError struct {
	State map[string]string // by name, "" for those that are as wanted
	lines []string
	of    int
	err   error
}

// Error implements error.
func (e *NodesError) Error() string {
	return fmt.Sprintf("%d of %d nodes are not ready: %s: %s", len(e.lines), e.of, few(e.lines), e.err)
}

// Because is the same with another reason for the end of the wait.
func (e *NodesError) Because(err error) *NodesError {
	out := *e
	out.err = err
	return &out
}

// Unwrap gives why the wait ended.
func (e *NodesError) Unwrap() error { return e.err }

// few keeps a message readable that is about a thousand nodes.
func few(lines []string) string {
	const most = 5
	if len(lines) <= most {
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(lines[:most], "; "), len(lines)-most)
}

// waiting counts those that have a reason not to be ready.
func waiting(state map[string]string) int {
	n := 0
	for _, why := range state {
		if why != "" {
			n++
		}
	}
	return n
}

func readiness(known *Converter[corev1.Node], items map[string]*unstructured.Unstructured, names []string, not func(*corev1.Node) string) (map[string]string, error) {
	out := make(map[string]string, len(names))
	for _, name := range names {
		u := items[name]
		if u == nil {
			out[name] = "no Node object: the kubelet has not registered it"
			continue
		}
		node, err := known.Convert(u)
		if err != nil {
			return nil, err
		}
		out[name] = not(node)
	}
	return out, nil
}

// NotReady tells why a node is not ready; "" when it is.
func NotReady(node *corev1.Node) string {
	return conditionNot(node, corev1.NodeReady, corev1.ConditionTrue, "the kubelet has not reported yet: look at the unit kubelet on the host")
}

// notReadySince tells why a node is not ready by the word of a kubelet that started at that time.
func notReadySince(node *corev1.Node, started time.Time) string {
	if why := NotReady(node); why != "" {
		return why
	}
	// The API keeps whole seconds.
	started = started.Truncate(time.Second)
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.LastHeartbeatTime.Time.Before(started) {
			return "its kubelet, which was started, has not reported since: look at the unit kubelet on the host"
		}
	}
	return ""
}

// networkNotReady goes by the condition that a network plugin clears once a node's pod network works. A node begins without it.
func networkNotReady(node *corev1.Node) string {
	return conditionNot(node, corev1.NodeNetworkUnavailable, corev1.ConditionFalse, "the network plugin has not reported yet: look at the unit flanneld on the host")
}

// conditionNot tells why a condition of a node is not as wanted; "" when it is, and absent where there is no such condition.
func conditionNot(node *corev1.Node, kind corev1.NodeConditionType, want corev1.ConditionStatus, absent string) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type != kind {
			continue
		}
		if condition.Status == want {
			return ""
		}
		return strings.TrimSpace(condition.Reason + ": " + condition.Message)
	}
	return absent
}

// DeploymentReady returns when the Deployment's latest template is rolled out and available. With a minimum above 0 it is content with so many replicas of the latest template,
// where a cluster has lost the nodes for all of them; it asks for no more than the Deployment has. Once ctx ends, the error tells what its pods wait for.
func (c *Client) DeploymentReady(ctx context.Context, namespace, name string, minimum int) error {
	state := "" // nobody has told
	var selector *metav1.LabelSelector
	err := c.follow(ctx, must("apps/v1", "Deployment"), namespace, metav1.ListOptions{FieldSelector: "metadata.name=" + name},
		func(items map[string]*unstructured.Unstructured) (bool, error) {
			u := items[name]
			if u == nil {
				state = "it does not exist"
				return false, nil
			}
			deployment, err := Convert[appsv1.Deployment](u)
			if err != nil {
				return false, err
			}
			selector = deployment.Spec.Selector
			state = unavailable(deployment, minimum)
			return state == "", nil
		})
	if err == nil {
		return nil
	}
	if state == "" {
		return fmt.Errorf("whether Deployment %s/%s is available is not known: %w", namespace, name, err)
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosis)
	defer cancel()
	if selector != nil {
		if why := c.podTroubles(look, namespace, selector); why != "" {
			state += "; " + why
		}
	}
	return fmt.Errorf("Deployment %s/%s is not available: %s: %w", namespace, name, state, err)
}

// unavailable tells what a Deployment lacks; "" when nothing.
func unavailable(d *appsv1.Deployment, minimum int) string {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	if d.Status.ObservedGeneration < d.Generation {
		return "the controller manager has not seen its latest change"
	}
	// Whatever is of an older template may be among the available. The condition Available says less: it holds with as many missing as an update may take away.
	enough := want
	if minimum > 0 {
		enough = min(int32(minimum), want)
	}
	if d.Status.AvailableReplicas-(d.Status.Replicas-d.Status.UpdatedReplicas) >= enough {
		return ""
	}
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return condition.Message
		}
	}
	return fmt.Sprintf("%d of %d replicas available, %d of the latest template", d.Status.AvailableReplicas, want, d.Status.UpdatedReplicas)
}

// podTroubles tells why pods are not ready.
func (c *Client) podTroubles(ctx context.Context, namespace string, selector *metav1.LabelSelector) string {
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector), Limit: 50})
	if err != nil {
		return ""
	}
	var out []string
	for i := range pods.Items {
		if why := PodNotReady(&pods.Items[i]); why != "" {
			out = append(out, fmt.Sprintf("pod %s on %s: %s", pods.Items[i].Name, pods.Items[i].Spec.NodeName, why))
		}
	}
	return few(out)
}

// PodNotReady tells what a pod waits for; "" when it is ready.
func PodNotReady(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "it is being deleted"
	}
	if pod.Status.Reason != "" { // it was evicted, say, or its node is lost
		return strings.TrimSuffix(strings.TrimSpace(pod.Status.Reason+": "+pod.Status.Message), ":")
	}
	why := "phase " + string(pod.Status.Phase)
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch {
		case status.State.Waiting != nil && status.State.Waiting.Reason != "ContainerCreating" && status.State.Waiting.Reason != "PodInitializing":
			return strings.TrimSpace(fmt.Sprintf("container %s: %s: %s", status.Name, status.State.Waiting.Reason, status.State.Waiting.Message))
		case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
			return fmt.Sprintf("container %s ended with code %d: %s", status.Name, status.State.Terminated.ExitCode, status.State.Terminated.Message)
		}
	}
	for _, condition := range pod.Status.Conditions {
		switch {
		case condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue:
			return ""
		case condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse:
			return "not scheduled: " + condition.Message
		case condition.Type == corev1.ContainersReady && condition.Status == corev1.ConditionFalse:
			why += ", " + condition.Message
		}
	}
	return why
}
