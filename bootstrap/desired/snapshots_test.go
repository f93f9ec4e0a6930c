package desired_test

import (
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Stopping them for a while takes nothing away but the timer; the worker that only receives is given no key that etcd lets in.
func TestSnapshots(t *testing.T) {
	f := snapshots(t, "1.37.2")
	on := f.compile()
	f.cluster.Etcd.Snapshots.Enabled = false
	off := f.compile()
	for i, h := range on.Hosts {
		now, timer := ids(off.Hosts[i]), hostapi.ID{Kind: hostapi.KindUnit, Name: "trivet-snapshot.timer"}
		member := h.Name == "bj1-e1"
		if _, ok := ids(h)[timer]; ok != member {
			t.Errorf("%s has a timer: %v", h.Name, ok)
		}
		if _, ok := now[timer]; ok {
			t.Errorf("%s has a timer when they are off", h.Name)
		}
		for _, id := range []hostapi.ID{{Kind: hostapi.KindDirectory, Name: desired.SnapshotFolder}, {Kind: hostapi.KindUnit, Name: "trivet-snapshot-receive.socket"}} {
			if _, ok := now[id]; !ok {
				t.Errorf("%s has no %s when they are off", h.Name, id)
			}
		}
		for _, item := range h.Items {
			if c := item.Certificate; c != nil && c.Authority == "etcd" && !member {
				for _, u := range c.Usages {
					if u == "client" {
						t.Errorf("%s, which is no member, has the client certificate %s of etcd's authority", h.Name, c.Identity)
					}
				}
			}
		}
	}
	f.cluster.Etcd.Snapshots = topology.Snapshots{}
	for _, h := range f.compile().Hosts {
		for id := range ids(h) {
			if id.Name == desired.SnapshotFolder {
				t.Errorf("%s has %s without the block", h.Name, id)
			}
		}
	}
}
