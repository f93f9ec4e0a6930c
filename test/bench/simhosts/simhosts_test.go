package simhosts_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/test/bench/simhosts"
)

// TestPlanFindsNothingToDo plans a small running fleet over SSH, with what the operator knows of it passed on as the benchmark does.
func TestPlanFindsNothingToDo(t *testing.T) {
	helper := filepath.Join(t.TempDir(), "trivet-host")
	if err := os.WriteFile(helper, []byte("stands in for the helper: the servers know it by name and size"), 0o755); err != nil {
		t.Fatal(err)
	}
	servers, err := simhosts.Serve(t.Context(), fleettest.Dir(t), 12, helper, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	description, err := json.Marshal(servers.Fleet)
	if err != nil {
		t.Fatal(err)
	}
	var fleet simhosts.Fleet
	if err := json.Unmarshal(description, &fleet); err != nil {
		t.Fatal(err)
	}
	m, err := simhosts.Plan(t.Context(), &fleet, helper, 32)
	if err != nil {
		t.Fatal(err)
	}
	if m.Hosts != 12 || m.Actions != 0 || m.RoundTrips < 1 || m.RoundTrips > 3 || m.BytesReceived == 0 {
		t.Errorf("%+v", m)
	}
	if u := servers.Unexpected(); len(u) > 0 {
		t.Errorf("unexpected commands: %q", u)
	}
}

// TestOneWorkerMore counts whom a worker more has to do with: itself, a host of its site that hands artifacts on, and the control planes.
func TestOneWorkerMore(t *testing.T) {
	helper := filepath.Join(t.TempDir(), "trivet-host")
	if err := os.WriteFile(helper, []byte("stands in for the helper: the servers know it by name and size"), 0o755); err != nil {
		t.Fatal(err)
	}
	const hosts = 48 // in two sites; the spare one is in the second
	servers, err := simhosts.Serve(t.Context(), fleettest.Dir(t), hosts, helper, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	m, err := simhosts.Add(t.Context(), &servers.Fleet, helper, 32)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"s01-cp1", "s01-cp2", "s01-cp3", "s02-w01", "spare"}; !slices.Equal(m.Contacted, want) || m.Hosts != hosts+1 {
		t.Errorf("of %d hosts these were contacted: %q, want %q", m.Hosts, m.Contacted, want)
	}
	if u := servers.Unexpected(); len(u) > 0 {
		t.Errorf("unexpected commands: %q", u)
	}
}

func TestPlanNeedsEveryHost(t *testing.T) {
	helper := filepath.Join(t.TempDir(), "trivet-host")
	if err := os.WriteFile(helper, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	servers, err := simhosts.Serve(t.Context(), fleettest.Dir(t), 4, helper, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	fleet := servers.Fleet
	if err := servers.Close(); err != nil {
		t.Fatal(err)
	}
	if m, err := simhosts.Plan(context.WithoutCancel(t.Context()), &fleet, helper, 32); err == nil {
		t.Errorf("a plan of hosts that do not listen: %+v", m)
	}
}
