package verify

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

const (
	spaceLabel   = "trivet.dev/verify" // on namespaces of verification runs
	appLabel     = "app"
	probeName    = "probe"  // the pods on all nodes
	serviceName  = "verify" // leads to all of them
	localName    = "myself" // leads to the one on the same node
	sharedName   = "shared" // the pod whose containers share things
	pidName      = "pid"    // the pod whose containers share PIDs as well
	agnhost      = "/agnhost"
	port         = 8080 // of a probe, and of the first container of the others
	secondPort   = 8081 // of the second container
	servicePort  = 80
	sharedVolume = "/shared"
	// abandoned is the age at which a namespace of a run that was killed is removed by the next.
	abandoned = 10 * time.Minute
)

// setUp makes the namespace and all that is in it, with the pods that share things on the two nodes. The Services come first, so that pods find them in their environment.
func (r *run) setUp(ctx context.Context, first, second string) error {
	core := r.Client.Typed().CoreV1()
	r.sweep(ctx)
	r.space = "trivet-verify-" + strings.ToLower(rand.Text()[:8]) // before the request: one that is cut short may have made it
	// Carried through even when the run is cancelled: a namespace that came into being after its deletion would stay.
	err := r.create(context.WithoutCancel(ctx), "namespace "+r.space, func(ctx context.Context) error {
		_, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.space, Labels: map[string]string{
			spaceLabel: "true",
			// One container renames its own host name, which takes privileges.
			"pod-security.kubernetes.io/enforce": "privileged",
		}}}, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	if r.service, err = r.makeService(ctx, serviceName, corev1.ServiceInternalTrafficPolicyCluster); err != nil {
		return err
	}
	if r.local, err = r.makeService(ctx, localName, corev1.ServiceInternalTrafficPolicyLocal); err != nil {
		return err
	}
	// Pods are refused until the controller manager has made the namespace's service account.
	wait, cancel := context.WithTimeout(ctx, preparation)
	defer cancel()
	err = r.Client.Follow(wait, "v1", "ServiceAccount", r.space, metav1.ListOptions{FieldSelector: "metadata.name=default"},
		func(items map[string]*unstructured.Unstructured) (bool, error) { return items["default"] != nil, nil })
	if err != nil {
		return fmt.Errorf("waiting for the service account of namespace %s: %w (the controller manager makes it: look at the unit kube-controller-manager)", r.space, err)
	}
	err = r.create(ctx, "DaemonSet "+r.space+"/"+probeName, func(ctx context.Context) error {
		_, err := r.Client.Typed().AppsV1().DaemonSets(r.space).Create(ctx, r.probes(), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	for _, pod := range []*corev1.Pod{r.sharedPod(first), r.pidPod(second)} {
		err := r.create(ctx, "pod "+r.space+"/"+pod.Name, func(ctx context.Context) error {
			_, err := core.Pods(r.space).Create(ctx, pod, metav1.CreateOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// create makes something by a request that it repeats while it fails for a passing reason. An attempt without an answer may have worked: the name is this run's alone.
func (r *run) create(ctx context.Context, what string, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, preparation)
	defer cancel()
	err := r.Client.Again(ctx, func(ctx context.Context) error {
		if err := request(ctx); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("creating %s: %w", what, err)
	}
	return nil
}

// remove deletes the namespace, also when ctx was cancelled. The cluster finishes the work by itself. Pods without a controller are told to end before: a drain that comes next would refuse
// to lose them.
func (r *run) remove(ctx context.Context) {
	if r.space == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	core := r.Client.Typed().CoreV1()
	for _, name := range []string{sharedName, pidName} {
		_ = core.Pods(r.space).Delete(ctx, name, metav1.DeleteOptions{}) // they go with the namespace at the latest
	}
	err := r.Client.Again(ctx, func(ctx context.Context) error {
		return core.Namespaces().Delete(ctx, r.space, metav1.DeleteOptions{})
	})
	if err != nil && !apierrors.IsNotFound(err) {
		r.add(Check{Name: CheckCleanup, Peer: r.space, Detail: fmt.Sprintf("it could not be deleted: %v", err),
			Remedy: fmt.Sprintf("kubectl delete namespace %s; trivet verify deletes it too, once it is older than %s", r.space, abandoned)})
	}
}

// sweep removes namespaces that runs left behind which could not end well.
func (r *run) sweep(ctx context.Context) {
	spaces := r.Client.Typed().CoreV1().Namespaces()
	list, err := spaces.List(ctx, metav1.ListOptions{LabelSelector: spaceLabel + "=true"})
	if err != nil {
		return // what follows meets the same trouble and tells it
	}
	for _, space := range list.Items {
		if space.DeletionTimestamp == nil && time.Since(space.CreationTimestamp.Time) > abandoned {
			_ = spaces.Delete(ctx, space.Name, metav1.DeleteOptions{}) // the next run tries again
		}
	}
}

func (r *run) makeService(ctx context.Context, name string, policy corev1.ServiceInternalTrafficPolicy) (string, error) {
	services := r.Client.Typed().CoreV1().Services(r.space)
	var address string
	err := r.create(ctx, "Service "+r.space+"/"+name, func(ctx context.Context) error {
		made, err := services.Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.ServiceSpec{
				Selector:              map[string]string{appLabel: probeName},
				InternalTrafficPolicy: &policy,
				Ports:                 []corev1.ServicePort{{Name: "http", Port: servicePort, TargetPort: intstr.FromInt32(port)}},
			},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			made, err = services.Get(ctx, name, metav1.GetOptions{})
		}
		if err == nil {
			address = made.Spec.ClusterIP
		}
		return err
	})
	return address, err
}

func (r *run) probes() *appsv1.DaemonSet {
	labels := map[string]string{appLabel: probeName}
	pod := r.podSpec(r.container("probe", port))
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: probeName},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}
}

// sharedPod has two containers of which the second may rename the pod's host name. The sysctl is one that every IPC namespace has for itself and that starts
// as 0: a container that reads 1 is in the pod's.
func (r *run) sharedPod(node string) *corev1.Pod {
	second := r.container("second", secondPort)
	privileged := true
	second.SecurityContext = &corev1.SecurityContext{Privileged: &privileged}
	spec := r.podSpec(r.container("first", port), second)
	spec.NodeName = node
	spec.Hostname = "trivet-" + strings.TrimPrefix(r.space, "trivet-verify-")
	spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "kernel.shm_rmid_forced", Value: "1"}}}
	spec.Volumes = []corev1.Volume{{Name: "shared", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for i := range spec.Containers {
		spec.Containers[i].VolumeMounts = []corev1.VolumeMount{{Name: "shared", MountPath: sharedVolume}}
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: sharedName}, Spec: spec}
}

// pidPod shares PIDs. Its second container serves its file system by HTTP, so that the processes in /proc can be listed without a shell.
func (r *run) pidPod(node string) *corev1.Pod {
	second := r.container("second", secondPort)
	second.Args = []string{"test-webserver", "--port=" + strconv.Itoa(secondPort)}
	spec := r.podSpec(r.container("first", port), second)
	share := true
	spec.NodeName, spec.ShareProcessNamespace = node, &share
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pidName}, Spec: spec}
}

func (r *run) podSpec(containers ...corev1.Container) corev1.PodSpec {
	grace, no := int64(0), false
	return corev1.PodSpec{
		Containers:                    containers,
		Tolerations:                   []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		TerminationGracePeriodSeconds: &grace,
		AutomountServiceAccountToken:  &no,
	}
}

// container has no readiness probe: the checks ask again until it answers, which is sooner.
func (r *run) container(name string, listen int) corev1.Container {
	no := false
	return corev1.Container{
		Name: name, Image: r.Image, ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{"netexec", "--http-port=" + strconv.Itoa(listen), "--udp-port=-1"},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

// podsByNode finds the probe of each node among pods.
func podsByNode(known *kube.Converter[corev1.Pod], items map[string]*unstructured.Unstructured) (map[string]*corev1.Pod, error) {
	out := make(map[string]*corev1.Pod)
	for _, u := range items {
		if u.GetLabels()[appLabel] != probeName || u.GetDeletionTimestamp() != nil {
			continue
		}
		pod, err := known.Convert(u)
		if err != nil {
			return nil, err
		}
		node := pod.Spec.NodeName
		if node == "" {
			// The DaemonSet's pods wait for the scheduler with their node named in an affinity.
			node = wantedNode(pod)
		}
		out[node] = pod
	}
	return out, nil
}

func wantedNode(pod *corev1.Pod) string {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil || pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == "metadata.name" && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}
