package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/lab"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

func TestChoose(t *testing.T) {
	for only, want := range map[string][]string{
		"":               {"one", "five", "ansible", "scale", "terraform", "add", "upgrade", "bytes"},
		"scale":          {"scale"},
		"bytes, ansible": {"bytes", "ansible"},
	} {
		chosen, err := choose(only)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range chosen {
			got = append(got, b.name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", only, diff)
		}
	}
	if _, err := choose("two"); err == nil || !strings.Contains(err.Error(), `"two"`) || !strings.Contains(err.Error(), "scale") {
		t.Errorf("an unknown name: %v", err)
	}
}

const table = `2026-01-02T03:04:05Z, 2 × CPU, 4 GiB, Debian, Linux 6.1

one: A race (12 s)
  WHAT   TRIVET  RIVAL   RATIO  AIM     MET
  start  2.00 s  10.0 s  1/5.0  ≤ 1/4   yes
  end    9.00 s  10.0 s  1/1.1  ≤ 1/4   NO
  trips  1       –       –      ≤ 3     yes
  sent   2.00 –  –       –      –       –
  seconds of trivet: load 0.5, plan 1.5
  seconds of rival: all 10.0
  A note.
  FAILED: out of road
`

func TestTable(t *testing.T) {
	r := &Result{Benchmark: "one", Title: "A race", Seconds: 12, Error: "out of road"}
	r.against("start", "s", 2, 10, onePart)
	r.against("end", "s", 9, 10, onePart)
	r.atMost("trips", "", 1, 3)
	r.value("sent", "–", 2)
	r.phase("trivet", "load", 500*time.Millisecond)
	r.phase("rival", "all", 10*time.Second)
	r.phase("trivet", "plan", 1500*time.Millisecond)
	r.note("A %s.", "note")
	report := &Report{Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: Machine{CPU: "CPU", CPUs: 2, Memory: 4 << 30, Kernel: "6.1", OS: "Debian"}, Results: []*Result{r}}
	var b bytes.Buffer
	report.WriteTable(&b)
	squeeze := func(s string) []string {
		var out []string
		for line := range strings.Lines(s) {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
		return out
	}
	if diff := cmp.Diff(squeeze(table), squeeze(b.String())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := writeJSON(path, report); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, &back); diff != "" {
		t.Errorf("the JSON is another report (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{9, 1, 4}); got != 4 {
		t.Errorf("got %g", got)
	}
}

func TestLink(t *testing.T) {
	var links []link
	text := `[{"ifname": "lo", "addr_info": []}, {"ifname": "b-s1", "addr_info": [{"local": "10.11.1.1", "prefixlen": 24}], "stats64": {"rx": {"bytes": 5}, "tx": {"bytes": 7}}}]`
	if err := json.Unmarshal([]byte(text), &links); err != nil {
		t.Fatal(err)
	}
	network := netip.MustParsePrefix("10.11.1.0/24")
	if links[0].isIn(network) || !links[1].isIn(network) || links[1].Stats.Sent.Bytes != 7 {
		t.Errorf("%+v", links)
	}
}

// TestTenHosts reads the topology of the comparison with Ansible as a lab does.
func TestTenHosts(t *testing.T) {
	folder := t.TempDir()
	source, err := topologies.ReadFile("topologies/ten.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "main.hcl"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	top, err := kubeadm.LabTopology(folder, lab.Access{User: lab.User})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(top.AllHosts()); n != 10 {
		t.Errorf("%d hosts", n)
	}
	names := map[string]bool{}
	for _, i := range benchItems() {
		names[i.ID().String()] = true
	}
	if len(names) != smallFiles+3 { // the folder, the unit's file, the unit
		t.Errorf("%d different items: %v", len(names), names)
	}
}

func TestSpellings(t *testing.T) {
	seen := map[string]bool{}
	for n := range 1000 {
		s := spelling(n)
		if seen[s] || !strings.EqualFold(s, serviceName) {
			t.Fatalf("spelling %d is %q", n, s)
		}
		seen[s] = true
	}
}
