//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

var exampleHosts = []string{"bj1-cp1", "bj1-w1", "bj2-cp1", "sh1-cp1", "sh1-w1"}

// TestLifecycle takes the example topology through its life on real hosts: bring-up, a second apply that changes nothing, drift made by hand and mended, destroy that leaves
// the hosts as they were, and a second bring-up on the same hosts.
func TestLifecycle(t *testing.T) {
	o := newOperator(t, "e2e-lifecycle", example(t, "two-places-three-centres"))
	before := o.inspectAll(exampleHosts)

	o.exits(2, "plan")
	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
	o.must("status")

	t.Run("drift", func(t *testing.T) { o.at(t).drift() })
	t.Run("images stay", func(t *testing.T) { o.at(t).imagesStay() })

	o.must("destroy", "--confirm", "main")
	o.asBefore(before)
	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
}

func (o *operator) at(t *testing.T) *operator {
	c := *o
	c.t = t
	return &c
}

// unchanged checks that there is nothing to do, and that an apply says so and does nothing.
func (o *operator) unchanged() {
	o.t.Helper()
	o.must("plan")
	if r := o.must("apply", "--yes"); !strings.Contains(r.stdout, "No changes") {
		o.t.Errorf("a second apply does not say that nothing changed:\n%s", r.stdout)
	}
}

// drift changes a file, a mode and a unit by hand, on different hosts, and lets apply mend them alone.
func (o *operator) drift() {
	const kubeconfig = "/etc/kubernetes/kubelet.kubeconfig"
	mode := strings.TrimSpace(o.on("bj1-cp1", "stat", "-c", "%a", kubeconfig))
	o.on("bj1-cp1", "chmod", "0644", kubeconfig)
	o.on("bj1-w1", "sh", "-c", "echo '# by hand' >> /etc/kubernetes/kubelet.yaml")
	o.on("sh1-w1", "systemctl", "stop", "kube-proxy.service")
	r := o.exits(2, "plan")
	for _, want := range []string{"bj1-w1", "kubelet", "sh1-w1", "kube-proxy.service", "bj1-cp1", kubeconfig} {
		if !strings.Contains(r.stdout, want) {
			o.t.Errorf("the plan does not name %s:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "host bj2-cp1") {
		o.t.Errorf("the plan touches a host that did not change:\n%s", r.stdout)
	}
	if r := o.exits(1, "status"); !strings.Contains(r.stdout, "kube-proxy.service") {
		o.t.Errorf("status does not show the stopped unit:\n%s", r.stdout)
	}
	o.must("apply", "--yes")
	o.unchanged()
	if state := strings.TrimSpace(o.on("sh1-w1", "systemctl", "is-active", "kube-proxy.service")); state != "active" {
		o.t.Errorf("kube-proxy.service is %s after the apply", state)
	}
	if is := strings.TrimSpace(o.on("bj1-cp1", "stat", "-c", "%a", kubeconfig)); is != mode {
		o.t.Errorf("%s has the mode %s after the apply, and had %s", kubeconfig, is, mode)
	}
}

// imagesStay checks that the images that cannot be pulled again are there, pinned against the kubelet's garbage collection.
func (o *operator) imagesStay() {
	list := func() string {
		return o.on("bj1-w1", "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls", "-q")
	}
	for _, image := range []string{"coredns", "pause", "agnhost"} {
		if !strings.Contains(list(), image) {
			o.t.Errorf("image %s is not on bj1-w1:\n%s", image, list())
		}
	}
	labels := o.on("bj1-w1", "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls")
	for line := range strings.Lines(labels) {
		if strings.Contains(line, "registry.k8s.io/") && !strings.Contains(line, "io.cri-containerd.pinned=pinned") {
			o.t.Errorf("an image is not pinned: %s", line)
		}
	}
}
