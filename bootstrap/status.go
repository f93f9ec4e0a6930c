package bootstrap

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
)

// statusTimeout bounds what a status asks of etcd and of the API.
const statusTimeout = 10 * time.Second

// Status is a cluster at a glance.
type Status struct {
	Cluster     string          `json:"cluster"`
	ClusterID   string          `json:"clusterID,omitempty"`
	Kubernetes  string          `json:"kubernetes"`
	Initialised bool            `json:"initialised"`
	Destroying  bool            `json:"destroying,omitempty"` // a destroy has begun and is not finished
	Holder      *hostapi.Holder `json:"holder,omitempty"`     // of the run lock
	Hosts       []HostStatus    `json:"hosts"`
	Etcd        []etcd.Status   `json:"etcd,omitempty"`
	// EtcdError and APIError say why that part is missing.
	EtcdError string `json:"etcdError,omitempty"`
	APIError  string `json:"apiError,omitempty"`
}

// HostStatus is one host.
type HostStatus struct {
	Name    string   `json:"name"`
	Region  string   `json:"region"`
	Site    string   `json:"site"`
	Address string   `json:"address"`
	Roles   []string `json:"roles"`
	// Error says why the host could not be read.
	Error string `json:"error,omitempty"`
	// Managed is false on a host that has no record yet.
	Managed bool            `json:"managed"`
	Units   []UnitStatus    `json:"units,omitempty"`
	Drift   []hostapi.Drift `json:"drift,omitempty"`
	// Node is what the API says of the host's node: "Ready", the reason why not, or empty when it is no node.
	Node string `json:"node,omitempty"`
	// NextExpiry is the certificate that expires first.
	NextExpiry *Expiry `json:"nextExpiry,omitempty"`
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
}

// Healthy reports whether every host answers as recorded, every node is Ready and every etcd member is healthy.
func (s *Status) Healthy() bool {
	if !s.Initialised || s.Destroying || s.EtcdError != "" || s.APIError != "" {
		return false
	}
	for _, h := range s.Hosts {
		if h.Error != "" || !h.Managed || len(h.Drift) > 0 || (h.Node != "" && h.Node != "Ready") {
			return false
		}
	}
	for _, m := range s.Etcd {
		if m.Error != "" || len(m.Alarms) > 0 {
			return false
		}
	}
	return true
}

// Status reads every host that answers, etcd and the API. Hosts that do not answer are part of the answer.
func (e *Engine) Status(ctx context.Context) (*Status, error) {
	seen, failed := observe.Hosts(ctx, e.hosts, hostapi.ObserveRequest{}, e.parallel())
	docs, err := observe.Documents(e.cluster, seen)
	if err != nil {
		return nil, err
	}
	s := &Status{Cluster: e.cluster.Name, Kubernetes: e.cluster.Kubernetes}
	if inv := docs.Inventory; inv != nil {
		s.ClusterID, s.Kubernetes, s.Initialised, s.Destroying = inv.ClusterID, inv.Kubernetes, inv.Initialised, inv.Destroying
	}
	nodes := map[string]string{}
	if s.Initialised {
		e.statusOfEtcd(ctx, s)
		nodes = e.statusOfNodes(ctx, s)
	}
	for _, h := range e.cluster.Hosts {
		hs := HostStatus{Name: h.Name, Region: h.Site().Region.Name, Site: h.Site().Name, Address: h.Address.String(), Roles: inventory.Roles(h.Roles)}
		switch o := seen[h.Name]; {
		case o != nil:
			e.statusOfHost(&hs, o)
			if o.Holder != nil && s.Holder == nil {
				s.Holder = o.Holder
			}
		case e.failed[h.Name] != nil:
			hs.Error = e.failed[h.Name].Error()
		default:
			hs.Error = fmt.Sprint(failed[h.Name])
		}
		if h.IsNode() && s.Initialised && s.APIError == "" {
			hs.Node = nodes[h.Name]
		}
		s.Hosts = append(s.Hosts, hs)
	}
	return s, nil
}

func (e *Engine) statusOfHost(hs *HostStatus, o *hostapi.Observation) {
	hs.Drift = o.Drift
	if o.Record == nil {
		return
	}
	hs.Managed = len(o.Record.Items) > 0
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
	sort.Slice(hs.Units, func(i, j int) bool { return hs.Units[i].Name < hs.Units[j].Name })
}

func (hs *HostStatus) expires(kp *hostapi.KeyPair) {
	list, err := pki.DecodeCertificates(kp.Certificate)
	if err != nil || len(list) == 0 {
		return
	}
	if end := list[0].NotAfter; hs.NextExpiry == nil || end.Before(hs.NextExpiry.NotAfter) {
		hs.NextExpiry = &Expiry{Certificate: kp.CertPath, NotAfter: end}
	}
}

func (e *Engine) statusOfEtcd(ctx context.Context, s *Status) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	api := e.API(e, nil)
	defer api.Close()
	var err error
	if s.Etcd, err = api.Members(ctx); err != nil {
		s.EtcdError = err.Error()
	}
}

func (e *Engine) statusOfNodes(ctx context.Context, s *Status) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	api := e.API(e, nil)
	defer api.Close()
	nodes, err := api.Nodes(ctx)
	if err != nil {
		s.APIError = err.Error()
	}
	return nodes
}
