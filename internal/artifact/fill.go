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
	if err := f.prepare(); err != nil {
		return nil, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// Whoever held the lock may have filled in what is wanted here.
	if _, missing, err = dst.lacks(wants, accepted); err != nil {
		return nil, err
	}
	tasks, err := f.plan(ctx, missing)
	if err != nil {
		return nil, err
	}
	if err := f.run(ctx, tasks); err != nil {
		return nil, err
	}
	all, err := dst.Entries()
	if err != nil {
		return nil, err
	}
	return choose(dst.dir, wants, all, accepted, dst.present)
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

// plan turns wants into tasks, after every check that needs no work.
func (f *filling) plan(ctx context.Context, missing []Want) ([]task, error) {
	var packages, others []Want
	for i, w := range missing {
		if slices.Contains(missing[:i], w) {
			continue
		}
		switch w.Kind {
		case Package:
			packages = append(packages, w)
		case Binary, Image:
			others = append(others, w)
		default:
			return nil, fmt.Errorf("%s: kind %q is not one of binary, image, package", w, w.Kind)
		}
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
	err := f.opts.Upstream.Reachable(ctx)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err == nil {
		return Upstream, nil
	}
	f.emit(Event{Kind: Noted, Task: "artifacts", Line: "upstream is out of reach (" + err.Error() + "): building from Go modules"})
	return SourceBuilt, nil
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
