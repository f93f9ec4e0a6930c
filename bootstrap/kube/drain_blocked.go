package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// DrainError says which pods keep a node from being drained.
type DrainError struct {
	Node  string
	Pods  int           // that had to go
	Left  []PodLeft     // those that are still there, sorted
	After time.Duration // that was given to it
	Cause error         // the end of the context
}

// PodLeft is a pod that did not leave its node in time.
type PodLeft struct {
	Pod string // namespace/name
	Why string // what holds it, and what to do
}

// Error implements error. Pods that are held by the same thing are named together.
func (e *DrainError) Error() string {
	var reasons []string
	pods := make(map[string][]string)
	for _, left := range e.Left {
		if pods[left.Why] == nil {
			reasons = append(reasons, left.Why)
		}
		pods[left.Why] = append(pods[left.Why], left.Pod)
	}
	var lines []string
	for _, why := range reasons {
		lines = append(lines, some(pods[why])+": "+why)
	}
	return fmt.Sprintf("node %s is not drained after %s: %d of %d pods are left: %s (the node stays cordoned; then apply again): %v",
		e.Node, e.After.Round(time.Second), len(e.Left), e.Pods, strings.Join(lines, "; "), e.Cause)
}

// Unwrap gives the end of the context.
func (e *DrainError) Unwrap() error { return e.Cause }

// progress tells how far it is.
func (d *drain) progress() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listed.IsZero() {
		return "asking for its pods"
	}
	gone, ending := 0, 0
	held := ""
	waiting := 0
	for _, l := range d.pods {
		switch {
		case l.gone:
			gone++
		case l.evicted, !l.ending.IsZero():
			ending++
		case l.refused != nil:
			waiting++
			if name := l.pod.Namespace + "/" + l.pod.Name; held == "" || name < held {
				held = name
			}
		}
	}
	out := fmt.Sprintf("%d of %d pods have left", gone, len(d.pods))
	if !d.led && gone+ending < len(d.pods) {
		out += ", the rest waits for a kube-controller-manager that leads, which takes them out of the endpoints of Services"
	}
	if ending > 0 {
		out += fmt.Sprintf(", %d end", ending)
	}
	if ending > 0 && d.unready != "" {
		out += ", which the node, not Ready, does not confirm"
	}
	if waiting > 0 {
		out += fmt.Sprintf(", %d may not be evicted yet, such as %s: %s", waiting, held, d.refusalOf(held))
	}
	return out
}

// refusalOf is why a pod may not be evicted, in the server's words.
func (d *drain) refusalOf(name string) string {
	for _, l := range d.pods {
		if l.pod.Namespace+"/"+l.pod.Name == name && l.refused != nil && !l.gone {
			return budgetSays(l.refused)
		}
	}
	return ""
}

// budgetSays prefers what the server says of the budget to what it says of the eviction.
func budgetSays(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == policyv1.DisruptionBudgetCause {
				return cause.Message
			}
		}
	}
	return err.Error()
}

// blocked looks for what holds the pods that are left.
func (d *drain) blocked(ctx context.Context, after time.Duration, cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock() // everything that might have changed it has ended
	if ctx.Err() == nil || errors.Is(cause, context.DeadlineExceeded) {
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosis)
		defer cancel()
		ctx = look
	}
	budgets := budgets{client: d.client, known: make(map[string][]policyv1.PodDisruptionBudget)}
	out := &DrainError{Node: d.node, Pods: len(d.pods), After: after, Cause: cause}
	now := time.Now()
	for _, l := range d.pods {
		if _, over := d.settled(l, now); over {
			continue
		}
		out.Left = append(out.Left, PodLeft{Pod: l.pod.Namespace + "/" + l.pod.Name, Why: d.holds(ctx, &budgets, l, now)})
	}
	slices.SortFunc(out.Left, func(a, b PodLeft) int { return strings.Compare(a.Pod, b.Pod) })
	if d.listed.IsZero() {
		return fmt.Errorf("node %s is not drained after %s: which pods it has is not known: %w", d.node, after.Round(time.Second), cause)
	}
	return out
}

// holds tells what holds a pod.
func (d *drain) holds(ctx context.Context, budgets *budgets, l *leaving, now time.Time) string {
	if !l.ending.IsZero() || l.evicted {
		return d.endless(l, now)
	}
	for _, budget := range budgets.of(ctx, l.pod) {
		if budget.Status.DisruptionsAllowed == 0 {
			return describeBudget(&budget)
		}
	}
	if l.refused == nil {
		return "there was no time to evict it: allow more"
	}
	return "its eviction is refused: " + budgetSays(l.refused)
}

// endless tells why a pod that was evicted has not ended.
func (d *drain) endless(l *leaving, now time.Time) string {
	if len(l.pod.Finalizers) > 0 {
		return fmt.Sprintf("it is deleted and held by its finalizers %s: look at the controller that set them", strings.Join(l.pod.Finalizers, ", "))
	}
	if d.unready != "" {
		return fmt.Sprintf("it is ending, and the node is not Ready (%s): look at the unit kubelet on the host", d.unready)
	}
	if grace := l.pod.DeletionGracePeriodSeconds; grace != nil && !l.ending.IsZero() {
		allowed, took := time.Duration(*grace)*time.Second, now.Sub(l.ending)
		if took < allowed {
			return fmt.Sprintf("it is ending, for which it has %s (terminationGracePeriodSeconds): allow more time, or make its processes end", allowed)
		}
		return fmt.Sprintf("it has had its %s to end, and the kubelet has not reported that it did: look at the units kubelet and containerd on the host", allowed)
	}
	return "it was evicted, and the kubelet has not ended it yet: allow more time"
}

// hopeless explains a refusal that no waiting mends.
func (c *Client) hopeless(ctx context.Context, pod *corev1.Pod, err error) error {
	name := pod.Namespace + "/" + pod.Name
	if severalBudgets(err) {
		look, cancel := context.WithTimeout(ctx, diagnosis)
		defer cancel()
		all := budgets{client: c, known: make(map[string][]policyv1.PodDisruptionBudget)}
		var names []string
		for _, budget := range all.of(look, pod) {
			names = append(names, budget.Name)
		}
		return fmt.Errorf("pod %s cannot be evicted from node %s: it has more than one PodDisruptionBudget (%s), which the API does not evict: leave one of them",
			name, pod.Spec.NodeName, strings.Join(names, ", "))
	}
	return fmt.Errorf("pod %s cannot be evicted from node %s: %w", name, pod.Spec.NodeName, c.refusal(ctx, err))
}

// budgets are PodDisruptionBudgets, by namespace, as they are asked for.
type budgets struct {
	client *Client
	known  map[string][]policyv1.PodDisruptionBudget
}

// of lists the budgets that a pod is under; none where they cannot be asked for.
func (b *budgets) of(ctx context.Context, pod *corev1.Pod) []policyv1.PodDisruptionBudget {
	all, ok := b.known[pod.Namespace]
	if !ok {
		if list, err := b.client.typed.PolicyV1().PodDisruptionBudgets(pod.Namespace).List(ctx, metav1.ListOptions{}); err == nil {
			all = list.Items
		}
		b.known[pod.Namespace] = all
	}
	var out []policyv1.PodDisruptionBudget
	for _, budget := range all {
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, budget)
		}
	}
	return out
}

func describeBudget(budget *policyv1.PodDisruptionBudget) string {
	s := &budget.Status
	name := fmt.Sprintf("PodDisruptionBudget %s/%s", budget.Namespace, budget.Name)
	if s.ObservedGeneration < budget.Generation {
		return name + " was changed, and the controller manager has not worked out what it allows: look at the unit kube-controller-manager on the control planes"
	}
	remedy := "bring the others to health, or add replicas, or relax the budget"
	if s.DesiredHealthy >= s.ExpectedPods {
		remedy = "it never allows one with so many pods: add replicas, or relax the budget"
	}
	return fmt.Sprintf("%s allows %d disruptions: %d of %d pods are healthy and %d must be: %s", name, s.DisruptionsAllowed, s.CurrentHealthy, s.ExpectedPods, s.DesiredHealthy, remedy)
}
