package kubeadm

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/trivet-dev/trivet/internal/artifact/image"
)

// packetTools are programs that kube-proxy and flanneld call; their images get them, with libraries, from a host of the lab.
const packetTools = `
export LC_ALL=C
programs="/usr/sbin/nft /usr/sbin/iptables /usr/sbin/iptables-save /usr/sbin/iptables-restore /usr/sbin/ip6tables /usr/sbin/ip6tables-save /usr/sbin/ip6tables-restore"
libraries=$(ldd $programs | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^\t\(\/[^ ]*\) .*$/\1/p' | sort -u)
tar -c -h --hard-dereference -C / $(for f in $programs $libraries /usr/lib/*/xtables; do echo ".$f"; done)
`

// imageSet makes the archives of the images that kubeadm starts, from the very binaries that Trivet starts.
type imageSet struct {
	store *Store
	dir   string
	tools []byte // tar of packetTools
}

// made is an image archive.
type made struct{ reference, path string }

// binaryOf names the program of an image of kubeadm's list, which has it as its last path element.
func binaryOf(reference string) string {
	repository, _, _ := strings.Cut(path.Base(reference), ":")
	return repository
}

// make makes the archive of an image under the reference that kubeadm asks for.
func (s *imageSet) make(ctx context.Context, reference string) (made, error) {
	m := made{reference, filepath.Join(s.dir, strings.NewReplacer("/", "_", ":", "_").Replace(reference)+".tar")}
	var img v1.Image
	switch name := binaryOf(reference); name {
	case "coredns", "pause", "agnhost":
		from, err := s.store.Path(ctx, name)
		if err != nil {
			return m, err
		}
		if img, err = tarball.ImageFromPath(from, nil); err != nil {
			return m, err
		}
	default:
		program, withTools := name, name == "kube-proxy" || name == "flanneld"
		from, err := s.store.Path(ctx, program)
		if err != nil {
			return m, err
		}
		if img, err = s.fromProgram(program, from, withTools); err != nil {
			return m, err
		}
	}
	out, err := os.Create(m.path)
	if err != nil {
		return m, err
	}
	if err := image.Write(reference, img, out); err != nil {
		return m, fmt.Errorf("image %s: %w", reference, err)
	}
	return m, out.Close()
}

// fromProgram is an image of one layer with the program where upstream's has it.
func (s *imageSet) fromProgram(program, from string, withTools bool) (v1.Image, error) {
	config := v1.Config{Entrypoint: []string{"/usr/local/bin/" + program}, Env: []string{image.PathEnv}}
	return image.OneLayer(runtime.GOARCH, config, "", func(w io.Writer) error { return s.writeLayer(w, program, from, withTools) })
}

func (s *imageSet) writeLayer(out io.Writer, program, from string, withTools bool) error {
	w := tar.NewWriter(out)
	if err := addTar(w, File{Path: "/usr/local/bin/" + program, Mode: 0o755, From: from}); err != nil {
		return err
	}
	if withTools {
		r := tar.NewReader(bytes.NewReader(s.tools))
		for {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			h.Name = path.Clean(h.Name)
			if h.Typeflag == tar.TypeDir {
				h.Name += "/"
			}
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
		}
	}
	return w.Close()
}
