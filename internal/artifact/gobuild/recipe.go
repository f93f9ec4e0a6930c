package gobuild

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// The wrapper modules, as whole files: rendered with the version, ".tmpl" cut off.
//
//go:embed recipes
var wrappers embed.FS

// buildDate is in every Kubernetes binary. It is fixed so that the same toolchain
// makes the same bytes.
const buildDate = "2026-01-01T00:00:00Z"

// recipe says how one set of binaries is built: together, by one call of the toolchain.
type recipe struct {
	set      string            // and the folder of its wrapper module under recipes
	module   string            // the released module; its go.mod is read for staging modules where staging is set
	staging  bool              // a Kubernetes release: its k8s.io modules are replaced by the published ones
	packages map[string]string // binary -> main package
	flags    []string          // -X settings for the linker, with {v} for the version
	tags     string
	cgo      []string // architectures that need a C compiler; static linking comes with it
	headers  []string // C headers that it needs then, see requirements
	cost     string   // of a cold build on two cores, to tell the user what to expect
}

var recipes = []recipe{
	{
		set: "kubernetes", module: "k8s.io/kubernetes", staging: true, cost: "10 min",
		packages: map[string]string{
			"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
			"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
			"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
			"kubelet":                 "k8s.io/kubernetes/cmd/kubelet",
			"kube-proxy":              "k8s.io/kubernetes/cmd/kube-proxy",
			"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
			"kubeadm":                 "k8s.io/kubernetes/cmd/kubeadm",
			"agnhost":                 "k8s.io/kubernetes/test/images/agnhost",
		},
		flags: []string{
			"k8s.io/component-base/version.gitVersion=v{v}",
			"k8s.io/component-base/version.gitMajor={major}",
			"k8s.io/component-base/version.gitMinor={minor}",
			"k8s.io/component-base/version.gitTreeState=clean",
			"k8s.io/component-base/version.gitCommit=0000000000000000000000000000000000000000",
			"k8s.io/component-base/version.buildDate=" + buildDate,
		},
	},
	{
		set: "containerd", module: "github.com/containerd/containerd/v2", cost: "2 min",
		packages: map[string]string{
			"containerd":              "github.com/containerd/containerd/v2/cmd/containerd",
			"containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"ctr":                     "github.com/containerd/containerd/v2/cmd/ctr",
		},
		flags: []string{"github.com/containerd/containerd/v2/version.Version=v{v}"},
		tags:  "no_btrfs,no_devmapper,no_zfs",
	},
	{
		set: "flannel", module: "github.com/flannel-io/flannel", cost: "2 min",
		packages: map[string]string{"flanneld": "github.com/flannel-io/flannel"},
		flags:    []string{"github.com/flannel-io/flannel/pkg/version.Version=v{v}"},
		tags:     "netgo,osusergo",
		cgo:      []string{"amd64"}, // its udp backend has C code there, and only there
	},
	{
		set: "coredns", module: "github.com/coredns/coredns", cost: "2 min",
		packages: map[string]string{"coredns": "trivet.build/coredns"},
		flags:    []string{"github.com/coredns/coredns/coremain.GitCommit=v{v}"},
	},
	{
		set: "etcd", module: "go.etcd.io/etcd/server/v3", cost: "1 min",
		packages: map[string]string{
			"etcd":    "go.etcd.io/etcd/server/v3",
			"etcdctl": "go.etcd.io/etcd/etcdctl/v3",
			"etcdutl": "go.etcd.io/etcd/etcdutl/v3",
		},
		flags: []string{"go.etcd.io/etcd/api/v3/version.GitSHA=v{v}"},
	},
	{
		set: "runc", module: "github.com/opencontainers/runc", cost: "30 s",
		packages: map[string]string{"runc": "github.com/opencontainers/runc"},
		tags:     "seccomp,netgo,osusergo",
		cgo:      []string{"amd64", "arm64"},
		headers:  []string{"seccomp.h"},
	},
	{
		set: "cni-plugins", module: "github.com/containernetworking/plugins", cost: "20 s",
		packages: map[string]string{
			"cni-bandwidth":  cni + "meta/bandwidth",
			"cni-bridge":     cni + "main/bridge",
			"cni-firewall":   cni + "meta/firewall",
			"cni-host-local": cni + "ipam/host-local",
			"cni-ipvlan":     cni + "main/ipvlan",
			"cni-loopback":   cni + "main/loopback",
			"cni-macvlan":    cni + "main/macvlan",
			"cni-portmap":    cni + "meta/portmap",
			"cni-ptp":        cni + "main/ptp",
			"cni-tuning":     cni + "meta/tuning",
		},
		flags: []string{"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v{v}"},
	},
	{
		set: "pause", cost: "5 s",
		packages: map[string]string{"pause": "trivet.build/pause"},
	},
}

const cni = "github.com/containernetworking/plugins/plugins/"

// SetOf says which set a binary is built with.
func SetOf(binary string) (set string, ok bool) {
	for _, r := range recipes {
		if _, ok := r.packages[binary]; ok {
			return r.set, true
		}
	}
	return "", false
}

// Sets lists the sets, the one that takes longest first.
func Sets() []string {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		names[i] = r.set
	}
	return names
}

func find(set string) (recipe, error) {
	i := slices.IndexFunc(recipes, func(r recipe) bool { return r.set == set })
	if i < 0 {
		return recipe{}, fmt.Errorf("there is no recipe to build %s from source; there are: %s", set, strings.Join(Sets(), ", "))
	}
	return recipes[i], nil
}

// linker gives the -ldflags of a build.
func (r recipe) linker(version, arch string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	fill := strings.NewReplacer("{v}", version, "{major}", major, "{minor}", minor)
	flags := []string{"-s", "-w"}
	for _, x := range r.flags {
		flags = append(flags, "-X", fill.Replace(x))
	}
	if slices.Contains(r.cgo, arch) {
		flags = append(flags, "-extldflags", "-static")
	}
	return strings.Join(flags, " ")
}
