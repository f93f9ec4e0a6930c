package hostd

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// observer is what drift is judged by: read once, at the beginning of an observation.
type observer struct {
	*Host
	acc       *accounts
	states    map[string]UnitState
	packages  map[string]string
	blobs     map[string]hostapi.Blob
	damaged   map[string]bool       // digests of blobs that are not what they are called
	images    map[string]imageState // by "namespace reference"
	imagesErr error
	sysctls   []byte
	claims    map[hostapi.ID]hostapi.Drift // what is wrong with claims that have a unit
}

// Observe reads the host. It takes no lock and writes nothing.
func (h *Host) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	rec, err := h.loadRecord()
	if err != nil {
		return nil, err
	}
	obs := &hostapi.Observation{}
	if obs.Documents, err = h.documents(); err != nil {
		return nil, err
	}
	if obs.Holder, err = h.holder(); err != nil {
		return nil, h.wrap(err, hostapi.ID{})
	}
	o := &observer{Host: h, acc: h.accounts()}
	if obs.Blobs, o.damaged, err = h.blobs(ctx, req.Verify); err != nil {
		return nil, h.wrap(err, hostapi.ID{})
	}
	var wg sync.WaitGroup
	wg.Go(func() { obs.Facts = h.facts(ctx, req) })
	obs.Files = h.files(req.Files)
	if rec != nil {
		err = o.gather(ctx, rec, obs.Blobs)
	}
	wg.Wait()
	if err != nil {
		return nil, h.wrap(err, hostapi.ID{})
	}
	if ctx.Err() != nil {
		return nil, h.wrap(ctx.Err(), hostapi.ID{})
	}
	if rec == nil {
		return obs, nil
	}
	obs.Record = rec.public()
	obs.Drift = o.drift(rec)
	obs.Overrides = o.overrides(rec)
	obs.Started = o.started()
	obs.LastWords = o.lastWords(ctx, rec)
	if req.Contents {
		obs.Contents = h.contents(rec)
	}
	return obs, nil
}

// gather asks once for what several items are judged by.
func (o *observer) gather(ctx context.Context, rec *record, blobs []hostapi.Blob) error {
	o.blobs = map[string]hostapi.Blob{}
	for _, b := range blobs {
		o.blobs[b.SHA256] = b
	}
	var wg sync.WaitGroup
	wg.Go(func() { o.listImages(ctx, rec) })
	defer wg.Wait()
	if names := unitNames(rec); len(names) > 0 {
		var err error
		if o.states, err = o.Units.States(ctx, names); err != nil {
			return err
		}
	}
	if err := o.lookAtClaims(ctx, rec); err != nil {
		return err
	}
	if len(rec.of(hostapi.KindPackage)) > 0 {
		var err error
		if o.packages, err = o.installed(); err != nil {
			return err
		}
	}
	if len(rec.of(hostapi.KindSysctl)) > 0 {
		o.sysctls, _ = os.ReadFile(o.path(sysctlFile)) // missing is drift of every parameter
	}
	return nil
}

func unitNames(rec *record) []string {
	var names []string
	for _, e := range rec.of(hostapi.KindUnit) {
		names = append(names, e.id().Name)
	}
	return names
}

// listImages asks containerd once for each socket and namespace of recorded images.
func (o *observer) listImages(ctx context.Context, rec *record) {
	o.images = map[string]imageState{}
	asked := map[[2]string]bool{}
	for _, e := range rec.of(hostapi.KindImage) {
		im := e.item().Image
		key := [2]string{im.Address, im.Namespace}
		if asked[key] {
			continue
		}
		asked[key] = true
		have, err := o.Host.images(ctx, im, imagesObserved)
		if err != nil {
			o.imagesErr = err
			return
		}
		for ref, st := range have {
			o.images[im.Namespace+" "+ref] = st
		}
	}
}

func (o *observer) drift(rec *record) []hostapi.Drift {
	var out []hostapi.Drift
	for _, e := range rec.Items {
		if e.Pending != "" {
			continue // the engine does it again anyway
		}
		if what, code := kinds[e.id().Kind].drift(o, e); what != "" {
			out = append(out, hostapi.Drift{ID: e.id(), What: what, Code: code})
		}
	}
	slices.SortFunc(out, func(a, b hostapi.Drift) int { return cmp.Compare(a.ID.String(), b.ID.String()) })
	return out
}

func (o *observer) started() map[string]time.Time {
	out := map[string]time.Time{}
	for name, st := range o.states {
		if !st.Started.IsZero() {
			out[name] = st.Started
		}
	}
	return out
}

// lastWords asks failing units that should run for theirs. A journal that cannot be read has none.
func (o *observer) lastWords(ctx context.Context, rec *record) map[string]string {
	out := map[string]string{}
	for _, e := range rec.of(hostapi.KindUnit) {
		u := e.item().Unit
		st := o.states[u.Name]
		if !u.Running || st.up(u.NoWait) || st.Active != "failed" && !st.failing() {
			continue
		}
		if words, err := o.Units.LastWords(ctx, u.Name); err == nil && words != "" {
			out[u.Name] = words
		}
	}
	return out
}

// contents reads recorded files that are not secret. What is not there is left out.
func (h *Host) contents(rec *record) map[string][]byte {
	out := map[string][]byte{}
	for _, e := range rec.of(hostapi.KindFile) {
		f := e.item().File
		if f.Secret {
			continue
		}
		// A link in place of the file might lead to something secret.
		if fi, err := os.Lstat(h.path(f.Path)); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if b, err := os.ReadFile(h.path(f.Path)); err == nil {
			out[f.Path] = b
		}
	}
	return out
}

// line reads a one-line file of /proc, /sys or /etc; "" where it is missing.
func (h *Host) line(p string) string {
	b, err := os.ReadFile(h.path(p))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
