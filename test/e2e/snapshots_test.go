//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// snapshotList is what `trivet snapshots --json` gives.
type snapshotList struct {
	Type  string
	Hosts []struct {
		Host      string
		Snapshots []struct {
			Member   string
			Revision int64
			Wrong    string
		}
	}
}

func (o *operator) snapshots(code int) snapshotList {
	o.t.Helper()
	for line := range strings.Lines(o.exits(code, "snapshots", "--json").stdout) {
		var list snapshotList
		if err := json.Unmarshal([]byte(line), &list); err == nil && list.Type == "snapshots" {
			return list
		}
	}
	o.t.Fatal("there is no list of snapshots")
	return snapshotList{}
}

// count counts what a host has of a member.
func (l snapshotList) count(host, member string) int {
	n := 0
	for _, h := range l.Hosts {
		for _, s := range h.Snapshots {
			if h.Host == host && s.Member == member {
				n++
			}
		}
	}
	return n
}

// TestSnapshots has members take snapshots by their units, and looks at what arrives where, what stays, and what is told when it goes wrong; then databases are defragmented.
func TestSnapshots(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-snapshots", example(t, "two-places-three-centres"))
	before := o.inspectAll(exampleHosts)
	o.write(o.edited("    accept_loss =", "    snapshots {\n      keep = 2\n    }\n    accept_loss ="))
	o.must("apply", "--yes")
	o.unchanged()
	o.openShop("bj1-w1")
	members := []string{"bj1-cp1", "bj2-cp1", "sh1-cp1"}
	p := o.probe("bj1-w1")
	for _, h := range members {
		if state := strings.TrimSpace(o.on(h, "systemctl", "is-active", "trivet-snapshot.timer")); state != "active" {
			t.Errorf("the timer on %s is %s", h, state)
		}
		o.on(h, "systemctl", "start", "trivet-snapshot.service")
	}
	o.says(o.must("snapshots", "--verify").stdout, "All is well: 6 snapshots on 3 hosts")
	p.stop()
	p.allow(bounds{0, 2 * time.Second}, bounds{0, 2 * time.Second})

	// Each member's own, and copies in another site: of both in Beijing in Shanghai, of that in Shanghai in Beijing.
	const folder = "/var/lib/trivet-snapshots/"
	for range 3 {
		o.on("bj1-cp1", "systemctl", "start", "trivet-snapshot.service")
		o.on("bj1-cp1", "sleep", "1") // names have seconds
	}
	list := o.snapshots(0)
	for at, want := range map[[2]string]int{
		{"bj1-cp1", "bj1-cp1"}: 2, {"sh1-cp1", "bj1-cp1"}: 2, {"bj2-cp1", "bj1-cp1"}: 0, {"sh1-cp1", "bj2-cp1"}: 1, {"bj1-cp1", "sh1-cp1"}: 1,
	} {
		if got := list.count(at[0], at[1]); got != want {
			t.Errorf("host %s has %d snapshots of %s, want %d", at[0], got, at[1], want)
		}
	}
	o.on("sh1-cp1", "sh", "-c", "/opt/trivet/bin/etcdutl snapshot restore $(ls "+folder+"bj1-cp1_*.db | tail -n 1) --data-dir /root/restored && rm -r /root/restored")

	t.Run("a site is away", func(t *testing.T) { o.at(t).snapshotSiteAway() })

	o.on("sh1-cp1", "sh", "-c", "for f in "+folder+"bj2-cp1_*.db; do printf x | dd of=$f bs=1 seek=5000 conv=notrunc status=none; done")
	o.says(o.exits(1, "snapshots", "--verify").stdout, "host sh1-cp1: bj2-cp1_", "it is damaged")
	o.on("sh1-cp1", "sh", "-c", "rm "+folder+"bj2-cp1_*.db")

	o.on("bj2-cp1", "systemctl", "stop", "trivet-snapshot.timer")
	o.says(o.exits(2, "plan").stdout, "trivet-snapshot.timer")
	o.must("apply", "--yes")
	o.unchanged()

	o.says(o.must("defragment").stdout, "bj1-cp1: left alone", "bj2-cp1: left alone", "sh1-cp1: left alone")
	o.commandKilled(map[string]bool{}, never, "defragment", "--all")
	o.must("status")
	p = o.probe("bj1-w1")
	r := o.must("defragment", "--all")
	p.stop()
	p.allow(bounds{0, 2 * time.Second}, bounds{0, 2 * time.Second})
	for _, h := range members {
		o.says(r.stdout, h+": ")
	}
	if strings.Contains(r.stdout, "left alone") {
		t.Errorf("a member was left alone:\n%s", r.stdout)
	}
	o.must("status")

	o.must("destroy", "--confirm", "main")
	o.asBefore(before)
}

// snapshotSiteAway has the site of the copies cut off: the snapshot is taken all the same, soon, and the missing copy is told until one arrives.
func (o *operator) snapshotSiteAway() {
	o.must("lab", "cut", "sh1")
	o.t.Cleanup(func() { o.must("lab", "join", "sh1") })
	start := time.Now()
	if r := o.run("lab", "exec", "bj1-cp1", "--", "systemctl", "start", "trivet-snapshot.service"); r.code == 0 {
		o.t.Error("the unit counts as done, and the copy cannot have arrived")
	}
	if took := time.Since(start); took > time.Minute {
		o.t.Errorf("it took %s", took)
	}
	o.says(o.exits(1, "snapshots").stdout, "host bj1-cp1: the run of", "brought no copy to host sh1-cp1")
	if n := o.snapshots(1).count("bj1-cp1", "bj1-cp1"); n != 2 {
		o.t.Errorf("bj1-cp1 has %d snapshots of its own", n)
	}
	o.must("lab", "join", "sh1")
	o.on("bj1-cp1", "systemctl", "start", "trivet-snapshot.service")
	o.must("snapshots")
}
