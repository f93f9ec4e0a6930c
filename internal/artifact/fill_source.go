package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/artifact/gobuild"
	"github.com/trivet-dev/trivet/internal/artifact/image"
)

// agnhostRelease says from which Kubernetes release a version of the test image is
// built: it has no module of its own. 2.66.1 and 2.63.0 are the versions of those trees
// (test/images/agnhost/VERSION). 2.57 is built from 1.37.2's tree too, to spare a build of
// another release: it is 2.66.1 under that name.
var agnhostRelease = map[string]string{
	"2.66.1": "1.37.2",
	"2.63.0": "1.36.3",
	"2.57":   "1.37.2",
}

// sourceTasks groups wants into builds: all that one module gives in one call of the toolchain.
func (f *filling) sourceTasks(wants []Want) ([]task, error) {
	type build struct{ set, version, arch string }
	groups := map[build][]Want{}
	var problems []error
	for _, w := range wants {
		set, ok := gobuild.SetOf(w.Name)
		if !ok || w.Kind == Image && !slices.Contains(image.Names(), w.Name) {
			problems = append(problems, fmt.Errorf("%s cannot be built from source here: take it from upstream or from a mirror", w))
			continue
		}
		b := build{set, w.Version, w.Arch}
		if w.Name == "agnhost" {
			if b.version, ok = agnhostRelease[w.Version]; !ok {
				problems = append(problems, fmt.Errorf("%s: from which Kubernetes release it is built is not known", w))
				continue
			}
		}
		groups[b] = append(groups[b], w)
	}
	var tasks []task
	for _, set := range gobuild.Sets() { // the longest build first, so that the short ones fill the gaps
		for b, members := range groups {
			if b.set != set {
				continue
			}
			g := gobuild.Build{Set: b.set, Version: b.version, Arch: b.arch, WorkDir: f.opts.WorkDir}
			for _, w := range members {
				g.Binaries = append(g.Binaries, w.Name)
			}
			if err := g.Check(); err != nil {
				problems = append(problems, err)
				continue
			}
			tasks = append(tasks, task{
				name:   fmt.Sprintf("%s %s %s from source", b.set, b.version, b.arch),
				expect: "about " + g.Cost() + " on two cores when nothing of it was built before",
				run: func(ctx context.Context, log func(string)) ([]Entry, error) {
					return f.build(ctx, g, members, log)
				},
			})
		}
	}
	return tasks, errors.Join(problems...)
}

// build runs one build and stores its results.
func (f *filling) build(ctx context.Context, g gobuild.Build, wants []Want, log func(string)) ([]Entry, error) {
	g.Log = log
	files, err := g.Run(ctx)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, w := range wants {
		e, err := f.storeBuilt(w, files[w.Name])
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, g.Clean()
}

func (f *filling) storeBuilt(w Want, path string) (Entry, error) {
	e := Entry{Want: w, Provenance: SourceBuilt}
	if w.Kind == Image {
		var err error
		if e.Reference, err = image.Reference(w.Name, w.Version); err != nil {
			return e, err
		}
		img, err := image.FromBinary(w.Name, w.Arch, path)
		if err != nil {
			return e, err
		}
		return f.dst.storeWritten(e, func(out io.Writer) error { return image.Write(e.Reference, img, out) })
	}
	return f.storeFile(e, path)
}

// storeWritten stores what write writes.
func (f *Folder) storeWritten(e Entry, write func(io.Writer) error) (Entry, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(write(w)) }()
	stored, err := f.store(e, r)
	r.CloseWithError(err) // ends the writer if the store gave up first
	return stored, err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
