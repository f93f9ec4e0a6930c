// Package plan compares what is desired with what was observed and orders the differences into phases. A plan is a value: it is what gets printed, saved and executed.
// It holds no secret, and making one does no I/O.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Format is the version of a saved plan's layout.
const Format = 1

// Plan is everything that an apply will do, in order.
type Plan struct {
	Format     int    `json:"format"`
	Cluster    string `json:"cluster"`
	ClusterID  string `json:"clusterID,omitempty"` // empty before the first bring-up
	Kubernetes string `json:"kubernetes"`
	// Generation of the inventory the plan rests on; 0 when there is none yet.
	Generation uint64 `json:"generation"`
	// Facts is a digest, by host, of what the host showed: machine, record and drift. A plan whose facts changed is stale.
	Facts map[string]string `json:"facts"`
	// Inventory as it will be after the apply.
	Inventory *inventory.Inventory `json:"inventory,omitempty"`
	// NewIdentity is true when the cluster's authorities and secrets are made by this apply.
	NewIdentity bool `json:"newIdentity,omitempty"`
	// Issues is true when the apply signs certificates or writes secrets, so that it needs the identity opened.
	Issues bool    `json:"issues,omitempty"`
	Phases []Phase `json:"phases,omitempty"`
	// Skipped are the hosts that the plan leaves out, as a whole or for the most part. They are for a later apply.
	Skipped []Skip `json:"skipped,omitempty"`
	// Notes are warnings for the reader.
	Notes []string `json:"notes,omitempty"`
	// Preflight is what was found of hosts that are new to the cluster; nil when there are none.
	Preflight *preflight.Report `json:"preflight,omitempty"`
}

// Skip is a host that a plan leaves out, and why.
type Skip struct {
	Host   string `json:"host"`
	Site   string `json:"site"`
	Reason string `json:"reason"`
}

// Complete reports whether the plan leaves no host out.
func (p *Plan) Complete() bool { return len(p.Skipped) == 0 }

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	for _, ph := range p.Phases {
		if len(ph.Steps) > 0 {
			return false
		}
	}
	return true
}

// Actions counts the actions of all phases.
func (p *Plan) Actions() int {
	n := 0
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			n += len(s.Actions)
		}
	}
	return n
}

// Digest identifies the plan: two plans with the same digest do the same to the same hosts.
func (p *Plan) Digest() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("plan: " + err.Error()) // plans hold plain data only
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Phase is a set of steps and what must be true after them. The next phase begins when every step and gate has passed.
type Phase struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Serial runs the steps one host at a time, in order, with the gates after each.
	Serial bool   `json:"serial,omitempty"`
	Steps  []Step `json:"steps,omitempty"`
	Gates  []Gate `json:"gates,omitempty"`
}

// Step is the part of a phase that concerns one host, or the cluster's API when Host is empty.
type Step struct {
	Host    string   `json:"host,omitempty"`
	Site    string   `json:"site,omitempty"`
	Actions []Action `json:"actions"`
	// Guards must hold before the step begins: it takes away what others have to bear.
	Guards []Gate `json:"guards,omitempty"`
}

// Verb says what an action does.
type Verb string

// Verbs.
const (
	Create   Verb = "create"
	Update   Verb = "update"
	Mend     Verb = "mend" // bring back what was changed by hand
	Remove   Verb = "remove"
	Start    Verb = "start"
	Restart  Verb = "restart"
	Transfer Verb = "transfer"
	Store    Verb = "store" // put a document on a control plane
	Apply    Verb = "apply" // an API object
	Forget   Verb = "forget"
	Prune    Verb = "prune"
)

// Action is one change. Item, Transfer, Document or Object says of what.
type Action struct {
	Verb     Verb            `json:"verb"`
	ID       hostapi.ID      `json:"id,omitzero"`
	Part     string          `json:"part,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Before   string          `json:"before,omitempty"`
	After    string          `json:"after,omitempty"`
	Diff     string          `json:"diff,omitempty"` // unified, of files that are not secret
	Disrupts string          `json:"disrupts,omitempty"`
	Item     *desired.Item   `json:"item,omitempty"`
	Transfer *TransferOf     `json:"transfer,omitempty"`
	Document string          `json:"document,omitempty"`
	Object   *desired.Object `json:"object,omitempty"`
	Unused   []hostapi.Blob  `json:"unused,omitempty"` // what a prune takes away
}

// TransferOf is a blob that a host gets: from the operator's machine, or from a host of its own site.
type TransferOf struct {
	Name string       `json:"name"`
	Blob hostapi.Blob `json:"blob"`
	From string       `json:"from,omitempty"` // host; empty: the operator's machine
}

// GateKind names a condition that is watched.
type GateKind string

// Gates.
const (
	GateEtcd  GateKind = "etcd-healthy" // every member that is not away answers a linearizable read, which takes a quorum
	GateAPI   GateKind = "api-ready"    // /readyz of every control plane that is not away
	GateNodes GateKind = "nodes-ready"
	// GateNetworks waits for what the network plugin says of every node.
	GateNetworks GateKind = "networks-ready"
	GateDNS      GateKind = "dns-available" // CoreDNS has the replicas it should have
	// Guards: the etcd members other than the one on the host are healthy and a quorum of the member list; another API server than the host's is ready.
	GuardEtcd GateKind = "etcd-spare"
	GuardAPI  GateKind = "api-spare"
)

// Gate is a condition that must come true before the run goes on.
type Gate struct {
	Kind  GateKind `json:"kind"`
	Hosts []string `json:"hosts,omitempty"`
	// Minimum is how many replicas are enough where hosts are away; 0 wants all.
	Minimum int `json:"minimum,omitempty"`
}

// Names of phases that the executor treats in a way of their own.
const (
	PhaseIdentity = "identity" // the first documents of a new cluster
	PhaseSpread   = "spread"   // transfers between hosts of a site
	PhaseSeal     = "seal"     // the end of a first bring-up
)

// Bootstraps reports whether the plan writes the first inventory of a bring-up before the one that ends it.
func (p *Plan) Bootstraps() bool {
	for _, ph := range p.Phases {
		if ph.Name != PhaseIdentity {
			continue
		}
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Document == inventory.Document {
					return true
				}
			}
		}
	}
	return false
}

// SameWork reports whether two plans do the same, apart from how they explain it. A new certificate is the same work whenever it is issued.
func SameWork(a, b *Plan) bool {
	return a.workDigest() == b.workDigest()
}

func (p *Plan) workDigest() string {
	var work []any
	for _, ph := range p.Phases {
		work = append(work, ph.Name, ph.Serial, ph.Gates)
		for _, s := range ph.Steps {
			work = append(work, s.Host, s.Guards)
			for _, a := range s.Actions {
				work = append(work, a.Verb, a.ID, a.Item, a.Transfer, a.Document, a.Object, a.Unused)
			}
		}
	}
	b, err := json.Marshal(work)
	if err != nil {
		panic("plan: " + err.Error()) // plans hold plain data only
	}
	return hostapi.Digest(b)
}
