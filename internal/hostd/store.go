package hostd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const blobMode fs.FileMode = 0o555

// incoming starts the names of blobs that are being written.
const incoming = ".incoming-"

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// storeWriter writes a blob into the store under its digest, once all of it is there and right.
type storeWriter struct {
	h    *Host
	blob hostapi.Blob
	f    *os.File
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
	n, written int64 // bytes that came, and those of them that were written out
}

func (h *Host) newBlob(b hostapi.Blob) (*storeWriter, error) {
	if !hexDigest.MatchString(b.SHA256) {
		return nil, fmt.Errorf("%q is not a SHA-256 digest", b.SHA256)
	}
	if err := h.ensureStore(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(h.path(storeDir), incoming+"*")
	if err != nil {
		return nil, err
	}
	// The lock tells a blob that is being written from what an interruption left.
	if _, err := lockFile(context.Background(), f, false); err != nil {
		f.Close()
		return nil, err
	}
	return &storeWriter{h: h, blob: b, f: f, sum: sha256.New()}, nil
}

func (w *storeWriter) Write(p []byte) (int, error) {
	if w.blob.Size > 0 && w.n+int64(len(p)) > w.blob.Size {
		return 0, fail(hostapi.CodeDigest, "", "more than the %d bytes of blob %s came", w.blob.Size, w.blob.SHA256)
	}
	n, err := w.f.Write(p)
	w.sum.Write(p[:n])
	w.n += int64(n)
	if w.n-w.written >= writeBehind && !w.h.NoSync {
		writeOut(w.f, w.written, w.n)
		w.written = w.n
	}
	return n, err
}

// writeBehind is how much of a blob may wait for the disk. A hundred megabytes that are written all at once at the end keep the disk from etcd on the same host for seconds, in which it
// stores nothing, and may lose its leader.
const writeBehind = 4 << 20

// commit checks the digest and gives the blob its name.
func (w *storeWriter) commit() error {
	if got := hex.EncodeToString(w.sum.Sum(nil)); got != w.blob.SHA256 {
		w.abort()
		return fail(hostapi.CodeDigest, "check the artifact's source; nothing was kept", "the bytes have digest %s, not %s", got, w.blob.SHA256)
	}
	err := w.f.Chmod(blobMode)
	if err == nil {
		err = os.Chtimes(w.f.Name(), blobTime, blobTime)
	}
	if err == nil {
		err = w.h.sync(w.f)
	}
	if err == nil {
		err = os.Rename(w.f.Name(), w.h.path(blobPath(w.blob.SHA256)))
	}
	if err != nil {
		w.abort()
		return err
	}
	if err := w.f.Close(); err != nil {
		return err
	}
	return w.h.syncDir(storeDir)
}

func (w *storeWriter) abort() {
	_ = os.Remove(w.f.Name())
	_ = w.f.Close()
}

// Receive takes a staged upload into the store.
func (h *Host) Receive(ctx context.Context, req *hostapi.Receive) error {
	if err := h.receive(ctx, req); err != nil {
		return h.wrap(err, hostapi.ID{Kind: "blob", Name: req.Blob.SHA256})
	}
	return nil
}

func (h *Host) receive(ctx context.Context, req *hostapi.Receive) error {
	if !path.IsAbs(req.Path) {
		return fmt.Errorf("the staged upload %q has no absolute path", req.Path)
	}
	real := h.path(req.Path)
	defer os.Remove(real)
	f, err := os.OpenFile(real, os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return fmt.Errorf("the staged upload: %w", err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return fmt.Errorf("the staged upload %s is not a file", req.Path)
	}
	// A copy, never a rename: the uploading user may still have the file open and write to it.
	w, err := h.newBlob(req.Blob)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, readerContext{ctx, f}); err != nil {
		w.abort()
		return err
	}
	return w.commit()
}

// readerContext ends a copy when ctx ends.
type readerContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// pruneStore removes blobs that no recorded item refers to, and what interrupted transfers left.
func (s *stepper) pruneStore() error {
	keep := map[string]bool{}
	for _, e := range s.rec.Items {
		for _, v := range e.versions() {
			for _, b := range itemBlobs(v) {
				keep[b.SHA256] = true
			}
		}
	}
	names, err := os.ReadDir(s.path(storeDir))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, n := range names {
		real := s.path(path.Join(storeDir, n.Name()))
		switch {
		case strings.HasPrefix(n.Name(), incoming):
			if beingWritten(real) {
				continue
			}
		case keep[n.Name()]:
			continue
		}
		if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func beingWritten(real string) bool {
	f, err := os.Open(real)
	if err != nil {
		return false
	}
	defer f.Close()
	held, err := locked(f)
	return err != nil || held
}

func itemBlobs(it hostapi.Item) []hostapi.Blob {
	switch {
	case it.Package != nil:
		return it.Package.Archives
	case it.Artifact != nil:
		return []hostapi.Blob{it.Artifact.Blob}
	case it.Image != nil:
		return []hostapi.Blob{it.Image.Archive}
	}
	return nil
}
