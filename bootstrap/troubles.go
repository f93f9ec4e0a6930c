package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Trouble is something of a cluster that is not as it should be, with what to do.
type Trouble struct {
	Text string
	Mild bool // nothing is broken yet
}

// Silent says of each host that does not answer why.
func (s *Status) Silent() []string {
	var out []string
	for _, h := range s.Hosts {
		if h.Error != "" {
			out = append(out, h.Error)
		}
	}
	return out
}

// Troubles are what else is not as it should be. Certificates that end within renew are renewed by an apply, and told.
func (s *Status) Troubles(now time.Time, renew time.Duration) []Trouble {
	var out []Trouble
	bad := func(format string, args ...any) { out = append(out, Trouble{Text: fmt.Sprintf(format, args...)}) }
	mild := func(format string, args ...any) { out = append(out, Trouble{fmt.Sprintf(format, args...), true}) }
	for _, h := range s.Hosts {
		if h.Error != "" {
			continue
		}
		if !h.Managed && s.Initialised {
			mild("host %s is not set up yet (trivet apply sets it up)", h.Name)
		}
		for _, d := range h.Drift {
			name := d.ID.Name
			if d.ID.Kind != hostapi.KindFile {
				name = string(d.ID.Kind) + " " + name
			}
			bad("host %s: %s: %s (trivet apply mends it)", h.Name, name, d.What)
		}
		for _, k := range h.Owed {
			bad("host %s: the hook %s after %q has not run (trivet apply runs it)", h.Name, k.Hook, k.Step)
		}
		if h.Damage != "" {
			bad("host %s: the data of its etcd member are damaged: %s (trivet apply makes it anew, as long as the others have a quorum)", h.Name, h.Damage)
		}
		for _, d := range h.Overrides {
			mild("host %s: unit %s: %s; it changes what the unit does and stays", h.Name, d.ID.Name, d.What)
		}
		if h.Node != "" && h.Node != "Ready" {
			bad("node %s: %s", h.Name, h.Node)
		}
		if h.NoNetwork {
			bad("node %s: its pod network has not been said to be up (trivet apply restarts flanneld there)", h.Name)
		}
		switch h.Cordoned {
		case cordonedByTrivet:
			bad("node %s takes no new pods: a run took them off and has not ended (trivet apply goes on)", h.Name)
		case cordonedByOthers:
			mild("node %s takes no new pods, and not by Trivet: kubectl uncordon %s ends it", h.Name, h.Name)
		}
		if x := h.NextExpiry; x != nil {
			switch left := x.NotAfter.Sub(now); {
			case left <= 0:
				bad("host %s: %s expired on %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly))
			case left < renew:
				mild("host %s: %s ends on %s, %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly), TimeLeft(x.NotAfter, now))
			}
		}
	}
	for _, m := range s.Etcd {
		switch {
		case m.Unknown && slices.Contains(s.Leaving, m.Name):
			// said of its host
		case m.Unknown, m.Unstarted:
			bad("etcd member %s: %s (trivet apply removes it, or goes on with it where an apply added it)", m.Name, s.once(m.Error))
		case m.Error != "":
			bad("etcd member %s: %s", m.Name, s.once(m.Error))
		case len(m.Alarms) > 0:
			bad("etcd member %s: %s", m.Name, strings.Join(m.Alarms, ", "))
		case m.ID != 0 && m.Leader == 0: // as Healthy has it
			bad("etcd member %s follows no leader: too few members reach each other for a quorum, or an election is under way", m.Name)
		}
	}
	for _, o := range s.Objects {
		switch {
		case o.Problem != "":
			bad("API: %s: %s", o, o.What())
		case o.Unwanted:
			bad("API: %s: %s (trivet apply deletes it)", o, o.What())
		default:
			bad("API: %s: %s (trivet apply mends it)", o, o.What())
		}
	}
	if s.EtcdError != "" {
		bad("etcd: %s", s.once(s.EtcdError))
	}
	if s.APIError != "" {
		bad("API: %s", s.once(s.APIError))
	}
	if s.ObjectsError != "" {
		bad("objects of the API: %s", s.once(s.ObjectsError))
	}
	return append(out, s.clusterTroubles()...)
}

// clusterTroubles are those of the cluster as a whole.
func (s *Status) clusterTroubles() []Trouble {
	var out []Trouble
	bad := func(format string, args ...any) { out = append(out, Trouble{Text: fmt.Sprintf(format, args...)}) }
	mild := func(format string, args ...any) { out = append(out, Trouble{fmt.Sprintf(format, args...), true}) }
	if x := s.Snapshots; x != nil {
		for _, w := range x.Wrong {
			where := ""
			switch {
			case w.Host != "":
				where = "host " + w.Host + ": "
			case w.Site != "":
				where = "site " + w.Site + ": "
			}
			bad("snapshots of etcd: %s%s (see trivet snapshots)", where, s.once(w.Detail))
		}
	}
	switch far := s.howFar(); {
	case s.From != "" && s.Paused:
		mild("the upgrade from Kubernetes %s to %s is paused%s (without paused = true in the upgrade block trivet apply goes on)", s.From, s.Kubernetes, far)
	case s.From != "":
		bad("the upgrade from Kubernetes %s to %s is not finished%s (trivet apply goes on)", s.From, s.Kubernetes, far)
	}
	if s.Wanted != "" {
		mild("the topology has Kubernetes %s, the cluster %s (trivet plan shows the upgrade)", s.Wanted, s.Kubernetes)
	}
	for _, name := range s.Leaving {
		mild("host %s is still in the cluster, and not to be any more (trivet apply takes it out)", name)
	}
	for _, name := range s.UnknownNodes {
		mild("node %s is no host of the topology, and not Trivet's: kubectl delete node %s, unless somebody wants it", name, name)
	}
	for _, x := range s.Rotations {
		mild("%s", x.Text)
	}
	for _, text := range s.Authorities {
		mild("%s", text)
	}
	return out
}

// howFar says how many nodes an upgrade has come to.
func (s *Status) howFar() string {
	p := s.Progress
	if p == nil {
		return ""
	}
	return fmt.Sprintf(": %d of %s and %d of %s have its kubelet", p.Workers, topology.Count(p.OfWorkers, "worker"), p.ControlPlanes, topology.Count(p.OfControlPlanes, "control plane"))
}

// once leaves out of a text what was said of hosts that do not answer.
func (s *Status) once(text string) string {
	for _, h := range s.Hosts {
		if h.Error != "" {
			text = strings.ReplaceAll(text, h.Error, "host "+h.Name+" does not answer, see above")
		}
	}
	return text
}

// TimeLeft says how long a certificate is good for.
func TimeLeft(end, now time.Time) string {
	switch d := end.Sub(now); {
	case d <= 0:
		return "expired " + end.Format(time.DateOnly)
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h left", d.Hours())
	default:
		return fmt.Sprintf("%d d left", int(d.Hours()/24))
	}
}
