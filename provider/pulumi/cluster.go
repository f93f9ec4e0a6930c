package pulumi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// cluster handles trivet:index:Cluster.
type cluster struct{}

// withDefaults adds what holds where the user gave nothing. What is there keeps its name, whatever it is called in the program: with aliases that changes, and is no wish for another cluster.
func withDefaults(attributes []input.Attribute, name string, olds, news resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(news)
	if out == nil {
		out = resource.PropertyMap{}
	}
	// With ignoreChanges: ["*"], the engine adds all that was in the inputs, what a check made of them included.
	maps.DeleteFunc(out, func(key resource.PropertyKey, v resource.PropertyValue) bool {
		was, had := olds[key]
		return had && v.DeepEquals(was) && !slices.ContainsFunc(attributes, func(a input.Attribute) bool { return camel(a.Name) == string(key) })
	})
	absent := func(key resource.PropertyKey) bool { v, ok := out[key]; return !ok || v.IsNull() }
	for _, a := range attributes {
		if key := resource.PropertyKey(camel(a.Name)); a.Default != nil && absent(key) {
			out[key] = propertyOf(a.Type, a.Default)
		}
	}
	if was, had := olds["name"]; absent("name") && had && !was.IsComputed() {
		out["name"] = was
	}
	if absent("name") {
		out["name"] = resource.NewProperty(name)
	}
	return out
}

// check implements handler.
func (cluster) check(op *operation, name string, olds, news resource.PropertyMap) (resource.PropertyMap, []failure) {
	attributes := given(clusterAttributes())
	checked := withDefaults(attributes, name, olds, news)
	o, failures := objectOf(attributes, checked)
	if len(failures) > 0 {
		return checked, failures
	}
	f, problems := op.client.Fleet(o)
	failures = append(op.told(append(problems, door.CheckLock(o)...)), policies(o)...)
	if len(failures) == 0 {
		checked = withResults(checked, f, o)
	}
	return checked, failures
}

// withResults adds to what users gave what it makes of hosts and objects. Pulumi's command shows a difference as one between what was and what is in the inputs
// (pkg/v3 v3.260.0, engine/detailedDiff.go): without these, one of a host would be shown as all of them going.
// What is not known yet is there as such: an update that keeps to a plan may have no input that its preview had not.
func withResults(checked resource.PropertyMap, f *door.Fleet, o input.Object) resource.PropertyMap {
	if f.Cluster == nil {
		return outputs(checked, clusterAttributes(), input.Object{"nodes": input.Unknown{}, "objects": input.Unknown{}})
	}
	nodes := door.NodesIn(door.PlannedNodes(f, o, nil), true)
	for name, n := range nodes {
		node, _ := n.(input.Object)
		nodes[name] = door.Without(node, "machine_id", "ssh_host_key") // which follow from no description
	}
	results := input.Object{"nodes": nodes, "objects": input.Unknown{}}
	if objects, known := door.PlannedObjects(f, o); known {
		results["objects"] = door.ObjectsIn(objects)
	}
	return outputs(checked, clusterAttributes(), results)
}

// told gives mistakes as the engine wants them. Warnings are said at once.
func (op *operation) told(problems []input.Problem) []failure {
	var out []failure
	for _, p := range problems {
		at, text := pathOf(p.Path), p.Summary+": "+p.Detail
		if at != "topology" { // there, names are the language's
			text = reword(text)
		}
		if p.Severity == hcl.DiagError {
			out = append(out, failure{at, text})
			continue
		}
		if at != "" {
			text = at + ": " + text
		}
		op.say(diag.Warning, text)
	}
	return out
}

// policies checks the words of what the provider alone keeps to.
func policies(o input.Object) []failure {
	var out []failure
	for name, words := range map[string][]string{"on_destroy": input.OnDestroyWords, "unreachable": input.UnreachableWords} {
		if s, ok := o[name].(string); ok && !slices.Contains(words, s) {
			out = append(out, failure{camel(name), fmt.Sprintf("%q is not one of %s.", s, strings.Join(words, " and "))})
		}
	}
	return out
}

// described reads what users gave, and the fleet that it describes.
func (op *operation) described(properties resource.PropertyMap) (input.Object, *door.Fleet, error) {
	return op.describedBy(properties, op.client.Fleet)
}

// describedBy reads a fleet by one of the ways there are.
func (op *operation) describedBy(properties resource.PropertyMap, fleet func(input.Object) (*door.Fleet, []input.Problem)) (input.Object, *door.Fleet, error) {
	o, failures := objectOf(clusterAttributes(), properties)
	if len(failures) > 0 {
		return nil, nil, fmt.Errorf("%s: %s", failures[0].property, failures[0].reason)
	}
	for _, a := range clusterAttributes() {
		if !a.Given {
			delete(o, a.Name) // what was computed describes nothing
		}
	}
	_, op.inLanguage = o["topology"].(string)
	f, problems := fleet(o)
	for _, p := range problems {
		if p.Severity == hcl.DiagError {
			return o, nil, fmt.Errorf("%s: %s: %s", pathOf(p.Path), p.Summary, p.Detail)
		}
	}
	return o, f, nil
}

// stateOf reads a state, by the names that package door has.
func stateOf(state resource.PropertyMap) input.Object {
	o, _ := objectOf(clusterAttributes(), state) // what another version wrote, and this one does not know, is left out
	o["id"] = o["cluster_id"]
	return o
}

func protected(state input.Object) error {
	if on, _ := state["deletion_protection"].(bool); on {
		return fmt.Errorf("cluster %q is protected: deletionProtection is on. Set it to false and run `pulumi up`, before it is destroyed or replaced. Nothing was changed", state["name"])
	}
	return nil
}

// diff implements handler. It contacts nothing.
func (cluster) diff(op *operation, was, old, news resource.PropertyMap) (*pulumirpc.DiffResponse, error) {
	d := differences{}
	d.fields(given(clusterAttributes()), old, news, nil)
	asked := len(d) > 0
	state := stateOf(was)
	if d["name"] != nil {
		if err := protected(state); err != nil {
			return nil, op.fail("Cluster would be replaced", err)
		}
		d.replaces("name")
		return d.response([]string{"name"}), nil
	}
	// A refresh, too, ends with this question, about what was given before (Pulumi's engine, pkg/v3 v3.260.0, resource/deploy/step.go, RefreshStep), and an error would end the update that
	// comes after it, which may well mend what is wrong there. What a program gives was checked before it comes here.
	o, f, err := op.described(news)
	if err != nil && !asked {
		d.goesOn(was)
		return d.response(nil), nil
	}
	if err != nil {
		return nil, op.fail("Cluster not described", err)
	}
	if err := op.keepsMembers(f, o, state); err != nil && asked {
		return nil, err
	}
	if d.goesOn(was); f.Cluster != nil {
		d.planned(f, o, state)
	}
	return d.response(nil), nil
}

// keepsMembers is the error of a change that takes too many members of etcd away at once.
func (op *operation) keepsMembers(f *door.Fleet, config, state input.Object) error {
	refused := op.told(door.RefuseMembers(f, config, door.NodesOf(state["nodes"]), words))
	if len(refused) == 0 {
		return nil
	}
	return op.fail("Cluster would not be changed", fmt.Errorf("%s: %s", refused[0].property, refused[0].reason))
}

// planned notes what a change does to hosts and to the objects of manifests.
func (d differences) planned(f *door.Fleet, config, state input.Object) {
	prior := door.NodesOf(state["nodes"])
	d.nodes(door.PlannedNodes(f, config, prior), prior)
	if planned, known := door.PlannedObjects(f, config); known {
		d.objects(planned, door.ObjectsOf(state["objects"]))
	}
}

// objects notes what a change does to each object of the manifests.
func (d differences) objects(planned, prior map[string]door.Object) {
	at := input.Path{}.Attribute("objects")
	for name, o := range planned {
		switch was, there := prior[name]; {
		case !there:
			d.note(at.Key(name), pulumirpc.PropertyDiff_ADD, false)
		case o.Configuration != was.Configuration:
			d.note(at.Key(name).Attribute("configuration"), pulumirpc.PropertyDiff_UPDATE, false)
		case len(was.Drift) > 0:
			d.note(at.Key(name).Attribute("drift"), pulumirpc.PropertyDiff_UPDATE, false)
		}
	}
	for name := range prior {
		if _, stays := planned[name]; !stays {
			d.note(at.Key(name), pulumirpc.PropertyDiff_DELETE, false)
		}
	}
}

// nodes notes what a change does to each host. Hosts that are noted already are not noted twice.
func (d differences) nodes(planned, prior map[string]door.Node) {
	at := input.Path{}.Attribute("nodes")
	noted := func(name string) bool {
		whole := pathOf(input.Path{}.Attribute("hosts").Key(name))
		return d[whole] != nil
	}
	for name, n := range planned {
		was, there := prior[name]
		here := at.Key(name)
		if !there {
			if !noted(name) {
				d.note(here, pulumirpc.PropertyDiff_ADD, false)
			}
			continue
		}
		for attribute, differs := range map[string]bool{
			"address": n.Address != was.Address, "kubernetes": n.Kubernetes != was.Kubernetes, "configuration": n.Configuration != was.Configuration, "roles": !slices.Equal(n.Roles, was.Roles),
		} {
			if differs {
				d.note(here.Attribute(attribute), pulumirpc.PropertyDiff_UPDATE, false)
			}
		}
		if len(was.Drift) > 0 {
			d.note(here.Attribute("drift"), pulumirpc.PropertyDiff_UPDATE, false)
		}
	}
	for name := range prior {
		if _, stays := planned[name]; !stays && !noted(name) {
			d.note(at.Key(name), pulumirpc.PropertyDiff_DELETE, false)
		}
	}
}

// outputs are the state of a cluster: what the user gave, and what was computed. What follows from secrets is secret.
func outputs(inputs resource.PropertyMap, attributes []input.Attribute, computed input.Object) resource.PropertyMap {
	out := maps.Clone(inputs)
	secret := resource.NewProperty(inputs).ContainsSecrets()
	for key, v := range propertiesOf(attributes, computed) {
		if secret {
			v = resource.MakeSecret(v)
		}
		out[key] = v
	}
	return out
}

// planned is the state that a change leads to, as far as it is known.
func (op *operation) planned(news, was resource.PropertyMap) (resource.PropertyMap, error) {
	o, f, err := op.described(news)
	if err != nil {
		return nil, op.fail("Cluster not described", err)
	}
	state := stateOf(was)
	if err := op.keepsMembers(f, o, state); err != nil {
		return nil, err
	}
	computed := input.Object{"cluster_id": orUnknown(state["id"])}
	if state["left_out"] != nil { // some of them may answer by then
		computed["left_out"] = input.Unknown{}
	}
	if f.Cluster == nil {
		for _, name := range []string{"access", "nodes", "objects", "lock", "kubeconfig"} {
			computed[name] = input.Unknown{}
		}
		return outputs(news, clusterAttributes(), computed), nil
	}
	prior := door.NodesOf(state["nodes"])
	nodes := door.PlannedNodes(f, o, prior)
	id, _ := state["id"].(string)
	access := door.AccessTo(f, id, o)
	computed["access"], computed["nodes"], computed["objects"] = access, door.NodesIn(nodes, true), input.Unknown{}
	if objects, known := door.PlannedObjects(f, o); known {
		computed["objects"] = door.ObjectsIn(objects)
	}
	if o["lock"] == nil {
		computed["lock"] = orUnknown(state["lock"])
		if state["lock"] != nil && op.client.WantsMore(f, state, prior, nodes) {
			computed["lock"] = input.Unknown{}
		}
	}
	// A rotation alone changes the authority in the kubeconfig.
	computed["kubeconfig"] = input.Unknown{}
	had, _ := state["access"].(input.Object) // without what is none
	if state["kubeconfig"] != nil && !door.HasUnknown(access) && door.AccessJSON(access) == door.AccessJSON(had) && !door.NewAuthority(o, state) {
		computed["kubeconfig"] = state["kubeconfig"]
	}
	op.count(nodes)
	return outputs(news, clusterAttributes(), computed), nil
}

func orUnknown(v any) any {
	if v == nil {
		return input.Unknown{}
	}
	return v
}

// count says how many hosts a preview is about.
func (op *operation) count(nodes map[string]door.Node) {
	var open []string
	for name, n := range nodes {
		if n.Address == "" {
			open = append(open, name)
		}
	}
	slices.Sort(open)
	text := fmt.Sprintf("%d hosts", len(nodes))
	if len(open) > 0 {
		text += fmt.Sprintf(", %d of them with an address that is not known yet: %s", len(open), strings.Join(open, ", "))
	}
	op.say(diag.Info, text)
}

// create implements handler.
func (c cluster) create(op *operation, news resource.PropertyMap, preview bool) (string, resource.PropertyMap, error) {
	if preview {
		state, err := op.planned(news, nil)
		return "", state, err
	}
	const summary = "Cluster not created"
	o, f, err := op.ready(news)
	if err != nil {
		return "", nil, op.fail(summary, err)
	}
	lock, err := door.PinsOf(o, nil)
	if err != nil {
		return "", nil, op.fail(summary, err)
	}
	e, end, err := op.open(f, lock)
	if err != nil {
		return "", nil, op.fail(summary, err)
	}
	defer end()
	if err := op.client.Reachable(e, o); err != nil {
		return "", nil, op.fail(summary, err)
	}
	inv, err := e.Inventory(op)
	if err != nil {
		return "", nil, op.fail(summary, err)
	}
	if adopt, _ := o["adopt"].(bool); inv != nil && inv.Complete() && !adopt {
		return "", nil, op.fail("Cluster exists already", fmt.Errorf("the hosts have a cluster %q (id %s) that is complete. Bring it into the state with `pulumi import %s NAME %s@ADDRESS`, or take it over with adopt = true",
			inv.Cluster, inv.ClusterID, clusterToken, inv.Cluster))
	}
	left, err := door.Converge(op, e, op.client.PolicyUnreachable(o))
	if err != nil && !door.Begun(err) {
		return "", nil, op.stopped(summary, err, lock, false)
	}
	if err != nil {
		state := c.begun(op, e, f, news, nil)
		return f.Cluster.Name, state, op.stopped(summary, err, lock, state != nil)
	}
	return f.Cluster.Name, c.reached(op, e, f, news, nil, left, lock), nil
}

// ready reads what users gave where hosts are to be contacted.
func (op *operation) ready(properties resource.PropertyMap) (input.Object, *door.Fleet, error) {
	return op.readyBy(properties, op.client.Fleet)
}

// standing reads what a state describes, without the manifests.
func (op *operation) standing(was resource.PropertyMap) (*door.Fleet, error) {
	_, f, err := op.readyBy(was, op.client.Standing)
	return f, err
}

func (op *operation) readyBy(properties resource.PropertyMap, fleet func(input.Object) (*door.Fleet, []input.Problem)) (input.Object, *door.Fleet, error) {
	if err := op.client.Known(); err != nil {
		return nil, nil, err
	}
	o, f, err := op.describedBy(properties, fleet)
	if err == nil && f.Cluster == nil {
		err = errors.New("too much of what describes it is not known")
	}
	return o, f, err
}

// open connects to a cluster's hosts once it is this operation's turn; end ends both.
func (op *operation) open(f *door.Fleet, lock door.Pins, more ...func(*bootstrap.Options)) (e *door.Session, end func(), err error) {
	over, err := op.client.Turn(op, f.Cluster.Name)
	if err != nil {
		return nil, nil, err
	}
	if e, err = op.client.Connect(op, f, lock, more...); err != nil {
		over()
		return nil, nil, err
	}
	return e, func() {
		e.Close()
		over()
	}, nil
}

// stopped tells why a change did not come to its end.
func (op *operation) stopped(summary string, err error, lock door.Pins, begun bool) error {
	if detail, ok := door.LockedOut(err, lock.Given); ok {
		return op.fail(summary, errors.New("lock: "+detail))
	}
	if begun {
		err = fmt.Errorf("%w\n\nWhat was done is recorded on the hosts: run `pulumi up` again to go on from there", err)
	}
	return op.fail(summary, err)
}

// begun is the state of a cluster after a change that did not come to its end; nil where no host has anything of it.
func (cluster) begun(op *operation, e *door.Session, f *door.Fleet, news, was resource.PropertyMap) resource.PropertyMap {
	ctx := context.WithoutCancel(op)
	state := stateOf(was)
	id, _ := state["id"].(string)
	computed := input.Object{"cluster_id": id, "access": door.AccessTo(f, id, nil), "nodes": state["nodes"], "objects": state["objects"], "left_out": state["left_out"], "kubeconfig": orEmpty(state["kubeconfig"]), "lock": orEmpty(state["lock"])}
	for _, name := range []string{"nodes", "objects"} {
		if computed[name] == nil {
			computed[name] = input.Object{}
		}
	}
	begun := was != nil
	inv, s, err := door.Look(ctx, e)
	if err == nil {
		begun = true
		computed["cluster_id"], computed["access"] = inv.ClusterID, door.AccessTo(f, inv.ClusterID, nil)
		prior := door.NodesOf(state["nodes"])
		computed["nodes"] = door.NodesIn(unproven(door.SeenNodes(f, s, inv, prior), prior), false)
		computed["objects"] = door.ObjectsIn(door.SeenObjects(f.Cluster, s, door.ObjectsOf(state["objects"])))
	} else if s, err := e.Status(ctx); err != nil || !untouched(s) {
		begun = true // a host that cannot be asked may have something
	}
	if !begun {
		return nil
	}
	return outputs(news, clusterAttributes(), computed)
}

// untouched says that every host answers, and none has anything of a cluster.
func untouched(s *bootstrap.Status) bool {
	return !slices.ContainsFunc(s.Hosts, func(h bootstrap.HostStatus) bool { return h.Managed || h.Error != "" })
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// reached is the state of a cluster after a change that came to its end.
func (cluster) reached(op *operation, e *door.Session, f *door.Fleet, news, was resource.PropertyMap, left []string, lock door.Pins) resource.PropertyMap {
	ctx := context.WithoutCancel(op) // what was done shall be known
	state := stateOf(was)
	prior := door.NodesOf(state["nodes"])
	computed := input.Object{"left_out": leftOut(left), "lock": lock.Text(e.Supply.Wanted)}
	inv, s, err := door.Look(ctx, e)
	if err != nil {
		op.warn("The change came to its end, and the cluster could not be read after it. The state has what was planned, and the next refresh reads the rest: %v", err)
		o, _ := objectOf(clusterAttributes(), news)
		id, _ := state["id"].(string)
		computed["cluster_id"], computed["access"], computed["kubeconfig"] = id, door.AccessTo(f, id, nil), orEmpty(state["kubeconfig"])
		computed["nodes"], computed["objects"] = door.NodesIn(door.PlannedNodes(f, o, prior), false), door.ObjectsIn(door.DescribedObjects(f.Cluster))
		return outputs(news, clusterAttributes(), computed)
	}
	objects := door.SeenObjects(f.Cluster, s, door.DescribedObjects(f.Cluster)) // all of them have been applied
	maps.Copy(computed, seen(f, inv, door.SeenNodes(f, s, inv, prior), objects))
	return outputs(news, clusterAttributes(), computed)
}

// seen is what is computed of a cluster that was looked at.
func seen(f *door.Fleet, inv *inventory.Inventory, nodes map[string]door.Node, objects map[string]door.Object) input.Object {
	access := door.AccessTo(f, inv.ClusterID, nil)
	return input.Object{"cluster_id": inv.ClusterID, "access": access, "nodes": door.NodesIn(nodes, false), "objects": door.ObjectsIn(objects), "kubeconfig": door.Kubeconfig(access, inv)}
}

func leftOut(left []string) any {
	if len(left) == 0 {
		return nil
	}
	return door.AnyOf(left)
}

// read implements handler. It drops nothing because a host does not answer.
func (c cluster) read(op *operation, id string, inputs, was resource.PropertyMap) (string, resource.PropertyMap, resource.PropertyMap, error) {
	if len(was) == 0 {
		return c.imported(op, id)
	}
	keep := func(err error) (string, resource.PropertyMap, resource.PropertyMap, error) {
		op.warn("Cluster not read. The state is kept as it was: %v", err)
		return id, inputs, was, nil
	}
	if err := op.client.Known(); err != nil {
		return id, inputs, was, nil // nobody can be asked yet
	}
	_, f, err := op.ready(was)
	unread := err // what the manifests say, where nothing else is wrong
	if err != nil {
		f, err = op.standing(was)
	}
	if err != nil {
		return keep(fmt.Errorf("what it describes is not a topology by the rules of this version: %w. The next `pulumi up` brings it up to date", err))
	}
	e, err := op.client.Connect(op, f, door.NoPins())
	if err != nil {
		return keep(err)
	}
	defer e.Close()
	inv, err := e.Inventory(op)
	if err != nil {
		return keep(err)
	}
	if inv == nil {
		if err := e.Unreachable(); err != nil {
			return keep(fmt.Errorf("the control planes that answer know of no cluster, and others do not answer:\n%w", err))
		}
		if isUnfinished(was) { // as one that came to no inventory: hosts may have something of it all the same
			if s, err := e.Status(op); err != nil {
				return keep(err)
			} else if !untouched(s) {
				return id, inputs, was, nil
			}
		}
		return "", nil, nil, nil // every control plane answers, and none has a cluster
	}
	s, err := e.Status(op)
	if err != nil {
		return keep(err)
	}
	if err := e.Unreachable(); err != nil {
		op.warn("Hosts do not answer. What the state has of them is kept:\n%v", err)
	}
	state := stateOf(was)
	prior := door.NodesOf(state["nodes"])
	nodes := door.SeenNodes(f, s, inv, prior)
	if isUnfinished(was) {
		nodes = unproven(nodes, prior)
	}
	computed := input.Object{"left_out": leftOut(door.Behind(door.Texts(state["left_out"]), nodes, s))}
	objects := door.ObjectsOf(state["objects"])
	if unread == nil {
		objects = door.SeenObjects(f.Cluster, s, objects)
	} else {
		op.warn("Manifests not read. What the state has of their objects is kept: %v", unread)
	}
	maps.Copy(computed, seen(f, inv, nodes, objects))
	out := maps.Clone(was)
	delete(out, "leftOut")
	return id, inputs, outputs(out, clusterAttributes(), computed), nil
}

// imported reads a cluster of which there is no state: the id is NAME@ADDRESS, where SSH reaches one of its control planes.
func (cluster) imported(op *operation, id string) (string, resource.PropertyMap, resource.PropertyMap, error) {
	const summary = "Cluster not imported"
	name, address, ok := strings.Cut(id, "@")
	if !ok || name == "" || address == "" {
		return "", nil, nil, op.fail(summary, fmt.Errorf("%q is not NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes", id))
	}
	inv, err := op.client.InventoryAt(op, name, address)
	if err != nil {
		return "", nil, nil, op.fail(summary, err)
	}
	inputs := propertiesOf(given(clusterAttributes()), withoutDefaults(door.Described(inv)))
	_, f, err := op.described(inputs)
	if err != nil {
		return "", nil, nil, op.fail(summary, err)
	}
	nodes, objects := map[string]door.Node{}, map[string]door.Object{}
	if s, err := op.client.Status(op, f); err != nil {
		op.warn("The hosts could not be read, and the next refresh does it: %v", err)
	} else {
		nodes, objects = door.SeenNodes(f, s, inv, nil), door.SeenObjects(f.Cluster, s, nil)
	}
	computed := seen(f, inv, nodes, objects)
	computed["lock"] = door.NoPins().Text(nil)
	return name, inputs, outputs(inputs, clusterAttributes(), computed), nil
}

// withoutDefaults leaves out what holds where nothing is said, as programs do.
func withoutDefaults(o input.Object) input.Object {
	b := topology.Describe("cluster")
	for name, v := range o {
		literal := fmt.Sprint(v)
		if s, ok := v.(string); ok {
			literal = strconv.Quote(s)
		}
		if a := b.Argument(name); a != nil && a.Default == "`"+literal+"`" {
			delete(o, name)
		}
	}
	return o
}

// kept are properties that the provider alone keeps to: a change of them is none of the cluster.
var kept = []string{"deletionProtection", "onDestroy", "unreachable", "adopt"}

// update implements handler. What was done before a failure stays in the state, so that the next update goes on.
func (c cluster) update(op *operation, id string, was, old, news resource.PropertyMap, preview bool) (resource.PropertyMap, error) {
	if preview {
		return op.planned(news, was)
	}
	const summary = "Cluster not changed"
	if c.keeps(op, was, old, news) {
		return outputs(news, clusterAttributes(), computedOf(was)), nil
	}
	o, f, err := op.ready(news)
	if err != nil {
		return nil, op.fail(summary, err)
	}
	state := stateOf(was)
	if err := op.keepsMembers(f, o, state); err != nil {
		return nil, err
	}
	lock, err := door.PinsOf(o, state)
	if err != nil {
		return nil, op.fail(summary, err)
	}
	e, end, err := op.open(f, lock)
	if err != nil {
		return nil, op.fail(summary, err)
	}
	defer end()
	if err := op.client.Reachable(e, o); err != nil {
		return nil, op.fail(summary, err)
	}
	left, err := door.Converge(op, e, op.client.PolicyUnreachable(o))
	if text := op.client.LeftWorkers(e, left); text != "" {
		op.warn("%s", text)
	}
	if err != nil && !door.Begun(err) {
		return nil, op.stopped(summary, err, lock, false)
	}
	if err != nil {
		after := c.begun(op, e, f, news, was)
		if !lock.Given {
			after["lock"] = resource.NewProperty(lock.Text(nil))
		}
		return after, op.stopped("Cluster not changed as planned", err, lock, true)
	}
	return c.reached(op, e, f, news, was, left, lock), nil
}

// keeps says whether a change is of nothing but what the provider keeps to, and the cluster was as described.
func (cluster) keeps(op *operation, was, old, news resource.PropertyMap) bool {
	d := differences{}
	d.fields(given(clusterAttributes()), old, news, nil)
	if len(d) == 0 || !d.only(kept...) || isUnfinished(was) {
		return false
	}
	o, f, err := op.described(news)
	if err != nil || f.Cluster == nil {
		return false
	}
	d = differences{}
	d.planned(f, o, stateOf(was))
	return len(d) == 0
}

// computedOf are the computed attributes of a state.
func computedOf(was resource.PropertyMap) input.Object {
	state := stateOf(was)
	out := input.Object{}
	for _, name := range []string{"cluster_id", "access", "nodes", "objects", "kubeconfig", "lock", "left_out"} {
		out[name] = state[name]
	}
	return out
}

// remove implements handler.
func (cluster) remove(op *operation, was resource.PropertyMap) error {
	const summary = "Cluster not destroyed"
	state := stateOf(was)
	if err := protected(state); err != nil {
		return op.fail(summary, err)
	}
	if door.Policy(op.client.OnDestroy, state, "on_destroy", input.OnDestroyReset) == input.OnDestroyForget {
		return nil
	}
	f, err := op.standing(was)
	if err != nil {
		return op.fail(summary, err)
	}
	forget := op.client.PolicyUnreachable(state) == input.UnreachableForget
	e, end, err := op.open(f, door.NoPins(), func(o *bootstrap.Options) { o.ForgetUnreachable = forget })
	if err != nil {
		return op.fail(summary, err)
	}
	defer end()
	if inv, err := e.Inventory(op); err == nil && inv != nil { // where it cannot be read, the destroy says why
		if err := op.client.RefuseWorkers(inv); err != nil {
			return op.fail(summary, err)
		}
	}
	if err := e.Unreachable(); err != nil && forget {
		op.warn("Hosts are left as they are. These do not answer. What is on them stays, and they must not come back as they are: install them anew.\n%v", err)
	}
	if err := e.Destroy(op); err != nil {
		return op.fail(summary, fmt.Errorf("%w\n\nTo destroy it without hosts that do not answer, and leave those as they are, set unreachable = \"forget\" in the provider", err))
	}
	return nil
}
