package pulumi_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/trivet-dev/trivet/provider/pulumi"
)

// TestVersion holds that the plugin and its schema say the version that was built, and that the schema is otherwise the one that is kept here.
func TestVersion(t *testing.T) {
	const version = "1.2.3-rc.1"
	p := pulumi.New(nil, version, nil)
	info, err := p.GetPluginInfo(t.Context(), &emptypb.Empty{})
	if err != nil || info.GetVersion() != version {
		t.Errorf("the plugin is %q, %v", info.GetVersion(), err)
	}
	got, err := p.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var have, want map[string]any
	if err := json.Unmarshal([]byte(got.GetSchema()), &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(kept, &want); err != nil {
		t.Fatal(err)
	}
	if want["version"] = version; !reflect.DeepEqual(have, want) {
		t.Errorf("the schema is of %v, and not otherwise the same", have["version"])
	}
}
