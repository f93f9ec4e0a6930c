package kubeadm

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Whole brings the cluster up.
func (k *Cluster) Whole(ctx context.Context) error {
	if err := k.ImportImages(ctx); err != nil {
		return err
	}
	if err := k.Init(ctx); err != nil {
		return err
	}
	if err := k.Network(ctx); err != nil {
		return err
	}
	for _, h := range k.Order[1:] {
		if err := k.Join(ctx, h); err != nil {
			return err
		}
	}
	return k.WaitReady(ctx)
}

// ImportOnWorker starts containerd and imports the images that a worker needs: a control plane's are of no use there.
func (k *Cluster) ImportOnWorker(ctx context.Context, host string) error {
	_, err := k.Script(ctx, host, `
systemctl start containerd.service
for f in /var/lib/containerd-images/*.tar; do
  case $(tar -xOf "$f" manifest.json) in
  *kube-proxy*|*pause*|*flanneld*|*coredns*|*agnhost*) /usr/local/bin/ctr -n k8s.io images import "$f" > /dev/null;;
  esac
done`)
	return err
}

// nextBinaries is where a host has the programs of the next release until they are exchanged.
const nextBinaries = "/usr/local/next/"

// PrepareUpgrade gives the hosts the programs and image archives of another release.
func (k *Cluster) PrepareUpgrade(ctx context.Context, s *Store) error {
	k.store = s
	var files []File
	for _, name := range []string{"kubelet", "kubeadm", "kubectl"} {
		from, err := s.Path(ctx, name)
		if err != nil {
			return err
		}
		files = append(files, File{Path: nextBinaries + name, Mode: 0o755, From: from})
	}
	if err := Each(k.Order, func(h string) error {
		if err := k.Push(ctx, h, files); err != nil {
			return err
		}
		// kubeadm is what an operator installs first; it lists the images of its release.
		_, err := k.Script(ctx, h, "mv "+nextBinaries+"kubeadm /usr/local/bin/kubeadm; rm /var/lib/containerd-images/*.tar")
		return err
	}); err != nil {
		return err
	}
	images, err := k.images(ctx)
	if err != nil {
		return err
	}
	return Each(k.Order, func(h string) error { return k.Push(ctx, h, images) })
}

// Upgrade takes one host through what kubeadm's own guide says: the control plane or the node's configuration, then the kubelet of a drained node.
func (k *Cluster) Upgrade(ctx context.Context, host string) error {
	command := "/usr/local/bin/kubeadm upgrade node --ignore-preflight-errors=all"
	if host == k.First {
		command = fmt.Sprintf("/usr/local/bin/kubeadm upgrade apply v%s --yes --ignore-preflight-errors=all", k.store.Release.Kubernetes)
	}
	if err := k.kubeadm(ctx, host, command); err != nil {
		return err
	}
	if _, err := k.Script(ctx, k.First, AdminKubectl+" drain "+host+" --ignore-daemonsets --delete-emptydir-data --timeout=5m"); err != nil {
		return err
	}
	if _, err := k.Script(ctx, host, "mv "+nextBinaries+"kubelet "+nextBinaries+"kubectl /usr/local/bin/; systemctl restart kubelet.service"); err != nil {
		return err
	}
	// Ready by the word of the new kubelet: the old one's word stands in the API for a while.
	_, err := k.Script(ctx, k.First, fmt.Sprintf(`until [ "$(%[1]s get node %[2]s -o 'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}' 2> /dev/null)" = "v%[3]s True" ]; do sleep 0.1; done
%[1]s uncordon %[2]s`, AdminKubectl, host, k.store.Release.Kubernetes))
	return err
}

// AllAt checks that every node and every part of the control plane has been exchanged.
func (k *Cluster) AllAt(ctx context.Context, release string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := k.Script(ctx, k.First, AdminKubectl+` get nodes -o 'jsonpath={range .items[*]}{.status.nodeInfo.kubeletVersion}{"\n"}{end}'; `+
		AdminKubectl+` -n kube-system get pods -l tier=control-plane,component!=etcd -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}'`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(strings.TrimSpace(line), "v"+release) {
			return fmt.Errorf("after kubeadm's upgrade something is not of %s: %s", release, line)
		}
	}
	return nil
}
