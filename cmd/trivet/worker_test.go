package main

import (
	"strings"
	"testing"
)

// TestWorkerCommand joins a worker that the topology does not name, shows it wherever hosts are shown, and has it leave.
func TestWorkerCommand(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	if err := f.Spare("spot-1", "10.12.1.101"); err != nil {
		t.Fatal(err)
	}
	_, errOut := f.trivet(1, "worker", "join", "spot-1", "--address", "10.12.1.101", "--site", "s2")
	matches(t, errOut, `cluster "main" does not exist yet: apply first`)
	f.trivet(0, "apply", "--yes")
	out, _ := f.trivet(0, "worker", "list")
	matches(t, out, `^Cluster "main" has no workers but those of its topology\.$`)

	for flags, want := range map[string]string{
		"--address 10.12.1.300":                      `--address: .*10\.12\.1\.300`,
		"--address 10.12.1.101 --label k8s.io/x=y":   `--label: Reserved label: `,
		"--address 10.12.1.101 --taint spot":         `--taint spot: write it as key=value:effect`,
		"--address 10.12.1.101 --taint spot:Never":   `--taint: .*Never`,
		"--address 10.12.1.101":                      `say in which site it stands: cluster "main" has s1, s2, s3`,
		"--address 10.13.1.101 --site s2 --user ops": `its address 10\.13\.1\.101 is not in 10\.12\.1\.0/24, the range of rack a in room 1 of site s2`,
	} {
		_, errOut = f.trivet(1, append([]string{"worker", "join", "spot-1"}, strings.Fields(flags)...)...)
		matches(t, errOut, want)
	}
	out, _ = f.trivet(0, "worker", "join", "spot-1", "--address", "10.12.1.101", "--site", "s2", "--label", "pool=spot", "--taint", "spot=yes:NoSchedule")
	matches(t, out, `^spot-1 joined cluster "main"\.$`)
	if node := string(f.Objects()["Node/spot-1"]); !strings.Contains(node, `"pool":"spot"`) || !strings.Contains(node, `{"effect":"NoSchedule","key":"spot","value":"yes"}`) {
		t.Errorf("node: %s", node)
	}
	out, _ = f.trivet(0, "worker", "list")
	matches(t, out, `^SITE +WORKER +ADDRESS +PODS +NODE +DRIFT$`, `^s2 +spot-1 +10\.12\.1\.101 +10\.128\.\d+\.0/24 +Ready +none$`)
	out, _ = f.trivet(0, "worker", "list", "--json")
	matches(t, out, `^\{"type":"workers","workers":\[\{"name":"spot-1","site":"s2","address":"10\.12\.1\.101","machineID":"`)
	out, _ = f.trivet(0, "status")
	matches(t, out, `spot-1 +10\.12\.1\.101 +worker \(elastic\) `, `^✓ All is well: 6 hosts as recorded, 6 nodes Ready`)
	out, _ = f.trivet(0, "plan")
	matches(t, out, `No changes`)
	changed := threeSites
	changed.Cluster = "component \"kubelet\" {\n  settings = { maxPods = 42 }\n}"
	f.write(changed)
	out, _ = f.trivet(2, "plan")
	matches(t, out, `host spot-1 \(elastic\)$|spot-1 \(elastic\)`)
	f.trivet(0, "apply", "--yes")

	_, errOut = f.trivet(1, "worker", "leave", "w1")
	matches(t, errOut, `host w1 is in cluster "main" by its topology: take it out there, and apply`)
	f.Unreachable["spot-1"] = true
	_, errOut = f.trivet(1, "worker", "leave", "spot-1")
	matches(t, errOut, `no route to host`, `--forget-unreachable`)
	f.Unreachable["spot-1"] = false
	out, _ = f.trivet(0, "worker", "leave", "spot-1", "--json")
	matches(t, out, `\{"type":"worker-leave","workers":\["spot-1"\]\}$`)
	out, _ = f.trivet(0, "plan")
	matches(t, out, `No changes`)
}
