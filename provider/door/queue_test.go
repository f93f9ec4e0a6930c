package door

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueue: what is asked at the same time is one run, and what is asked meanwhile is the next one. Keys do not wait for each other.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue[int, int]
		var mu sync.Mutex
		var runs [][]int
		began, go1 := make(chan struct{}, 10), make(chan struct{})
		run := func(_ context.Context, all []int) []int {
			mu.Lock()
			runs = append(runs, slices.Sorted(slices.Values(all)))
			first := len(runs) == 1
			mu.Unlock()
			began <- struct{}{}
			if first {
				<-go1
			}
			out := make([]int, len(all))
			for i, n := range all {
				out[i] = n * 10
			}
			return out
		}
		var wg sync.WaitGroup
		ask := func(key string, n int) {
			wg.Go(func() {
				if got := q.ask(t.Context(), key, n, run); got != n*10 {
					t.Errorf("%d was answered with %d", n, got)
				}
			})
		}
		ask("a", 1)
		ask("a", 2)
		<-began
		ask("a", 3)
		ask("a", 4)
		ask("b", 5)
		<-began // the other key's
		close(go1)
		wg.Wait()
		if want := [][]int{{1, 2}, {5}, {3, 4}}; !slices.EqualFunc(runs, want, slices.Equal) {
			t.Errorf("runs %v, want %v", runs, want)
		}
	})
}

// TestQueueGathers: what is asked shortly after one another is one run, for as long as that is no wait without an end.
func TestQueueGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue[int, int]
		var runs []int // one at a time
		run := func(_ context.Context, all []int) []int {
			runs = append(runs, len(all))
			return all
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { q.ask(t.Context(), "a", i, run) })
			time.Sleep(40 * time.Millisecond)
		}
		wg.Wait()
		if len(runs) != 2 || runs[0] < 75 || runs[0]+runs[1] != 100 {
			t.Errorf("100 that were asked in 4 s were done in runs of %v", runs)
		}
	})
}

// TestQueueEnds: a run ends once all who asked have given up, and not before.
func TestQueueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue[int, error]
		began := make(chan int)
		run := func(ctx context.Context, all []int) []error {
			began <- len(all)
			<-ctx.Done()
			return slices.Repeat([]error{context.Cause(ctx)}, len(all))
		}
		one, cancelOne := context.WithCancelCause(t.Context())
		two, cancelTwo := context.WithCancelCause(t.Context())
		answers := make(chan error, 2)
		go func() { answers <- q.ask(one, "a", 1, run) }()
		go func() { answers <- q.ask(two, "a", 2, run) }()
		if n := <-began; n != 2 {
			t.Fatalf("%d asked", n)
		}
		cancelOne(errors.New("first"))
		synctest.Wait()
		if len(answers) > 0 {
			t.Fatal("the run ended for one of two")
		}
		cancelTwo(errors.New("second"))
		for range 2 {
			if err := <-answers; err == nil || err.Error() != "second" {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestTurn: of one cluster there is one turn at a time.
func TestTurn(t *testing.T) {
	var all turns
	end, err := all.turn(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	if _, err := all.turn(ctx, "main"); err == nil || err.Error() != "interrupted" {
		t.Errorf("%v", err)
	}
	end()
	if end, err = all.turn(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	end()
}
