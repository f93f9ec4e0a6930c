package hostd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// blobTime is the modification time of every blob in the store. Writing to a blob changes it, so that a look at the time tells whether the digest has to be taken
// again: what was changed in place is found by every observation, at no cost for what was not. Damage below the file system shows only when all digests are taken.
var blobTime = time.Unix(1, 0)

// hashers bounds how many blobs are read at once: taking digests is bound by the processor.
const hashers = 4

// blobs lists the store, and the digests of blobs that are not what they are called. With verify all are read; otherwise those that may have been written to.
func (h *Host) blobs(ctx context.Context, verify bool) (good []hostapi.Blob, damaged map[string]bool, err error) {
	names, err := os.ReadDir(h.path(storeDir))
	if err != nil {
		return nil, nil, ignoreMissing(err)
	}
	var suspect []hostapi.Blob
	for _, n := range names {
		if !hexDigest.MatchString(n.Name()) {
			continue
		}
		fi, err := n.Info()
		if err != nil {
			continue // it went meanwhile
		}
		b := hostapi.Blob{SHA256: n.Name(), Size: fi.Size()}
		if verify || !untouched(fi) {
			suspect = append(suspect, b)
			continue
		}
		good = append(good, b)
	}
	right := make([]bool, len(suspect))
	var wg sync.WaitGroup
	gate := make(chan struct{}, min(hashers, runtime.GOMAXPROCS(0)))
	for i, b := range suspect {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			right[i] = h.digestRight(ctx, b.SHA256)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	damaged = map[string]bool{}
	for i, b := range suspect {
		if right[i] {
			good = append(good, b)
		} else {
			damaged[b.SHA256] = true
		}
	}
	slices.SortFunc(good, func(a, b hostapi.Blob) int { return cmp.Compare(a.SHA256, b.SHA256) })
	return good, damaged, nil
}

// untouched says whether a file of the store is as it was put there, as far as its attributes tell.
func untouched(fi fs.FileInfo) bool { return fi.Mode().IsRegular() && fi.ModTime().Equal(blobTime) }

// digestRight reads a blob. What cannot be read is not right.
func (h *Host) digestRight(ctx context.Context, digest string) bool {
	f, err := os.OpenFile(h.path(blobPath(digest)), os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	got, err := digestOf(readerContext{ctx, f})
	return err == nil && got == digest
}

// haveBlob wants a blob in the store, whole.
func (h *Host) haveBlob(ctx context.Context, b hostapi.Blob) error {
	if !hexDigest.MatchString(b.SHA256) {
		return fmt.Errorf("%q is not a SHA-256 digest", b.SHA256)
	}
	real := h.path(blobPath(b.SHA256))
	fi, err := os.Lstat(real)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(hostapi.CodeFailed, "it has to be transferred before the step; apply again", "the blob %s is not in the host's store", b.SHA256)
	}
	if err != nil {
		return err
	}
	if b.Size > 0 && fi.Size() != b.Size {
		return damagedError(b.SHA256, fmt.Sprintf("it has %d bytes, not %d", fi.Size(), b.Size))
	}
	if untouched(fi) {
		return nil
	}
	if !h.digestRight(ctx, b.SHA256) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return damagedError(b.SHA256, "its content has another digest")
	}
	// Only its time was changed: spare the next look.
	return os.Chtimes(real, blobTime, blobTime)
}

func damagedError(digest, how string) error {
	return fail(hostapi.CodeDigest, "plan and apply again: it is transferred anew", "the blob %s in the host's store was changed in place: %s", digest, how)
}

// inodeOf is the number of a blob's file, which changes when the blob is transferred anew; 0 when there is none.
func (h *Host) inodeOf(b hostapi.Blob) uint64 {
	fi, err := os.Lstat(h.path(blobPath(b.SHA256)))
	if err != nil {
		return 0
	}
	return inode(fi)
}

// blobDrift says what is wrong with a blob of an item, "" when nothing is.
func (o *observer) blobDrift(b hostapi.Blob) string {
	if o.damaged[b.SHA256] {
		return "blob " + b.SHA256[:12] + " was changed in place"
	}
	return ""
}
