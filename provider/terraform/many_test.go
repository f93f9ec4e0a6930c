package terraform_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestManyWorkers joins hundreds of workers in one apply. Those that terraform asks for at the same time are one run, with the run lock held once, and no run has to do with those that have
// joined before.
func TestManyWorkers(t *testing.T) {
	const all = 200
	w := newWorld(t, small)
	names := w.spares(t, all)
	d := w.directAt(t, 32, w.adapt)
	state, err := d.create(t.Context(), t, "trivet_cluster", w.attributes(small))
	if err != nil {
		t.Fatal(err)
	}
	access := attributesOf(t, state)["access"]
	var holds atomic.Int32
	touched := map[string]bool{}
	w.fleet.OnPoint = func(host, point string) { // one at a time
		if touched[host] = true; host == "cp1" && point == "hold" {
			holds.Add(1)
		}
	}
	// join has so many resources created at a time, as terraform does by -parallelism.
	join := func(names []string, parallel int) (runs int, took, cpu time.Duration) {
		t.Helper()
		before, start, used := holds.Load(), time.Now(), cpuTime(t)
		work, errs := make(chan string), make([]error, 0)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range parallel {
			wg.Go(func() {
				for name := range work {
					s, err := d.create(t.Context(), t, "trivet_worker", map[string]any{"cluster": access, "name": name, "address": spareAddress(name)})
					if err == nil && attributesOf(t, s)["machine_id"].IsNull() {
						err = fmt.Errorf("%s has no machine id", name)
					}
					if err != nil {
						mu.Lock()
						errs = append(errs, err)
						mu.Unlock()
					}
				}
			})
		}
		for _, name := range names {
			work <- name
		}
		close(work)
		wg.Wait()
		if len(errs) > 0 {
			t.Fatalf("%d workers did not join, the first: %v", len(errs), errs[0])
		}
		return int(holds.Load() - before), time.Since(start), cpuTime(t) - used
	}
	runs, took, cpu := join(names[:all/2], all/2)
	t.Logf("%d workers at once: %d runs, %.1f s, %.1f s of CPU", all/2, runs, took.Seconds(), cpu.Seconds())
	if runs > 2 {
		t.Errorf("%d workers that are asked for at once took %d runs", all/2, runs)
	}
	clear(touched)
	runs, took, cpu = join(names[all/2:], 10)
	t.Logf("%d workers, ten at once, beside the others: %d runs, %.1f s, %.1f s of CPU", all/2, runs, took.Seconds(), cpu.Seconds())
	if runs > all/2/10+5 {
		t.Errorf("%d workers, of which ten are asked for at once, took %d runs", all/2, runs)
	}
	for _, name := range append(names[:all/2:all/2], "w1") {
		if touched[name] {
			t.Errorf("%s had to do with the join of others", name)
		}
	}
	slices.Sort(names)
	if err := w.elastic(names...)(nil); err != nil {
		t.Error(err)
	}
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
