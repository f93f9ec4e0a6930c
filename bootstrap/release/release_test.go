package release_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/artifact/image"
)

func lookup(t *testing.T, version string) *release.Release {
	t.Helper()
	r, err := release.Lookup(version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookup(t *testing.T) {
	if diff := cmp.Diff([]string{"1.36.3", "1.37.2"}, release.Supported()); diff != "" {
		t.Error(diff)
	}
	for _, v := range release.Supported() {
		if r := lookup(t, v); r.Kubernetes != v {
			t.Errorf("%s gave %s", v, r.Kubernetes)
		}
		if err := release.Known(v); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct{ version, want string }{
		{"1.37.1", "the nearest is 1.37.2"},
		{"1.38.0", "the nearest is 1.37.2"},
		{"1.36.9", "the nearest is 1.36.3"},
		{"1.20", "the nearest is 1.36.3"},
		{"2.0.0", "the nearest is 1.37.2"},
		{"v1.37.2", `written without the v: "1.37.2"`},
		{"v1.37.0", "the nearest is 1.37.2"},
		{"", `"" is not a Kubernetes release`},
		{"latest", "is not a Kubernetes release"},
		{"1.37.2-rc.1", "is not a Kubernetes release"},
	} {
		_, err := release.Lookup(c.version)
		if err == nil {
			t.Errorf("%q was found", c.version)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %q does not say %q", c.version, err, c.want)
		}
		if !strings.HasPrefix(c.version, "v1.37.2") && !strings.Contains(err.Error(), "1.36.3, 1.37.2") {
			t.Errorf("%q: error %q does not list what is supported", c.version, err)
		}
	}
}

func TestLookupGivesACopy(t *testing.T) {
	lookup(t, "1.37.2").Etcd = "0"
	if got := lookup(t, "1.37.2").Etcd; got == "0" {
		t.Error("the table was changed")
	}
}

// TestPairs holds the etcd minor version that each Kubernetes minor version is built and tested with.
func TestPairs(t *testing.T) {
	for minor, etcd := range map[string]string{"1.36": "3.6.", "1.37": "3.7."} {
		for _, v := range release.Supported() {
			if r := lookup(t, v); r.Minor() == minor && !strings.HasPrefix(r.Etcd, etcd) {
				t.Errorf("Kubernetes %s pairs with etcd %s", v, r.Etcd)
			}
		}
	}
}

func TestWants(t *testing.T) {
	r := lookup(t, "1.37.2")
	lines := func(wants []artifact.Want) []string {
		var out []string
		for _, w := range wants {
			out = append(out, w.String())
		}
		return out
	}
	for _, c := range []struct {
		name string
		need release.Need
		want []string
	}{
		{"etcd", release.Need{Arch: "amd64", Roles: []topology.Role{topology.RoleEtcd}, Plugin: "flannel", ProxyMode: "nftables"}, []string{
			"etcd 3.7.3 amd64 binary", "etcdctl 3.7.3 amd64 binary", "etcdutl 3.7.3 amd64 binary",
		}},
		{"worker", release.Need{
			Arch: "arm64", Roles: []topology.Role{topology.RoleWorker}, Plugin: "bridge", ProxyMode: "nftables", Verify: true,
			Images: []string{"registry:5000/team/app@sha256:0000000000000000000000000000000000000000000000000000000000000000", "registry:5000/team/app", "registry:5000/team/app:latest"},
		}, []string{
			"kubelet 1.37.2 arm64 binary", "kube-proxy 1.37.2 arm64 binary", "containerd 2.4.2 arm64 binary", "containerd-shim-runc-v2 2.4.2 arm64 binary",
			"ctr 2.4.2 arm64 binary", "runc 1.5.2 arm64 binary", "cni-bridge 1.9.1 arm64 binary", "cni-host-local 1.9.1 arm64 binary",
			"cni-loopback 1.9.1 arm64 binary", "cni-portmap 1.9.1 arm64 binary",
			"pause 3.10.1 arm64 image", "coredns 1.15.0 arm64 image", "agnhost 2.66.1 arm64 image",
			"registry:5000/team/app sha256:0000000000000000000000000000000000000000000000000000000000000000 arm64 image",
			"registry:5000/team/app latest arm64 image", "haproxy arm64 package", "nftables arm64 package",
		}},
		{"control plane", release.Need{Arch: "amd64", Roles: []topology.Role{topology.RoleControlPlane}, Plugin: "flannel", ProxyMode: "iptables"}, []string{
			"kube-apiserver 1.37.2 amd64 binary", "kube-controller-manager 1.37.2 amd64 binary", "kube-scheduler 1.37.2 amd64 binary",
			"kubelet 1.37.2 amd64 binary", "kube-proxy 1.37.2 amd64 binary", "containerd 2.4.2 amd64 binary", "containerd-shim-runc-v2 2.4.2 amd64 binary",
			"ctr 2.4.2 amd64 binary", "runc 1.5.2 amd64 binary", "cni-bridge 1.9.1 amd64 binary", "cni-host-local 1.9.1 amd64 binary",
			"cni-loopback 1.9.1 amd64 binary", "cni-portmap 1.9.1 amd64 binary", "flanneld 0.28.10 amd64 binary",
			"pause 3.10.1 amd64 image", "coredns 1.15.0 amd64 image", "haproxy amd64 package", "iptables amd64 package", "nftables amd64 package",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(r.Wants(c.need))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestImageReferences holds the references to those that the artifacts give the same images.
func TestImageReferences(t *testing.T) {
	for _, v := range release.Supported() {
		r := lookup(t, v)
		for name, have := range map[string][2]string{
			"pause": {r.Pause, r.PauseImage()}, "coredns": {r.CoreDNS, r.CoreDNSImage()}, "agnhost": {r.Agnhost, r.AgnhostImage()},
		} {
			want, err := image.Reference(name, have[0])
			if err != nil {
				t.Fatal(err)
			}
			if have[1] != want {
				t.Errorf("%s is %s, and %s among the artifacts", name, have[1], want)
			}
		}
	}
}

func TestComponents(t *testing.T) {
	if !slices.IsSorted(release.Components()) {
		t.Error("not sorted")
	}
	r := lookup(t, "1.37.2")
	for _, c := range release.Components() {
		if errs := r.CheckSettings(c, nil); len(errs) > 0 {
			t.Errorf("%s without settings: %v", c, errs)
		}
	}
}
