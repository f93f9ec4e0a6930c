package kube

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is a row of the table of objects that Trivet applies. Knowing them here spares the discovery round trips of every run.
type kind struct {
	schema.GroupVersionKind
	resource   string
	namespaced bool
	// rank orders kinds: lower ones are applied first and deleted last.
	rank int
	// fixed lists the fields that the API server never lets change once they are set.
	fixed []string
}

func row(rank int, namespaced bool, group, version, name, resource string, fixed ...string) kind {
	return kind{schema.GroupVersionKind{Group: group, Version: version, Kind: name}, resource, namespaced, rank, fixed}
}

// Kinds, in the order in which they are applied.
var kinds = []kind{
	row(0, false, "", "v1", "Namespace", "namespaces"),
	row(0, false, "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "value", "preemptionPolicy"),
	row(0, false, "node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", "handler"),
	row(0, false, "storage.k8s.io", "v1", "StorageClass", "storageclasses", "provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
	row(0, false, "storage.k8s.io", "v1", "CSIDriver", "csidrivers"),
	row(1, false, "", "v1", "Node", "nodes", "spec.podCIDR", "spec.podCIDRs", "spec.providerID"),
	row(1, false, "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
	row(1, false, "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "roleRef"),
	row(1, true, "rbac.authorization.k8s.io", "v1", "Role", "roles"),
	row(1, true, "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "roleRef"),
	row(1, true, "", "v1", "ServiceAccount", "serviceaccounts"),
	row(1, true, "", "v1", "ConfigMap", "configmaps"),
	row(1, true, "", "v1", "Secret", "secrets", "type"),
	row(1, true, "", "v1", "LimitRange", "limitranges"),
	row(1, true, "", "v1", "ResourceQuota", "resourcequotas"),
	row(1, true, "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
	row(1, false, "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
	row(2, false, "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
	row(1, false, "networking.k8s.io", "v1", "IngressClass", "ingressclasses", "spec.controller"),
	row(1, false, "flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations"),
	row(2, false, "flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas"),
	row(2, true, "", "v1", "Service", "services", "spec.clusterIP"),
	row(2, true, "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
	row(3, true, "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "spec.storageClassName", "spec.volumeName"),
	row(3, true, "", "v1", "Pod", "pods"),
	row(3, true, "apps", "v1", "Deployment", "deployments", "spec.selector"),
	row(3, true, "apps", "v1", "DaemonSet", "daemonsets", "spec.selector"),
	row(3, true, "apps", "v1", "StatefulSet", "statefulsets", "spec.selector", "spec.serviceName", "spec.podManagementPolicy"),
	row(3, true, "batch", "v1", "Job", "jobs", "spec.selector", "spec.completions"),
	row(3, true, "batch", "v1", "CronJob", "cronjobs"),
	row(3, true, "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
	row(3, true, "networking.k8s.io", "v1", "Ingress", "ingresses"),
}

const nodeKind = "Node"

// lookup finds the row of a kind.
func lookup(apiVersion, name string) (*kind, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, fmt.Errorf("apiVersion %q cannot be read: write it as group/version", apiVersion)
	}
	var near []string
	for i := range kinds {
		k := &kinds[i]
		if k.Kind != name {
			continue
		}
		if k.GroupVersion() == gv {
			return k, nil
		}
		near = append(near, k.GroupVersion().String())
	}
	if len(near) > 0 {
		return nil, fmt.Errorf("kind %s is known as %s, not as %s: change its apiVersion", name, strings.Join(near, " or "), apiVersion)
	}
	return nil, fmt.Errorf("kind %s of %s is not one that Trivet applies: apply it with kubectl; the known ones are %s", name, apiVersion, strings.Join(knownKinds(), ", "))
}

func knownKinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Kind)
	}
	slices.Sort(names)
	return names
}

func (k *kind) gvr() schema.GroupVersionResource {
	return k.GroupVersion().WithResource(k.resource)
}
