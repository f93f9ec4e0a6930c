package terraform_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// TestPorts: what has no more of a cluster than its access, or its name and an address, finds the API at the ports that the topology gives it.
func TestPorts(t *testing.T) {
	w := newWorld(t, small)
	if err := w.fleet.Change(fleettest.Settings{Hosts: small, Cluster: "api {\n port = 8443\n local_port = 9443\n}"}); err != nil {
		t.Fatal(err)
	}
	d := w.direct(t, w.adapt)
	attributes := w.attributes(small)
	attributes["api"] = map[string]any{"port": 8443, "local_port": 9443}
	state, err := d.create(t.Context(), t, "trivet_cluster", attributes)
	if err != nil {
		t.Fatal(err)
	}
	access := attributesOf(t, state)["access"]
	ports := func(what string, access tftypes.Value) {
		t.Helper()
		parts := attributesOf(t, access)
		for name, want := range map[string]int{"api_port": 8443, "api_local_port": 9443} {
			if got := parts[name]; !got.Equal(tftypes.NewValue(tftypes.Number, want)) {
				t.Errorf("%s: %s is %s", what, name, got)
			}
		}
	}
	ports("created", access)
	if err := d.open(t.Context(), t, "trivet_kubeconfig", map[string]any{"cluster": access}); err != nil {
		t.Errorf("kubeconfig: %v", err)
	}
	// Access that names no ports has the usual ones, where nobody listens.
	parts := attributesOf(t, access)
	parts["api_port"], parts["api_local_port"] = tftypes.NewValue(tftypes.Number, nil), tftypes.NewValue(tftypes.Number, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := d.open(ctx, t, "trivet_kubeconfig", map[string]any{"cluster": tftypes.NewValue(access.Type(), parts)}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the API is asked for at ports that nobody named: %v", err)
	}
	status, err := d.read(t, "trivet_cluster_status", map[string]any{"cluster": access})
	if err != nil || !status["healthy"].Equal(tftypes.NewValue(tftypes.Bool, true)) {
		t.Errorf("status: %s, %v", status["problems"], err)
	}
	imported, err := d.imports(t, "trivet_cluster", "main@10.11.1.11")
	if err != nil {
		t.Fatal(err)
	}
	ports("imported", imported["access"])
	for name, want := range map[string]int{"port": 8443, "local_port": 9443} {
		if got := attributesOf(t, imported["api"])[name]; !got.Equal(tftypes.NewValue(tftypes.Number, want)) {
			t.Errorf("imported: api.%s is %s", name, got)
		}
	}
}
