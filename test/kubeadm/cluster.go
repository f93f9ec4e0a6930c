// Package kubeadm brings Kubernetes up with kubeadm on the hosts of a lab, for what Trivet is compared with: benchmarks, and tests of adoption. It may import what tests may.
package kubeadm

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

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Files are the templates of what hosts get.
//
//go:embed files
var Files embed.FS

// Cluster brings Kubernetes up by kubeadm on the hosts of a lab. Before the clock starts the hosts have all binaries and units, and all images as archives.
type Cluster struct {
	*Lab
	First string // the first control plane
	// Order is that in which hosts join.
	Order          []string
	store          *Store
	dir            string // for image archives
	token          string
	certificateKey string
	flannel        string // reference
	pause          string
	audit          bool
}

// Option changes how a cluster is made.
type Option func(*Cluster)

// WithAudit has the API server write an audit log, AuditLog, of all requests.
func WithAudit(k *Cluster) { k.audit = true }

// AuditLog is where the API server of a cluster made WithAudit writes on its host: an event in JSON a line.
const AuditLog = "/var/log/kubernetes/audit.log"

// New prepares the hosts of a lab, in the order in which they are to join. Image archives are put into dir.
func New(ctx context.Context, l *Lab, s *Store, dir string, order []string, options ...Option) (*Cluster, error) {
	k := &Cluster{Lab: l, store: s, dir: dir, First: order[0], Order: order, flannel: "docker.io/flannel/flanneld:v" + s.Release.Flannel}
	k.token = randomHex(3) + "." + randomHex(8)
	k.certificateKey = randomHex(32)
	for _, o := range options {
		o(k)
	}
	return k, k.prepare(ctx)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Parameters of the files.
type Parameters struct {
	Name, Address, Endpoint, Kubernetes   string
	Token, CertificateKey                 string
	Single, ControlPlane, CgroupV1, Audit bool
	PodCIDR, Pause, Flannel, Agnhost      string
}

func (k *Cluster) parameters(host string) Parameters {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return Parameters{
		Name: host, Address: k.Host(host).Address.String(), Endpoint: k.Host(k.First).Address.String(), Kubernetes: k.store.Release.Kubernetes,
		Token: k.token, CertificateKey: k.certificateKey, Single: len(k.Order) == 1, ControlPlane: k.Host(host).Has(topology.RoleControlPlane), CgroupV1: err != nil,
		Pause: k.pause, Flannel: k.flannel, Agnhost: k.store.Release.AgnhostImage(), Audit: k.audit,
	}
}

// Render fills in one of the files.
func Render(name string, p Parameters) ([]byte, error) {
	text, err := Files.ReadFile("files/" + name)
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
func (k *Cluster) prepare(ctx context.Context) error {
	var binaries []File
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "kubelet", "kubeadm", "kubectl"} {
		from, err := k.store.Path(ctx, name)
		if err != nil {
			return err
		}
		binaries = append(binaries, File{Path: "/usr/local/bin/" + name, Mode: 0o755, From: from})
	}
	for _, name := range []string{"bridge", "host-local", "loopback", "portmap"} {
		from, err := k.store.Path(ctx, "cni-"+name)
		if err != nil {
			return err
		}
		binaries = append(binaries, File{Path: "/opt/cni/bin/" + name, Mode: 0o755, From: from})
	}
	if err := Each(k.Order, func(h string) error { return k.Push(ctx, h, binaries) }); err != nil {
		return err
	}
	images, err := k.images(ctx)
	if err != nil {
		return err
	}
	return Each(k.Order, func(h string) error { return k.prepareHost(ctx, h, images) })
}

// images makes what `kubeadm config images list` names, and flannel's.
func (k *Cluster) images(ctx context.Context) ([]File, error) {
	list, err := k.Exec(ctx, k.First, "/usr/local/bin/kubeadm", "config", "images", "list", "--kubernetes-version", "v"+k.store.Release.Kubernetes)
	if err != nil {
		return nil, err
	}
	tools, err := k.Script(ctx, k.First, packetTools)
	if err != nil {
		return nil, fmt.Errorf("programs for the images of kube-proxy and flannel: %w", err)
	}
	set := &imageSet{store: k.store, dir: filepath.Join(k.dir, "images"), tools: []byte(tools)}
	if err := os.MkdirAll(set.dir, 0o700); err != nil {
		return nil, err
	}
	var out []File
	for _, ref := range append(strings.Fields(list), k.flannel, k.store.Release.AgnhostImage()) {
		if binaryOf(ref) == "pause" {
			k.pause = ref
		}
		m, err := set.make(ctx, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, File{Path: fmt.Sprintf("/var/lib/containerd-images/%02d.tar", len(out)), Mode: 0o644, From: m.path})
	}
	return out, nil
}

func (k *Cluster) prepareHost(ctx context.Context, host string, images []File) error {
	p, files := k.parameters(host), slices.Clone(images)
	config := "join.yaml"
	if host == k.First {
		config = "init.yaml"
	}
	for _, f := range []struct{ name, path string }{
		{"containerd.toml", "/etc/containerd/config.toml"}, {"containerd.service", "/etc/systemd/system/containerd.service"},
		{"kubelet.service", "/etc/systemd/system/kubelet.service"}, {config, "/etc/kubeadm.yaml"},
		{"flannel.yaml", "/etc/flannel.yaml"}, {"audit.yaml", "/etc/kubernetes/audit/policy.yaml"},
	} {
		content, err := Render(f.name, p)
		if err != nil {
			return err
		}
		files = append(files, File{Path: f.path, Mode: 0o600, Content: content})
	}
	if err := k.Push(ctx, host, files); err != nil {
		return err
	}
	// An empty resolv.conf would keep CoreDNS, as kubeadm configures it, from starting.
	_, err := k.Script(ctx, host, `
echo 1 > /proc/sys/net/ipv4/ip_forward
grep -q nameserver /etc/resolv.conf || echo nameserver 192.0.2.53 > /etc/resolv.conf
systemctl daemon-reload
systemctl enable kubelet.service 2> /dev/null`)
	return err
}

// ImportImages starts containerd and imports the images, on all hosts at once. It is a part of the work that the other side has inside its time, too.
func (k *Cluster) ImportImages(ctx context.Context) error {
	return Each(k.Order, func(host string) error {
		_, err := k.Script(ctx, host, `
systemctl start containerd.service
for f in /var/lib/containerd-images/*.tar; do /usr/local/bin/ctr -n k8s.io images import "$f" > /dev/null; done`)
		return err
	})
}

// Init runs kubeadm init on the first host.
func (k *Cluster) Init(ctx context.Context) error {
	command := "/usr/local/bin/kubeadm init --config /etc/kubeadm.yaml --skip-token-print"
	if len(k.Order) > 1 {
		command += " --upload-certs"
	}
	return k.kubeadm(ctx, k.First, command)
}

// Join runs kubeadm join on a host.
func (k *Cluster) Join(ctx context.Context, host string) error {
	if err := k.kubeadm(ctx, host, "/usr/local/bin/kubeadm join --config /etc/kubeadm.yaml"); err != nil {
		return err
	}
	return k.configureCNI(ctx, host)
}

func (k *Cluster) kubeadm(ctx context.Context, host, command string) error {
	_, err := k.Script(ctx, host, "export PATH=/usr/local/bin:$PATH; "+command+" > /var/log/kubeadm.log 2>&1")
	if err == nil {
		return nil
	}
	tail, _ := k.Exec(context.WithoutCancel(ctx), host, "tail", "-n", "30", "/var/log/kubeadm.log")
	return fmt.Errorf("%s: %w\n%s", command, err, tail)
}

// Network applies flannel, as a user of kubeadm does after init.
func (k *Cluster) Network(ctx context.Context) error {
	if _, err := k.Script(ctx, k.First, AdminKubectl+" apply -f /etc/flannel.yaml"); err != nil {
		return err
	}
	return k.configureCNI(ctx, k.First)
}

// AdminKubectl is kubectl as an administrator on a control plane.
const AdminKubectl = "/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf"

// configureCNI writes the CNI configuration of a host once its node has a pod range. With flannel's own CNI plugin an init container writes it.
func (k *Cluster) configureCNI(ctx context.Context, host string) error {
	cidr, err := k.Script(ctx, k.First, "until cidr=$("+AdminKubectl+" get node "+host+" -o 'jsonpath={.spec.podCIDR}' 2> /dev/null) && [ -n \"$cidr\" ]; do sleep 0.1; done; printf %s $cidr")
	if err != nil {
		return err
	}
	p := k.parameters(host)
	p.PodCIDR = cidr
	text, err := Render("cni.conflist", p)
	if err != nil {
		return err
	}
	_, err = k.Exec(ctx, host, "sh", "-ec", `mkdir -p /etc/cni/net.d; printf %s "$1" > /etc/cni/net.d/10-bench.conflist`, "sh", string(text))
	return err
}

// WaitReady waits until all nodes are Ready.
func (k *Cluster) WaitReady(ctx context.Context) error {
	if _, err := k.Script(ctx, k.First, AdminKubectl+" wait --for=condition=Ready node --all --timeout=10m"); err != nil {
		return err
	}
	out, err := k.Script(ctx, k.First, AdminKubectl+" get nodes -o name")
	if err != nil {
		return err
	}
	if n := len(strings.Fields(out)); n != len(k.Order) {
		return fmt.Errorf("%d of %d nodes are registered", n, len(k.Order))
	}
	return nil
}
