package artifact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trivet-dev/trivet/internal/artifact/flock"
	"github.com/trivet-dev/trivet/internal/artifact/gobuild"
	"github.com/trivet-dev/trivet/internal/artifact/upstream"
)

// Auto lets Fill take what the folder has, and the rest from upstream if it answers at once,
// from source otherwise.
const Auto = "auto"

const standardJobs = 2

// FillOptions says how Fill gets what the folder lacks. The zero value is ready.
type FillOptions struct {
	Provenance string             // Auto (or empty), Upstream or SourceBuilt; packages are always the distribution's
	Progress   func(Event)        // one call at a time; may be nil
	Jobs       int                // how much is fetched or built at once; 0: two
	WorkDir    string             // where builds are made and their logs kept; empty: UserDir("build")
	CacheDir   string             // where unfinished downloads wait; empty: UserDir("downloads")
	Upstream   upstream.Endpoints // other servers than the projects' own
	From       []*Folder          // what one of these has is copied from there, before anything is fetched or built
}

// EventKind says what happened.
type EventKind string

const (
	Started EventKind = "started" // Line: what to expect
	Logged  EventKind = "log"     // Line: one line of output
	Noted   EventKind = "note"    // Line: what an operator should know
	Done    EventKind = "done"    // Seconds, Entries
	Failed  EventKind = "failed"  // Seconds, Line: the first line of the error
)

// Event is a step of Fill's progress. A task is one download or one build, which may give
// several artifacts.
type Event struct {
	Kind    EventKind `json:"kind"`
	Task    string    `json:"task"`
	Line    string    `json:"line,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Entries []Entry   `json:"entries,omitempty"`
}

// BuildRequirements lists the Debian packages that building from source needs and this
// machine lacks.
func BuildRequirements() (missing []string) { return gobuild.Requirements() }

// Fill puts into dst what is wanted and not there yet, and gives the entries of all wants, in
// order. What one task made is recorded at once, so a later call goes on where a killed
// or failed one ended; a call with nothing to do takes milliseconds.
func Fill(ctx context.Context, dst *Folder, wants []Want, opts FillOptions) ([]Entry, error) {
	if !slices.Contains([]string{"", Auto, Upstream, SourceBuilt}, opts.Provenance) {
		return nil, fmt.Errorf("provenance %q is not one of auto, upstream, source", opts.Provenance)
	}
	accepted := opts.Provenance
	if accepted == Auto {
		accepted = ""
	}
	found, missing, err := dst.lacks(wants, accepted)
	if err != nil || len(missing) == 0 {
		return found, err
	}
	f := &filling{dst: dst, opts: opts}
	if err := checkKinds(missing); err != nil {
		return nil, err
	}
	if missing, err = f.takeOver(ctx, missing, accepted); err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		if err := f.get(ctx, wants, missing, accepted); err != nil {
			return nil, err
		}
	}
	all, err := dst.Entries()
	if err != nil {
		return nil, err
	}
	return choose(dst.dir, wants, all, accepted, dst.present)
}

// get fetches or builds what is missing.
func (f *filling) get(ctx context.Context, wants, missing []Want, accepted string) error {
	if err := f.prepare(); err != nil {
		return err
	}
	// What cannot be had is told at once, not after a wait for another run.
	if _, err := f.plan(ctx, missing); err != nil {
		return err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Whoever held the lock may have filled in what is wanted here.
	if _, missing, err = f.dst.lacks(wants, accepted); err != nil {
		return err
	}
	tasks, err := f.plan(ctx, missing)
	if err != nil {
		return err
	}
	return f.run(ctx, tasks)
}

// takeOver copies what other folders have, and gives what is still missing.
func (f *filling) takeOver(ctx context.Context, missing []Want, accepted string) ([]Want, error) {
	for _, from := range f.opts.From {
		found, rest, err := from.lacks(missing, accepted)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		err = f.runTask(ctx, task{
			name: fmt.Sprintf("what %s has", from.dir), expect: fmt.Sprintf("files to copy: %d", len(found)),
			run: func(ctx context.Context, log func(string)) ([]Entry, error) {
				for _, e := range found {
					if err := f.copy(ctx, from, e); err != nil {
						return nil, err
					}
					log(e.String())
				}
				return found, nil
			},
		})
		if err != nil {
			return nil, err
		}
		missing = rest
	}
	return missing, nil
}

// copy takes the file of an entry from another folder; reading it compares its digest.
func (f *filling) copy(ctx context.Context, from *Folder, e Entry) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.dst.intact(e) {
		return nil
	}
	r, err := from.Open(ctx, e)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = f.dst.store(e, r)
	return err
}

// lacks says which wants the folder cannot answer with intact files.
func (f *Folder) lacks(wants []Want, provenance string) (found []Entry, missing []Want, err error) {
	all, err := f.Entries()
	if err != nil {
		return nil, nil, err
	}
	found, err = choose(f.dir, wants, all, provenance, f.intact)
	var m *MissingError
	if errors.As(err, &m) {
		return found, m.Wants, nil
	}
	return found, nil, err
}

// task is one download or build.
type task struct {
	name   string
	expect string
	run    func(ctx context.Context, log func(string)) ([]Entry, error)
}

// filling is one call of Fill that has work to do.
type filling struct {
	dst  *Folder
	opts FillOptions
	mu   sync.Mutex // one Progress call at a time
	// provenance is what Auto was settled to.
	provenance string
}

func (f *filling) emit(e Event) {
	if f.opts.Progress == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opts.Progress(e)
}

func (f *filling) prepare() error {
	if f.opts.Jobs < 1 {
		f.opts.Jobs = standardJobs
	}
	for _, d := range []struct {
		dir  *string
		name string
	}{{&f.opts.WorkDir, "build"}, {&f.opts.CacheDir, "downloads"}} {
		if *d.dir == "" {
			dir, err := UserDir(d.name)
			if err != nil {
				return err
			}
			*d.dir = dir
		}
		abs, err := filepath.Abs(*d.dir)
		if err != nil {
			return err
		}
		*d.dir = abs
		if err := os.MkdirAll(abs, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps two fills from doing the same work twice, and from building in the same place.
func (f *filling) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(f.opts.WorkDir, ".lock")
	unlock, ok, err := flock.TryLock(path)
	if err != nil {
		return nil, err
	}
	if !ok {
		f.emit(Event{Kind: Noted, Task: "artifacts", Line: "another run fills artifacts; waiting for it"})
		if unlock, err = flock.Lock(ctx, path); err != nil {
			return nil, err
		}
	}
	f.dst.sweep()
	return unlock, nil
}

// sweep removes what killed runs left half-written.
func (f *Folder) sweep() {
	left, _ := filepath.Glob(filepath.Join(f.dir, scratchDir, "blob-*"))
	for _, path := range left {
		// A blob of this age is nobody's: writing one takes seconds.
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(path)
		}
	}
}

func checkKinds(wants []Want) error {
	for _, w := range wants {
		if !slices.Contains([]Kind{Binary, Image, Package}, w.Kind) {
			return fmt.Errorf("%s: kind %q is not one of binary, image, package", w, w.Kind)
		}
	}
	return nil
}

// plan turns wants into tasks, after every check that needs no work.
func (f *filling) plan(ctx context.Context, missing []Want) ([]task, error) {
	var packages, others []Want
	for i, w := range missing {
		if slices.Contains(missing[:i], w) {
			continue
		}
		if w.Kind == Package {
			packages = append(packages, w)
			continue
		}
		others = append(others, w)
	}
	var tasks []task
	if len(others) > 0 {
		provenance, err := f.decide(ctx)
		if err != nil {
			return nil, err
		}
		if provenance == Upstream {
			tasks, err = f.upstreamTasks(others)
		} else {
			tasks, err = f.sourceTasks(others)
		}
		if err != nil {
			return nil, err
		}
	}
	more, err := f.packageTasks(packages)
	return append(tasks, more...), err
}

// decide settles Auto with one short question, never one per artifact.
func (f *filling) decide(ctx context.Context) (string, error) {
	if f.opts.Provenance == Upstream || f.opts.Provenance == SourceBuilt {
		return f.opts.Provenance, nil
	}
	if f.provenance != "" {
		return f.provenance, nil
	}
	err := f.opts.Upstream.Reachable(ctx)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	f.provenance = Upstream
	if err != nil {
		f.provenance = SourceBuilt
		f.emit(Event{Kind: Noted, Task: "artifacts", Line: "upstream is out of reach (" + err.Error() + "): building from Go modules"})
	}
	return f.provenance, nil
}

// run does the tasks. One that fails does not stop the others: what they make is kept, and
// all failures are told together.
func (f *filling) run(ctx context.Context, tasks []task) error {
	var group errgroup.Group
	group.SetLimit(f.opts.Jobs)
	failures := make([]error, len(tasks))
	for i, t := range tasks {
		group.Go(func() error {
			if ctx.Err() == nil {
				failures[i] = f.runTask(ctx, t)
			}
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("filling %s stopped: %w; run it again to go on from there", f.dst.dir, ctx.Err())
	}
	return errors.Join(failures...)
}

func (f *filling) runTask(ctx context.Context, t task) error {
	f.emit(Event{Kind: Started, Task: t.name, Line: t.expect})
	start := time.Now()
	entries, err := t.run(ctx, func(line string) { f.emit(Event{Kind: Logged, Task: t.name, Line: line}) })
	if err == nil {
		err = f.dst.record(ctx, entries)
	}
	seconds := time.Since(start).Seconds()
	if err != nil {
		f.emit(Event{Kind: Failed, Task: t.name, Seconds: seconds, Line: firstLine(err.Error())})
		return fmt.Errorf("%s: %w", t.name, err)
	}
	f.emit(Event{Kind: Done, Task: t.name, Seconds: seconds, Entries: entries})
	return nil
}
