package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// trouble is something that is not as it should be, with what to do.
type trouble struct {
	text string
	mild bool // nothing is broken yet
}

func (r *statusReport) troubles() []trouble {
	var out []trouble
	bad := func(format string, args ...any) { out = append(out, trouble{text: fmt.Sprintf(format, args...)}) }
	mild := func(format string, args ...any) { out = append(out, trouble{fmt.Sprintf(format, args...), true}) }
	var silent []string
	for _, h := range r.Hosts {
		if h.Error != "" {
			silent = append(silent, h.Error)
		}
	}
	for _, text := range sameReason(silent) {
		bad("%s", text)
	}
	for _, h := range r.Hosts {
		if h.Error != "" {
			continue
		}
		if !h.Managed && r.Initialised {
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
		case "trivet":
			bad("node %s takes no new pods: a run took them off and has not ended (trivet apply goes on)", h.Name)
		case "others":
			mild("node %s takes no new pods, and not by Trivet: kubectl uncordon %s ends it", h.Name, h.Name)
		}
		if x := h.NextExpiry; x != nil {
			switch left := x.NotAfter.Sub(r.now); {
			case left <= 0:
				bad("host %s: %s expired on %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly))
			case left < r.renew:
				mild("host %s: %s ends on %s, %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly), r.left(x.NotAfter))
			}
		}
	}
	for _, m := range r.Etcd {
		switch {
		case m.Unknown && slices.Contains(r.Leaving, m.Name):
			// said of its host
		case m.Unknown, m.Unstarted:
			bad("etcd member %s: %s (trivet apply removes it, or goes on with it where an apply added it)", m.Name, r.once(m.Error))
		case m.Error != "":
			bad("etcd member %s: %s", m.Name, r.once(m.Error))
		case len(m.Alarms) > 0:
			bad("etcd member %s: %s", m.Name, strings.Join(m.Alarms, ", "))
		case m.Leader == 0:
			bad("etcd member %s follows no leader: too few members reach each other for a quorum, or an election is under way", m.Name)
		}
	}
	for _, o := range r.Objects {
		switch {
		case o.Problem != "":
			bad("API: %s: %s", o, o.What())
		case o.Unwanted:
			bad("API: %s: %s (trivet apply deletes it)", o, o.What())
		default:
			bad("API: %s: %s (trivet apply mends it)", o, o.What())
		}
	}
	if r.EtcdError != "" {
		bad("etcd: %s", r.once(r.EtcdError))
	}
	if r.APIError != "" {
		bad("API: %s", r.once(r.APIError))
	}
	if r.ObjectsError != "" {
		bad("objects of the API: %s", r.once(r.ObjectsError))
	}
	return append(out, r.clusterTroubles()...)
}

// clusterTroubles are those of the cluster as a whole.
func (r *statusReport) clusterTroubles() []trouble {
	var out []trouble
	bad := func(format string, args ...any) { out = append(out, trouble{text: fmt.Sprintf(format, args...)}) }
	mild := func(format string, args ...any) { out = append(out, trouble{fmt.Sprintf(format, args...), true}) }
	if x := r.Snapshots; x != nil {
		for _, w := range x.Wrong {
			where := ""
			switch {
			case w.Host != "":
				where = "host " + w.Host + ": "
			case w.Site != "":
				where = "site " + w.Site + ": "
			}
			bad("snapshots of etcd: %s%s (see trivet snapshots)", where, r.once(w.Detail))
		}
	}
	switch far := r.howFar(); {
	case r.From != "" && r.Paused:
		mild("the upgrade from Kubernetes %s to %s is paused%s (without paused = true in the upgrade block trivet apply goes on)", r.From, r.Kubernetes, far)
	case r.From != "":
		bad("the upgrade from Kubernetes %s to %s is not finished%s (trivet apply goes on)", r.From, r.Kubernetes, far)
	}
	if r.Wanted != "" {
		mild("the topology has Kubernetes %s, the cluster %s (trivet plan shows the upgrade)", r.Wanted, r.Kubernetes)
	}
	for _, name := range r.Leaving {
		mild("host %s is still in the cluster, and not to be any more (trivet apply takes it out)", name)
	}
	for _, name := range r.UnknownNodes {
		mild("node %s is no host of the topology, and not Trivet's: kubectl delete node %s, unless somebody wants it", name, name)
	}
	for _, x := range r.Rotations {
		mild("%s", x.Text)
	}
	for _, text := range r.Authorities {
		mild("%s", text)
	}
	return out
}

// howFar says how many nodes an upgrade has come to.
func (r *statusReport) howFar() string {
	p := r.Progress
	if p == nil {
		return ""
	}
	return fmt.Sprintf(": %d of %s and %d of %s have its kubelet", p.Workers, count(p.OfWorkers, "worker"), p.ControlPlanes, count(p.OfControlPlanes, "control plane"))
}

// once leaves out of a text what was said of hosts that do not answer.
func (r *statusReport) once(text string) string {
	for _, h := range r.Hosts {
		if h.Error != "" {
			text = strings.ReplaceAll(text, h.Error, "host "+h.Name+" does not answer, see above")
		}
	}
	return text
}
