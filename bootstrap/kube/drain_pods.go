package kube

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UnmanagedError refuses to drain a node from pods that no controller would start elsewhere.
type UnmanagedError struct {
	Node string
	Pods []string // namespace/name, sorted
}

// Error implements error.
func (e *UnmanagedError) Error() string {
	return fmt.Sprintf("node %s has pods without a controller, which would be lost: %s (delete them, or have a Deployment or a Job make them, or set drain_force = true in the upgrade block of the topology, and apply again)",
		e.Node, some(e.Pods))
}

func (e UnmanagedError) sorted() error {
	slices.Sort(e.Pods)
	return &e
}

// some names a number of things that a line can hold.
func some(names []string) string {
	const most = 12
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// stays reports whether a drain leaves a pod where it is: the kubelet alone ends mirror pods, a DaemonSet would start its pods again, and a finished pod is only what it left to read.
func stays(pod *corev1.Pod) bool {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return true
	}
	owner := metav1.GetControllerOf(pod)
	return finished(pod) || owner != nil && owner.Kind == "DaemonSet" && owner.APIVersion == appsv1.SchemeGroupVersion.String()
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// isUnmanaged reports whether evicting a pod would lose it. One that is ending already is lost anyway.
func isUnmanaged(pod *corev1.Pod) bool {
	return !stays(pod) && pod.DeletionTimestamp == nil && metav1.GetControllerOf(pod) == nil
}

// toleratesCordon reports whether the scheduler puts a pod on cordoned nodes, too.
func toleratesCordon(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		return (t.Key == corev1.TaintNodeUnschedulable || t.Key == "" && t.Operator == corev1.TolerationOpExists) && (t.Effect == "" || t.Effect == corev1.TaintEffectNoSchedule)
	})
}
