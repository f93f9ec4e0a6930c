package door

import (
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/input"
)

// StatusOf is a status as attributes, those that input.Status describes. Certificates that end within renew are told.
func StatusOf(s *bootstrap.Status, renew time.Duration, w input.Words) input.Object {
	problems, notes := []any{}, []any{}
	say := func(text string, mild bool) {
		if text = strings.ReplaceAll(text, "trivet apply", w.Apply); mild {
			notes = append(notes, text)
		} else {
			problems = append(problems, text)
		}
	}
	for _, text := range s.Silent() {
		say(text, false)
	}
	for _, t := range s.Troubles(s.Time, renew) {
		say(t.Text, t.Mild)
	}
	hosts, members := input.Object{}, []any{}
	var first time.Time
	for i := range s.Hosts {
		h := &s.Hosts[i]
		o := input.Object{
			"site": h.Site, "region": h.Region, "address": h.Address, "roles": AnyOf(h.Roles), "error": orUnknown(h.Error, false), "node": orUnknown(h.Node, false),
			"cordoned": h.Cordoned != "", "drift": AnyOf(DriftOf(h)),
		}
		if h.NextExpiry != nil {
			end := h.NextExpiry.NotAfter
			o["certificates_end"] = end.UTC().Format(time.RFC3339)
			if first.IsZero() || end.Before(first) {
				first = end
			}
		}
		hosts[h.Name] = o
	}
	for _, m := range s.Etcd {
		members = append(members, input.Object{
			"name": m.Name, "version": orUnknown(m.Version, false), "leader": m.IsLeader(), "learner": m.Learner, "db_size": m.DBSize, "error": orUnknown(m.Error, false),
		})
	}
	out := input.Object{
		"name": s.Cluster, "id": orUnknown(s.ClusterID, false), "kubernetes": s.Kubernetes, "upgrade_from": orUnknown(s.From, false),
		"complete": s.Initialised && !s.BringingUp && !s.Destroying, "healthy": s.Healthy(), "problems": problems, "notes": notes, "hosts": hosts, "etcd_members": members,
	}
	if s.Holder != nil {
		out["holder"] = bootstrap.DescribeHolder(*s.Holder, 0)
	}
	if !first.IsZero() {
		out["certificates_end"] = first.UTC().Format(time.RFC3339)
	}
	return out
}
