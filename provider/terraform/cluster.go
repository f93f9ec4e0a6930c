package terraform

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// clusterResource is trivet_cluster.
type clusterResource struct{ client *client }

var (
	_ resource.ResourceWithConfigure      = (*clusterResource)(nil)
	_ resource.ResourceWithValidateConfig = (*clusterResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*clusterResource)(nil)
	_ resource.ResourceWithImportState    = (*clusterResource)(nil)
	_ resource.ResourceWithIdentity       = (*clusterResource)(nil)
)

// Metadata implements resource.Resource.
func (r *clusterResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "trivet_cluster"
	resp.ResourceBehavior.MutableIdentity = true // the address is where a control plane is found, which may change
}

// Configure implements resource.ResourceWithConfigure.
func (r *clusterResource) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.client, _ = req.ProviderData.(*client)
}

// object reads attributes.
func object(raw tftypes.Value, diags *diag.Diagnostics) input.Object {
	v, err := values(raw)
	if err != nil {
		diags.AddError("Value not readable", "This is a mistake in the provider; please report it: "+err.Error()+".")
		return nil
	}
	o, _ := v.(input.Object)
	return o
}

// ValidateConfig implements resource.ResourceWithValidateConfig.
func (r *clusterResource) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	o := object(req.Config.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	_, diags := r.client.fleet(o)
	resp.Diagnostics.Append(diags...)
	checkLock(o, &resp.Diagnostics)
	checkReserved(o, &resp.Diagnostics)
	for name, words := range map[string][]string{"on_destroy": input.OnDestroyWords, "unreachable": input.UnreachableWords} {
		s, _ := o[name].(string)
		oneOf(&resp.Diagnostics, name, s, words)
	}
}

// reserved are names of attributes that have no meaning yet, and what they are kept for.
var reserved = map[string]string{"restore": "bringing a cluster back from a snapshot", "backup": "keeping snapshots outside of the cluster"}

// checkReserved refuses them, known or not.
func checkReserved(config input.Object, diags *diag.Diagnostics) {
	for name, use := range reserved {
		if config[name] != nil {
			diags.AddAttributeError(path.Root(name), "Reserved name", fmt.Sprintf("%s is kept for %s, which this version of the provider does not do yet. Remove it. Nothing was changed.", name, use))
		}
	}
}

// ModifyPlan implements resource.ResourceWithModifyPlan. It contacts nothing: a plan is made again during the apply, and has to come out the same.
func (r *clusterResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	state := object(req.State.Raw, &resp.Diagnostics)
	if req.Plan.Raw.IsNull() {
		protect(state, &resp.Diagnostics)
		return
	}
	config := object(req.Config.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	f, diags := r.client.fleet(config)
	if checkLock(config, &diags); diags.HasError() {
		resp.Diagnostics.Append(diags...) // the values are better known than when the configuration was validated
		return
	}
	if req.State.Raw.IsNull() {
		state = input.Object{}
	} else if state["name"] != config["name"] {
		protect(state, &resp.Diagnostics) // it is replaced
		state = input.Object{}
	}
	prior := door.NodesOf(state["nodes"])
	was, _ := privateOf(ctx, req.Private)
	if len(state) == 0 {
		was = private{} // of a cluster that is replaced
	}
	resp.Diagnostics.Append(problemDiagnostics(door.RefuseMembers(f, config, prior, words))...)
	if f.Cluster == nil {
		planLock(ctx, config, true, &resp.Plan, &resp.Diagnostics)
		planAccess(ctx, state, &resp.Plan, &resp.Diagnostics)
		return // nodes and control planes stay unknown
	}
	resp.Diagnostics.Append(problemDiagnostics(was.Settled.Refuse(f, config))...)
	nodes := door.PlannedNodes(f, config, prior)
	set(ctx, &resp.Plan, &resp.Diagnostics, "nodes", nodesValue(nodes, true))
	objects := types.MapUnknown(types.ObjectType{AttrTypes: objectTypes})
	if planned, known := door.PlannedObjects(f, config); known {
		objects = objectsValue(planned)
	}
	set(ctx, &resp.Plan, &resp.Diagnostics, "objects", objects)
	planLock(ctx, config, state["lock"] == nil || r.client.WantsMore(f, state, prior, nodes), &resp.Plan, &resp.Diagnostics)
	id, _ := state["id"].(string)
	set(ctx, &resp.Plan, &resp.Diagnostics, "access", connectionValue(door.AccessTo(f, id, config)))
}

func set(ctx context.Context, p *tfsdk.Plan, diags *diag.Diagnostics, name string, v any) {
	diags.Append(p.SetAttribute(ctx, path.Root(name), v)...)
}

// protect refuses to destroy a cluster that is protected.
func protect(state input.Object, diags *diag.Diagnostics) {
	if on, _ := state["deletion_protection"].(bool); on {
		diags.AddAttributeError(path.Root("deletion_protection"), "Cluster is protected",
			fmt.Sprintf("Cluster %q would be destroyed, and deletion_protection is on. Set it to false and apply that first. Nothing was changed.", state["name"]))
	}
}

// ready fails where the provider is not configured well enough to contact hosts.
func (r *clusterResource) ready(diags *diag.Diagnostics) bool { return r.client.known(diags) }

// Create implements resource.Resource. A create that fails leaves nothing in the state, so that the next apply creates again; what was done is recorded on the hosts, and it goes on from
// there.
func (r *clusterResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	planned := object(req.Plan.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || !r.ready(&resp.Diagnostics) {
		return
	}
	config := object(req.Config.Raw, &resp.Diagnostics)
	lock, err := door.PinsOf(config, nil)
	fail := func(summary string, err error) {
		resp.State.RemoveResource(ctx)
		if !locked(summary, err, lock.Given, &resp.Diagnostics) {
			tell(&resp.Diagnostics, summary, err, "")
		}
	}
	if err != nil {
		fail("Cluster not created", err)
		return
	}
	f, diags := r.client.fleet(planned)
	if resp.Diagnostics.Append(diags...); diags.HasError() {
		return
	}
	end, err := r.client.Turn(ctx, f.Cluster.Name)
	if err != nil {
		fail("Cluster not created", err)
		return
	}
	defer end()
	e, err := r.client.Connect(ctx, f, lock)
	if err != nil {
		fail("Cluster not created", err)
		return
	}
	defer e.Close()
	if err := r.client.Reachable(e, planned); err != nil {
		fail("Cluster not created", err)
		return
	}
	adopt, _ := planned["adopt"].(bool)
	inv, err := e.Inventory(ctx)
	if err != nil {
		fail("Cluster not created", err)
		return
	}
	if inv != nil && inv.Complete() && !adopt {
		fail("Cluster exists already", fmt.Errorf("the hosts have a cluster %q (id %s) that is complete. Bring it into the state with `terraform import`, or take it over with adopt = true", inv.Cluster, inv.ClusterID))
		return
	}
	left, err := door.Converge(ctx, e, r.client.PolicyUnreachable(planned))
	if err != nil {
		fail("Cluster not created", fmt.Errorf("%w\n\n%s", err, r.leftover(context.WithoutCancel(ctx), e, f, planned)))
		return
	}
	resp.State.Raw = req.Plan.Raw
	r.store(ctx, e, f, planned, nil, left, &resp.State, resp.Private, &resp.Diagnostics)
	storeLock(ctx, planned, lock, e, &resp.State, &resp.Diagnostics)
	setIdentity(ctx, resp.Identity, f, &resp.Diagnostics)
}

// leftover names what a failed create left on hosts.
func (r *clusterResource) leftover(ctx context.Context, e *door.Session, f *door.Fleet, planned input.Object) string {
	goOn := "Nothing is in the state. What was done is recorded on the hosts: run `terraform apply` again to go on from there."
	s, err := e.Status(ctx)
	if err != nil {
		return goOn
	}
	var names []string
	for _, h := range s.Hosts {
		if h.Managed {
			names = append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return "Nothing is in the state, and no host keeps anything: run `terraform apply` again."
	}
	how := "`trivet destroy -f FILE` with the topology in a file"
	if file, err := r.client.File(f, planned); err == nil && file != "" {
		how = "`trivet destroy -f " + file + "`"
	}
	return fmt.Sprintf("%s To give the hosts back instead, run %s. Hosts that have something of cluster %q: %s.", goOn, how, f.Cluster.Name, strings.Join(names, ", "))
}

// private is what the provider keeps beside the state.
type private struct {
	// Record is what the cluster was like when the state was written: an update refuses another one.
	Record string `json:"record"`
	// Left are hosts that an apply left out. Once they answer, a plan shows them.
	Left []string `json:"left,omitempty"`
	// Settled is what cannot change, and the release: a plan is held against it. It is nil where nobody has seen it.
	Settled *door.Settled `json:"settled,omitempty"`
}

func (p private) marshal() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic("provider: " + err.Error()) // it holds plain data only
	}
	return b
}

type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// privateOf reads what is kept beside the state; ok is false where nothing is, as in a state that was imported.
func privateOf(ctx context.Context, from privateReader) (p private, ok bool) {
	b, _ := from.GetKey(ctx, privateKey)
	return p, b != nil && json.Unmarshal(b, &p) == nil
}

const privateKey = "record"

type privateState interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// store writes what was planned into the state, with what the cluster is now; was is the state before. Without nodes and objects in the attributes, nothing was promised of those.
func (r *clusterResource) store(ctx context.Context, e *door.Session, f *door.Fleet, attributes, was input.Object, left []string, state *tfsdk.State, p privateState, diags *diag.Diagnostics) {
	ctx = context.WithoutCancel(ctx) // what was done shall be known
	inv, s, err := door.Look(ctx, e)
	if err != nil {
		if attributes["nodes"] != nil {
			unread(ctx, f, attributes, door.NodesOf(was["nodes"]), left, err, state, p, diags)
		}
		return
	}
	nodes, objects := door.SeenNodes(f, s, inv, door.NodesOf(was["nodes"])), door.SeenObjects(f.Cluster, s, door.ObjectsOf(was["objects"]))
	door.AsPlanned(nodes, attributes["nodes"])
	if attributes["objects"] != nil {
		objects = promisedObjects(f, attributes)
	}
	write(ctx, f, inv, nodes, objects, left, state, p, diags)
}

// promisedObjects are those of a plan, or, where a plan did not know them, those that are described.
func promisedObjects(f *door.Fleet, attributes input.Object) map[string]door.Object {
	if _, known := attributes["objects"].(input.Object); known {
		return door.ObjectsOf(attributes["objects"])
	}
	return door.DescribedObjects(f.Cluster)
}

// unread writes what was planned where the cluster cannot be read after a change that came to its end. An error would have Terraform replace a cluster that is well.
func unread(ctx context.Context, f *door.Fleet, attributes input.Object, prior map[string]door.Node, left []string, why error, state *tfsdk.State, p privateState, diags *diag.Diagnostics) {
	diags.AddWarning("State of the cluster not read", fmt.Sprintf("The change came to its end, and the cluster could not be read after it. The state has what was planned, and the next refresh reads the rest: %v", why))
	nodes := map[string]door.Node{}
	door.AsPlanned(nodes, attributes["nodes"])
	for name, n := range nodes {
		if was := prior[name]; was.Address == n.Address {
			n.MachineID, n.HostKey = cmp.Or(n.MachineID, was.MachineID), cmp.Or(n.HostKey, was.HostKey)
			nodes[name] = n
		}
	}
	id, _ := attributes["id"].(string)
	access := door.AccessTo(f, id, nil)
	if id == "" {
		access["id"] = nil
	}
	for name, v := range map[string]any{"id": textOrNull(id), "nodes": nodesValue(nodes, false), "objects": objectsValue(promisedObjects(f, attributes)), "access": connectionValue(access)} {
		diags.Append(state.SetAttribute(ctx, path.Root(name), v)...)
	}
	diags.Append(p.SetKey(ctx, privateKey, private{Left: left}.marshal())...)
}

// write writes what a cluster is into the state and beside it.
func write(ctx context.Context, f *door.Fleet, inv *inventory.Inventory, nodes map[string]door.Node, objects map[string]door.Object, left []string, state *tfsdk.State, p privateState, diags *diag.Diagnostics) {
	for name, v := range map[string]any{"id": inv.ClusterID, "nodes": nodesValue(nodes, false), "objects": objectsValue(objects), "access": connectionValue(door.AccessTo(f, inv.ClusterID, nil))} {
		diags.Append(state.SetAttribute(ctx, path.Root(name), v)...)
	}
	diags.Append(p.SetKey(ctx, privateKey, private{door.RecordOf(inv), left, door.SettledOf(inv)}.marshal())...)
}

func setIdentity(ctx context.Context, id *tfsdk.ResourceIdentity, f *door.Fleet, diags *diag.Diagnostics) {
	if id == nil {
		return
	}
	address := ""
	if cps := f.Cluster.HostsWith(topology.RoleControlPlane); len(cps) > 0 {
		if address = cps[0].SSHAddress; address == "" {
			address = cps[0].Address.String()
		}
	}
	diags.Append(id.SetAttribute(ctx, path.Root("name"), f.Cluster.Name)...)
	diags.Append(id.SetAttribute(ctx, path.Root("address"), address)...)
}

// keepIdentity writes the identity as the state has it: versions of Terraform that know of none send none, and every read has to give one.
func keepIdentity(ctx context.Context, id *tfsdk.ResourceIdentity, state input.Object, diags *diag.Diagnostics) {
	if id == nil || !id.Raw.IsFullyNull() {
		return
	}
	access, _ := state["access"].(input.Object)
	endpoints, _ := access["endpoints"].([]any)
	address := ""
	if len(endpoints) > 0 {
		first, _ := endpoints[0].(input.Object)
		address, _ = first["address"].(string)
	}
	name, _ := state["name"].(string)
	diags.Append(id.SetAttribute(ctx, path.Root("name"), name)...)
	diags.Append(id.SetAttribute(ctx, path.Root("address"), address)...)
}

// Read implements resource.Resource. It drops nothing because a host does not answer.
func (r *clusterResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	state := object(req.State.Raw, &resp.Diagnostics)
	keepIdentity(ctx, resp.Identity, state, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || r.client == nil || r.client.Unknown != "" {
		return // nobody can be asked yet: the state stays as it is
	}
	f, diags := r.client.fleet(state)
	if diags.HasError() || f.Cluster == nil {
		resp.Diagnostics.AddWarning("Cluster not read", fmt.Sprintf("What the state describes is not a topology by the rules of this version, so that the hosts were not asked. The next apply brings the state up to date. %s", firstError(diags)))
		return
	}
	keep := func(err error) {
		resp.Diagnostics.AddWarning("Cluster not read", fmt.Sprintf("The state is kept as it was: %v", err))
	}
	e, err := r.client.Connect(ctx, f, door.NoPins())
	if err != nil {
		keep(err)
		return
	}
	defer e.Close()
	inv, err := e.Inventory(ctx)
	if err != nil {
		keep(err)
		return
	}
	if inv == nil {
		if err := e.Unreachable(); err != nil {
			keep(fmt.Errorf("the control planes that answer know of no cluster, and others do not answer:\n%w", err))
			return
		}
		resp.State.RemoveResource(ctx) // every control plane answers, and none has a cluster
		return
	}
	s, err := e.Status(ctx)
	if err != nil {
		keep(err)
		return
	}
	if err := e.Unreachable(); err != nil {
		resp.Diagnostics.AddWarning("Hosts do not answer", "What the state has of them is kept:\n"+err.Error())
	}
	nodes := door.SeenNodes(f, s, inv, door.NodesOf(state["nodes"]))
	was, _ := privateOf(ctx, req.Private)
	objects := door.SeenObjects(f.Cluster, s, door.ObjectsOf(state["objects"]))
	write(ctx, f, inv, nodes, objects, door.Behind(was.Left, nodes, s), &resp.State, resp.Private, &resp.Diagnostics)
	setIdentity(ctx, resp.Identity, f, &resp.Diagnostics)
}

func firstError(diags diag.Diagnostics) string {
	for _, d := range diags.Errors() {
		return d.Summary() + ": " + d.Detail()
	}
	return ""
}

// Update implements resource.Resource. What was done before a failure stays in the state, so that the next plan shows the rest.
func (r *clusterResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	planned := object(req.Plan.Raw, &resp.Diagnostics)
	state := object(req.State.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() || !r.ready(&resp.Diagnostics) {
		return
	}
	f, diags := r.client.fleet(planned)
	if resp.Diagnostics.Append(diags...); diags.HasError() {
		return
	}
	lock, err := door.PinsOf(object(req.Config.Raw, &resp.Diagnostics), state)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("lock"), "Cluster not changed", err.Error())
		return
	}
	end, err := r.client.Turn(ctx, f.Cluster.Name)
	if err != nil {
		tell(&resp.Diagnostics, "Cluster not changed", err, "")
		return
	}
	defer end()
	e, err := r.client.Connect(ctx, f, lock)
	if err != nil {
		tell(&resp.Diagnostics, "Cluster not changed", err, "")
		return
	}
	defer e.Close()
	if err := r.client.Reachable(e, planned); err != nil {
		resp.State.Raw = req.State.Raw
		tell(&resp.Diagnostics, "Cluster not changed", err, "")
		return
	}
	if err := fresh(ctx, e, req.Private); err != nil {
		resp.State.Raw = req.State.Raw
		resp.Diagnostics.AddError("Plan is stale", err.Error())
		return
	}
	left, err := door.Converge(ctx, e, r.client.PolicyUnreachable(planned))
	if text := r.client.LeftWorkers(e, left); text != "" {
		resp.Diagnostics.AddWarning("Workers were left out", text)
	}
	if err != nil {
		if !locked("Cluster not changed", err, lock.Given, &resp.Diagnostics) {
			summary, then := "Cluster not changed", ""
			if door.Begun(err) {
				summary, then = "Cluster not changed as planned", "\n\nWhat was done is recorded on the hosts and in the state: run `terraform apply` again to go on."
			}
			tell(&resp.Diagnostics, summary, err, then)
		}
		resp.State.Raw = req.State.Raw
		was, _ := privateOf(ctx, req.Private)
		var ignored diag.Diagnostics
		r.store(ctx, e, f, door.Without(state, "nodes", "objects"), state, was.Left, // what is seen counts, nothing was promised
			&resp.State, resp.Private, &ignored)
		if !lock.Given {
			resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("lock"), types.StringValue(lock.Text(nil)))...)
		}
		return
	}
	resp.State.Raw = req.Plan.Raw
	r.store(ctx, e, f, planned, state, left, &resp.State, resp.Private, &resp.Diagnostics)
	storeLock(ctx, planned, lock, e, &resp.State, &resp.Diagnostics)
	setIdentity(ctx, resp.Identity, f, &resp.Diagnostics)
}

// fresh fails where the cluster is another one than when the plan was made.
func fresh(ctx context.Context, e *door.Session, from privateReader) error {
	was, _ := privateOf(ctx, from)
	return e.Is(ctx, was.Record)
}

// Delete implements resource.Resource.
func (r *clusterResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	state := object(req.State.Raw, &resp.Diagnostics)
	if protect(state, &resp.Diagnostics); resp.Diagnostics.HasError() {
		return
	}
	if door.Policy(r.client.OnDestroy, state, "on_destroy", input.OnDestroyReset) == input.OnDestroyForget {
		return
	}
	if !r.ready(&resp.Diagnostics) {
		return
	}
	f, diags := r.client.standing(state)
	if resp.Diagnostics.Append(diags...); diags.HasError() {
		return
	}
	forget := r.client.PolicyUnreachable(state) == input.UnreachableForget
	end, err := r.client.Turn(ctx, f.Cluster.Name)
	if err != nil {
		tell(&resp.Diagnostics, "Cluster not destroyed", err, "")
		return
	}
	defer end()
	e, err := r.client.Connect(ctx, f, door.NoPins(), func(o *bootstrap.Options) { o.ForgetUnreachable = forget })
	if err != nil {
		tell(&resp.Diagnostics, "Cluster not destroyed", err, "")
		return
	}
	defer e.Close()
	if inv, err := e.Inventory(ctx); err == nil { // where it cannot be read, the destroy says why
		if err := r.client.RefuseWorkers(inv); err != nil {
			resp.Diagnostics.AddError("Cluster has workers", err.Error()+".")
			return
		}
	}
	if err := e.Unreachable(); err != nil && forget {
		resp.Diagnostics.AddWarning("Hosts are left as they are", "These hosts do not answer. What is on them stays, and they must not come back as they are: install them anew.\n"+err.Error())
	}
	if err := e.Destroy(ctx); err != nil {
		tell(&resp.Diagnostics, "Cluster not destroyed", err, "\n\nTo destroy it without hosts that do not answer, and leave those as they are, set unreachable = \"forget\" in the provider block.")
	}
}

// ImportState implements resource.ResourceWithImportState.
func (r *clusterResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	name, address, ok := strings.Cut(req.ID, "@")
	if req.ID == "" && req.Identity != nil {
		var n, a types.String
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("name"), &n)...)
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("address"), &a)...)
		name, address, ok = n.ValueString(), a.ValueString(), true
	}
	if resp.Diagnostics.HasError() || !r.ready(&resp.Diagnostics) {
		return
	}
	if !ok || name == "" || address == "" {
		resp.Diagnostics.AddError("Wrong import id", fmt.Sprintf("%q is not NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes.", req.ID))
		return
	}
	inv, err := r.client.InventoryAt(ctx, name, address)
	if err != nil {
		resp.Diagnostics.AddError("Cluster not imported", err.Error())
		return
	}
	r.imported(ctx, inv, resp)
}
