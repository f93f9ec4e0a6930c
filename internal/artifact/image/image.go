// Package image makes and fetches container images as one-file archives that
// containerd imports (`ctr images import`).
//
// The format is docker-archive: manifest.json, a config and layers in a tar. Writing the
// same image gives the same bytes, so an archive is pinned by its digest like any file.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// known is an image with a short name.
type known struct {
	repository string
	tagPrefix  string
	config     v1.Config // of an image made from the binary of the same name
	files      []file    // beside the binary
}

// file is a folder (its name ends in /), a link, or a small file in an image.
type file struct {
	name, link, text string
	mode             int64
}

var images = map[string]known{
	"coredns": {
		repository: "registry.k8s.io/coredns/coredns", tagPrefix: "v",
		config: v1.Config{
			Entrypoint: []string{"/coredns"}, WorkingDir: "/",
			// Numeric, or the kubelet cannot tell that it is not root. Port 53 is open to it
			// through net.ipv4.ip_unprivileged_port_start, which containerd sets for pods.
			User:         "65532:65532",
			ExposedPorts: map[string]struct{}{"53": {}, "53/udp": {}},
		},
	},
	"pause": {
		repository: "registry.k8s.io/pause",
		config:     v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535", WorkingDir: "/"},
	},
	"agnhost": {
		repository: "registry.k8s.io/e2e-test-images/agnhost",
		config: v1.Config{
			Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}, WorkingDir: "/",
			ExposedPorts: map[string]struct{}{"80/tcp": {}, "8080/tcp": {}, "8081/tcp": {}, "9376/tcp": {}, "5000/tcp": {}},
		},
		files: []file{
			{name: "agnhost-2", link: "agnhost"},
			{name: "etc/group", mode: 0o644, text: "root:x:0:\nuser-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"},
			{name: "etc/passwd", mode: 0o644, text: "root:x:0:0:root:/:/agnhost\nuser-defined-in-image:x:1000:1000::/:/agnhost\n"},
			{name: "tmp/", mode: 0o1777},
			{name: "uploads/", mode: 0o755},
		},
	},
}

// PathEnv is the search path that images have.
const PathEnv = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Reference gives the canonical reference of an image: of a short name that is known
// here (coredns, pause, agnhost) or of a whole repository (docker.io/library/nginx).
func Reference(image, version string) (string, error) {
	repository, tag := image, version
	if k, ok := images[image]; ok {
		repository, tag = k.repository, k.tagPrefix+version
	} else if !strings.Contains(image, "/") {
		return "", fmt.Errorf("image %q is not known by a short name (those are %s): write its whole repository, such as docker.io/library/%s", image, strings.Join(Names(), ", "), image)
	}
	separator := ":"
	if strings.HasPrefix(tag, "sha256:") {
		separator = "@"
	}
	ref, err := name.ParseReference(repository+separator+tag, name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("image %s %s: %w", image, version, err)
	}
	return ref.String(), nil
}

// Names lists the short names.
func Names() []string {
	var names []string
	for n := range images {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// FromBinary makes the image with a short name from its static binary: one layer, the
// configuration of the upstream image.
func FromBinary(image, arch, binary string) (v1.Image, error) {
	k, ok := images[image]
	if !ok {
		return nil, fmt.Errorf("there is no recipe for an image %q; there are: %s", image, strings.Join(Names(), ", "))
	}
	config := k.config
	config.Env = []string{PathEnv}
	return OneLayer(arch, config, "trivet mirror", func(w io.Writer) error { return writeLayer(w, image, binary, k.files) })
}

// OneLayer makes an image from the tar stream of its only layer, which is written more than once and has to be the same each time. Its times are fixed.
func OneLayer(arch string, config v1.Config, createdBy string, write func(io.Writer) error) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		return r, nil
	}, tarball.WithMediaType(types.DockerLayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	base, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: time.Unix(0, 0).UTC()}
	return mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: arch, OS: "linux", Config: config, Created: created, RootFS: base.RootFS,
		History: []v1.History{{Created: created, CreatedBy: createdBy}},
	})
}

// writeLayer writes the file system of an image, with fixed times and owners.
func writeLayer(w io.Writer, image, binary string, files []file) error {
	t := tar.NewWriter(w)
	f, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: image, Mode: 0o755, Size: info.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	if _, err := io.Copy(t, f); err != nil {
		return err
	}
	for _, x := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: x.name, Mode: x.mode, Size: int64(len(x.text)), ModTime: time.Unix(0, 0)}
		switch {
		case x.link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, x.link, 0o777
		case strings.HasSuffix(x.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(t, bytes.NewReader([]byte(x.text))); err != nil {
			return err
		}
	}
	return t.Close()
}

// Pull finds an image for linux and arch in its registry. Layers are fetched, and
// verified against the manifest, when the image is written.
func Pull(ctx context.Context, reference, arch string, transport http.RoundTripper, override string) (v1.Image, error) {
	ref, err := name.ParseReference(reference, name.StrictValidation)
	if err != nil {
		return nil, err
	}
	if override != "" {
		ref, err = elsewhere(ref, override)
		if err != nil {
			return nil, err
		}
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch})}
	if transport != nil {
		options = append(options, remote.WithTransport(transport))
	}
	img, err := remote.Image(ref, options...)
	if err != nil {
		return nil, fmt.Errorf("image %s for %s: %w", reference, arch, err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("image %s for %s: %w", reference, arch, err)
	}
	if c.OS != "linux" || c.Architecture != arch {
		return nil, fmt.Errorf("image %s is for %s/%s, not for linux/%s", reference, c.OS, c.Architecture, arch)
	}
	return img, nil
}

// elsewhere is the same repository and tag in another registry.
func elsewhere(ref name.Reference, registry string) (name.Reference, error) {
	separator := ":"
	if _, ok := ref.(name.Digest); ok {
		separator = "@"
	}
	return name.ParseReference(registry + "/" + ref.Context().RepositoryStr() + separator + ref.Identifier())
}

// Write writes img to w as a docker-archive that names it reference.
func Write(reference string, img v1.Image, w io.Writer) error {
	ref, err := name.ParseReference(reference, name.StrictValidation)
	if err != nil {
		return err
	}
	return tarball.Write(ref, img, w)
}
