package main

import (
	"fmt"
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
			out = append(out, trouble{fmt.Sprintf("host %s is not set up yet (trivet apply sets it up)", h.Name), true})
		}
		for _, d := range h.Drift {
			name := d.ID.Name
			if d.ID.Kind != hostapi.KindFile {
				name = string(d.ID.Kind) + " " + name
			}
			bad("host %s: %s: %s (trivet apply mends it)", h.Name, name, d.What)
		}
		for _, d := range h.Overrides {
			out = append(out, trouble{fmt.Sprintf("host %s: unit %s: %s; it changes what the unit does and stays", h.Name, d.ID.Name, d.What), true})
		}
		if h.Node != "" && h.Node != "Ready" {
			bad("node %s: %s", h.Name, h.Node)
		}
		if x := h.NextExpiry; x != nil {
			switch left := x.NotAfter.Sub(r.now); {
			case left <= 0:
				bad("host %s: %s expired on %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly))
			case left < r.renew:
				out = append(out, trouble{fmt.Sprintf("host %s: %s ends on %s, %s (trivet apply renews it)", h.Name, x.Certificate, x.NotAfter.Format(time.DateOnly), r.left(x.NotAfter)), true})
			}
		}
	}
	for _, m := range r.Etcd {
		switch {
		case m.Error != "":
			bad("etcd member %s: %s", m.Name, r.once(m.Error))
		case len(m.Alarms) > 0:
			bad("etcd member %s: %s", m.Name, strings.Join(m.Alarms, ", "))
		case m.Leader == 0:
			bad("etcd member %s follows no leader: too few members reach each other for a quorum, or an election is under way", m.Name)
		}
	}
	for _, o := range r.Objects {
		bad("API: %s: %s (trivet apply mends it)", o, o.What())
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
	return out
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
