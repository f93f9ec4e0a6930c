package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Turn takes the replacement of one authority or key to its next stage. It is done to the cluster's documents before all else in a plan; what hosts have to change follows
// from the documents.
type Turn struct {
	Name       string          `json:"name"` // as the topology has it
	Generation int             `json:"generation"`
	Stage      inventory.Stage `json:"stage"` // that it comes to
	// Make is true where the new one is made now. Hosts learn of it by the next plan, which knows what it is.
	Make bool `json:"make,omitempty"`
	// Lost is true where the old one has ended, so that nothing is to be gained by stages: everybody gets the new one at once.
	Lost bool `json:"lost,omitempty"`
}

// seals says whether the sealed identity changes with the turn.
func (t Turn) seals() bool { return t.Make || t.Stage == inventory.StageSettled }

// reload is how long clients of Kubernetes' may go on with the certificate that they read before: client-go looks for another every 5 minutes (transport/cert_rotation.go, 0.37.2).
const reload = 6 * time.Minute

// stages are what each replacement passes, in order; the end is StageSettled.
var stages = map[string][]inventory.Stage{
	"etcd_ca":                     {inventory.StageTrust, inventory.StageSign, inventory.StageDrop},
	"front_proxy_ca":              {inventory.StageTrust, inventory.StageSign, inventory.StageDrop},
	"kubernetes_ca":               {inventory.StageTrust, inventory.StageSpread, inventory.StageSign, inventory.StageRetire, inventory.StageDrop},
	"online_ca":                   {inventory.StageTrust, inventory.StageSign, inventory.StageRenew, inventory.StageRetire, inventory.StageDrop},
	identity.RotateServiceAccount: {inventory.StageTrust, inventory.StageSign, inventory.StageRetire, inventory.StageDrop},
	identity.RotateEncryption:     {inventory.StageTrust, inventory.StageSign, inventory.StageDrop},
}

// stageTexts say what is so in a stage.
var stageTexts = map[inventory.Stage]string{
	inventory.StageTrust: "both are accepted, the old one signs", inventory.StageSpread: "rest, while what is not on hosts learns to accept both",
	inventory.StageSign: "both are accepted, the new one signs", inventory.StageRenew: "kubelets ask for new certificates",
	inventory.StageRetire: "rest, while what the old one signed is replaced", inventory.StageDrop: "the new one alone is accepted",
	inventory.StageSettled: "the old one is gone from the sealed identity",
}

// restOf is how long a stage lasts at least, once all hosts have come to it.
func restOf(name string, s inventory.Stage, rest time.Duration) time.Duration {
	switch {
	case s != inventory.StageSpread && s != inventory.StageRetire:
		return 0
	case name == "kubernetes_ca" && s == inventory.StageRetire:
		return min(rest, reload)
	}
	return rest
}

// until is when a replacement may go on.
func until(name string, r inventory.Rotation, rest time.Duration) time.Time {
	return r.Since.Add(restOf(name, r.Stage, rest))
}

// after is the stage after one, rests that last no time being left out.
func after(name string, s inventory.Stage, rest time.Duration) inventory.Stage {
	all := stages[name]
	at := 0
	if s != inventory.StageSettled {
		at = slices.Index(all, s) + 1
	}
	for ; at < len(all); at++ {
		if next := all[at]; (next != inventory.StageSpread && next != inventory.StageRetire) || restOf(name, next, rest) > 0 {
			return next
		}
	}
	return inventory.StageSettled
}

// DueTurns says which replacements go on. settled says that all hosts and objects are as the documents want them, none being away: otherwise only what has ended is replaced.
func DueTurns(c *topology.Cluster, inv *inventory.Inventory, settled bool, now time.Time) []Turn {
	if inv == nil || !inv.Initialised || !inv.Public.Known() {
		return nil
	}
	var out []Turn
	for _, name := range topology.RotationNames {
		r := inv.Rotation(name)
		if identity.Ended(inv.Public, name, now) {
			t := Turn{Name: name, Generation: r.Generation, Stage: inventory.StageDrop, Lost: true}
			if !identity.Succeeded(inv.Public, name, now) {
				t.Make = true
				t.Generation++
			}
			out = append(out, t)
			continue
		}
		switch {
		case r.Stage == inventory.StageSettled && c.Rotation.Generations[name] <= r.Generation, !settled:
		case now.Before(until(name, r, c.Rotation.Rest)):
		default:
			t := Turn{Name: name, Generation: r.Generation, Stage: after(name, r.Stage, c.Rotation.Rest), Make: r.Stage == inventory.StageSettled}
			if t.Make {
				t.Generation = c.Rotation.Generations[name]
			}
			out = append(out, t)
		}
	}
	return out
}

// Turned is the inventory after turns. The public half of what is made is not known before it is made.
func Turned(inv *inventory.Inventory, turns []Turn, now time.Time) (*inventory.Inventory, error) {
	out := *inv
	out.Rotations = maps.Clone(inv.Rotations)
	if out.Rotations == nil {
		out.Rotations = map[string]inventory.Rotation{}
	}
	for _, t := range turns {
		r := inventory.Rotation{Generation: t.Generation, Stage: t.Stage}
		if t.Stage == inventory.StageSpread || t.Stage == inventory.StageRetire {
			r.Since = now.UTC().Truncate(time.Second)
		}
		out.Rotations[t.Name] = r
		if t.Make {
			continue
		}
		var err error
		if out.Public, err = t.Public(out.Public); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// Public is the public half of the identity after the turn, when that of what the turn makes is in it.
func (t Turn) Public(public inventory.Public) (inventory.Public, error) {
	var err error
	if t.Stage == inventory.StageSign || t.Lost {
		if public, err = identity.Newest(public, t.Name); err != nil {
			return public, err
		}
	}
	if t.Stage == inventory.StageDrop {
		return identity.Only(public, t.Name)
	}
	return public, nil
}

// makes says whether the plan makes an authority or a key: it does nothing else then, since nobody knows yet what hosts shall be given.
func (m *maker) makes() bool {
	return slices.ContainsFunc(m.plan.Turns, func(t Turn) bool { return t.Make })
}

// Seals says whether the sealed identity changes with the plan.
func (p *Plan) Seals() bool { return slices.ContainsFunc(p.Turns, Turn.seals) }

// reseals says whether the sealed identity is stored anew by the phase of that name: by the first that keeps documents.
func (m *maker) reseals(phase string) bool { return m.plan.Seals() && phase == phaseInventory }

// phaseInventory brings documents up to date before anything else.
const phaseInventory = "inventory"

// lostAuthority says whether a turn of the plan replaces what has ended.
func (m *maker) lostAuthority() bool {
	return slices.ContainsFunc(m.plan.Turns, func(t Turn) bool { return t.Lost })
}

// turn begins a plan with what must be so before a replacement goes on, and with the objects that have to be stored anew before a key may go.
func (m *maker) turn() {
	if len(m.plan.Turns) == 0 || m.lostAuthority() {
		return
	}
	var nodes []*topology.Host
	for _, h := range m.hosts {
		if h.IsNode() {
			nodes = append(nodes, h)
		}
	}
	gates := append(m.controlPlaneGates(m.up()), Gate{Kind: GateNodes, Hosts: names(nodes)})
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "before", Title: "All is well before the next stage", Gates: append(gates, m.published()...)})
	for _, t := range m.plan.Turns {
		if t.Name == identity.RotateEncryption && t.Stage == inventory.StageDrop {
			m.phase(Phase{Name: "rewrite", Title: "Secrets and ConfigMaps, stored under the new key", Steps: []Step{{Actions: []Action{{
				Verb: Rewrite, Key: identity.EncryptionKey(m.Current.Public), Reason: "those that are under another key, or none, are stored again, unchanged",
			}}}}})
		}
	}
}

// published waits for what pods know the API by, while the authority of Kubernetes is replaced.
func (m *maker) published() []Gate {
	if m.Current == nil || m.Current.Rotation("kubernetes_ca").Stage == inventory.StageSettled {
		return nil
	}
	return []Gate{{Kind: GatePublished}}
}

// keys keeps a plan to the documents that hold a new authority or key.
func (m *maker) keys() {
	m.turn()
	m.remember()
	m.plan.Issues = true
}

// turnText says for the reader what the documents are changed for.
func (m *maker) turnText() string {
	var out []string
	for _, t := range m.plan.Turns {
		text := stageTexts[t.Stage]
		switch {
		case t.Lost:
			text = "the old one ended, and everybody gets the new one at once"
		case t.Make:
			text = "the new one is made"
		}
		out = append(out, fmt.Sprintf("%s %d: %s", t.Name, t.Generation, text))
	}
	return strings.Join(out, "; ")
}

// RotationState is how far the replacement of an authority or a key has come.
type RotationState struct {
	Name       string          `json:"name"` // as the topology has it
	Generation int             `json:"generation"`
	Stage      inventory.Stage `json:"stage,omitempty"`
	Asked      int             `json:"asked,omitempty"` // generation that the topology asks for
	// Until is when a rest ends; zero where there is none.
	Until time.Time `json:"until,omitzero"`
	Text  string    `json:"text"` // what is so, and what comes next
}

// Rotations tells of the replacements that are under way, or asked for, or that cannot be.
func Rotations(c *topology.Cluster, inv *inventory.Inventory, now time.Time) []RotationState {
	var out []RotationState
	for _, name := range topology.RotationNames {
		r, rest := inv.Rotation(name), c.Rotation.Rest
		s := RotationState{Name: name, Generation: r.Generation, Stage: r.Stage, Asked: c.Rotation.Generations[name]}
		switch {
		case r.Stage != inventory.StageSettled:
			s.Text = fmt.Sprintf("%s %d, stage %q of %s: %s. Next: %s", name, r.Generation, r.Stage, path(name, rest), stageTexts[r.Stage], stageTexts[after(name, r.Stage, rest)])
			if end := until(name, r, rest); now.Before(end) {
				s.Until = end
				s.Text += fmt.Sprintf(", by an apply after %s. %s", end.UTC().Format(time.RFC3339), restAdvice(name))
			}
		case s.Asked > r.Generation:
			s.Text = fmt.Sprintf("%s %d is asked for (%s), the cluster has %d: an apply begins with it once nothing else is left to do", name, s.Asked, topology.Place(c.Rotation.Range), r.Generation)
		case s.Asked > 0 && s.Asked < r.Generation:
			s.Text = fmt.Sprintf("%s: the topology says %d (%s) and the cluster has come to %d; an old one does not come back", name, s.Asked, topology.Place(c.Rotation.Range), r.Generation)
		default:
			continue
		}
		out = append(out, s)
	}
	return out
}

// rotationNotes tell how far replacements have come, and what comes next. Of one that begins the plan tells by its actions.
func (m *maker) rotationNotes() []string {
	var out []string
	for _, s := range Rotations(m.Cluster, m.Target, m.Now) {
		if s.Stage != inventory.StageSettled || s.Asked < s.Generation {
			out = append(out, s.Text)
		}
	}
	return out
}

// path writes the stages of a replacement.
func path(name string, rest time.Duration) string {
	var out []string
	for s := after(name, inventory.StageSettled, rest); s != inventory.StageSettled; s = after(name, s, rest) {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// restAdvice says what depends on the old one and is not Trivet's to replace.
func restAdvice(name string) string {
	switch name {
	case "kubernetes_ca":
		return "Until then hand out kubeconfigs again (trivet kubeconfig), and restart pods whose clients of the API do not read their authorities again: those built with client-go before 1.36 (kubectl rollout restart)"
	case "online_ca":
		return "Kubeconfigs that were handed out before end with it (trivet kubeconfig makes new ones)"
	case identity.RotateServiceAccount:
		return "Kubelets have replaced the tokens in pods after an hour at most. Tokens that somebody keeps elsewhere end with it: make Secrets of the type kubernetes.io/service-account-token anew, and restart what reads its token only once"
	}
	return ""
}

// goesOn says whether another plan follows on this one without a rest.
func (m *maker) goesOn() bool {
	if !m.plan.Complete() || m.plan.Empty() {
		return false
	}
	for _, name := range topology.RotationNames {
		r := m.Target.Rotation(name)
		if (r.Stage != inventory.StageSettled && restOf(name, r.Stage, m.Cluster.Rotation.Rest) == 0) || m.Cluster.Rotation.Generations[name] > r.Generation {
			return true
		}
	}
	return false
}

// void takes out of the hosts' actions what is to be done at once and without guards, since nobody accepts the certificates that are there: new ones, and, where an authority was
// replaced that had ended, all else that the change of authority asks for.
func (m *maker) void() {
	var steps []Step
	for _, h := range m.hosts {
		s := Step{Host: h.Name, Site: h.Site().Name}
		s.Actions, m.actions[h.Name] = m.voided(h)
		steps = append(steps, s)
	}
	m.phase(Phase{Name: "void", Title: "Certificates that nobody accepts any more", Steps: steps, Gates: m.controlPlaneGates(m.up())})
}

// voided splits the actions of a host into those and the rest.
func (m *maker) voided(h *topology.Host) (at, rest []Action) {
	pairs, unknown := m.unaccepted(h)
	for _, a := range m.actions[h.Name] {
		etcd := a.Part == desired.PartEtcd
		if pairs[a.ID] || (unknown[certs.Etcd] && (etcd || a.Part == desired.PartAPIServer)) || (unknown[certs.Kubernetes] && !etcd) {
			at = append(at, a)
		} else {
			rest = append(rest, a)
		}
	}
	return at, rest
}

// unaccepted finds the certificates of a host that nobody accepts any more, and the authorities of which it has some that none of the trusted ones signed.
func (m *maker) unaccepted(h *topology.Host) (pairs map[hostapi.ID]bool, unknown map[certs.Authority]bool) {
	recorded := map[hostapi.ID][]byte{}
	if r := m.Seen[h.Name].Record; r != nil {
		for _, i := range r.Items {
			if i.Item.KeyPair != nil {
				recorded[i.Item.ID()] = i.Item.KeyPair.Certificate
			}
		}
	}
	pairs, unknown = map[hostapi.ID]bool{}, map[certs.Authority]bool{}
	for _, a := range m.actions[h.Name] {
		if a.Item == nil || a.Item.Certificate == nil || len(recorded[a.ID]) == 0 {
			continue
		}
		authority := a.Item.Certificate.Authority
		void, ended := certs.Void(recorded[a.ID], []byte(m.Target.Public.Authorities[string(authority)]), m.Now)
		pairs[a.ID] = void
		unknown[authority] = unknown[authority] || void && !ended
	}
	return pairs, unknown
}
