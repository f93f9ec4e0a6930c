package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// recorder are a fleet's artifacts, and remembers what was asked for.
type recorder struct {
	*fleettest.Fleet
	entries []artifact.Entry
}

func (r *recorder) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	entries, err := r.Fleet.Resolve(ctx, wants)
	r.entries = entries
	return entries, err
}

// mirror writes entries into an artifact folder.
func (r *recorder) mirror(t *testing.T, dir string, entries []artifact.Entry) {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f, err := r.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(blobs, e.SHA256), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"format": 1, "entries": entries})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// comparing counts comparisons of objects.
type comparing struct {
	bootstrap.API
	mu *sync.Mutex
	n  *int
}

func (c comparing) Compare(ctx context.Context, objects []desired.Object) ([]plan.ObjectState, error) {
	c.mu.Lock()
	*c.n++
	c.mu.Unlock()
	return c.API.Compare(ctx, objects)
}

// TestArtifactsOnlyToSend: with a lock file, a cluster that runs is planned for and mended with a source that has nothing; what has to be sent is asked for, and no more.
func TestArtifactsOnlyToSend(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	r := &recorder{Fleet: f.Fleet}
	f.trivetWith(func(o *bootstrap.Options) { o.Artifacts = r }, exitOK, "apply", "--yes")
	dir := filepath.Join(t.TempDir(), "mirror")
	r.mirror(t, dir, r.entries)

	f.ownArtifacts = true
	lock := filepath.Join(f.dir, artifact.LockName)
	f.trivet(exitOK, "plan", "--artifacts", dir) // without pins, all are asked for and pinned
	if _, err := os.Stat(lock); err != nil {
		t.Fatal(err)
	}
	r.mirror(t, dir, nil)
	f.trivet(exitOK, "plan", "--artifacts", dir)
	f.trivet(exitOK, "apply", "--yes", "--artifacts", dir)

	kubelet := ""
	o, err := f.Observe("w1")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range o.Record.Items {
		if a := i.Item.Artifact; a != nil && strings.HasSuffix(a.Path, "/kubelet") {
			kubelet = "/opt/trivet/store/sha256/" + a.Blob.SHA256
		}
	}
	remove := func(host, path string) {
		t.Helper()
		if err := os.Remove(f.Machines[host].Path(path)); err != nil {
			t.Fatal(err)
		}
	}
	remove("w1", "/etc/kubernetes/kubelet.yaml")
	remove("w1", kubelet) // cp1, in the same site, has another
	f.trivet(exitOK, "apply", "--yes", "--artifacts", dir)

	remove("cp3", kubelet) // which is alone in its site
	_, errOut := f.trivet(exitFailed, "apply", "--yes", "--artifacts", dir)
	matches(t, errOut, `mirror lacks 1 artifacts: kubelet 1\.37\.2 amd64 binary;`)
	r.mirror(t, dir, r.entries)
	n, mu := 0, &sync.Mutex{}
	f.trivetWith(func(o *bootstrap.Options) {
		o.API = func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API {
			return comparing{f.API(id), mu, &n}
		}
	}, exitChanges, "plan", "--artifacts", dir)
	if n != 1 {
		t.Errorf("objects were compared %d times for one plan", n)
	}
	f.trivet(exitOK, "apply", "--yes", "--artifacts", dir)
	f.trivet(exitOK, "plan", "--artifacts", dir)
}
