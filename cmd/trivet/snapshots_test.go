package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/snapshot"
)

func TestShowSnapshots(t *testing.T) {
	now := time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)
	taken := snapshot.Snapshot{Member: "cp1", Taken: now.Add(-90 * time.Minute), Revision: 48231, Size: 5 << 20, SHA256: strings.Repeat("0123456789abcdef", 4)}
	damaged := taken
	damaged.Wrong = "it is damaged"
	list := &bootstrap.Snapshots{Hosts: []bootstrap.SnapshotHost{
		{Report: snapshot.Report{Host: "cp1", Site: "s1", Snapshots: []snapshot.Snapshot{taken}}},
		{Report: snapshot.Report{Host: "w1", Site: "s2", Snapshots: []snapshot.Snapshot{taken}}},
	}}
	show := func() string {
		var out bytes.Buffer
		if err := (&global{noColor: true}).showSnapshots(&out, list, now); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := show()
	for _, want := range []string{"SITE  HOST  TAKEN", "s2    w1    2026-11-29T11:30:00Z", "48231", "5.0 MiB  0123456789ab\n", "All is well: 2 snapshots on 2 hosts."} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not show %q:\n%s", want, text)
		}
	}
	list.Hosts[1].Snapshots[0] = damaged
	list.Wrong = []bootstrap.SnapshotWrong{{Host: "w1", Site: "s2", Detail: "it is damaged"}, {Site: "s3", Detail: "it has no snapshot"}}
	text = show()
	for _, want := range []string{"damaged\n", "✗ host w1: it is damaged\n", "✗ site s3: it has no snapshot\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not show %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "All is well") {
		t.Errorf("all is said to be well:\n%s", text)
	}
}

// Without the block both commands say what to do, or need a cluster.
func TestSnapshotsWithoutThem(t *testing.T) {
	m := newMemoryFleet(t, threeSites)
	m.trivet(0, "apply", "--yes")
	if _, errOut := m.trivet(1, "snapshots"); !strings.Contains(errOut, "write a snapshots block into the etcd block of the cluster") {
		t.Errorf("snapshots: %s", errOut)
	}
}
