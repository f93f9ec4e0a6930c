package pulumi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// TestCheckOfWhatThereIs: a resource that is called otherwise in the program, by an alias, keeps the name that it had, and one of which all changes are ignored is checked as it was.
func TestCheckOfWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	state := w.State("main")
	p := pulumi.New(nil, "test", nil)
	check := func(urn string, change func(resource.PropertyMap), again bool) resource.PropertyMap {
		t.Helper()
		req := &pulumirpc.CheckRequest{Urn: urn, News: changed(t, state.Inputs, change)}
		if again {
			req.Olds = state.Inputs
		}
		got, err := p.Check(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range got.GetFailures() {
			t.Errorf("%s: %s", f.GetProperty(), f.GetReason())
		}
		out, err := plugin.UnmarshalProperties(got.GetInputs(), plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	other := strings.Replace(string(state.URN), "::main", "::other", 1)
	unnamed := func(m resource.PropertyMap) {
		for _, name := range []resource.PropertyKey{"name", "nodes", "objects"} {
			delete(m, name)
		}
	}
	for want, again := range map[string]bool{"main": true, "other": false} {
		if got := check(other, unnamed, again)["name"].StringValue(); got != want {
			t.Errorf("it is called %s, want %s", got, want)
		}
	}
	if got := check(string(state.URN), func(resource.PropertyMap) {}, true); !got["nodes"].HasValue() {
		t.Errorf("it is checked as %v", got)
	}
}

// TestCheckOfUnknown: what is made of hosts and objects is among the inputs, also where it is not known yet: an update that keeps to a plan may have no others than the preview had.
func TestCheckOfUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	unknown := pulumisdk.String(plugin.UnknownStringValue)
	for name, c := range map[string]struct {
		change func(*trivet.ClusterArgs)
		open   []resource.PropertyKey
	}{
		"manifests": {func(a *trivet.ClusterArgs) { a.Manifests = pulumisdk.StringArray{unknown} }, []resource.PropertyKey{"objects"}},
		"topology":  {described(unknown, nil), []resource.PropertyKey{"nodes", "objects"}},
	} {
		w.Sent = nil
		if err := w.Preview(w.cluster(small, c.change)); err != nil {
			t.Fatal(err)
		}
		var inputs struct{ Properties map[string]any }
		for _, sent := range w.Sent {
			if strings.Contains(sent, `"preview":true`) && strings.Contains(sent, "::main") {
				if err := json.Unmarshal([]byte(sent), &inputs); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, key := range []resource.PropertyKey{"nodes", "objects"} {
			if v, ok := inputs.Properties[string(key)]; !ok || slices.Contains(c.open, key) != (v == plugin.UnknownStringValue) {
				t.Errorf("%s: %s of the inputs is %v", name, key, v)
			}
		}
	}
}
