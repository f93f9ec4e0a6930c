package desired_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden holds what each release compiles to. An old release's files change only with a written decision.
func TestGolden(t *testing.T) {
	for _, kubernetes := range release.Supported() {
		for name, build := range topologies {
			t.Run(kubernetes+"/"+name, func(t *testing.T) {
				dir := filepath.Join("testdata", "golden", kubernetes, name)
				state := build(t, kubernetes).compile()
				want := map[string][]byte{}
				for _, h := range state.Hosts {
					want[h.Name+".txtar"] = txtar.Format(hostArchive(t, h))
				}
				want["objects.txtar"] = txtar.Format(objectArchive(t, state.Objects))
				compare(t, dir, want)
			})
		}
	}
}

func compare(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := files[e.Name()]; !ok {
			t.Errorf("%s/%s is of a host that is not there: run with -update", dir, e.Name())
		}
	}
	for name, got := range files {
		golden, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(golden), string(got)); diff != "" {
			t.Errorf("%s/%s differs (-golden +compiled); if that is meant, run with -update:\n%s", dir, name, diff)
		}
	}
}

// hostArchive writes a host for a reader: a list of its items, then its files.
func hostArchive(t *testing.T, h *desired.Host) *txtar.Archive {
	t.Helper()
	archive := &txtar.Archive{}
	var list bytes.Buffer
	for _, i := range h.Items {
		fmt.Fprintf(&list, "%-23s %s\n", i.Part, describe(t, i))
		if i.File != nil && !i.File.Secret {
			archive.Files = append(archive.Files, txtar.File{Name: i.File.Path, Data: i.File.Content})
		}
	}
	archive.Comment = list.Bytes()
	return archive
}

// describe writes an item in a line.
func describe(t *testing.T, i desired.Item) string {
	t.Helper()
	head := i.ID().String()
	switch {
	case i.Sysctl != nil:
		return fmt.Sprintf("%s = %s%s", head, i.Sysctl.Value, optional(i.Sysctl.Optional))
	case i.Module != nil:
		return head + optional(i.Module.Optional)
	case i.Package != nil:
		return fmt.Sprintf("%s with %d archives", head, len(i.Package.Archives))
	case i.Directory != nil:
		d := i.Directory
		return fmt.Sprintf("%s %04o %s:%s%s", head, d.Mode, d.Owner, d.Group, map[bool]string{true: " data"}[d.Data])
	case i.File != nil:
		f := i.File
		out := fmt.Sprintf("%s %04o %s:%s", head, f.Mode, f.Owner, f.Group)
		if f.Secret {
			out += fmt.Sprintf(" secret %s version %s", i.Secret, f.Version)
		}
		if len(i.Trust) > 0 {
			out += fmt.Sprintf(" trust %v%s", i.Trust, map[bool]string{true: " signing"}[i.Signing])
		}
		return out
	case i.Certificate != nil:
		return fmt.Sprintf("%s %s %s:%s", head, i.Certificate.Identity, i.KeyPair.Owner, i.KeyPair.Group)
	case i.Artifact != nil:
		return fmt.Sprintf("%s %.8s", head, i.Artifact.Blob.SHA256)
	case i.Image != nil:
		return fmt.Sprintf("%s %.8s", head, i.Image.Archive.SHA256)
	case i.Unit != nil:
		return unitLine(head, i.Unit)
	}
	return head
}

func unitLine(head string, u *hostapi.Unit) string {
	out := head
	for flag, on := range map[string]bool{" enabled": u.Enabled} {
		if on {
			out += flag
		}
	}
	if u.Running {
		out += " running"
	}
	if u.NoWait {
		out += " nowait"
	}
	verb := " restart for"
	if u.Reload {
		verb = " reload for"
	}
	out += verb
	for _, in := range u.Inputs {
		out += " " + in.Name
	}
	return out
}

func optional(o bool) string {
	if o {
		return " (optional)"
	}
	return ""
}

func objectArchive(t *testing.T, objects []desired.Object) *txtar.Archive {
	t.Helper()
	archive := &txtar.Archive{}
	for _, o := range objects {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, o.Manifest, "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		name := o.Kind + "/" + o.Name
		if o.Namespace != "" {
			name = o.Namespace + "/" + name
		}
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: pretty.Bytes()})
	}
	return archive
}
