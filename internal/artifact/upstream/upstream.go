// Package upstream knows where the projects behind a Kubernetes release publish their
// files, and fetches them with the checksums published beside them.
package upstream

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/artifact/download"
)

// Endpoints are the servers. Empty fields are the projects' own; a company that proxies
// them sets its own addresses.
type Endpoints struct {
	Kubernetes string // https://dl.k8s.io
	GitHub     string // https://github.com
	GitHubAPI  string // https://api.github.com
	Registry   string // host[:port] asked instead of every image's own registry
	Transport  http.RoundTripper
}

func (e Endpoints) withDefaults() Endpoints {
	for _, f := range []struct {
		field    *string
		standard string
	}{
		{&e.Kubernetes, "https://dl.k8s.io"},
		{&e.GitHub, "https://github.com"},
		{&e.GitHubAPI, "https://api.github.com"},
	} {
		if *f.field == "" {
			*f.field = f.standard
		}
		*f.field = strings.TrimSuffix(*f.field, "/")
	}
	return e
}

// File is one published file.
type File struct {
	URL     string
	Sums    string            // where its checksum is published
	Members map[string]string // of an archive: binary -> name inside; nil: the file is the binary
}

// release is a project's way to publish. In the texts {v} is the version and {a} the architecture.
type release struct {
	binaries []string
	url      string
	sums     string
	member   string // name in the archive, with {n} for the binary
	prefix   string // what the binary's name has in front here and not in the archive
}

var releases = []release{
	{
		binaries: []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "kubeadm"},
		url:      "{kubernetes}/release/v{v}/bin/linux/{a}/{n}",
		sums:     "{kubernetes}/release/v{v}/bin/linux/{a}/{n}.sha256",
	},
	{
		binaries: []string{"etcd", "etcdctl", "etcdutl"},
		url:      "{github}/etcd-io/etcd/releases/download/v{v}/etcd-v{v}-linux-{a}.tar.gz",
		sums:     "{github}/etcd-io/etcd/releases/download/v{v}/SHA256SUMS",
		member:   "etcd-v{v}-linux-{a}/{n}",
	},
	{
		// The static one: the other is linked against the glibc of its build machine.
		binaries: []string{"containerd", "containerd-shim-runc-v2", "ctr"},
		url:      "{github}/containerd/containerd/releases/download/v{v}/containerd-static-{v}-linux-{a}.tar.gz",
		sums:     "{github}/containerd/containerd/releases/download/v{v}/containerd-static-{v}-linux-{a}.tar.gz.sha256sum",
		member:   "bin/{n}",
	},
	{
		binaries: []string{"runc"},
		url:      "{github}/opencontainers/runc/releases/download/v{v}/runc.{a}",
		sums:     "{github}/opencontainers/runc/releases/download/v{v}/runc.sha256sum",
	},
	{
		binaries: []string{
			"cni-bandwidth", "cni-bridge", "cni-firewall", "cni-host-local", "cni-ipvlan",
			"cni-loopback", "cni-macvlan", "cni-portmap", "cni-ptp", "cni-tuning",
		},
		url:    "{github}/containernetworking/plugins/releases/download/v{v}/cni-plugins-linux-{a}-v{v}.tgz",
		sums:   "{github}/containernetworking/plugins/releases/download/v{v}/cni-plugins-linux-{a}-v{v}.tgz.sha256",
		member: "{n}",
		prefix: "cni-",
	},
	{
		// flannel publishes no checksum file; GitHub itself publishes the digest of every asset.
		binaries: []string{"flanneld"},
		url:      "{github}/flannel-io/flannel/releases/download/v{v}/flanneld-{a}",
		sums:     "{api}/repos/flannel-io/flannel/releases/tags/v{v}",
	},
}

// Locate says where a binary is published. Binaries of one archive have the same URL.
func (e Endpoints) Locate(binary, version, arch string) (File, error) {
	e = e.withDefaults()
	i := slices.IndexFunc(releases, func(r release) bool { return slices.Contains(r.binaries, binary) })
	if i < 0 {
		return File{}, fmt.Errorf("where %s is published is not known", binary)
	}
	r := releases[i]
	if version == "" || strings.ContainsAny(version, "/?#% ") {
		return File{}, fmt.Errorf("%s: %q is not a version", binary, version)
	}
	if arch != "amd64" && arch != "arm64" {
		return File{}, fmt.Errorf("%s: architecture %q is not one of amd64, arm64", binary, arch)
	}
	fill := strings.NewReplacer(
		"{v}", version, "{a}", arch, "{n}", strings.TrimPrefix(binary, r.prefix),
		"{kubernetes}", e.Kubernetes, "{github}", e.GitHub, "{api}", e.GitHubAPI,
	).Replace
	f := File{URL: fill(r.url), Sums: fill(r.sums)}
	if r.member != "" {
		f.Members = map[string]string{binary: fill(r.member)}
	}
	return f, nil
}

// Fetch downloads f below dir, verified against its published checksum, and gives its path.
func (e Endpoints) Fetch(ctx context.Context, c *download.Client, f File, dir string) (string, error) {
	text, err := c.Text(ctx, f.Sums)
	if err != nil {
		return "", fmt.Errorf("checksum of %s: %w", path.Base(f.URL), err)
	}
	want, err := checksum(text, path.Base(f.URL))
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Sums, err)
	}
	dst := filepath.Join(dir, want+"-"+path.Base(f.URL))
	return dst, c.File(ctx, f.URL, dst, want, -1)
}

// checksum finds the sha256 of a file in what projects publish: one bare digest, lines of
// sha256sum (signed or not), or GitHub's description of a release.
func checksum(text []byte, file string) (string, error) {
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		return assetDigest(text, file)
	}
	fields := strings.Fields(string(text))
	if len(fields) == 1 && isSHA256(fields[0]) {
		return strings.ToLower(fields[0]), nil
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 2 && isSHA256(f[0]) && path.Base(strings.TrimPrefix(f[1], "*")) == file {
			return strings.ToLower(f[0]), nil
		}
	}
	return "", fmt.Errorf("no sha256 of %s in it", file)
}

func assetDigest(text []byte, file string) (string, error) {
	var release struct {
		Assets []struct{ Name, Digest string }
	}
	if err := json.Unmarshal(text, &release); err != nil {
		return "", fmt.Errorf("not the description of a release: %w", err)
	}
	for _, a := range release.Assets {
		digest, ok := strings.CutPrefix(a.Digest, "sha256:")
		if a.Name == file && ok && isSHA256(digest) {
			return strings.ToLower(digest), nil
		}
	}
	return "", fmt.Errorf("no sha256 of %s in it", file)
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// probeTime is how long the one question may take that decides between upstream and source.
const probeTime = 3 * time.Second

// Reachable asks once, for at most three seconds, whether the projects' servers answer.
func (e Endpoints) Reachable(ctx context.Context) error {
	e = e.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, e.Kubernetes+"/release/stable.txt", nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport: e.Transport,
		// An answer is an answer: where it points to is not asked too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer within %s", e.Kubernetes, probeTime)
	}
	if err != nil {
		return err
	}
	resp.Body.Close()
	// A proxy that refuses answers too, with 403 or 407.
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s answers %s", e.Kubernetes, resp.Status)
	}
	return nil
}
