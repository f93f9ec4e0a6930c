package hostd_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// held takes the run lock, does something under it and lets it go.
func held(t testing.TB, m *hostdtest.Machine, do func() error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var err error
	if herr := m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "ann@desk", Purpose: "apply"}}, func() { err = do(); cancel() }); herr != nil {
		return herr
	}
	return err
}

// TestDiskFullAnywhere has the disk fill up at every point of a step, from the run lock on, a page further each time. What is left is described by a record that can be read:
// with space again, doing the step ends in the state of a step that was not in want, and giving the host back instead leaves it as it was.
func TestDiskFullAnywhere(t *testing.T) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			m, _, _ := machineAt(t, s)
			run(t, m, s.ops(t, m)...)
			want := canonicalOf(t, m)
			root := smallMount(t, "8m")
			pages, done := 0, false
			for ; !done; pages++ {
				for _, back := range []bool{false, true} {
					machine := fmt.Sprintf("%s/%d-%t", root, pages, back)
					must(t, os.Mkdir(machine, 0o700))
					m, fresh, _ := machineIn(t, machine, s)
					ops := s.ops(t, m)
					fill(t, m)
					filler, err := os.Stat(m.Path("/var/filler"))
					must(t, err)
					must(t, os.Truncate(m.Path("/var/filler"), max(filler.Size()-int64(pages)*4096, 0)))
					at := fmt.Sprintf("with %d pages left", pages)
					err = held(t, m, func() error { return stepErr(m, t.Context(), ops...) })
					must(t, os.Remove(m.Path("/var/filler")))
					if done = err == nil; !done {
						if he := wantCode(t, err, hostapi.CodeDiskFull); he.Remedy == "" {
							t.Errorf("%s: %v", at, he)
						}
					}
					if back {
						if observe(t, m).Record == nil {
							run(t, m, hostapi.Operation{Forget: true})
						} else {
							run(t, m, removeAll(t, m)...)
						}
						sameTree(t, at+", then given back", fresh, tree(t, m.Root))
					} else {
						run(t, m, ops...)
						if d := cmp.Diff(want, canonicalOf(t, m)); d != "" {
							t.Errorf("%s, then done again (-want +got):\n%s", at, d)
						}
					}
					must(t, os.RemoveAll(machine))
					if t.Failed() {
						return
					}
				}
			}
			t.Logf("it takes %d pages", pages-1)
		})
	}
}

// TestHoldOnAFullDisk: a host on which the run lock cannot even be signed is left as it was.
func TestHoldOnAFullDisk(t *testing.T) {
	m := smallDisk(t, "1m")
	before := tree(t, m.Root)
	fill(t, m)
	nothing := func() error { return nil }
	if he := wantCode(t, held(t, m, nothing), hostapi.CodeDiskFull); he.Remedy == "" {
		t.Errorf("%v", he)
	}
	must(t, os.Remove(m.Path("/var/filler")))
	sameTree(t, "a host that could not be held", before, tree(t, m.Root))
	must(t, held(t, m, nothing))
}
