package terraform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

// workerWait is how long a worker waits for the run lock while another process has it.
const workerWait = 30 * time.Minute

// workerRuns are the runs over workers that Terraform asks for one by one.
type workerRuns struct {
	turns
	joins  queue[workerAsk, workerAnswer]
	leaves queue[workerAsk, workerAnswer]
	looks  queue[workerAsk, workerAnswer]
}

// workerAsk is what is asked about one worker.
type workerAsk struct {
	cluster, id string
	endpoints   []endpoint
	worker      bootstrap.Worker // its name alone, but to join it
	lock        pins
	lockText    string
	forget      bool // leave without a machine that does not answer
}

// workerAnswer is what became of it.
type workerAnswer struct {
	inventory *inventory.Inventory
	state     *bootstrap.WorkerState // of a look; nil where the cluster has no such worker
	err       error
}

// answers gives everybody the same answer.
func answers(all []workerAsk, a workerAnswer) []workerAnswer {
	return slices.Repeat([]workerAnswer{a}, len(all))
}

// session connects to the control planes of a cluster.
func (c *client) session(ctx context.Context, ask workerAsk, change ...func(*bootstrap.Options)) (*session, error) {
	if len(ask.endpoints) == 0 {
		return nil, errors.New("the cluster's access names no control plane")
	}
	lock := ask.lock
	if lock.Lock == nil {
		lock = noPins()
	}
	return c.connect(ctx, c.controlPlanes(ask.cluster, ask.endpoints), lock, change...)
}

// join brings a worker into its cluster, or up to date.
func (c *client) join(ctx context.Context, ask workerAsk) workerAnswer {
	return c.workers.joins.ask(ctx, ask.id+"\n"+ask.lockText, ask, func(ctx context.Context, all []workerAsk) []workerAnswer {
		return c.change(ctx, all, func(s *session, o bootstrap.ElasticOptions) (map[string]error, error) {
			var workers []bootstrap.Worker
			for _, a := range all {
				workers = append(workers, a.worker)
			}
			return s.Join(ctx, workers, o)
		})
	})
}

// leave takes a worker out of its cluster.
func (c *client) leave(ctx context.Context, ask workerAsk) workerAnswer {
	return c.workers.leaves.ask(ctx, fmt.Sprint(ask.id, ask.forget), ask, func(ctx context.Context, all []workerAsk) []workerAnswer {
		return c.change(ctx, all, func(s *session, o bootstrap.ElasticOptions) (map[string]error, error) {
			var names []string
			for _, a := range all {
				names = append(names, a.worker.Name)
			}
			return s.Leave(ctx, names, o)
		})
	})
}

// change does something to workers of one cluster, in its turn.
func (c *client) change(ctx context.Context, all []workerAsk, do func(*session, bootstrap.ElasticOptions) (map[string]error, error)) []workerAnswer {
	end, err := c.workers.turn(ctx, all[0].cluster)
	if err != nil {
		return answers(all, workerAnswer{err: err})
	}
	defer end()
	s, err := c.session(ctx, all[0])
	if err != nil {
		return answers(all, workerAnswer{err: err})
	}
	defer s.Close()
	failed, err := do(s, bootstrap.ElasticOptions{ClusterID: all[0].id, Wait: workerWait, ForgetUnreachable: all[0].forget})
	out := answers(all, workerAnswer{err: err})
	inv, lost := s.Inventory(context.WithoutCancel(ctx)) // what was done shall be known
	for i, a := range all {
		out[i].inventory = inv
		if out[i].err == nil {
			out[i].err = failed[a.worker.Name]
		}
		if out[i].err == nil {
			out[i].err = lost
		}
	}
	return out
}

// look reads what a worker is.
func (c *client) look(ctx context.Context, ask workerAsk) workerAnswer {
	return c.workers.looks.ask(ctx, ask.id, ask, func(ctx context.Context, all []workerAsk) []workerAnswer {
		s, err := c.session(ctx, ask, func(o *bootstrap.Options) { o.Majority = true })
		if err != nil {
			return answers(all, workerAnswer{err: err})
		}
		defer s.Close()
		var names []string
		for _, a := range all {
			names = append(names, a.worker.Name)
		}
		found, inv, err := s.Workers(ctx, names)
		if away := s.Unreachable(); err == nil && inv == nil && away != nil {
			err = fmt.Errorf("the control planes that answer know of no cluster, and others do not answer:\n%w", away)
		}
		out := answers(all, workerAnswer{inventory: inv, err: err})
		for i, a := range all {
			if at := slices.IndexFunc(found, func(w bootstrap.WorkerState) bool { return w.Name == a.worker.Name }); at >= 0 {
				out[i].state = &found[at]
			}
		}
		return out
	})
}
