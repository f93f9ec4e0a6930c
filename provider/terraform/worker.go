package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// workerResource is trivet_worker: a worker that is no host of its cluster's trivet_cluster.
type workerResource struct{ client *client }

var (
	_ resource.ResourceWithConfigure      = (*workerResource)(nil)
	_ resource.ResourceWithValidateConfig = (*workerResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*workerResource)(nil)
	_ resource.ResourceWithImportState    = (*workerResource)(nil)
)

// Metadata implements resource.Resource.
func (r *workerResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "trivet_worker"
}

// Configure implements resource.ResourceWithConfigure.
func (r *workerResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.client, _ = req.ProviderData.(*client)
}

// ready fails where the provider is not configured well enough to contact hosts.
func (r *workerResource) ready(diags *diag.Diagnostics) bool {
	return (&clusterResource{r.client}).ready(diags)
}

// ValidateConfig implements resource.ResourceWithValidateConfig.
func (r *workerResource) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	o := object(req.Config.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	_, diags := r.client.worker(o)
	resp.Diagnostics.Append(diags...)
	checkLock(o, &resp.Diagnostics)
	for name, words := range map[string][]string{"on_destroy": input.OnDestroyWords, "unreachable": input.UnreachableWords} {
		s, _ := o[name].(string)
		oneOf(&resp.Diagnostics, name, s, words)
	}
}

// ModifyPlan implements resource.ResourceWithModifyPlan. It contacts nothing.
func (r *workerResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	config := object(req.Config.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	// The values are better known than when the configuration was validated.
	_, diags := r.client.worker(config)
	if checkLock(config, &diags); diags.HasError() {
		resp.Diagnostics.Append(diags...)
		return
	}
	planned := func(name string, v any) { set(ctx, &resp.Plan, &resp.Diagnostics, name, v) }
	planned("drift", noDrift())
	if req.State.Raw.IsNull() {
		return
	}
	state := object(req.State.Raw, &resp.Diagnostics)
	was, is := clusterOf(ctx, req.State, &resp.Diagnostics), clusterOf(ctx, req.Plan, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || was == nil {
		return
	}
	if is != nil && (is.conn.ID.IsUnknown() || is.id() != was.id()) {
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root("cluster"))
		return
	}
	if !door.Changes(config, state) {
		// Its control planes and its digests may be others by now: the worker is as it was.
		planned("cluster", was.value)
		if lock, ok := state["lock"].(string); ok && config["lock"] != nil {
			planned("lock", types.StringValue(lock))
		}
	}
	if another := slices.ContainsFunc(door.Texts(state["drift"]), func(d string) bool { return strings.HasPrefix(d, bootstrap.AnotherMachine) }); another || door.Elsewhere(config, state) {
		planned("machine_id", types.StringUnknown())
	} else {
		planned("machine_id", textOf(state["machine_id"]))
	}
}

func textOf(v any) types.String {
	s, _ := v.(string)
	return textOrNull(s)
}

const endpointsKey = "endpoints"

// ask is what has to be asked about the worker of a plan or a state. The control planes are those that the cluster had when it was last looked at, and those of the attribute.
func (r *workerResource) ask(ctx context.Context, from attributeReader, kept privateReader, o input.Object, diags *diag.Diagnostics) (door.WorkerAsk, bool) {
	c := clusterOf(ctx, from, diags)
	if c == nil || diags.HasError() {
		return door.WorkerAsk{}, false
	}
	out := door.WorkerAsk{Cluster: c.conn.Name, ID: c.id()}
	out.Worker.Name, _ = o["name"].(string)
	var stored []door.StoredEndpoint
	if kept != nil {
		if b, _ := kept.GetKey(ctx, endpointsKey); b != nil && json.Unmarshal(b, &stored) != nil {
			stored = nil
		}
	}
	known := map[string]bool{}
	for _, s := range stored {
		out.Endpoints, known[s.Host] = append(out.Endpoints, s.Endpoint(r.client.SSH)), true
	}
	for _, e := range c.conn.endpoints(r.client.SSH) {
		if !known[e.Host] {
			out.Endpoints = append(out.Endpoints, e)
		}
	}
	return out, true
}

// joining is ask of a worker that is to be set up.
func (r *workerResource) joining(ctx context.Context, from attributeReader, kept privateReader, o input.Object, diags *diag.Diagnostics) (door.WorkerAsk, bool) {
	ask, ok := r.ask(ctx, from, kept, o, diags)
	if !ok {
		return ask, false
	}
	w, found := r.client.worker(o)
	if diags.Append(found...); w == nil || diags.HasError() {
		return ask, false
	}
	ask.Worker = *w
	lock, err := door.PinsOf(input.Object{}, o)
	if err != nil {
		diags.AddAttributeError(path.Root("lock"), "Wrong lock", err.Error()+".")
		return ask, false
	}
	ask.Lock = lock
	ask.LockText, _ = o["lock"].(string)
	return ask, true
}

// Create implements resource.Resource. A create that fails leaves nothing in the state; what was done is recorded, and the next one goes on from there.
func (r *workerResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	o := object(req.Plan.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || !r.ready(&resp.Diagnostics) {
		return
	}
	ask, ok := r.joining(ctx, req.Plan, nil, o, &resp.Diagnostics)
	if !ok {
		return
	}
	ask.Worker.New = true
	got := r.client.Join(ctx, ask)
	if got.Err != nil {
		resp.State.RemoveResource(ctx)
		r.failed("Worker not joined", ask, got, &resp.Diagnostics)
		return
	}
	resp.State.Raw = req.Plan.Raw
	r.store(ctx, got.Inventory, ask.Worker.Name, &resp.State, resp.Private, &resp.Diagnostics)
}

// failed tells why a worker was not joined, and what to do about what was begun.
func (r *workerResource) failed(summary string, ask door.WorkerAsk, got door.WorkerAnswer, diags *diag.Diagnostics) {
	if locked(summary, got.Err, true, diags) {
		return
	}
	text := got.Err.Error()
	if got.Inventory != nil && got.Inventory.Host(ask.Worker.Name) != nil {
		text += fmt.Sprintf("\n\nThe cluster has recorded the worker: run `terraform apply` again to go on from there. To take it out instead, run `trivet worker leave %s` with the cluster's topology.", ask.Worker.Name)
	}
	diags.AddError(summary, text)
}

// store writes what the cluster has of a worker into the state and beside it.
func (r *workerResource) store(ctx context.Context, inv *inventory.Inventory, name string, state *tfsdk.State, p privateState, diags *diag.Diagnostics) {
	rec := inv.Host(name)
	if rec == nil {
		diags.AddError("State of the worker not readable", fmt.Sprintf("Cluster %q has no worker %q: somebody has taken it out meanwhile. Run `terraform apply` again.", inv.Cluster, name))
		return
	}
	for attribute, v := range map[string]any{"id": inv.ClusterID + "/" + name, "machine_id": rec.MachineID, "pod_cidr": rec.PodCIDR.String()} {
		diags.Append(state.SetAttribute(ctx, path.Root(attribute), v)...)
	}
	keepEndpoints(ctx, inv, p, diags)
}

// keepEndpoints keeps the cluster's control planes beside the state: the attribute may be older.
func keepEndpoints(ctx context.Context, inv *inventory.Inventory, p privateState, diags *diag.Diagnostics) {
	b, err := json.Marshal(door.EndpointsOf(inv))
	if err != nil {
		panic("provider: " + err.Error()) // plain data
	}
	diags.Append(p.SetKey(ctx, endpointsKey, b)...)
}

// Read implements resource.Resource. It drops the worker only where the cluster says that it has none.
func (r *workerResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	o := object(req.State.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || r.client == nil || r.client.Unknown != "" {
		return // nobody can be asked yet: the state stays as it is
	}
	ask, ok := r.ask(ctx, req.State, req.Private, o, &resp.Diagnostics)
	if !ok {
		return
	}
	got := r.client.Look(ctx, ask)
	switch {
	case got.Err != nil:
		resp.Diagnostics.AddWarning("Worker not read", fmt.Sprintf("The state of %s is kept as it was: %v", ask.Worker.Name, got.Err))
		return
	case got.Inventory == nil, got.Inventory.ClusterID != ask.ID, got.State == nil:
		resp.State.RemoveResource(ctx)
		return
	}
	keepEndpoints(ctx, got.Inventory, resp.Private, &resp.Diagnostics)
	w := got.State
	if w.Err != nil {
		resp.Diagnostics.AddWarning("Worker does not answer", fmt.Sprintf("What the state has of %s is kept: %v", w.Name, w.Err))
		return
	}
	drift := valueOf(types.ListType{ElemType: types.StringType}, door.AnyOf(w.Drift))
	for name, v := range map[string]any{"drift": drift, "machine_id": w.MachineID, "pod_cidr": w.PodCIDR.String(), "address": w.Address.String()} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), v)...)
	}
}

// Update implements resource.Resource.
func (r *workerResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	o, state := object(req.Plan.Raw, &resp.Diagnostics), object(req.State.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	if !door.Resets(o, state) {
		resp.State.Raw = req.Plan.Raw // how the machine is to be treated one day
		return
	}
	if !r.ready(&resp.Diagnostics) {
		return
	}
	ask, ok := r.joining(ctx, req.Plan, req.Private, o, &resp.Diagnostics)
	if !ok {
		return
	}
	got := r.client.Join(ctx, ask)
	if got.Err != nil {
		r.failed("Worker not changed", ask, got, &resp.Diagnostics)
		return
	}
	resp.State.Raw = req.Plan.Raw
	r.store(ctx, got.Inventory, ask.Worker.Name, &resp.State, resp.Private, &resp.Diagnostics)
}

// Delete implements resource.Resource.
func (r *workerResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	o := object(req.State.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || door.Policy(r.client.OnDestroy, o, "on_destroy", input.OnDestroyReset) == input.OnDestroyForget || !r.ready(&resp.Diagnostics) {
		return
	}
	ask, ok := r.ask(ctx, req.State, req.Private, o, &resp.Diagnostics)
	if !ok {
		return
	}
	ask.Forget = door.Policy(r.client.Unreachable, o, "unreachable", input.UnreachableFail) == input.UnreachableForget
	if got := r.client.Leave(ctx, ask); got.Err != nil {
		resp.Diagnostics.AddError("Worker not taken out", got.Err.Error())
	}
}

// ImportState implements resource.ResourceWithImportState.
func (r *workerResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	cluster, rest, ok := strings.Cut(req.ID, "@")
	address, name, slash := strings.Cut(rest, "/")
	if !ok || !slash || cluster == "" || address == "" || name == "" {
		resp.Diagnostics.AddError("Wrong import id", fmt.Sprintf("%q is not CLUSTER@ADDRESS/WORKER: the cluster's name, where SSH reaches one of its control planes, and the worker's name.", req.ID))
		return
	}
	if !r.ready(&resp.Diagnostics) {
		return
	}
	inv, err := r.client.InventoryAt(ctx, cluster, address)
	if err != nil {
		resp.Diagnostics.AddError("Worker not imported", err.Error())
		return
	}
	rec := inv.Host(name)
	if rec == nil || rec.Elastic == nil {
		resp.Diagnostics.AddError("Worker not imported", fmt.Sprintf("Cluster %q has no worker %q that was joined without its topology.", cluster, name))
		return
	}
	r.imported(ctx, inv, rec, resp)
}
