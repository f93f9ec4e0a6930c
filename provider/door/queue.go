package door

import (
	"context"
	"sync"
	"time"
)

// A run waits for others to come along: providers are asked for as many resources at a time as their tool's parallelism says, one after another. It begins once nobody has come for the
// time of gather, or at the latest after gatherMost.
const (
	gather     = 50 * time.Millisecond
	gatherMost = 3 * time.Second
)

// queue puts together what is asked of a cluster at the same time. One run at a time does all that was asked until it began; what is asked meanwhile waits, and is done by the next.
type queue[T, R any] struct {
	mu      sync.Mutex
	waiting map[string][]*asked[T, R]
	busy    map[string]bool
}

// asked is one thing that is asked.
type asked[T, R any] struct {
	ctx    context.Context
	what   T
	answer chan R
}

// ask has a run do something, with whatever else is asked under the same key. The run is given answers in the order of what it was asked; its context ends once those of all who asked
// have. Who asked is answered when the run has ended, also after the own context has: what became of it is known then.
func (q *queue[T, R]) ask(ctx context.Context, key string, what T, run func(ctx context.Context, all []T) []R) R {
	a := &asked[T, R]{ctx, what, make(chan R, 1)}
	q.mu.Lock()
	if q.waiting == nil {
		q.waiting, q.busy = map[string][]*asked[T, R]{}, map[string]bool{}
	}
	q.waiting[key] = append(q.waiting[key], a)
	if !q.busy[key] {
		q.busy[key] = true
		go q.work(key, run)
	}
	q.mu.Unlock()
	return <-a.answer
}

// work runs until nothing waits.
func (q *queue[T, R]) work(key string, run func(context.Context, []T) []R) {
	for more := true; more; {
		all := q.take(key)
		ctx, cancel := together(all)
		what := make([]T, len(all))
		for i, a := range all {
			what[i] = a.what
		}
		answers := run(ctx, what)
		cancel()
		for i, a := range all {
			a.answer <- answers[i]
		}
		q.mu.Lock()
		if more = len(q.waiting[key]) > 0; !more {
			delete(q.busy, key)
		}
		q.mu.Unlock()
	}
}

// take gives what is asked, once no more comes along.
func (q *queue[T, R]) take(key string) []*asked[T, R] {
	deadline := time.Now().Add(gatherMost)
	for n := 0; ; {
		time.Sleep(gather)
		q.mu.Lock()
		all := q.waiting[key]
		if len(all) == n || time.Now().After(deadline) {
			delete(q.waiting, key)
			q.mu.Unlock()
			return all
		}
		n = len(all)
		q.mu.Unlock()
	}
}

// together is a context that ends once those of all who asked have.
func together[T, R any](all []*asked[T, R]) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(all[0].ctx))
	var mu sync.Mutex
	left := len(all)
	var stops []func() bool
	for _, a := range all {
		stops = append(stops, context.AfterFunc(a.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel(context.Cause(a.ctx))
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}

// turns are those of clusters, by name: of what one run of a provider does to a cluster each has its turn, rather than be refused for the run lock of another.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{}
}

// turn waits for a cluster's turn. The function that it gives ends it; where ctx ends first there is nothing to end.
func (t *turns) turn(ctx context.Context, cluster string) (end func(), err error) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]chan struct{}{}
	}
	if t.of[cluster] == nil {
		t.of[cluster] = make(chan struct{}, 1)
	}
	slot := t.of[cluster]
	t.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
