package fleettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// apiState is what etcd holds.
type apiState struct {
	mu      sync.Mutex
	objects map[string][]byte // manifests by name
	gates   map[string]error  // conditions that fail, by gate

	members []etcd.Member
	added   int // members, since the cluster was made

	storedUnder string // encryption key

	cordoned map[string]bool
	drained  []string
	silent   map[string]bool // nodes whose network plugin says nothing

	manifestsState
}

func newAPIState() *apiState {
	return &apiState{objects: map[string][]byte{}, gates: map[string]error{}, cordoned: map[string]bool{}, silent: map[string]bool{}, manifestsState: newManifestsState()}
}

// Objects are the manifests that the API holds, by kind, namespace and name.
func (f *Fleet) Objects() map[string][]byte {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	return maps.Clone(f.api.objects)
}

// ForgetObject takes an object out of the API.
func (f *Fleet) ForgetObject(name string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	delete(f.api.objects, name)
	if node, ok := strings.CutPrefix(name, "Node/"); ok {
		f.api.silent[node] = true // flanneld says that the network is up when it starts, and a Node that is made anew knows nothing of it
	}
}

// EditObject takes a word out of the manifest of an object of the API, as kubectl edit would.
func (f *Fleet) EditObject(name, word string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.objects[name] = bytes.ReplaceAll(f.api.objects[name], []byte(word), nil)
}

// FailGate makes a gate fail until err is nil.
func (f *Fleet) FailGate(k plan.GateKind, err error) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.gates[string(k)] = err
}

// API is etcd and the API of the fleet's cluster. It answers as what runs on the hosts lets it, at once: a condition that does not hold is an error. As in a real cluster the
// operator may do nothing until the first objects, which it takes the identity to apply, have bound its group.
type API struct {
	fleet    *Fleet
	identity func() (*identity.Identity, error)
}

// API gives the engine's view of the cluster.
func (f *Fleet) API(identity func() (*identity.Identity, error)) *API { return &API{f, identity} }

// Close implements the engine's API.
func (a *API) Close() {}

func (a *API) running(unit string, hosts []string) error {
	var missing []string
	for _, h := range hosts {
		if a.fleet.Unreachable[h] {
			missing = append(missing, fmt.Sprintf("host %s does not answer", h))
			continue
		}
		states, err := a.fleet.Machines[h].Units.States(context.Background(), []string{unit})
		if err != nil {
			return err
		}
		if s := states[unit]; s.Active != "active" {
			missing = append(missing, fmt.Sprintf("%s on host %s is %s", unit, h, s.Active))
		}
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, ", "))
	}
	return nil
}

func (a *API) gate(ctx context.Context, k plan.GateKind) error {
	if a.fleet.point("api", "gate "+string(k)) || a.fleet.currentSession().isDead() {
		return errDead
	}
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	return errors.Join(ctx.Err(), a.fleet.api.gates[string(k)])
}

// EtcdHealthy wants etcd to run on every member.
func (a *API) EtcdHealthy(ctx context.Context, members []string, _ func(string)) error {
	errs := []error{a.gate(ctx, plan.GateEtcd), a.running("etcd.service", members)}
	for _, name := range members {
		if x := slices.IndexFunc(a.members(), named(name)); x < 0 {
			errs = append(errs, fmt.Errorf("%s is no member of etcd", name))
		} else if why := a.trouble(a.members()[x]); why != "" {
			errs = append(errs, fmt.Errorf("etcd member %s: %s", name, why))
		}
	}
	return errors.Join(errs...)
}

// APIReady wants the API server to run on every control plane, and to reach a member of etcd where its unit says that there is one.
func (a *API) APIReady(ctx context.Context, hosts []string, _ func(string)) error {
	var errs []error
	for _, h := range hosts {
		errs = append(errs, a.serves(h))
	}
	return errors.Join(append(errs, a.gate(ctx, plan.GateAPI))...)
}

var etcdServers = regexp.MustCompile(`--etcd-servers=(\S+)`)

func (a *API) serves(host string) error {
	if err := a.running("kube-apiserver.service", []string{host}); err != nil {
		return err
	}
	unit, err := os.ReadFile(a.fleet.Machines[host].Path("/etc/systemd/system/kube-apiserver.service"))
	if err != nil {
		return err
	}
	var asked []string
	if m := etcdServers.FindSubmatch(unit); m != nil {
		asked = strings.Split(string(m[1]), ",")
	}
	for _, url := range asked {
		member := host
		if at, err := netip.ParseAddrPort(strings.TrimPrefix(url, "https://")); err != nil {
			return err
		} else if !at.Addr().IsLoopback() {
			member = a.fleet.at(at.Addr())
		}
		if member != "" && a.running(desired.EtcdUnit, []string{member}) == nil {
			return nil
		}
	}
	return fmt.Errorf("the API server on host %s reaches none of its members of etcd: %s", host, strings.Join(asked, ", "))
}

// NodesReady wants a Node object and a running kubelet for every node.
func (a *API) NodesReady(ctx context.Context, nodes []string, report func(string)) error {
	errs := []error{a.gate(ctx, plan.GateNodes), a.running("kubelet.service", nodes)}
	objects := a.fleet.Objects()
	for _, n := range nodes {
		if objects["Node/"+n] == nil {
			report("node " + n + ": not registered")
			errs = append(errs, fmt.Errorf("there is no node %s", n))
		}
	}
	return errors.Join(errs...)
}

// NetworksReady wants the network plugin to run on every node.
func (a *API) NetworksReady(ctx context.Context, nodes []string, _ func(string)) error {
	return errors.Join(a.gate(ctx, plan.GateNetworks), a.running("flanneld.service", nodes), a.said(nodes))
}

// EtcdSpare counts the members that run on hosts that answer.
func (a *API) EtcdSpare(ctx context.Context, host string, _ func(string)) error {
	if err := a.gate(ctx, plan.GuardEtcd); err != nil {
		return err
	}
	members := slices.DeleteFunc(a.members(), func(x etcd.Member) bool { return x.Learner })
	var left []string
	for _, x := range members {
		if x.Name != host && a.trouble(x) == "" {
			left = append(left, x.Name)
		}
	}
	if need := len(members)/2 + 1; len(left) < need {
		return fmt.Errorf("etcd on %s may not stop: of %d members %d would be left (%s), %d are needed", host, len(members), len(left), strings.Join(left, ", "), need)
	}
	return nil
}

// APISpare looks for another API server that runs on a host that answers.
func (a *API) APISpare(ctx context.Context, host string, _ func(string)) error {
	if err := a.gate(ctx, plan.GuardAPI); err != nil {
		return err
	}
	for _, h := range a.fleet.Cluster.HostsWith(topology.RoleControlPlane) {
		if h.Name != host && a.serves(h.Name) == nil {
			return nil
		}
	}
	return fmt.Errorf("the API server on %s may not stop: no other one answers", host)
}

// DNSAvailable wants CoreDNS to be there.
func (a *API) DNSAvailable(ctx context.Context, _ int, _ func(string)) error {
	err := a.gate(ctx, plan.GateDNS)
	if a.fleet.Objects()["Deployment/"+desired.DNSNamespace+"/"+desired.DNSName] == nil {
		err = errors.Join(err, errors.New("there is no CoreDNS"))
	}
	return err
}

func objectName(o *desired.Object) string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}

// bound says whether the operator's group is bound to its role.
func (a *API) bound() bool {
	for name := range a.fleet.Objects() {
		if strings.HasPrefix(name, "ClusterRoleBinding/") {
			return true
		}
	}
	return false
}

// ApplyObjects takes the objects in order.
func (a *API) ApplyObjects(ctx context.Context, objects []desired.Object) error {
	if !a.bound() {
		if a.identity == nil {
			return errors.New("fleettest: nothing is bound, and no identity is at hand")
		}
		if _, err := a.identity(); err != nil {
			return err
		}
	}
	for i := range objects {
		if a.fleet.point("api", "apply "+objectName(&objects[i])) || a.fleet.currentSession().isDead() {
			return errDead
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		a.fleet.api.mu.Lock()
		name := objectName(&objects[i])
		a.fleet.api.objects[name], a.fleet.api.own[name] = bytes.Clone(objects[i].Manifest), true
		a.fleet.api.mu.Unlock()
	}
	if a.fleet.point("api", "applied") {
		return errDead
	}
	return nil
}

// answers fails where no API server runs.
func (a *API) answers() error {
	for name := range a.fleet.Machines {
		if a.running("kube-apiserver.service", []string{name}) == nil {
			return nil
		}
	}
	return errors.New("no API server answers")
}

// AuthoritiesPublished wants a controller manager to run.
func (a *API) AuthoritiesPublished(ctx context.Context, _ string, _ func(string)) error {
	if err := a.gate(ctx, plan.GatePublished); err != nil {
		return err
	}
	var errs []error
	for _, h := range a.fleet.Cluster.HostsWith(topology.RoleControlPlane) {
		err := a.running("kube-controller-manager.service", []string{h.Name})
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// RewriteStored notes the key under which all is stored.
func (a *API) RewriteStored(ctx context.Context, key string, _ func(string)) error {
	if a.fleet.point("api", "rewrite") || a.fleet.currentSession().isDead() {
		return errDead
	}
	a.fleet.api.mu.Lock()
	a.fleet.api.storedUnder = key
	a.fleet.api.mu.Unlock()
	if a.fleet.point("api", "rewritten") {
		return errDead
	}
	return ctx.Err()
}

// StoredUnder names the key under which objects were last stored anew, "" when they never were.
func (f *Fleet) StoredUnder() string {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	return f.api.storedUnder
}

// Compare implements the engine's API.
func (a *API) Compare(_ context.Context, objects []desired.Object) ([]plan.ObjectState, error) {
	if err := a.readable(); err != nil {
		return nil, err
	}
	have := a.fleet.Objects()
	out := make([]plan.ObjectState, len(objects))
	for i := range objects {
		live, ok := have[objectName(&objects[i])]
		out[i] = plan.ObjectState{Object: &objects[i], Exists: ok}
		if ok && !bytes.Equal(live, objects[i].Manifest) {
			out[i].Fields = []string{"spec"}
		}
	}
	return out, nil
}

func (f *Fleet) currentSession() *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.session
}
