package artifact

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/artifact/debian"
)

// packageTasks makes one task for the packages of each architecture: what a minimal host
// has is worked out once for all of them.
func (f *filling) packageTasks(wants []Want) ([]task, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	if err := debian.Check(); err != nil {
		return nil, err
	}
	distribution, err := debian.Distribution()
	if err != nil {
		return nil, err
	}
	byArch := map[string][]Want{}
	var order []string
	for _, w := range wants {
		if w.Version != "" {
			return nil, fmt.Errorf("%s: a package has the version of its distribution; leave the version empty", w)
		}
		if byArch[w.Arch] == nil {
			order = append(order, w.Arch)
		}
		byArch[w.Arch] = append(byArch[w.Arch], w)
	}
	var tasks []task
	for _, arch := range order {
		names := make([]string, len(byArch[arch]))
		for i, w := range byArch[arch] {
			names[i] = w.Name
		}
		tasks = append(tasks, task{
			name:   fmt.Sprintf("%s packages %s", distribution, arch),
			expect: strings.Join(names, ", "),
			run: func(ctx context.Context, log func(string)) ([]Entry, error) {
				return f.packages(ctx, byArch[arch], distribution, log)
			},
		})
	}
	return tasks, nil
}

func (f *filling) packages(ctx context.Context, wants []Want, distribution string, log func(string)) ([]Entry, error) {
	apt := debian.Apt{Arch: wants[0].Arch, WorkDir: filepath.Join(f.opts.CacheDir, "apt-"+wants[0].Arch)}
	defer os.RemoveAll(apt.WorkDir)
	host, err := apt.MinimalHost(ctx)
	if err != nil {
		return nil, err
	}
	closures := make([][]debian.File, len(wants))
	var all []debian.File // each file once: closures share many
	for i, w := range wants {
		if closures[i], err = host.Closure(ctx, w.Name); err != nil {
			return nil, err
		}
		for _, file := range closures[i] {
			if !slices.Contains(all, file) {
				all = append(all, file)
				log(file.Reference() + " for " + w.Name)
			}
		}
	}
	paths, err := apt.Download(ctx, all)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for i, w := range wants {
		for _, file := range closures[i] {
			e := Entry{Want: w, Provenance: Distribution, Reference: file.Reference(), Distribution: distribution}
			if e, err = f.storeFile(e, paths[file]); err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// storeFile stores a file that lies elsewhere.
func (f *filling) storeFile(e Entry, path string) (Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer file.Close()
	return f.dst.store(e, file)
}
