package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
	"github.com/trivet-dev/trivet/internal/remote"
)

const (
	// statusTimeout bounds what a status asks of etcd and of the API.
	statusTimeout = 10 * time.Second
	// observeTimeout bounds how long a status waits for a host that went silent; deepTimeout for one that reads its whole store.
	observeTimeout = 30 * time.Second
	deepTimeout    = 15 * time.Minute
)

// Status is a cluster at a glance.
type Status struct {
	Cluster     string          `json:"cluster"`
	ClusterID   string          `json:"clusterID,omitempty"`
	Kubernetes  string          `json:"kubernetes"`
	Initialised bool            `json:"initialised"`
	BringingUp  bool            `json:"bringingUp,omitempty"` // the first bring-up has not come to its end
	Destroying  bool            `json:"destroying,omitempty"` // a destroy has begun and is not finished
	Holder      *hostapi.Holder `json:"holder,omitempty"`     // of the run lock
	Hosts       []HostStatus    `json:"hosts"`
	Etcd        []etcd.Status   `json:"etcd,omitempty"`
	// Objects are those in the API that are not as desired.
	Objects []ObjectDrift `json:"objects,omitempty"`
	// From is the release that an upgrade began at which is not finished, Wanted that of the topology where the cluster is not on its way there.
	From   string `json:"from,omitempty"`
	Wanted string `json:"wanted,omitempty"`
	// Progress is how far that upgrade has come; nil where the API was not asked. Paused is true where the topology has it paused.
	Progress *Progress `json:"progress,omitempty"`
	Paused   bool      `json:"paused,omitempty"`
	// Leaving are hosts that the cluster has and the topology does not.
	Leaving []string `json:"leaving,omitempty"`
	// UnknownNodes are nodes of the API that are no host of the cluster.
	UnknownNodes []string `json:"unknownNodes,omitempty"`
	// Rotations are the replacements of authorities and keys that are under way or asked for; Authorities says which authorities are near their end.
	Rotations   []plan.RotationState `json:"rotations,omitempty"`
	Authorities []string             `json:"authorities,omitempty"`
	// Snapshots is what hosts keep of etcd; nil where none are taken.
	Snapshots *SnapshotState `json:"snapshots,omitempty"`
	// EtcdError, APIError and ObjectsError say why that part is missing.
	EtcdError    string `json:"etcdError,omitempty"`
	APIError     string `json:"apiError,omitempty"`
	ObjectsError string `json:"objectsError,omitempty"`
	// Deep is true where the stored artifacts were read and their digests compared; otherwise their sizes were.
	Deep bool      `json:"deep,omitempty"`
	Time time.Time `json:"time"` // of the look, by this machine's clock
}

// ObjectDrift is an object of the API that is not as desired.
type ObjectDrift struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Missing   bool     `json:"missing,omitempty"`
	Unwanted  bool     `json:"unwanted,omitempty"`
	Fields    []string `json:"fields,omitempty"`  // that differ
	Reason    string   `json:"reason,omitempty"`  // where there is more to say
	Problem   string   `json:"problem,omitempty"` // why a manifest cannot be applied
	// Manifest is true of what comes from a manifest, or did.
	Manifest bool `json:"manifest,omitempty"`
	// GroupKind is the kind with its group, such as Deployment.apps.
	GroupKind string `json:"-"`
}

// String names the object.
func (o ObjectDrift) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// What says how the object differs.
func (o ObjectDrift) What() string {
	switch {
	case o.Problem != "":
		return "cannot be applied: " + o.Problem
	case o.Missing:
		return "missing"
	case o.Unwanted:
		return "not wanted any more"
	case len(o.Fields) == 0:
		return o.Reason
	case o.Reason != "":
		return "differs in " + strings.Join(o.Fields, ", ") + ": " + o.Reason
	}
	return "differs in " + strings.Join(o.Fields, ", ")
}

// HostStatus is one host.
type HostStatus struct {
	Name    string   `json:"name"`
	Region  string   `json:"region"`
	Site    string   `json:"site"`
	Address string   `json:"address"`
	Roles   []string `json:"roles"`
	// Elastic is true of a worker that was joined without the topology.
	Elastic bool `json:"elastic,omitempty"`
	// Error says why the host could not be read.
	Error string `json:"error,omitempty"`
	// Managed is false on a host that has no record yet.
	Managed bool            `json:"managed"`
	Units   []UnitStatus    `json:"units,omitempty"`
	Drift   []hostapi.Drift `json:"drift,omitempty"`
	// Overrides are foreign drop-ins of Trivet's units. They are no drift: somebody may want them.
	Overrides []hostapi.Drift `json:"overrides,omitempty"`
	// Node is what the API says of the host's node: "Ready", the reason why not, or empty when it is no node.
	Node string `json:"node,omitempty"`
	// Cordoned tells who keeps new pods off the node: "trivet", in a run that has not ended, or "others"; empty when nobody does.
	Cordoned string `json:"cordoned,omitempty"`
	// NoNetwork is true where the network plugin has not said that the node's pod network is up.
	NoNetwork bool `json:"noNetwork,omitempty"`
	// Owed are hooks that an apply has to run yet.
	Owed []hostapi.Owed `json:"owed,omitempty"`
	// Damage says what is wrong with the data of an etcd member that does not start.
	Damage string `json:"damage,omitempty"`
	// Certificates are those that the host was given, in order of expiry; NextExpiry is the first of them.
	Certificates []Expiry `json:"certificates,omitempty"`
	NextExpiry   *Expiry  `json:"nextExpiry,omitempty"`
}

// UnitStatus is one unit that Trivet owns.
type UnitStatus struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	State string `json:"state"` // "running", or how it differs
}

// Expiry is when a certificate ends.
type Expiry struct {
	Certificate string    `json:"certificate"`
	NotAfter    time.Time `json:"notAfter"`
	// Due says why the next apply issues it anew; "" when it does not.
	Due string `json:"due,omitempty"`
}

// Healthy reports whether every host answers as recorded, every node is Ready, every etcd member is healthy and known, the API holds what it should, snapshots are taken, no
// certificate has expired, no hook is owed, the first bring-up has come to its end, and no upgrade is half done, unless it is paused.
func (s *Status) Healthy() bool {
	if !s.Initialised || s.BringingUp || s.Destroying || s.From != "" && !s.Paused || s.EtcdError != "" || s.APIError != "" || s.ObjectsError != "" || len(s.Objects) > 0 {
		return false
	}
	if s.Snapshots != nil && len(s.Snapshots.Wrong) > 0 {
		return false
	}
	for _, h := range s.Hosts {
		if h.Error != "" || !h.Managed || len(h.Drift) > 0 || (h.Node != "" && h.Node != "Ready") || h.Cordoned == cordonedByTrivet || h.NoNetwork || len(h.Owed) > 0 {
			return false
		}
		if h.NextExpiry != nil && !h.NextExpiry.NotAfter.After(s.Time) {
			return false
		}
	}
	for _, m := range s.Etcd {
		if m.Error != "" || len(m.Alarms) > 0 || m.ID != 0 && m.Leader == 0 {
			return false
		}
	}
	return true
}

// Status reads every host that answers, etcd and the API. Hosts that do not answer are part of the answer.
func (e *Engine) Status(ctx context.Context) (*Status, error) {
	return e.status(ctx, hostapi.ObserveRequest{}, observeTimeout)
}

// DeepStatus is Status that also reads every artifact in the hosts' stores, to find those that were changed in place with their size kept.
func (e *Engine) DeepStatus(ctx context.Context) (*Status, error) {
	return e.status(ctx, hostapi.ObserveRequest{Verify: true}, deepTimeout)
}

func (e *Engine) status(ctx context.Context, req hostapi.ObserveRequest, patience time.Duration) (*Status, error) {
	s, _, err := e.glance(ctx, req, patience)
	return s, err
}

// glance is status, with the connected hosts that could not be read.
func (e *Engine) glance(ctx context.Context, req hostapi.ObserveRequest, patience time.Duration) (*Status, map[string]error, error) {
	seen, failed := observe.Hosts(ctx, patientHosts(e.hosts, patience), req, e.parallel())
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	docs, err := observe.Documents(e.cluster, seen)
	if err != nil {
		return nil, failed, err
	}
	e.lookAtJoined(ctx, docs.Inventory, seen, failed, req, patience)
	s := &Status{Time: e.Now(), Cluster: e.cluster.Name, Kubernetes: e.cluster.Kubernetes, Deep: req.Verify}
	if inv := docs.Inventory; inv != nil {
		s.ClusterID, s.Kubernetes, s.Initialised, s.BringingUp, s.Destroying = inv.ClusterID, inv.Kubernetes, inv.Initialised, inv.BringingUp, inv.Destroying
	}
	var nodes map[string]kube.NodeInfo
	if s.Initialised {
		nodes = e.statusOfCluster(ctx, s, docs.Inventory, seen)
		e.statusOfInventory(s, docs.Inventory, nodes)
	}
	for _, h := range e.cluster.Hosts {
		hs := HostStatus{Name: h.Name, Region: h.Site().Region.Name, Site: h.Site().Name, Address: h.Address.String(), Roles: inventory.Roles(h.Roles), Elastic: h.Elastic}
		switch o := seen[h.Name]; {
		case o != nil:
			e.statusOfHost(&hs, o)
			if docs.Inventory != nil {
				hs.due(e.certificatesOn(h, o, docs.Inventory.Public))
			}
			if o.Holder != nil && s.Holder == nil {
				s.Holder = o.Holder
			}
		case failed[h.Name] != nil:
			hs.Error = failed[h.Name].Error()
		default:
			hs.Error = e.away(h.Name).Error()
		}
		if n, ok := nodes[h.Name]; ok && h.IsNode() {
			e.statusOfNode(&hs, n)
		}
		s.Hosts = append(s.Hosts, hs)
	}
	return s, failed, nil
}

// patient bounds the wait for a host's answer.
func patient(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("connected, and no answer for %s; look whether it is frozen or its network is gone", d))
}

// patientHost is a host whose observation is given up on after some time.
type patientHost struct {
	remote.Host
	patience time.Duration
}

func (h patientHost) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	ctx, cancel := patient(ctx, h.patience)
	defer cancel()
	o, err := h.Host.Observe(ctx, req)
	return o, silent(ctx, h.Name(), err)
}

// patientHosts bounds the observation of each host, counted from when its turn comes.
func patientHosts(hosts map[string]remote.Host, patience time.Duration) map[string]remote.Host {
	out := map[string]remote.Host{}
	for name, h := range hosts {
		out[name] = patientHost{h, patience}
	}
	return out
}

// silent names a host that was given up on, where the error is the bare end of a patient context.
func silent(ctx context.Context, host string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("host %s: %w", host, context.Cause(ctx))
	}
	return err
}

func (e *Engine) statusOfHost(hs *HostStatus, o *hostapi.Observation) {
	hs.Drift, hs.Overrides = o.Drift, o.Overrides
	hs.Damage = etcd.Damage(o.LastWords[desired.EtcdUnit])
	if o.Record == nil {
		return
	}
	hs.Managed, hs.Owed = len(o.Record.Items) > 0, o.Record.Owed
	drift := map[hostapi.ID]string{}
	for _, d := range o.Drift {
		drift[d.ID] = d.What
	}
	for _, r := range o.Record.Items {
		switch {
		case r.Item.Unit != nil:
			u := UnitStatus{Name: r.Item.Unit.Name, OK: true, State: "running"}
			if what, ok := drift[r.Item.ID()]; ok {
				u.OK, u.State = false, what
			}
			hs.Units = append(hs.Units, u)
		case r.Item.KeyPair != nil:
			hs.expires(r.Item.KeyPair)
		}
	}
	slices.SortFunc(hs.Units, func(a, b UnitStatus) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(hs.Certificates, func(a, b Expiry) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), strings.Compare(a.Certificate, b.Certificate))
	})
	if len(hs.Certificates) > 0 {
		hs.NextExpiry = &hs.Certificates[0]
	}
}

// due says of which certificates the time, or another setting, has come.
func (hs *HostStatus) due(states []CertificateState) {
	for i := range hs.Certificates {
		c := &hs.Certificates[i]
		if at := slices.IndexFunc(states, func(s CertificateState) bool { return s.Path == c.Certificate }); at >= 0 {
			c.Due = states[at].Due
		}
	}
}

func (hs *HostStatus) expires(kp *hostapi.KeyPair) {
	list, err := pki.DecodeCertificates(kp.Certificate)
	if err != nil || len(list) == 0 {
		return
	}
	hs.Certificates = append(hs.Certificates, Expiry{Certificate: kp.CertPath, NotAfter: list[0].NotAfter})
}
