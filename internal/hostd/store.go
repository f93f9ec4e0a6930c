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
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const blobMode fs.FileMode = 0o555

// incoming starts the names of blobs that are being written.
const incoming = ".incoming-"

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// haveBlob wants a blob in the store, of the right size.
func (h *Host) haveBlob(b hostapi.Blob) error {
	if !hexDigest.MatchString(b.SHA256) {
		return fmt.Errorf("%q is not a SHA-256 digest", b.SHA256)
	}
	fi, err := os.Lstat(h.path(blobPath(b.SHA256)))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(hostapi.CodeFailed, "it has to be transferred before the step; apply again", "the blob %s is not in the host's store", b.SHA256)
	}
	if err != nil {
		return err
	}
	if b.Size > 0 && fi.Size() != b.Size {
		return fail(hostapi.CodeDigest, "remove "+blobPath(b.SHA256)+" on the host and apply again", "the blob %s in the store has %d bytes, not %d", b.SHA256, fi.Size(), b.Size)
	}
	return nil
}

// storeWriter writes a blob into the store under its digest, once all of it is there and right.
type storeWriter struct {
	h    *Host
	blob hostapi.Blob
	f    *os.File
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
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
	return n, err
}

// commit checks the digest and gives the blob its name.
func (w *storeWriter) commit() error {
	if got := hex.EncodeToString(w.sum.Sum(nil)); got != w.blob.SHA256 {
		w.abort()
		return fail(hostapi.CodeDigest, "check the artifact's source; nothing was kept", "the bytes have digest %s, not %s", got, w.blob.SHA256)
	}
	err := w.f.Chmod(blobMode)
	if err == nil && !w.h.NoSync {
		err = w.f.Sync()
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

// blobs lists the store. With verify, blobs that do not have their digest are left out.
func (h *Host) blobs(ctx context.Context, verify bool) ([]hostapi.Blob, error) {
	names, err := os.ReadDir(h.path(storeDir))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []hostapi.Blob
	for _, n := range names {
		if !hexDigest.MatchString(n.Name()) {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		fi, err := n.Info()
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if verify {
			if d, err := digestFile(h.path(blobPath(n.Name()))); err != nil || d != n.Name() {
				continue
			}
		}
		out = append(out, hostapi.Blob{SHA256: n.Name(), Size: fi.Size()})
	}
	return out, nil
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

// putDocument keeps a cluster document.
func (s *stepper) putDocument(d *hostapi.Document) (changed bool, err error) {
	p := path.Join(documentsDir, d.Name)
	if err := os.MkdirAll(s.path(documentsDir), 0o700); err != nil {
		return false, err
	}
	b, err := seal(d)
	if err != nil {
		return false, err
	}
	if have, err := os.ReadFile(s.path(p)); err == nil && slices.Equal(have, b) {
		return false, nil
	}
	return true, s.replaceFile(p, b, 0o600)
}

func (h *Host) documents() (map[string]hostapi.Document, error) {
	names, err := os.ReadDir(h.path(documentsDir))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	docs := map[string]hostapi.Document{}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), tempSuffix) {
			continue
		}
		b, err := os.ReadFile(h.path(path.Join(documentsDir, n.Name())))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var d hostapi.Document
		if err == nil {
			err = unseal(b, &d)
		}
		if err != nil {
			return nil, fail(hostapi.CodeRecord, "nothing was changed; other control planes have a copy of it", "the document %s is unreadable: %v", path.Join(documentsDir, n.Name()), err)
		}
		docs[d.Name] = d
	}
	return docs, nil
}

// forget removes every trace of Trivet from a host whose items are all gone.
func (s *stepper) forget(ctx context.Context) error {
	if n := len(s.rec.Items); n > 0 {
		return fail(hostapi.CodeFailed, "remove them first", "the host still has %d recorded items, such as %s", n, s.rec.Items[0].id())
	}
	if err := s.reloadUnits(ctx); err != nil {
		return err
	}
	if err := s.bringBackForeign(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path(trivetDir)); err != nil {
		return err
	}
	s.hook("forgot the store")
	made := append(s.notedParents(), s.rec.MadeDirs...)
	names, err := os.ReadDir(s.path(stateDir))
	if err != nil {
		return err
	}
	// The record goes last, so that an interruption leaves a host that is still known to be Trivet's.
	for _, n := range names {
		if p := path.Join(stateDir, n.Name()); p != recordPath {
			if err := os.RemoveAll(s.path(p)); err != nil {
				return err
			}
		}
	}
	s.hook("forgot the state")
	if err := ignoreMissing(os.Remove(s.path(recordPath))); err != nil {
		return err
	}
	s.forgotten = true
	if err := os.Remove(s.path(stateDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	slices.Sort(made)
	for _, d := range slices.Backward(made) {
		_ = os.Remove(s.path(d)) // only where it is empty
	}
	if s.Staging != "" {
		return os.RemoveAll(s.Staging)
	}
	return nil
}
