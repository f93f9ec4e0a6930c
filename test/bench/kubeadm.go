package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

//go:embed kubeadm
var kubeadmFiles embed.FS

// kubeadmCluster brings Kubernetes up by kubeadm on the hosts of a lab. Before the clock starts the hosts have all binaries and units, and all images as archives.
type kubeadmCluster struct {
	*labHosts
	store *store
	first string // the first control plane
	// order is that in which hosts join.
	order          []string
	token          string
	certificateKey string
	flannel        string // reference
	pause          string
}

func newKubeadm(ctx context.Context, l *labHosts, s *store, order []string) (*kubeadmCluster, error) {
	k := &kubeadmCluster{labHosts: l, store: s, first: order[0], order: order, flannel: "docker.io/flannel/flanneld:v" + s.release.Flannel}
	k.token = randomHex(3) + "." + randomHex(8)
	k.certificateKey = randomHex(32)
	return k, k.prepare(ctx)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// parameters of the files.
type parameters struct {
	Name, Address, Endpoint, Kubernetes string
	Token, CertificateKey               string
	Single, ControlPlane, CgroupV1      bool
	PodCIDR, Pause, Flannel, Agnhost    string
}

func (k *kubeadmCluster) parameters(host string) parameters {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return parameters{
		Name: host, Address: k.host(host).Address.String(), Endpoint: k.host(k.first).Address.String(), Kubernetes: k.store.release.Kubernetes,
		Token: k.token, CertificateKey: k.certificateKey, Single: len(k.order) == 1, ControlPlane: k.host(host).Has(topology.RoleControlPlane), CgroupV1: err != nil,
		Pause: k.pause, Flannel: k.flannel, Agnhost: k.store.release.AgnhostImage(),
	}
}

func render(name string, p parameters) ([]byte, error) {
	text, err := kubeadmFiles.ReadFile("kubeadm/" + name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// prepare gives the hosts what they have before the clock starts.
func (k *kubeadmCluster) prepare(ctx context.Context) error {
	k.say("kubeadm: binaries and images on %d hosts", len(k.order))
	var binaries []file
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "kubelet", "kubeadm", "kubectl"} {
		from, err := k.store.path(ctx, name)
		if err != nil {
			return err
		}
		binaries = append(binaries, file{path: "/usr/local/bin/" + name, mode: 0o755, from: from})
	}
	for _, name := range []string{"bridge", "host-local", "loopback", "portmap"} {
		from, err := k.store.path(ctx, "cni-"+name)
		if err != nil {
			return err
		}
		binaries = append(binaries, file{path: "/opt/cni/bin/" + name, mode: 0o755, from: from})
	}
	if err := each(k.order, func(h string) error { return k.push(ctx, h, binaries) }); err != nil {
		return err
	}
	images, err := k.images(ctx)
	if err != nil {
		return err
	}
	return each(k.order, func(h string) error { return k.prepareHost(ctx, h, images) })
}

// images makes what `kubeadm config images list` names, and flannel's.
func (k *kubeadmCluster) images(ctx context.Context) ([]file, error) {
	list, err := k.exec(ctx, k.first, "/usr/local/bin/kubeadm", "config", "images", "list", "--kubernetes-version", "v"+k.store.release.Kubernetes)
	if err != nil {
		return nil, err
	}
	tools, err := k.script(ctx, k.first, packetTools)
	if err != nil {
		return nil, fmt.Errorf("programs for the images of kube-proxy and flannel: %w", err)
	}
	set := &imageSet{store: k.store, dir: filepath.Join(k.dir, "images"), tools: []byte(tools)}
	if err := os.MkdirAll(set.dir, 0o700); err != nil {
		return nil, err
	}
	var out []file
	for _, ref := range append(strings.Fields(list), k.flannel, k.store.release.AgnhostImage()) {
		if binaryOf(ref) == "pause" {
			k.pause = ref
		}
		m, err := set.make(ctx, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, file{path: fmt.Sprintf("/var/lib/containerd-images/%02d.tar", len(out)), mode: 0o644, from: m.path})
	}
	return out, nil
}

func (k *kubeadmCluster) prepareHost(ctx context.Context, host string, images []file) error {
	p, files := k.parameters(host), slices.Clone(images)
	config := "join.yaml"
	if host == k.first {
		config = "init.yaml"
	}
	for _, f := range []struct{ name, path string }{
		{"containerd.toml", "/etc/containerd/config.toml"}, {"containerd.service", "/etc/systemd/system/containerd.service"},
		{"kubelet.service", "/etc/systemd/system/kubelet.service"}, {config, "/etc/kubeadm.yaml"},
		{"flannel.yaml", "/etc/flannel.yaml"},
	} {
		content, err := render(f.name, p)
		if err != nil {
			return err
		}
		files = append(files, file{path: f.path, mode: 0o600, content: content})
	}
	if err := k.push(ctx, host, files); err != nil {
		return err
	}
	// An empty resolv.conf would keep CoreDNS, as kubeadm configures it, from starting.
	_, err := k.script(ctx, host, `
echo 1 > /proc/sys/net/ipv4/ip_forward
grep -q nameserver /etc/resolv.conf || echo nameserver 192.0.2.53 > /etc/resolv.conf
systemctl daemon-reload
systemctl enable kubelet.service 2> /dev/null`)
	return err
}

// importImages starts containerd and imports the images, on all hosts at once. It is a part of the work that the other side has inside its time, too.
func (k *kubeadmCluster) importImages(ctx context.Context) error {
	return each(k.order, func(host string) error {
		_, err := k.script(ctx, host, `
systemctl start containerd.service
for f in /var/lib/containerd-images/*.tar; do /usr/local/bin/ctr -n k8s.io images import "$f" > /dev/null; done`)
		return err
	})
}

// init runs kubeadm init on the first host.
func (k *kubeadmCluster) init(ctx context.Context) error {
	command := "/usr/local/bin/kubeadm init --config /etc/kubeadm.yaml --skip-token-print"
	if len(k.order) > 1 {
		command += " --upload-certs"
	}
	return k.kubeadm(ctx, k.first, command)
}

func (k *kubeadmCluster) join(ctx context.Context, host string) error {
	if err := k.kubeadm(ctx, host, "/usr/local/bin/kubeadm join --config /etc/kubeadm.yaml"); err != nil {
		return err
	}
	return k.configureCNI(ctx, host)
}

func (k *kubeadmCluster) kubeadm(ctx context.Context, host, command string) error {
	_, err := k.script(ctx, host, "export PATH=/usr/local/bin:$PATH; "+command+" > /var/log/kubeadm.log 2>&1")
	if err == nil {
		return nil
	}
	tail, _ := k.exec(context.WithoutCancel(ctx), host, "tail", "-n", "30", "/var/log/kubeadm.log")
	return fmt.Errorf("%s: %w\n%s", command, err, tail)
}

// network applies flannel, as a user of kubeadm does after init.
func (k *kubeadmCluster) network(ctx context.Context) error {
	if _, err := k.script(ctx, k.first, adminKubectl+" apply -f /etc/flannel.yaml"); err != nil {
		return err
	}
	return k.configureCNI(ctx, k.first)
}

const adminKubectl = "/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf"

// configureCNI writes the CNI configuration of a host once its node has a pod range. With flannel's own CNI plugin an init container writes it.
func (k *kubeadmCluster) configureCNI(ctx context.Context, host string) error {
	cidr, err := k.script(ctx, k.first, "until cidr=$("+adminKubectl+" get node "+host+" -o 'jsonpath={.spec.podCIDR}' 2> /dev/null) && [ -n \"$cidr\" ]; do sleep 0.1; done; printf %s $cidr")
	if err != nil {
		return err
	}
	p := k.parameters(host)
	p.PodCIDR = cidr
	text, err := render("cni.conflist", p)
	if err != nil {
		return err
	}
	_, err = k.exec(ctx, host, "sh", "-ec", `mkdir -p /etc/cni/net.d; printf %s "$1" > /etc/cni/net.d/10-bench.conflist`, "sh", string(text))
	return err
}

// waitReady waits until all nodes are Ready.
func (k *kubeadmCluster) waitReady(ctx context.Context) error {
	if _, err := k.script(ctx, k.first, adminKubectl+" wait --for=condition=Ready node --all --timeout=10m"); err != nil {
		return err
	}
	out, err := k.script(ctx, k.first, adminKubectl+" get nodes -o name")
	if err != nil {
		return err
	}
	if n := len(strings.Fields(out)); n != len(k.order) {
		return fmt.Errorf("%d of %d nodes are registered", n, len(k.order))
	}
	return nil
}

// lap measures one part of a run after another.
type lap struct {
	start, last time.Time
}

func newLap() *lap { return &lap{time.Now(), time.Now()} }

// next is the time since the last call.
func (l *lap) next() time.Duration {
	now := time.Now()
	d := now.Sub(l.last)
	l.last = now
	return d
}

func (l *lap) total() time.Duration { return l.last.Sub(l.start) }
