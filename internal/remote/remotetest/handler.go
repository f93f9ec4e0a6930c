package remotetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Handler is a hostapi.Handler that keeps a host in memory: record, documents, digests of blobs, epoch and run lock. Effects on a real file system are
// hostd's business. Set the functions to look in or to take over; Serve, Fetch, Probe and ProbeListen fail unless they are set.
type Handler struct {
	// OnStep is called for each operation, before it takes effect.
	OnStep func(ctx context.Context, op int, step *hostapi.Step) error
	// OnObserve is called before observing.
	OnObserve func(ctx context.Context) error
	OnServe   func(ctx context.Context, req *hostapi.Serve, ready func(int)) error
	OnFetch   func(ctx context.Context, req *hostapi.Fetch, emit func(hostapi.Event)) error
	OnProbe   func(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error)
	OnListen  func(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error
	// Files are those that Observe answers for when it is asked.
	Files map[string]hostapi.FileFound
	// DialContext replaces the dialling.
	DialContext func(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error)

	step sync.Mutex // held during a step

	mu        sync.Mutex
	record    *hostapi.Record
	documents map[string]hostapi.Document
	blobs     []hostapi.Blob
	epoch     uint64
	holder    *hostapi.Holder
}

var _ hostapi.Handler = (*Handler)(nil)

func failed(code hostapi.Code, format string, args ...any) *hostapi.Error {
	return &hostapi.Error{Code: code, Op: -1, Message: fmt.Sprintf(format, args...)}
}

// Observe implements hostapi.Handler.
func (h *Handler) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	if h.OnObserve != nil {
		if err := h.OnObserve(ctx); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	o := &hostapi.Observation{
		Facts:  hostapi.Facts{Hostname: "memory", Architecture: runtime.GOARCH, Kernel: "6.1.0", Init: "systemd", CPUs: 1, Time: time.Unix(1_700_000_000, 0)},
		Blobs:  slices.Clone(h.blobs),
		Holder: h.holder,
	}
	for p, f := range h.Files {
		if slices.ContainsFunc(req.Files, func(pattern string) bool { ok, _ := path.Match(pattern, p); return ok }) {
			if o.Files == nil {
				o.Files = map[string]hostapi.FileFound{}
			}
			o.Files[p] = f
		}
	}
	if h.record != nil {
		r := *h.record
		r.Items = slices.Clone(r.Items)
		o.Record = &r
	}
	for name, d := range h.documents {
		if o.Documents == nil {
			o.Documents = map[string]hostapi.Document{}
		}
		o.Documents[name] = d
	}
	return o, nil
}

// Step implements hostapi.Handler.
func (h *Handler) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) error {
	h.step.Lock()
	defer h.step.Unlock()
	if err := h.begin(step); err != nil {
		return err
	}
	for i := range step.Ops {
		if err := ctx.Err(); err != nil {
			return &hostapi.Error{Code: hostapi.CodeCancelled, Op: i, Message: "cancelled"}
		}
		emit(hostapi.Event{Op: i, State: "started"})
		if h.OnStep != nil {
			if err := h.OnStep(ctx, i, step); err != nil {
				emit(hostapi.Event{Op: i, State: "failed", Message: err.Error()})
				code := hostapi.CodeFailed
				if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
					code = hostapi.CodeCancelled
				}
				return &hostapi.Error{Code: code, Op: i, Message: err.Error()}
			}
		}
		h.apply(step.Ops[i])
		emit(hostapi.Event{Op: i, State: "done"})
	}
	return nil
}

func (h *Handler) begin(step *hostapi.Step) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if step.Epoch < h.epoch {
		return failed(hostapi.CodeStaleEpoch, "epoch %d is below the host's %d", step.Epoch, h.epoch)
	}
	if h.record != nil && h.record.ClusterID != step.ClusterID {
		return failed(hostapi.CodeOtherCluster, "the host belongs to cluster %s", h.record.Cluster)
	}
	h.epoch = step.Epoch
	if h.record == nil {
		h.record = &hostapi.Record{Cluster: step.Cluster, ClusterID: step.ClusterID, Host: step.Host}
	}
	h.record.Epoch = h.epoch
	h.record.Generation++
	return nil
}

func (h *Handler) apply(op hostapi.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	drop := func(id hostapi.ID) {
		h.record.Items = slices.DeleteFunc(h.record.Items, func(r hostapi.RecordedItem) bool { return r.Item.ID() == id })
	}
	switch {
	case op.Ensure != nil:
		item := *op.Ensure
		drop(item.ID())
		if item.File != nil {
			f := *item.File
			f.Content = nil
			item.File = &f
		}
		h.record.Items = append(h.record.Items, hostapi.RecordedItem{Item: item})
	case op.Remove != nil:
		drop(*op.Remove)
	case op.Document != nil:
		if h.documents == nil {
			h.documents = map[string]hostapi.Document{}
		}
		h.documents[op.Document.Name] = *op.Document
	case op.Discard != "":
		delete(h.documents, op.Discard)
	case op.Forget:
		h.record, h.documents, h.blobs = nil, nil, nil
	}
}

// Receive implements hostapi.Handler.
func (h *Handler) Receive(_ context.Context, req *hostapi.Receive) error {
	defer os.Remove(req.Path)
	f, err := os.Open(req.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != req.Blob.SHA256 || n != req.Blob.Size {
		return failed(hostapi.CodeDigest, "the upload has sha256 %s and %d bytes, expected %s and %d", got, n, req.Blob.SHA256, req.Blob.Size)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.blobs, req.Blob) {
		h.blobs = append(h.blobs, req.Blob)
	}
	return nil
}

// Fetch implements hostapi.Handler.
func (h *Handler) Fetch(ctx context.Context, req *hostapi.Fetch, emit func(hostapi.Event)) error {
	if h.OnFetch == nil {
		return failed(hostapi.CodeFailed, "unexpected Fetch")
	}
	return h.OnFetch(ctx, req, emit)
}

// Serve implements hostapi.Handler.
func (h *Handler) Serve(ctx context.Context, req *hostapi.Serve, ready func(int)) error {
	if h.OnServe == nil {
		return failed(hostapi.CodeFailed, "unexpected Serve")
	}
	return h.OnServe(ctx, req, ready)
}

// Hold implements hostapi.Handler.
func (h *Handler) Hold(ctx context.Context, req *hostapi.Hold, held func()) error {
	h.mu.Lock()
	if h.holder != nil {
		defer h.mu.Unlock()
		return failed(hostapi.CodeHeld, "the lock is held by %s for %s since %s", h.holder.Actor, h.holder.Purpose, h.holder.Since.Format(time.RFC3339))
	}
	holder := req.Holder
	h.holder = &holder
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.holder = nil
		h.mu.Unlock()
	}()
	held()
	<-ctx.Done()
	return nil
}

// RaiseEpoch implements hostapi.Handler.
func (h *Handler) RaiseEpoch(_ context.Context, req *hostapi.RaiseEpoch) error {
	h.step.Lock()
	defer h.step.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if req.Epoch <= h.epoch {
		return failed(hostapi.CodeStaleEpoch, "epoch %d is not above the host's %d", req.Epoch, h.epoch)
	}
	h.epoch = req.Epoch
	return nil
}

// Dial implements hostapi.Handler.
func (h *Handler) Dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	if h.DialContext != nil {
		return h.DialContext(ctx, to)
	}
	var d net.Dialer
	return d.DialContext(ctx, to.Network, to.Address)
}

// Logs implements hostapi.Handler.
func (h *Handler) Logs(_ context.Context, req *hostapi.Logs) (string, error) {
	return fmt.Sprintf("last %d lines of %s\n", req.Lines, req.Unit), nil
}

// Probe implements hostapi.Handler.
func (h *Handler) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	if h.OnProbe == nil {
		return nil, failed(hostapi.CodeFailed, "unexpected Probe")
	}
	return h.OnProbe(ctx, req)
}

// ProbeListen implements hostapi.Handler.
func (h *Handler) ProbeListen(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error {
	if h.OnListen == nil {
		return failed(hostapi.CodeFailed, "unexpected ProbeListen")
	}
	return h.OnListen(ctx, req, listening)
}
