package plan_test

import (
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// TestMemberWithoutRecord: a disk that took the record and the data of an etcd member with it leaves a host that looks untouched. The member must not come back under its name.
func TestMemberWithoutRecord(t *testing.T) {
	w := newWorld(t, members(3))
	w.settle()
	delete(w.seen, "e3")
	w.observe()
	w.stale("etcd.service", "e1")
	p := w.plan()
	same(t, "etcd is touched", []string{"e3", "e1"}, w.touched(p, "etcd.service"))
	same(t, "skipped", 0, len(p.Skipped))
	steps := deeds(p, "members")
	same(t, "the member's step", "e3: remove etcd member e3, add etcd member e3, start etcd, promote etcd member e3, guard", strings.Join(steps, "; "))
	w.mute = true
	p = w.plan()
	same(t, "etcd is touched while it cannot be asked", []string(nil), w.touched(p, "etcd.service"))
	same(t, "skipped while it cannot be asked", 2, len(p.Skipped))
	for _, ph := range p.Phases {
		for _, g := range ph.Gates {
			if g.Kind == plan.GateEtcd {
				same(t, "members asked", []string{"e1", "e2"}, g.Hosts)
			}
		}
	}
}

// TestControlPlaneWithoutInventory: a control plane that lost what it kept cannot vouch for the newest inventory while another one is away.
func TestControlPlaneWithoutInventory(t *testing.T) {
	w := newWorld(t, members(3))
	w.settle()
	w.seen["cp2"].Record, w.seen["cp2"].Documents = nil, nil
	if p := w.plan(); !p.Complete() {
		t.Errorf("with all there: %q", skipped(p))
	}
	away := w.away("cp1")
	in := w.input()
	in.Away = away
	_, err := plan.Make(in)
	if err == nil || !strings.Contains(err.Error(), "1 of 3 control planes") || !strings.Contains(err.Error(), "host cp2: it has no inventory any more") {
		t.Errorf("with one away: %v", err)
	}
}
