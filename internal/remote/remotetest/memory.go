// Package remotetest has hosts for tests: one in memory, an SSH server in the process, OpenSSH's sshd, and the suite that all of them must pass.
package remotetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/remote"
)

// NewMemoryHost returns a host whose helper is handler, in this process, behind the real protocol. Uploads are staged in a temporary folder, which
// Close removes. It panics when the protocol cannot be started, which no input can cause.
func NewMemoryHost(name string, handler hostapi.Handler) remote.Host {
	return NewMemoryHostIn("", name, handler)
}

// NewMemoryHostIn is NewMemoryHost for a handler whose file system is a folder: uploads are staged in var/tmp below root, and the handler is given their
// path as seen from there.
func NewMemoryHostIn(root, name string, handler hostapi.Handler) remote.Host {
	here, there := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = wire.Serve(ctx, there, handler)
	}()
	staging := &folder{root: root}
	h, err := remote.NewClient(ctx, name, here, staging)
	if err != nil {
		panic(fmt.Sprintf("remotetest: %v", err))
	}
	return &memoryHost{h, cancel, served, staging}
}

type memoryHost struct {
	remote.Host
	cancel  context.CancelFunc
	served  chan struct{}
	staging *folder
}

// Close returns when the handler has ended, as a test that removes its folders expects.
func (m *memoryHost) Close() error {
	err := m.Host.Close()
	m.cancel()
	<-m.served
	if m.staging.dir != "" {
		_ = os.RemoveAll(m.staging.dir)
	}
	return err
}

// folder stages uploads on this machine.
type folder struct {
	root string
	mu   sync.Mutex
	dir  string
}

// Stage implements remote.Uploader.
func (f *folder) Stage(ctx context.Context, content io.Reader, blob hostapi.Blob, progress func(int64)) (path string, err error) {
	f.mu.Lock()
	if f.dir == "" {
		parent := os.TempDir()
		if f.root != "" {
			parent = filepath.Join(f.root, "var/tmp")
		}
		f.dir, err = os.MkdirTemp(parent, "trivet-staging-")
	}
	f.mu.Unlock()
	if err != nil {
		return "", err
	}
	out, err := os.CreateTemp(f.dir, "upload-")
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	r := &progressReader{ctx: ctx, r: io.LimitReader(content, blob.Size), progress: progress}
	n, err := io.Copy(out, r)
	if err == nil && n != blob.Size {
		err = fmt.Errorf("the content ended %d bytes early", blob.Size-n)
	}
	return filepath.Join("/", strings.TrimPrefix(out.Name(), f.root)), err
}

type progressReader struct {
	ctx      context.Context
	r        io.Reader
	n        int64
	progress func(int64)
}

func (p *progressReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	p.n += int64(n)
	if n > 0 && p.progress != nil {
		p.progress(p.n)
	}
	return n, err
}
