// Package plan compares what is desired with what was observed and orders the differences into phases. A plan is a value: it is what gets printed, saved and executed.
// It holds no secret, and making one does no I/O.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

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
	Issues bool `json:"issues,omitempty"`
	// Turns are the stages to which the replacement of authorities and keys comes with this plan.
	Turns []Turn `json:"turns,omitempty"`
	// GoesOn is true where another plan follows on this one, until replacements are done or rest.
	GoesOn bool    `json:"goesOn,omitempty"`
	Phases []Phase `json:"phases,omitempty"`
	// From is the release that the cluster comes from, where that changes.
	From string `json:"from,omitempty"`
	// Settles is true where the plan ends a change of release.
	Settles bool `json:"settles,omitempty"`
	// Surge are the hosts that are a part of the cluster for the time of the upgrade, and stand in for others.
	Surge []string `json:"surge,omitempty"`
	// Paused is how far the upgrade will have come where the topology has it paused and hosts wait.
	Paused *Paused `json:"paused,omitempty"`
	// MaxFailed is how many workers may fail before the apply stops.
	MaxFailed int `json:"maxFailed,omitempty"`
	// Leaving are hosts that the inventory has until the plan's last phase that writes it.
	Leaving []string `json:"leaving,omitempty"`
	// Skipped are the hosts that the plan leaves out, as a whole or for the most part. They are for a later apply.
	Skipped []Skip `json:"skipped,omitempty"`
	// Blocked are objects of manifests that cannot be applied as things are. Apply does the rest.
	Blocked []Block `json:"blocked,omitempty"`
	// Notes are warnings for the reader.
	Notes []string `json:"notes,omitempty"`
	// Preflight is what was found of hosts that are new to the cluster; nil when there are none.
	Preflight *preflight.Report `json:"preflight,omitempty"`
}

// Block is an object of a manifest that cannot be applied, and why: the reason begins with the manifest's place.
type Block struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// Skip is a host that a plan leaves out, and why.
type Skip struct {
	Host   string `json:"host"`
	Site   string `json:"site"`
	Reason string `json:"reason"`
}

// Complete reports whether the plan leaves no host out, and none waits.
func (p *Plan) Complete() bool { return len(p.Skipped) == 0 && p.Paused == nil }

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
			for _, a := range s.Actions {
				if !a.silent() {
					n++
				}
			}
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
	// Serial runs the steps one at a time, in order.
	Serial bool   `json:"serial,omitempty"`
	Steps  []Step `json:"steps,omitempty"`
	Gates  []Gate `json:"gates,omitempty"`
	// Limits is how many steps of each group run at once; where there are any, a step that fails keeps others from beginning.
	Limits map[string]int `json:"limits,omitempty"`
}

// Step is the part of a phase that concerns one host, or the cluster alone when Host is empty. Its actions are carried out in order, those on the host and those on the cluster.
type Step struct {
	Host    string   `json:"host,omitempty"`
	Site    string   `json:"site,omitempty"`
	Group   string   `json:"group,omitempty"` // that the phase's limits count it in
	Actions []Action `json:"actions"`
	// Guards must hold before the step begins: it takes away what others have to bear. Gates must come true after it.
	Guards []Gate `json:"guards,omitempty"`
	Gates  []Gate `json:"gates,omitempty"`
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
	Record   Verb = "record" // kinds of which there may be objects of manifests
	Unrecord Verb = "unrecord"
	Prune    Verb = "prune"
	Rewrite  Verb = "rewrite" // store objects of the API again, under another key
	Stop     Verb = "stop"
	Run      Verb = "run"     // a hook
	Owe      Verb = "owe"     // note on the host which hooks it has to run at the end
	Waive    Verb = "waive"   // a hook that is owed
	Await    Verb = "await"   // a gate
	Discard  Verb = "discard" // take a document off a host that is no control plane any more
	// On the cluster's nodes.
	Drain    Verb = "drain"
	Uncordon Verb = "uncordon"
	Delete   Verb = "delete" // or an object of the API
	// On etcd's members.
	AddMember     Verb = "add-member" // as a learner
	PromoteMember Verb = "promote-member"
	RemoveMember  Verb = "remove-member"
	MoveMember    Verb = "move-member" // to another address
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
	Key      string          `json:"key,omitempty"`    // name of the encryption key that a rewrite stores objects under
	Kinds    []string        `json:"kinds,omitempty"`  // that are recorded
	Node     string          `json:"node,omitempty"`
	Member   *Member         `json:"member,omitempty"`
	Gate     *Gate           `json:"gate,omitempty"` // of an await
	Hook     *Hook           `json:"hook,omitempty"`
	Owe      []hostapi.Owed  `json:"owe,omitempty"`
}

// silent says of an action that it is no change for a reader: a condition that is waited for, or what is noted for later.
func (a Action) silent() bool { return a.Verb == Await || a.Verb == Owe }

// Member is the etcd member that an action is about.
type Member struct {
	Name string `json:"name,omitempty"` // that of its host; empty for one that never started
	ID   uint64 `json:"id,omitempty"`   // 0 for one that is to be
	Peer string `json:"peer,omitempty"` // peer URL, of what is added or moved
}

// String names the member for a reader.
func (m Member) String() string {
	if m.Name == "" {
		return fmt.Sprintf("etcd member %x at %s", m.ID, m.Peer)
	}
	return "etcd member " + m.Name
}

// OnHost reports whether the action is carried out on the step's host; otherwise it is asked of the cluster.
func (a Action) OnHost() bool {
	return a.Node == "" && a.Member == nil && a.Object == nil && a.Gate == nil && a.Key == "" && a.Kinds == nil
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
	// GatePublished waits until every namespace has the authorities of Kubernetes that the inventory records.
	GatePublished GateKind = "authorities-published"
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
	PhaseSeal     = "seal"     // etcd has formed, and never will again
	PhaseHandOver = "handover" // the inventory with which the control planes of before count no more
	PhaseFinish   = "finish"   // the inventory without the hosts that left, and without the release that was left
	// PhaseBroughtUp ends a first bring-up: the inventory that says so.
	PhaseBroughtUp = "brought-up"
)

// GenerationIn is the generation of the inventory that a phase writes: each phase that writes it raises it by one.
func (p *Plan) GenerationIn(phase string) uint64 {
	g := p.Generation
	for _, ph := range p.Phases {
		if ph.writesInventory() {
			g++
		}
		if ph.Name == phase {
			break
		}
	}
	return g
}

func (ph *Phase) writesInventory() bool {
	return slices.ContainsFunc(ph.Steps, func(s Step) bool {
		return slices.ContainsFunc(s.Actions, func(a Action) bool { return a.Verb == Store && a.Document == inventory.Document })
	})
}

// SameWork reports whether two plans do the same, apart from how they explain it. A new certificate is the same work whenever it is issued.
func SameWork(a, b *Plan) bool {
	return a.workDigest() == b.workDigest()
}

func (p *Plan) workDigest() string {
	work := []any{p.Turns}
	for _, ph := range p.Phases {
		work = append(work, ph.Name, ph.Serial, ph.Gates, ph.Limits)
		for _, s := range ph.Steps {
			work = append(work, s.Host, s.Guards, s.Gates)
			for _, a := range s.Actions {
				work = append(work, a.Verb, a.ID, a.Item, a.Transfer, a.Document, a.Object, a.Unused, a.Node, a.Member, a.Gate, a.Key, a.Hook, a.Owe, a.Kinds)
			}
		}
	}
	b, err := json.Marshal(work)
	if err != nil {
		panic("plan: " + err.Error()) // plans hold plain data only
	}
	return hostapi.Digest(b)
}
