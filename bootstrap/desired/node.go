package desired

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

const (
	containerdSocket    = "/run/containerd/containerd.sock"
	containerdNamespace = "k8s.io"
)

// balancer makes the node-local HAProxy over all control planes.
func (b *builder) balancer() {
	b.part = PartBalancer
	b.pkg("haproxy")
	b.folder("/etc/trivet")
	ca := b.trust(kubernetesCA, certs.Kubernetes)
	config := b.render("/etc/trivet/haproxy.cfg", templates.HAProxyConfig{
		LocalPort: b.cluster.API.LocalPort, Port: b.cluster.API.Port, CA: kubernetesCA, CheckInterval: checkInterval(len(b.cluster.Nodes())).String(), Servers: b.apiServers(),
	})
	b.unit("trivet-haproxy.service", templates.HAProxyUnit{}, start{reload: true}, config, ca)
}

// apiServers weighs the API servers by nearness. A control plane has its own one, and the others for when that is not ready: a connection to a site that was just cut off hangs until
// the checks have found out.
func (b *builder) apiServers() []templates.Server {
	var out []templates.Server
	for _, h := range b.cluster.HostsWith(topology.RoleControlPlane) {
		weight := 10
		switch {
		case h.Site() == b.host.Site():
			weight = 100
		case h.Site().Region == b.host.Site().Region:
			weight = 50
		}
		out = append(out, templates.Server{Name: h.Name, Address: h.Address, Weight: weight, Backup: b.host.Has(topology.RoleControlPlane) && h != b.host})
	}
	return out
}

// checkInterval keeps the handshakes that checks cost an API server in bounds. In steps, so that one node more seldom changes the configuration of all.
func checkInterval(nodes int) time.Duration {
	switch {
	case nodes <= 100:
		return 2 * time.Second
	case nodes <= 500:
		return 5 * time.Second
	}
	return 10 * time.Second
}

// containerd makes the container runtime with runc, its tools and its configuration.
func (b *builder) containerd() {
	b.part = PartContainerd
	r := b.in.Release
	bin := b.binary("containerd", r.Containerd)
	b.binary("containerd-shim-runc-v2", r.Containerd)
	b.binary("ctr", r.Containerd)
	b.binary("runc", r.Runc)
	for _, plugin := range release.CNIPlugins {
		b.folder(path.Dir(cniDir))
		b.program(path.Join(cniDir, plugin), release.CNIArtifact(plugin), r.CNIPlugins)
	}
	b.folder("/etc/containerd", "/etc/containerd/certs.d", "/etc/cni", "/etc/cni/net.d")
	b.data("/var/lib/containerd", root)
	b.data("/var/lib/kubelet", root)
	b.claimPods()
	s := b.settings("containerd")
	config := b.render("/etc/containerd/config.toml", templates.ContainerdConfig{
		ConfigVersion:            r.ContainerdConfig,
		SandboxImage:             b.imageReference("pause", r.Pause, r.PauseImage()),
		LogLevel:                 text(s, "log_level", "info"),
		MaxConcurrentDownloads:   whole(s, "max_concurrent_downloads", 3),
		MaxContainerLogLineSize:  whole(s, "max_container_log_line_size", 16384),
		ImagePullProgressTimeout: text(s, "image_pull_progress_timeout", "5m0s"),
	})
	b.unit("containerd.service", templates.ContainerdUnit{}, start{}, bin, config)
}

// images makes the images that the node may need, before the kubelet runs and could want one.
func (b *builder) images() {
	b.part = PartImages
	n := need(b.cluster, b.host, b.facts.Architecture, !b.in.NoVerifyImage)
	for _, w := range b.in.Release.Wants(n) {
		if w.Kind != artifact.Image || w.Name == "coredns" && !mayHoldDNS(b.host) {
			continue
		}
		e, err := b.store.one(w)
		if err != nil {
			b.fail("%w", err)
			continue
		}
		b.item(hostapi.Item{Image: &hostapi.Image{
			Reference: e.Reference, Archive: blob(e), Tool: path.Join(binDir, "ctr"), Address: containerdSocket, Namespace: containerdNamespace,
		}})
	}
}

// mayHoldDNS reports whether a pod of CoreDNS may be on the host. NoSchedule keeps new ones away, and leaves one that came before the taint, which needs its image when
// it starts again; NoExecute evicts it.
func mayHoldDNS(h *topology.Host) bool {
	return !slices.ContainsFunc(h.Taints, func(t topology.Taint) bool { return t.Effect == "NoExecute" })
}

// imageReference is the reference under which an image is imported.
func (b *builder) imageReference(name, version, otherwise string) string {
	return b.store.reference(artifact.Want{Name: name, Version: version, Arch: b.facts.Architecture, Kind: artifact.Image}, otherwise)
}

func (s store) reference(w artifact.Want, otherwise string) string {
	if e, err := s.one(w); err == nil && e.Reference != "" {
		return e.Reference
	}
	return otherwise
}

// kubelet makes the kubelet. Labels, annotations and taints are not its business: Trivet writes them on the Node object.
func (b *builder) kubelet() {
	b.part = PartKubelet
	bin := b.binary("kubelet", b.in.Release.Kubernetes)
	ca := b.trust(kubernetesCA, certs.Kubernetes)
	b.trust(clientCA, certs.Kubernetes, certs.Online)
	access := b.kubeconfig("kubelet", b.anyAPI(), "system:node:"+b.host.Name, b.keyPair(certs.KubeletClient))
	config := b.structured("/etc/kubernetes/kubelet.yaml", "kubelet", templates.KubeletConfig{
		ClientCA: clientCA, Serving: b.keyPair(certs.KubeletServer), CipherSuites: tls12Suites, CgroupV1: b.facts.CgroupVersion == 1,
		DNSAddress: b.cluster.DNS.Address, Domain: b.cluster.DNS.Domain, ResolvConf: b.facts.ResolvConf,
		IPTables: b.cluster.Network.ProxyMode == release.ModeIPTables,
	})
	b.unit("kubelet.service", templates.KubeletUnit{Name: b.host.Name, Address: b.host.Address, CertDir: kubeletCerts(b.in.Inventory)}, start{noWait: true}, bin, access, config, ca)
}

// kubeletCerts is where a kubelet keeps the certificates that it asked for: a folder for each online authority from the second on. In an empty one it begins with the certificate that
// Trivet gave it and asks for another, so that after its restart nothing of it depends on the authority before.
func kubeletCerts(inv *inventory.Inventory) string {
	r := inv.Rotation("online_ca")
	n := r.Generation
	if r.Stage == inventory.StageTrust || r.Stage == inventory.StageSpread || r.Stage == inventory.StageSign {
		n--
	}
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf("/var/lib/kubelet/pki-%d", n)
}

// proxy makes kube-proxy.
func (b *builder) proxy() {
	b.part = PartProxy
	bin := b.binary("kube-proxy", b.in.Release.Kubernetes)
	ca := b.trust(kubernetesCA, certs.Kubernetes)
	access := b.kubeconfig("kube-proxy", b.anyAPI(), "system:kube-proxy", b.keyPair(certs.KubeProxy))
	config := b.structured("/etc/kubernetes/kube-proxy.yaml", "kube-proxy", templates.ProxyConfig{
		Mode: b.cluster.Network.ProxyMode, PodCIDR: b.cluster.PodCIDR,
	})
	b.unit("kube-proxy.service", templates.ProxyUnit{Name: b.host.Name}, start{noWait: true}, bin, access, config, ca)
}
