//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// pressure makes a kubelet that works as a worker and not as a control plane take its disk for full: it deletes every image that it may. Nothing else has thresholds.
const pressure = `
  component "kubelet" {
    role = "worker"
    settings = {
      imageMinimumGCAge = "1s"
      evictionHard      = { "imagefs.available" = "99%", "nodefs.available" = "1%" }
    }
  }
  component "kubelet" {
    role     = "control-plane"
    settings = { evictionHard = { "imagefs.available" = "1%" } }
  }`

// unpinned is an image that nobody pinned. It has to be an image of its own: a second name of a pinned image is pinned with it.
const unpinned = "example.com/ops/unpinned:1"

// imageGarbageCollection forces the kubelet's garbage collection of images on w1 and checks that it takes an image that is not pinned, and none of the release.
func (o *operator) imageGarbageCollection() {
	images := func() []string {
		return strings.Fields(o.on("w1", "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls", "-q"))
	}
	before := images()
	for _, want := range []string{"coredns", "pause", "agnhost"} {
		if !slices.ContainsFunc(before, func(i string) bool { return strings.Contains(i, want) }) {
			o.t.Fatalf("image %s is not on w1: %s", want, before)
		}
	}
	o.importImage("w1", unpinned)
	if now := images(); !slices.Contains(now, unpinned) {
		o.t.Fatalf("%s was not imported: %s", unpinned, now)
	}

	o.write(small("bridge", pressure))
	o.exits(2, "plan")
	o.must("apply", "--yes")
	o.must("kubectl", "wait", "node/w1", "--for=condition=DiskPressure=true", "--timeout=60s")
	o.on("w1", "timeout", "120", "sh", "-c", `while /opt/trivet/bin/ctr -n k8s.io images ls -q | grep -qxF "$1"; do sleep 1; done`, "sh", unpinned)
	if diff := cmp.Diff(before, images()); diff != "" {
		o.t.Errorf("images on w1 after garbage collection (-before +after):\n%s", diff)
	}
	o.must("plan") // the node's condition and taint are not the topology's business

	o.write(small("bridge", ""))
	o.must("apply", "--yes")
	o.must("kubectl", "wait", "node/w1", "--for=condition=DiskPressure=false", "--timeout=60s")
	o.must("plan")
	o.must("verify")
	if diff := cmp.Diff(before, images()); diff != "" {
		o.t.Errorf("images on w1 in the end (-before +after):\n%s", diff)
	}
}

// importImage puts a small image into a host's containerd as an operator would, from an archive.
func (o *operator) importImage(host, reference string) {
	o.t.Helper()
	fail := func(err error) {
		if err != nil {
			o.t.Fatal(err)
		}
	}
	tag, err := name.NewTag(reference)
	fail(err)
	img, err := random.Image(64, 1)
	fail(err)
	config, err := img.ConfigFile()
	fail(err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	img, err = mutate.ConfigFile(img, config)
	fail(err)
	var archive bytes.Buffer
	fail(tarball.Write(tag, img, &archive))
	const script = `echo "$1" | base64 -d > /tmp/image.tar && /opt/trivet/bin/ctr -n k8s.io images import /tmp/image.tar; status=$?; rm -f /tmp/image.tar; exit $status`
	o.on(host, "sh", "-c", script, "sh", base64.StdEncoding.EncodeToString(archive.Bytes()))
}
