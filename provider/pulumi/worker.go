package pulumi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// worker handles trivet:index:Worker.
type worker struct{}

// check implements handler.
func (worker) check(op *operation, name string, olds, news resource.PropertyMap) (resource.PropertyMap, []failure) {
	attributes := given(workerAttributes())
	checked := withDefaults(attributes, name, olds, news)
	o, failures := objectOf(attributes, checked)
	for _, a := range attributes {
		if a.Required && o[a.Name] == nil && len(failures) == 0 {
			failures = append(failures, failure{camel(a.Name), "it has to be given."})
		}
	}
	if len(failures) > 0 {
		return checked, failures
	}
	_, problems := op.client.Worker(o)
	checked["drift"] = resource.NewProperty([]resource.PropertyValue{}) // for the differences that are shown: see withResults
	return checked, append(op.told(append(problems, door.CheckLock(o)...)), policies(o)...)
}

func workerState(properties resource.PropertyMap) input.Object {
	o, _ := objectOf(workerAttributes(), properties) // what another version wrote, and this one does not know, is left out
	return o
}

// idOf is the id of the cluster that a worker belongs to; known is false where it is not known yet.
func idOf(o input.Object) (id string, known bool) {
	access, ok := o["cluster"].(input.Object)
	if !ok {
		return "", false
	}
	id, known = access["id"].(string)
	return id, known
}

// diff implements handler. It contacts nothing.
func (worker) diff(_ *operation, was, old, news resource.PropertyMap) (*pulumirpc.DiffResponse, error) {
	d := differences{}
	d.fields(given(workerAttributes()), old, news, nil)
	state, now := workerState(was), workerState(news)
	var replaced []string
	if d["name"] != nil {
		d.replaces("name")
		replaced = append(replaced, "name")
	}
	// How the cluster is reached does not change the worker, nor does what it may be given.
	for path := range d {
		if path == "lock" || path == "cluster" || strings.HasPrefix(path, "cluster.") {
			delete(d, path)
		}
	}
	before, had := idOf(state)
	if after, known := idOf(now); had && (!known || before != after) {
		d["cluster"] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE_REPLACE, InputDiff: true}
		replaced = append(replaced, "cluster")
	}
	if d.goesOn(was); len(door.Texts(state["drift"])) > 0 {
		d.note(input.Path{}.Attribute("drift"), pulumirpc.PropertyDiff_UPDATE, false)
	}
	out := d.response(replaced)
	// One machine is one worker of one cluster.
	out.DeleteBeforeReplace = slices.Contains(replaced, "cluster") || len(replaced) > 0 && !door.Elsewhere(now, state)
	return out, nil
}

// ask is what has to be asked about a worker. The control planes are those that the cluster had when it was last looked at, and those that were given.
func (op *operation) ask(state, now input.Object) (door.WorkerAsk, error) {
	if err := op.client.Known(); err != nil {
		return door.WorkerAsk{}, err
	}
	out := door.WorkerAsk{}
	seen := map[string]bool{}
	for _, o := range []input.Object{state, now} {
		access, _ := o["cluster"].(input.Object)
		for _, e := range op.client.EndpointsAt(access) {
			if !seen[e.Host] {
				out.Endpoints, seen[e.Host] = append(out.Endpoints, e), true
			}
		}
		if name, ok := access["name"].(string); ok {
			out.Cluster = name
		}
		if id, known := idOf(o); known {
			out.ID = id
		}
		if name, ok := o["name"].(string); ok {
			out.Worker.Name = name
		}
	}
	if out.Cluster == "" || out.ID == "" {
		return out, errors.New("cluster is not the access of a cluster that there is")
	}
	return out, nil
}

// joining is ask of a worker that is to be set up.
func (op *operation) joining(state, now input.Object) (door.WorkerAsk, error) {
	ask, err := op.ask(state, now)
	if err != nil {
		return ask, err
	}
	w, problems := op.client.Worker(now)
	if w == nil || input.HasErrors(problems) {
		return ask, errors.New("what describes it is not complete, or not correct")
	}
	ask.Worker = *w
	if ask.Lock, err = door.PinsOf(input.Object{}, now); err != nil {
		return ask, fmt.Errorf("lock: %w", err)
	}
	ask.LockText, _ = now["lock"].(string)
	return ask, nil
}

// create implements handler.
func (c worker) create(op *operation, news resource.PropertyMap, preview bool) (string, resource.PropertyMap, error) {
	now := workerState(news)
	if preview {
		return "", c.planned(news, nil), nil
	}
	const summary = "Worker not joined"
	ask, err := op.joining(nil, now)
	if err != nil {
		return "", nil, op.fail(summary, err)
	}
	ask.Worker.New = true
	got := op.client.Join(op, ask)
	if got.Err != nil && got.Recorded {
		id, state := c.begun(got, ask, news, nil)
		return id, state, op.refused(summary, got.Err, id != "")
	}
	if got.Err != nil {
		return "", nil, op.refused(summary, got.Err, false)
	}
	return c.joined(op, got.Inventory, ask, news)
}

// begun is the state of a worker that the cluster has recorded and that is not set up to the end; nil where it has not. drift is what it had before.
func (worker) begun(got door.WorkerAnswer, ask door.WorkerAsk, news resource.PropertyMap, drift []string) (string, resource.PropertyMap) {
	if got.Inventory == nil || got.Inventory.ClusterID != ask.ID {
		return "", nil
	}
	rec := got.Inventory.Host(ask.Worker.Name)
	if rec == nil || rec.Elastic == nil {
		return "", nil
	}
	return ask.ID + "/" + ask.Worker.Name, outputs(news, workerAttributes(), computedWorker(got.Inventory, rec, door.AnyOf(drift)))
}

// refused tells why a worker was not set up.
func (op *operation) refused(summary string, err error, recorded bool) error {
	if detail, ok := door.LockedOut(err, true); ok {
		return op.fail(summary, errors.New("lock: "+detail))
	}
	if recorded {
		err = fmt.Errorf("%w\n\nThe cluster has recorded the worker: run `pulumi up` again to go on from there", err)
	}
	return op.fail(summary, err)
}

// computedWorker is what is computed of a worker. The cluster's access is kept as it is now: the one that was given may be older.
func computedWorker(inv *inventory.Inventory, rec *inventory.Host, drift []any) input.Object {
	return input.Object{"machine_id": rec.MachineID, "pod_cidr": rec.PodCIDR.String(), "drift": drift, "cluster": door.RememberedAccess(inv)}
}

// joined is the state of a worker that was set up.
func (worker) joined(op *operation, inv *inventory.Inventory, ask door.WorkerAsk, news resource.PropertyMap) (string, resource.PropertyMap, error) {
	rec := inv.Host(ask.Worker.Name)
	if rec == nil {
		return "", nil, op.fail("State of the worker not readable", fmt.Errorf("cluster %q has no worker %q: somebody has taken it out meanwhile. Run `pulumi up` again", inv.Cluster, ask.Worker.Name))
	}
	return inv.ClusterID + "/" + rec.Name, outputs(news, workerAttributes(), computedWorker(inv, rec, []any{})), nil
}

// planned is the state that a change leads to, as far as it is known.
func (worker) planned(news, was resource.PropertyMap) resource.PropertyMap {
	state, now := workerState(was), workerState(news)
	computed := input.Object{"machine_id": orUnknown(state["machine_id"]), "pod_cidr": orUnknown(state["pod_cidr"]), "drift": []any{}}
	another := slices.ContainsFunc(door.Texts(state["drift"]), func(d string) bool { return strings.HasPrefix(d, bootstrap.AnotherMachine) })
	if another || door.Elsewhere(now, state) {
		computed["machine_id"] = input.Unknown{}
	}
	return outputs(news, workerAttributes(), computed)
}

// read implements handler. It drops the worker only where the cluster says that it has none.
func (c worker) read(op *operation, id string, inputs, was resource.PropertyMap) (string, resource.PropertyMap, resource.PropertyMap, error) {
	if len(was) == 0 {
		return c.imported(op, id)
	}
	state := workerState(was)
	ask, err := op.ask(state, workerState(inputs))
	if err != nil {
		return id, inputs, was, nil // nobody can be asked yet
	}
	got := op.client.Look(op, ask)
	switch {
	case got.Err != nil:
		op.warn("Worker not read. The state of %s is kept as it was: %v", ask.Worker.Name, got.Err)
		return id, inputs, was, nil
	case got.Inventory == nil, got.Inventory.ClusterID != ask.ID, got.State == nil:
		return "", nil, nil, nil
	}
	w := got.State
	out := maps.Clone(was)
	if w.Err != nil {
		op.warn("Worker does not answer. What the state has of %s is kept: %v", w.Name, w.Err)
		return id, inputs, outputs(out, workerAttributes(), input.Object{"cluster": door.RememberedAccess(got.Inventory)}), nil
	}
	return id, inputs, outputs(out, workerAttributes(), computedWorker(got.Inventory, &w.Host, door.AnyOf(w.Drift))), nil
}

// imported reads a worker of which there is no state: the id is CLUSTER@ADDRESS/WORKER.
func (worker) imported(op *operation, id string) (string, resource.PropertyMap, resource.PropertyMap, error) {
	const summary = "Worker not imported"
	name, rest, ok := strings.Cut(id, "@")
	address, host, slash := strings.Cut(rest, "/")
	if !ok || !slash || name == "" || address == "" || host == "" {
		return "", nil, nil, op.fail(summary, fmt.Errorf("%q is not CLUSTER@ADDRESS/WORKER: the cluster's name, where SSH reaches one of its control planes, and the worker's name", id))
	}
	inv, err := op.client.InventoryAt(op, name, address)
	if err != nil {
		return "", nil, nil, op.fail(summary, err)
	}
	rec := inv.Host(host)
	if rec == nil || rec.Elastic == nil {
		return "", nil, nil, op.fail(summary, fmt.Errorf("cluster %q has no worker %q that was joined without its topology", name, host))
	}
	inputs := propertiesOf(given(workerAttributes()), door.DescribedWorker(inv, rec))
	return inv.ClusterID + "/" + host, inputs, outputs(inputs, workerAttributes(), computedWorker(inv, rec, []any{})), nil
}

// update implements handler.
func (c worker) update(op *operation, id string, was, _, news resource.PropertyMap, preview bool) (resource.PropertyMap, error) {
	if preview {
		return c.planned(news, was), nil
	}
	state, now := workerState(was), workerState(news)
	if !door.Resets(now, state) && !isUnfinished(was) {
		computed := input.Object{"machine_id": state["machine_id"], "pod_cidr": state["pod_cidr"], "drift": []any{}, "cluster": state["cluster"]}
		return outputs(news, workerAttributes(), computed), nil // how the machine is to be treated one day
	}
	const summary = "Worker not changed"
	ask, err := op.joining(state, now)
	if err != nil {
		return nil, op.fail(summary, err)
	}
	got := op.client.Join(op, ask)
	if got.Err != nil {
		_, after := c.begun(got, ask, news, door.Texts(state["drift"]))
		return after, op.refused(summary, got.Err, after != nil)
	}
	_, after, err := c.joined(op, got.Inventory, ask, news)
	return after, err
}

// remove implements handler.
func (worker) remove(op *operation, was resource.PropertyMap) error {
	state := workerState(was)
	if door.Policy(op.client.OnDestroy, state, "on_destroy", input.OnDestroyReset) == input.OnDestroyForget {
		return nil
	}
	ask, err := op.ask(state, nil)
	if err != nil {
		return op.fail("Worker not taken out", err)
	}
	ask.Forget = op.client.PolicyUnreachable(state) == input.UnreachableForget
	if got := op.client.Leave(op, ask); got.Err != nil {
		return op.fail("Worker not taken out", got.Err)
	}
	return nil
}
