package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Hook is one run of a command of the topology's on a step's host.
type Hook struct {
	Name        string            `json:"name"`
	When        When              `json:"when,omitempty"`
	Step        topology.HookStep `json:"step,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Environment []string          `json:"environment,omitempty"`
	Timeout     time.Duration     `json:"timeout,omitempty"` // nanoseconds
}

// When says on which side of a step a hook runs.
type When string

// Sides of a step.
const (
	Before When = "before"
	After  When = "after"
)

// String names the run for a reader.
func (k *Hook) String() string {
	if k.When == "" {
		return "hook " + k.Name
	}
	return fmt.Sprintf("hook %s %s %s", k.Name, k.When, k.Step)
}

// line writes the command for a reader.
func (k *Hook) line() string {
	out := make([]string, len(k.Command))
	for i, arg := range k.Command {
		if out[i] = arg; arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return !strconv.IsPrint(r) || strings.ContainsRune(" \"'\\$", r) }) {
			out[i] = strconv.Quote(arg)
		}
	}
	return strings.Join(out, " ")
}

const (
	phaseBeforeInstall = "before-install"
	phaseOwed          = "owed"
	phaseOwedLate      = "owed-late"
	phaseAfterInstall  = "after-install"
)

// hookedPhases are those whose steps on hosts change what runs there. The others bring artifacts, images and documents, which nobody notices, or what is down and must not wait for
// anybody's command.
var hookedPhases = []string{phaseFormer, "members", "control-planes", phaseSurge, "control-plane-nodes", "workers", "nodes", "leave", "leave-workers"}

// stepOn says what the plan does to a host, as hooks tell it apart. A host is being installed until its kubelet has been started, or its etcd where it is no node.
func (m *maker) stepOn(h *topology.Host) topology.HookStep {
	if slices.ContainsFunc(m.goers(), func(d *topology.Host) bool { return d.Name == h.Name }) {
		return topology.StepRemove
	}
	unit := kubeletUnit
	if !h.IsNode() {
		unit = desired.EtcdUnit
	}
	r := m.Seen[h.Name].Record
	if m.fresh || r == nil || !slices.ContainsFunc(r.Items, func(i hostapi.RecordedItem) bool { return i.Item.ID() == unitID(unit) && !i.Unmade }) ||
		slices.ContainsFunc(r.Owed, func(o hostapi.Owed) bool { return o.Step == string(topology.StepInstall) }) {
		return topology.StepInstall
	}
	if upgrades, _ := m.upgrades(); upgrades {
		return topology.StepUpgrade
	}
	return topology.StepChange
}

func unitID(name string) hostapi.ID { return hostapi.ID{Kind: hostapi.KindUnit, Name: name} }

// hooksOf are the hooks of a host around a step.
func (m *maker) hooksOf(h *topology.Host, step topology.HookStep) (before, after []Action) {
	for i := range m.Cluster.Hooks {
		k := &m.Cluster.Hooks[i]
		if !k.On(h) {
			continue
		}
		if slices.Contains(k.Before, step) {
			before = append(before, m.runOf(k, h, Before, step, ""))
		}
		if slices.Contains(k.After, step) {
			after = append(after, m.runOf(k, h, After, step, ""))
		}
	}
	return before, after
}

// hooked says whether hooks stand around each step of a host that is changed.
func (m *maker) hooked(h *topology.Host) bool {
	step := m.stepOn(h)
	before, after := m.hooksOf(h, step)
	return (step == topology.StepChange || step == topology.StepUpgrade) && len(before)+len(after) > 0
}

// removalHooks are the hooks around giving a host back. One that has nothing any more has had them.
func (m *maker) removalHooks(h *topology.Host) (before, after []Action) {
	if m.Seen[h.Name].Blank() {
		return nil, nil
	}
	return m.hooksOf(h, topology.StepRemove)
}

func (m *maker) runOf(k *topology.Hook, h *topology.Host, when When, step topology.HookStep, reason string) Action {
	roles := make([]string, len(h.Roles))
	for i, r := range h.Roles {
		roles[i] = string(r)
	}
	return Action{Verb: Run, Reason: reason, Hook: &Hook{
		Name: k.Name, When: when, Step: step, Command: k.Command, Timeout: k.Timeout,
		Environment: []string{
			"TRIVET_CLUSTER=" + m.Cluster.Name, "TRIVET_KUBERNETES=" + m.Cluster.Kubernetes,
			"TRIVET_HOST=" + nameOf(h), "TRIVET_ADDRESS=" + h.Address.String(), "TRIVET_SITE=" + h.Site().Name, "TRIVET_ROLES=" + strings.Join(roles, ","),
			"TRIVET_HOOK=" + k.Name, "TRIVET_WHEN=" + string(when), "TRIVET_STEP=" + string(step),
		},
	}}
}

// owing notes on a host, before anything else, which hooks it has to run at the end.
func owing(after []Action) []Action {
	if len(after) == 0 {
		return nil
	}
	a := Action{Verb: Owe}
	for _, r := range after {
		a.Owe = append(a.Owe, hostapi.Owed{Hook: r.Hook.Name, Step: string(r.Hook.Step)})
	}
	return []Action{a}
}

func awaits(gates []Gate) []Action {
	var out []Action
	for i := range gates {
		out = append(out, Action{Verb: Await, Gate: &gates[i]})
	}
	return out
}

// surround puts hooks around a step: before its first action, and after all that it waits for. What had to be true before it began must be so still when its hooks have run.
func surround(s *Step, before, after []Action, wait []Gate) {
	out := slices.Concat(owing(after), before)
	if len(before) > 0 {
		out = append(out, awaits(s.Guards)...)
	}
	s.Actions = append(out, s.Actions...)
	s.follow(after, wait)
}

// follow ends a step with hooks, after all that it waits for.
func (s *Step) follow(hooks []Action, wait []Gate) {
	if len(hooks) > 0 {
		s.Actions = slices.Concat(s.Actions, awaits(s.Gates), awaits(wait), hooks)
		s.Gates = nil
	}
}

// nodeReady waits for a host's node, where it is one and the actions do not.
func nodeReady(h *topology.Host, actions []Action) []Gate {
	if !h.IsNode() || slices.ContainsFunc(actions, func(a Action) bool { return a.Gate != nil && a.Gate.Kind == GateNodes }) {
		return nil
	}
	return []Gate{{Kind: GateNodes, Hosts: []string{h.Name}}}
}

func onHost(s Step) bool {
	return s.Host != "" && slices.ContainsFunc(s.Actions, Action.OnHost)
}

// hooks puts the topology's hooks into a plan that is complete but for them. Around what happens to a host that changes they stand at each of its steps, since meanwhile the others
// must be able to go on without it; a host that is installed or given back has them once.
func (m *maker) hooks() {
	runs := map[string][]string{}  // after something, by host
	installs := map[string]*Step{} // the last step of hosts that come into a running cluster
	for i := range m.plan.Phases {
		ph := &m.plan.Phases[i]
		if !slices.Contains(hookedPhases, ph.Name) {
			continue
		}
		for j := range ph.Steps {
			h := m.hostNamed(ph.Steps[j].Host)
			if h == nil || !onHost(ph.Steps[j]) {
				continue
			}
			s, step := &ph.Steps[j], m.stepOn(h)
			before, after := m.hooksOf(h, step)
			switch step {
			case topology.StepInstall:
				installs[h.Name] = s
			case topology.StepRemove:
				before, after := m.removalHooks(h)
				surroundRemoval([]*Step{s}, before, after)
			case topology.StepChange, topology.StepUpgrade:
				var wait []Gate
				if takesAway(s.Actions) {
					wait = nodeReady(h, s.Actions)
				}
				surround(s, before, after, wait)
				for _, a := range after {
					runs[h.Name] = append(runs[h.Name], a.Hook.Name)
				}
			}
		}
	}
	var first, early, late, last []Step
	for _, h := range m.hosts {
		begin, end := m.installHooks(h)
		for _, a := range end {
			runs[h.Name] = append(runs[h.Name], a.Hook.Name)
		}
		if s := installs[h.Name]; s != nil { // it has to be there for whom it makes room
			s.follow(end, nodeReady(h, s.Actions))
			end = nil
		}
		first = append(first, Step{Host: h.Name, Site: h.Site().Name, Actions: begin})
		last = append(last, Step{Host: h.Name, Site: h.Site().Name, Actions: end})
		s := Step{Host: h.Name, Site: h.Site().Name, Actions: m.owed(h, runs[h.Name])}
		if m.fresh || h.IsNode() && (m.Nodes == nil || m.broken(h.Name)) {
			late = append(late, s)
		} else {
			early = append(early, s)
		}
	}
	phases := m.plan.Phases
	m.plan.Phases = nil
	m.phase(Phase{Name: phaseBeforeInstall, Title: "Hooks before hosts are installed", Steps: first})
	// A host that owes a hook may be away for those who use it: it comes back before any other goes. Where its node is not Ready, nothing else waits for that.
	at := slices.IndexFunc(phases, func(ph Phase) bool {
		return ph.Name != phaseFormer && ph.Name != "members" && slices.Contains(hookedPhases, ph.Name)
	})
	if at < 0 {
		at = len(phases)
	}
	m.plan.Phases = append(m.plan.Phases, phases[:at]...)
	m.phase(Phase{Name: phaseOwed, Title: "Hooks that are owed", Steps: early})
	m.plan.Phases = append(m.plan.Phases, phases[at:]...)
	m.phase(Phase{Name: phaseOwedLate, Title: "Hooks that are owed where nodes were not Ready", Steps: late})
	m.phase(Phase{Name: phaseAfterInstall, Title: "Hooks after hosts are installed", Steps: last})
	m.hookNotes()
}

// goers are the hosts and machines that are given back.
func (m *maker) goers() []*topology.Host {
	out := slices.Clone(m.Departing)
	for _, f := range m.Formers {
		out = append(out, f.Host)
	}
	return out
}

func (m *maker) hostNamed(name string) *topology.Host {
	for _, h := range slices.Concat(m.hosts, m.goers()) {
		if h.Name == name && m.Seen[name] != nil {
			return h
		}
	}
	return nil
}

// installHooks are what a host that is installed begins and ends with.
func (m *maker) installHooks(h *topology.Host) (begin, end []Action) {
	if m.stepOn(h) != topology.StepInstall ||
		!slices.ContainsFunc(m.plan.Phases, func(ph Phase) bool {
			return slices.ContainsFunc(ph.Steps, func(s Step) bool { return s.Host == h.Name && onHost(s) })
		}) {
		return nil, nil
	}
	before, after := m.hooksOf(h, topology.StepInstall)
	return slices.Concat(owing(after), before), after
}

// owes says whether a host has hooks to run from an earlier run.
func (m *maker) owes(host string) bool {
	o := m.Seen[host]
	return o != nil && o.Record != nil && len(o.Record.Owed) > 0
}

// owed are the hooks that a host owes from earlier runs, but for those that the plan runs anyway. What the topology does not have any more is not owed to anybody.
func (m *maker) owed(h *topology.Host, runs []string) []Action {
	var waived, out []Action
	if !m.owes(h.Name) {
		return nil
	}
	for _, o := range m.Seen[h.Name].Record.Owed {
		step := topology.HookStep(o.Step)
		at := slices.IndexFunc(m.Cluster.Hooks, func(k topology.Hook) bool { return k.Name == o.Hook && k.On(h) && slices.Contains(k.After, step) })
		switch {
		case slices.Contains(runs, o.Hook):
		case at < 0:
			waived = append(waived, Action{Verb: Waive, Hook: &Hook{Name: o.Hook}, Reason: "it is owed, and no longer in the topology"})
		default:
			out = append(out, m.runOf(&m.Cluster.Hooks[at], h, After, step, "it is owed: an earlier run ended before it had run"))
		}
	}
	if len(out) > 0 {
		out = slices.Concat(awaits(nodeReady(h, nil)), out)
	}
	return append(waived, out...)
}

// surroundRemoval puts hooks around the steps that give a host back: before the first action, and right before the record goes that says what is owed.
func surroundRemoval(steps []*Step, before, after []Action) {
	for i, s := range steps {
		out := s.Actions
		if at := slices.IndexFunc(out, func(a Action) bool { return a.Verb == Forget }); at >= 0 {
			out = slices.Insert(slices.Clone(out), at, after...)
		}
		if i == 0 {
			begin := slices.Concat(owing(after), before)
			if len(before) > 0 {
				begin = append(begin, awaits(s.Guards)...)
			}
			out = append(begin, out...)
		}
		s.Actions = out
	}
}

// hookNotes tells of hosts that are taken out without their hooks.
func (m *maker) hookNotes() {
	for _, h := range m.Departing {
		if m.Seen[h.Name] == nil && !m.skipped(h.Name) {
			m.hooksLeftOut(h)
		}
	}
}

// hooksLeftOut tells of the hooks that a host would run if it answered.
func (m *maker) hooksLeftOut(h *topology.Host) {
	before, after := m.hooksOf(h, topology.StepRemove)
	var names []string
	for _, a := range slices.Concat(before, after) {
		if !slices.Contains(names, a.Hook.Name) {
			names = append(names, a.Hook.Name)
		}
	}
	if len(names) > 0 {
		m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("host %s does not answer: %s of its removal %s not run (%s)", h.Name, verb(len(names), "the hook", "the hooks"), verb(len(names), "is", "are"), strings.Join(names, ", ")))
	}
}
