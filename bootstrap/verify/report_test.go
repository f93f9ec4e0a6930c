package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReportTable(t *testing.T) {
	report := Report{Cluster: "main", Elapsed: 2345 * time.Millisecond, Checks: []Check{
		{Name: CheckPodToPod, Host: "w1", Peer: "w2", OK: true, Detail: "seen as 10.128.0.2", Elapsed: 12 * time.Millisecond},
		{Name: CheckPodToPod, Host: "w2", Peer: "w1", Detail: "connect: no route to host", Remedy: "look at flanneld", Elapsed: 15 * time.Second},
		{Name: CheckNodeReady, Host: "w1", OK: true, Detail: "Ready", Elapsed: time.Millisecond},
	}}
	report.sort()
	var b bytes.Buffer
	if err := report.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := `CHECK                   RESULT         SLOWEST  WHERE
node ready              ok 1 of 1      1ms      w1
pod to pod without NAT  FAILED 1 of 2  15s      w2 → w1

FAILED pod to pod without NAT at w2 → w1
  connect: no route to host
  What to do: look at flanneld

main: 1 of 3 checks failed, in 2.3s.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(raw), `{"name":"pod to pod without NAT","host":"w2","peer":"w1","ok":false,"detail":"connect: no route to host","remedy":"look at flanneld"`) {
		t.Errorf("as JSON: %s, %v", raw, err)
	}
	if (Report{}).OK() {
		t.Error("a report without a check is no success")
	}
}

// A site that is lost makes a table that can be read.
func TestReportIsBounded(t *testing.T) {
	var report Report
	for i := range 400 {
		report.Checks = append(report.Checks, Check{Name: CheckHost, Host: fmt.Sprintf("n%03d", i), Detail: "no route to host", Remedy: "bring it back"})
	}
	var b bytes.Buffer
	if err := report.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Count(text, "bring it back") != 1 || strings.Count(text, "What to do: as above") != 4 {
		t.Errorf("one remedy of five in full:\n%s", text)
	}
	if lines := strings.Count(text, "\n"); lines > 40 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{"FAILED 400 of 400", "FAILED host answers at n004\n", "FAILED host answers in 395 more places: n005, n006,", "n014, … (all of them with --json)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "n015") {
		t.Errorf("more than ten places:\n%s", text)
	}
}

func TestBlame(t *testing.T) {
	pairs := func(nodes []string, works func(a, b string) bool) Report {
		var r Report
		for _, a := range nodes {
			r.Checks = append(r.Checks, Check{Name: CheckNodeToPod, Host: a, Peer: a, OK: true})
			for _, b := range nodes {
				if a != b {
					r.Checks = append(r.Checks, Check{Name: CheckNodeToPod, Host: a, Peer: b, OK: works(a, b), Remedy: "both"}, Check{Name: CheckPodToPod, Host: a, Peer: b, OK: works(a, b), Remedy: "both"})
				}
			}
		}
		return r
	}
	five := []string{"a", "b", "c", "d", "e"}
	for name, test := range map[string]struct {
		nodes  []string
		works  func(a, b string) bool
		blamed []string // for each failure one of these
	}{
		"one":                       {five, func(a, b string) bool { return a != "c" && b != "c" }, []string{"c"}},
		"two":                       {five, func(a, b string) bool { return a != "c" && b != "c" && a != "e" && b != "e" }, []string{"c", "e"}},
		"all":                       {five, func(string, string) bool { return false }, nil},
		"two sites that are parted": {five, func(a, b string) bool { return (a < "c") == (b < "c") }, nil},
		"one direction":             {five, func(a, b string) bool { return a != "a" || b != "b" }, nil},
		"two nodes":                 {five[:2], func(string, string) bool { return false }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			report := pairs(test.nodes, test.works)
			report.Checks = append(report.Checks, Check{Name: CheckDNS, Host: "a", Peer: "verify", Remedy: "both"})
			report.blame("flannel")
			for _, c := range report.Failed() {
				if c.Name == CheckDNS {
					if want := "mend the pod network of " + strings.Join(test.blamed, ", ") + " first"; len(test.blamed) > 0 && !strings.Contains(c.Remedy, want) {
						t.Errorf("%s: %s", place(c), c.Remedy)
					}
					continue
				}
				ok := slices.ContainsFunc(test.blamed, func(host string) bool { return strings.Contains(c.Remedy, "systemctl restart flanneld on "+host) })
				if len(test.blamed) == 0 {
					ok = c.Remedy == "both"
				}
				if !ok {
					t.Errorf("%s: %s", place(c), c.Remedy)
				}
			}
		})
	}
}
