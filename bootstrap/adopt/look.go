package adopt

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// look finds what is in the way on hosts.
func (d *describer) look() {
	for _, n := range d.nodes {
		if !n.seen.read() {
			d.find(Risk, n.name, "it was not read: "+n.seen.Problem, "reach it and run this again: what it runs is not in this report")
			continue
		}
		d.lookAt(n)
	}
	d.lookAtVersions()
	d.lookAtMembers()
	d.lookAtKubelets()
	d.lookAtCertificates()
	d.lookAtDNS()
}

// ours are the static pods of kubeadm.
var ours = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

func (d *describer) lookAt(n *node) {
	f := n.seen.Facts
	for _, name := range sortedKeys(n.manifests) {
		if !slices.Contains(ours, name) {
			m := n.manifests[name]
			d.find(Risk, n.name, fmt.Sprintf("static pod %s (%s): Trivet's kubelet runs no static pods, so it would be gone", m.name, m.image), "find out what depends on it, such as an address that it holds for the API")
		}
	}
	if n.seen.Recorded != "" {
		d.find(Blocked, n.name, fmt.Sprintf("it belongs to cluster %q of Trivet's", n.seen.Recorded), "")
	}
	if f.SwapBytes > 0 {
		d.find(Note, n.name, fmt.Sprintf("it has %d MiB of swap", f.SwapBytes>>20), "")
	}
	if f.Init != "systemd" {
		d.find(Blocked, n.name, fmt.Sprintf("its init is %s: Trivet needs systemd", f.Init), "")
	}
	if kind, _, ok := strings.Cut(n.kube.Status.NodeInfo.ContainerRuntimeVersion, "://"); ok && kind != "containerd" {
		d.find(Risk, n.name, fmt.Sprintf("its containers run in %s: Trivet runs containerd, so all of them are made anew and images are fetched again", kind), "drain the node before")
	}
	for _, l := range f.Listeners {
		if l.Protocol == "tcp" && l.Port == localPort {
			d.find(Risk, n.name, fmt.Sprintf("%s listens on port %d, where Trivet has the balancer of the API", cmp.Or(l.Process, "a program"), localPort), "set local_port in the api block")
			break
		}
	}
	if n.has(topology.RoleControlPlane) {
		for _, ca := range []string{"ca", "front-proxy-ca", "etcd/ca"} {
			if p := path.Join(pkiDir, ca); n.seen.has(p+".crt") && !n.seen.has(p+".key") {
				d.find(Blocked, n.name, fmt.Sprintf("%s.key is not there: the authority is kept elsewhere, and Trivet issues certificates itself", p), "put the key there for the takeover, or replace the authority")
			}
		}
	}
}

const localPort = 7443

func (d *describer) lookAtVersions() {
	var other []string
	for _, n := range d.nodes {
		if v := strings.TrimPrefix(n.kube.Status.NodeInfo.KubeletVersion, "v"); v != d.version {
			other = append(other, fmt.Sprintf("%s runs %s", n.name, v))
		}
	}
	if len(other) > 0 {
		d.find(Risk, "version", fmt.Sprintf("the control plane is of %s, and not all kubelets are: %s", d.version, strings.Join(other, ", ")), "finish the upgrade first (kubeadm upgrade node)")
	}
}

func (d *describer) lookAtMembers() {
	if d.config.Etcd.External != nil {
		return
	}
	if d.MembersWhy != "" {
		d.find(Risk, "etcd", "the member list was not read: "+d.MembersWhy, "see that etcd's pods run")
	}
	for _, m := range d.Members {
		if m.Name == "" || d.node(m.Name) == nil {
			d.find(Blocked, "etcd", fmt.Sprintf("the member %q (%s) is on no node of the cluster", m.Name, strings.Join(m.PeerURLs, ", ")), "remove it, or make it a control plane of the cluster")
		}
	}
	for _, s := range d.Statuses {
		if s.Error != "" {
			d.find(Risk, "etcd", fmt.Sprintf("member %s: %s", s.Name, s.Error), "mend it before anything else")
			continue
		}
		now, ok := release.ReadVersion(s.Version)
		then, _ := release.ReadVersion(d.release.Etcd)
		if ok && now.Minor().Compare(then.Minor()) > 0 {
			d.find(Blocked, "etcd", fmt.Sprintf("member %s runs %s, newer than the %s of the release %s: its data have no way back", s.Name, s.Version, d.release.Etcd, d.release.Kubernetes), "use a trivet with a newer release")
		}
	}
}

// lookAtKubelets compares what kubelets have with what kubeadm keeps for all.
func (d *describer) lookAtKubelets() {
	shared, _ := fieldsOf(d.KubeletConfig)
	if driver := fmt.Sprint(shared["cgroupDriver"]); shared["cgroupDriver"] != nil && driver != "systemd" {
		d.find(Risk, "kubelet", fmt.Sprintf("its cgroup driver is %s, and Trivet's is systemd: a node cannot change it under running pods", driver), "drain and restart each node for it, one after the other")
	}
	own := map[string][]string{}
	for _, n := range d.nodes {
		if n.kubelet == nil || shared == nil {
			continue
		}
		mine, all := unset(n.kubelet), unset(shared)
		for _, name := range sortedKeys(merged(mine, all)) {
			usual := defaults["kubelet"][name]
			if cmp.Or(short(mine[name]), usual) != cmp.Or(short(all[name]), usual) && name != "resolvConf" && name != "containerRuntimeEndpoint" {
				own[n.name] = append(own[n.name], name)
			}
		}
		for _, name := range sortedKeys(n.kubeletArg) {
			if !slices.Contains(kubeletArgs, name) {
				d.find(Risk, n.name, fmt.Sprintf("its kubelet has the flag --%s=%s, which the topology does not carry over", name, strings.Join(n.kubeletArg[name], ",")), "write it as a field of component \"kubelet\", or as labels or taints of the host")
			}
		}
	}
	for _, name := range sortedKeys(own) {
		d.find(Risk, name, fmt.Sprintf("the kubelet has its own value of %s, not that of the ConfigMap kubelet-config, which the topology follows", strings.Join(own[name], ", ")), "look at "+kubeletConfig+" there; component blocks know roles, not hosts")
	}
}

// kubeletArgs are flags that kubeadm gives kubelets, and that follow from the host.
var kubeletArgs = []string{"container-runtime-endpoint", "pod-infra-container-image", "node-ip", "hostname-override", "resolv-conf", "network-plugin", "container-runtime", "cgroup-driver"}

func merged(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

func (d *describer) lookAtCertificates() {
	for _, c := range d.certificates() {
		left := c.Expires.Sub(d.o.Now)
		switch {
		case left <= 0:
			d.find(Risk, c.Host, fmt.Sprintf("%s has expired on %s", c.Path, c.Expires.Format("2006-01-02")), "kubeadm certs renew")
		case left < soon:
			d.find(Note, c.Host, fmt.Sprintf("%s expires on %s", c.Path, c.Expires.Format("2006-01-02")), "kubeadm certs renew")
		}
	}
}

func (d *describer) certificates() (out []Certificate) {
	for _, n := range d.nodes {
		out = append(out, certificates(n.name, n.seen)...)
	}
	return out
}

// plainCorefile are the plugins of kubeadm's own Corefile.
var plainCorefile = []string{"errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload", "loadbalance"}

var pluginLine = regexp.MustCompile(`(?m)^ {4}([a-z]+)\b`)

func (d *describer) lookAtDNS() {
	var other []string
	for _, m := range pluginLine.FindAllStringSubmatch(d.Corefile, -1) {
		if !slices.Contains(plainCorefile, m[1]) {
			other = append(other, m[1])
		}
	}
	if zones := strings.Count("\n"+d.Corefile, "\n.:") + strings.Count(d.Corefile, "{\n    errors"); len(other) > 0 || zones > 2 {
		d.find(Risk, "DNS", "CoreDNS has a Corefile of its own"+cmp.Or(map[bool]string{true: " (" + strings.Join(other, ", ") + ")"}[len(other) > 0], "")+": Trivet writes another", "what it answers besides the cluster's names would be gone")
	}
}

// ready tells whether a node is.
func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
