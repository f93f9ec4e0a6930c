package door

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/input"
)

// unfollowed are the attributes that a worker's setup does not follow from; policies are those that the provider alone keeps to.
var (
	unfollowed = []string{"cluster", "lock", "id", "pod_cidr", "machine_id", "drift", "on_destroy", "unreachable"}
	policies   = []string{"on_destroy", "unreachable"}
)

// Resets says whether the machine has something to be done to it.
func Resets(config, state input.Object) bool {
	return len(Texts(state["drift"])) > 0 || !reflect.DeepEqual(Without(config, unfollowed...), Without(state, unfollowed...))
}

// Changes says whether anything of a worker changes but for how its cluster is reached, and what it may be given.
func Changes(config, state input.Object) bool {
	for _, name := range policies {
		if s, ok := config[name].(string); !ok && config[name] != nil || ok && s != state[name] {
			return true
		}
	}
	return Resets(config, state) || config["lock"] != nil && state["lock"] == nil
}

// Elsewhere says whether the worker gets another address, so perhaps another machine.
func Elsewhere(config, state input.Object) bool {
	return config["address"] != state["address"] || config["ssh_address"] != state["ssh_address"]
}

// workerWait is how long a worker waits for the run lock while another process has it.
const workerWait = 30 * time.Minute

// workerRuns are the runs over workers that providers are asked for one by one.
type workerRuns struct {
	turns
	joins  queue[WorkerAsk, WorkerAnswer]
	leaves queue[WorkerAsk, WorkerAnswer]
	looks  queue[WorkerAsk, WorkerAnswer]
}

// WorkerAsk is what is asked about one worker.
type WorkerAsk struct {
	Cluster, ID string
	Endpoints   []Endpoint
	Worker      bootstrap.Worker // its name alone, but to join it
	Lock        Pins
	LockText    string
	Forget      bool // leave without a machine that does not answer
}

// WorkerAnswer is what became of it.
type WorkerAnswer struct {
	Inventory *inventory.Inventory
	State     *bootstrap.WorkerState // of a look; nil where the cluster has no such worker
	// Recorded says of a new worker that the cluster has it since this run, and not from before.
	Recorded bool
	Err      error
}

// Turn waits for a cluster's turn; end ends it.
func (c *Client) Turn(ctx context.Context, cluster string) (end func(), err error) {
	return c.workers.turn(ctx, cluster)
}

// answers gives everybody the same answer.
func answers(all []WorkerAsk, a WorkerAnswer) []WorkerAnswer {
	return slices.Repeat([]WorkerAnswer{a}, len(all))
}

// session connects to the control planes of a cluster.
func (c *Client) session(ctx context.Context, ask WorkerAsk, change ...func(*bootstrap.Options)) (*Session, error) {
	if len(ask.Endpoints) == 0 {
		return nil, errors.New("the cluster's access names no control plane")
	}
	lock := ask.Lock
	if lock.Lock == nil {
		lock = NoPins()
	}
	return c.Connect(ctx, c.ControlPlanes(ask.Cluster, ask.Endpoints), lock, change...)
}

// Join brings a worker into its cluster, or up to date.
func (c *Client) Join(ctx context.Context, ask WorkerAsk) WorkerAnswer {
	return c.workers.joins.ask(ctx, ask.ID+"\n"+ask.LockText, ask, func(ctx context.Context, all []WorkerAsk) []WorkerAnswer {
		return c.change(ctx, all, func(s *Session, o bootstrap.ElasticOptions) (map[string]error, error) {
			var workers []bootstrap.Worker
			for _, a := range all {
				workers = append(workers, a.Worker)
			}
			return s.Join(ctx, workers, o)
		})
	})
}

// Leave takes a worker out of its cluster.
func (c *Client) Leave(ctx context.Context, ask WorkerAsk) WorkerAnswer {
	return c.workers.leaves.ask(ctx, fmt.Sprint(ask.ID, ask.Forget), ask, func(ctx context.Context, all []WorkerAsk) []WorkerAnswer {
		return c.change(ctx, all, func(s *Session, o bootstrap.ElasticOptions) (map[string]error, error) {
			var names []string
			for _, a := range all {
				names = append(names, a.Worker.Name)
			}
			return s.Leave(ctx, names, o)
		})
	})
}

// change does something to workers of one cluster, in its turn.
func (c *Client) change(ctx context.Context, all []WorkerAsk, do func(*Session, bootstrap.ElasticOptions) (map[string]error, error)) []WorkerAnswer {
	end, err := c.Turn(ctx, all[0].Cluster)
	if err != nil {
		return answers(all, WorkerAnswer{Err: err})
	}
	defer end()
	s, err := c.session(ctx, all[0])
	if err != nil {
		return answers(all, WorkerAnswer{Err: err})
	}
	defer s.Close()
	before := newcomers(ctx, s, all)
	failed, err := do(s, bootstrap.ElasticOptions{ClusterID: all[0].ID, Wait: workerWait, ForgetUnreachable: all[0].Forget})
	out := answers(all, WorkerAnswer{Err: err})
	inv, lost := s.Inventory(context.WithoutCancel(ctx)) // what was done shall be known
	for i, a := range all {
		out[i].Inventory, out[i].Recorded = inv, before[a.Worker.Name] && inv != nil && inv.Host(a.Worker.Name) != nil
		if out[i].Err == nil {
			out[i].Err = failed[a.Worker.Name]
		}
		if out[i].Err == nil {
			out[i].Err = lost
		}
	}
	return out
}

// newcomers are those of new workers that the cluster does not have yet: a worker, or a host, that has the name of one is another one's, whatever becomes of the new one.
func newcomers(ctx context.Context, s *Session, all []WorkerAsk) map[string]bool {
	out := map[string]bool{}
	if !slices.ContainsFunc(all, func(a WorkerAsk) bool { return a.Worker.New }) {
		return out
	}
	inv, err := s.Inventory(ctx)
	if err != nil || inv == nil {
		return out // the run tells why
	}
	for _, a := range all {
		out[a.Worker.Name] = a.Worker.New && inv.Host(a.Worker.Name) == nil
	}
	return out
}

// Look reads what a worker is.
func (c *Client) Look(ctx context.Context, ask WorkerAsk) WorkerAnswer {
	return c.workers.looks.ask(ctx, ask.ID, ask, func(ctx context.Context, all []WorkerAsk) []WorkerAnswer {
		s, err := c.session(ctx, ask, func(o *bootstrap.Options) { o.Majority = true })
		if err != nil {
			return answers(all, WorkerAnswer{Err: err})
		}
		defer s.Close()
		var names []string
		for _, a := range all {
			names = append(names, a.Worker.Name)
		}
		found, inv, err := s.Workers(ctx, names)
		if away := s.Unreachable(); err == nil && inv == nil && away != nil {
			err = fmt.Errorf("the control planes that answer know of no cluster, and others do not answer:\n%w", away)
		}
		out := answers(all, WorkerAnswer{Inventory: inv, Err: err})
		for i, a := range all {
			if at := slices.IndexFunc(found, func(w bootstrap.WorkerState) bool { return w.Name == a.Worker.Name }); at >= 0 {
				out[i].State = &found[at]
			}
		}
		return out
	})
}

// ownWorkerAttributes are those of a worker that have no meaning for a host of a topology.
var ownWorkerAttributes = []string{"cluster", "name", "lock", "on_destroy", "unreachable", "id", "pod_cidr", "machine_id", "drift"}

// Worker reads a worker with the checks and the words of the language. It is nil where too much is unknown, or wrong.
func (c *Client) Worker(attributes input.Object) (*bootstrap.Worker, []input.Problem) {
	own := Without(attributes, ownWorkerAttributes...)
	own["name"] = attributes["name"]
	return input.Worker(own, c.options())
}
