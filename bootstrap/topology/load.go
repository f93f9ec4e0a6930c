package topology

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Extension ends the names of topology files.
const Extension = ".hcl"

// Load reads every *.hcl file of a folder (not of its subfolders), or one file, as one topology. The topology is nil if and
// only if there are errors among the diagnostics; the source is never nil.
func Load(dir string, opts Options) (*Topology, *Source, hcl.Diagnostics) {
	if opts.ReadFile == nil {
		opts.ReadFile = os.ReadFile
	}
	if opts.Glob == nil {
		opts.Glob = globFiles
	}
	if opts.Home == "" {
		// Without a home directory, a path that starts with "~" is refused where it is written.
		opts.Home, _ = os.UserHomeDir()
	}
	paths, base, err := topologyFiles(dir)
	if err == nil {
		opts.Dir, err = filepath.Abs(base)
	}
	if err != nil {
		return nil, newSource(), hcl.Diagnostics{fileError("Topology not readable", err)}
	}
	files := map[string][]byte{}
	var diags hcl.Diagnostics
	for _, path := range paths {
		src, err := readTopologyFile(path, path != dir)
		if err != nil {
			diags = append(diags, fileError("Topology file not readable", err))
			continue
		}
		files[path] = src
	}
	if diags.HasErrors() {
		return nil, newSource(), diags
	}
	return Parse(files, opts)
}

// topologyFiles lists the files to read and the folder that they are in.
func topologyFiles(dir string) (paths []string, base string, err error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("%s does not exist; name the folder of the topology, or one of its files", dir)
	case err != nil:
		return nil, "", err
	case !info.IsDir():
		return []string{dir}, filepath.Dir(dir), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		// Names that start with a dot are editors' swap and lock files.
		if !e.IsDir() && strings.HasSuffix(e.Name(), Extension) && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, "", fmt.Errorf("the folder %s has no file that ends in %s; name the folder that the topology is in", dir, Extension)
	}
	return paths, dir, nil
}

// largestFile bounds a topology file: a thousand hosts that are written out one by one take less than 1 MiB.
const largestFile = 16 << 20

// readTopologyFile reads a file. One that was found in a folder must be regular, so that a pipe does not hang everything; one that was named may be a pipe.
func readTopologyFile(path string, found bool) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && found && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; rename it or take it out of the folder", path)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s: permission denied; give your user the right to read it", path)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	if err == nil && len(src) > largestFile {
		err = fmt.Errorf("%s is larger than %d MiB, so it is hardly a topology; hosts that are alike are one hosts block", path, largestFile>>20)
	}
	return src, err
}

func fileError(summary string, err error) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: sentence(err.Error())}
}

// Parse is Load without the disk: files maps names, as diagnostics shall show them, to contents.
func Parse(files map[string][]byte, opts Options) (*Topology, *Source, hcl.Diagnostics) {
	src := newSource()
	var diags hcl.Diagnostics
	var bodies []*hclsyntax.Body
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		body, moreDiags := src.parse(name, files[name])
		diags = append(diags, moreDiags...)
		if body != nil {
			bodies = append(bodies, body)
		}
	}
	if diags.HasErrors() {
		// What a broken file was meant to say is unknown, so checks across files would report what is not there.
		return nil, src, tidy(diags)
	}
	d := newDecoder(opts, src)
	t := d.decode(bodies)
	d.check(t)
	diags = append(diags, d.diags...)
	d.settleSuggestions(diags)
	d.scrub(diags)
	diags = tidy(diags)
	if diags.HasErrors() {
		return nil, src, diags
	}
	return t, src, diags
}

// tidy puts diagnostics in the order of the text and drops repetitions, which expressions that are evaluated several times
// cause. Maps inside the HCL library make their raw order vary from run to run.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct{ place, summary, detail string }
	seen := map[key]bool{}
	var out hcl.Diagnostics
	for _, diag := range diags {
		k := key{summary: diag.Summary, detail: diag.Detail}
		if diag.Subject != nil {
			k.place = diag.Subject.String()
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, diag)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return before(out[i], out[j]) })
	return out
}

func before(a, b *hcl.Diagnostic) bool {
	if a.Subject == nil || b.Subject == nil {
		if (a.Subject == nil) != (b.Subject == nil) {
			return a.Subject == nil
		}
		return a.Summary+a.Detail < b.Summary+b.Detail
	}
	switch {
	case a.Subject.Filename != b.Subject.Filename:
		return a.Subject.Filename < b.Subject.Filename
	case a.Subject.Start.Byte != b.Subject.Start.Byte:
		return a.Subject.Start.Byte < b.Subject.Start.Byte
	case a.Subject.End.Byte != b.Subject.End.Byte:
		return a.Subject.End.Byte < b.Subject.End.Byte
	case a.Severity != b.Severity:
		return a.Severity < b.Severity
	}
	return a.Summary+a.Detail < b.Summary+b.Detail
}
