package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"

	"github.com/trivet-dev/trivet/internal/artifact/download"
	"github.com/trivet-dev/trivet/internal/artifact/image"
	"github.com/trivet-dev/trivet/internal/artifact/upstream"
)

// upstreamTasks groups wants into downloads: one per published file.
func (f *filling) upstreamTasks(wants []Want) ([]task, error) {
	var tasks []task
	var problems []error
	files := map[string]upstream.File{}
	members := map[string][]Want{}
	var order []string
	for _, w := range wants {
		if w.Kind == Image {
			t, err := f.imageTask(w)
			if err != nil {
				problems = append(problems, err)
			}
			tasks = append(tasks, t)
			continue
		}
		file, err := f.opts.Upstream.Locate(w.Name, w.Version, w.Arch)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if known, ok := files[file.URL]; ok {
			for binary, member := range file.Members {
				known.Members[binary] = member
			}
		} else {
			files[file.URL] = file
			order = append(order, file.URL)
		}
		members[file.URL] = append(members[file.URL], w)
	}
	for _, url := range order {
		tasks = append(tasks, task{
			name: path.Base(url) + " " + members[url][0].Version + " " + members[url][0].Arch,
			run: func(ctx context.Context, _ func(string)) ([]Entry, error) {
				return f.download(ctx, files[url], members[url])
			},
		})
	}
	return tasks, errors.Join(problems...)
}

// download fetches one published file and stores the binaries in it.
func (f *filling) download(ctx context.Context, file upstream.File, wants []Want) ([]Entry, error) {
	client := &download.Client{}
	if f.opts.Upstream.Transport != nil {
		client.HTTP = &http.Client{Transport: f.opts.Upstream.Transport}
	}
	local, err := f.opts.Upstream.Fetch(ctx, client, file, filepath.Join(f.opts.CacheDir, "upstream"))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	if file.Members == nil {
		e, err := f.storeFile(Entry{Want: wants[0], Provenance: Upstream}, local)
		if err != nil {
			return nil, err
		}
		return []Entry{e}, os.Remove(local)
	}
	byMember := map[string]Want{}
	var names []string
	for _, w := range wants {
		byMember[file.Members[w.Name]] = w
		names = append(names, file.Members[w.Name])
	}
	err = upstream.Extract(local, names, func(member string, r io.Reader) error {
		e, err := f.dst.store(Entry{Want: byMember[member], Provenance: Upstream}, r)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, os.Remove(local)
}

func (f *filling) imageTask(w Want) (task, error) {
	reference, err := image.Reference(w.Name, w.Version)
	if err != nil {
		return task{}, err
	}
	return task{
		name: fmt.Sprintf("image %s %s", reference, w.Arch),
		run: func(ctx context.Context, _ func(string)) ([]Entry, error) {
			img, err := image.Pull(ctx, reference, w.Arch, f.opts.Upstream.Transport, f.opts.Upstream.Registry)
			if err != nil {
				return nil, err
			}
			e := Entry{Want: w, Provenance: Upstream, Reference: reference}
			e, err = f.dst.storeWritten(e, func(out io.Writer) error { return image.Write(reference, img, out) })
			return []Entry{e}, err
		},
	}, nil
}
