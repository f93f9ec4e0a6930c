package pulumi

import (
	"errors"
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"

	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// unfinished is the property that says why the last change did not come to its end. The engine reads a resource before it updates it, and forgets then that a change failed unless the
// read says so again (Pulumi's engine, pkg/v3 v3.260.0, resource/deploy/step.go, RefreshStep): so the state has to know, and not the engine alone.
const unfinished = "unfinished"

// unfinishedAttribute describes it.
func unfinishedAttribute() input.Attribute {
	return input.Attribute{Name: unfinished, Computed: true, Meaning: "Why the last change did not come to its end, and nothing where it did. The next `pulumi up` goes on, whether anything else differs or not."}
}

// isUnfinished says whether the last change of a resource did not come to its end.
func isUnfinished(state resource.PropertyMap) bool { return reasonOf(state) != "" }

func reasonOf(state resource.PropertyMap) string {
	if v, _ := plain(state[unfinished]); v.IsString() {
		return v.StringValue()
	}
	return ""
}

// leftUnfinished is the error of a change that was begun and did not come to its end. The engine keeps the state that comes with it, and calls the next change an update, which goes on. Without
// a state nothing was begun, and the error is as it is.
func leftUnfinished(id string, state resource.PropertyMap, err error) error {
	if state == nil || id == "" {
		return err
	}
	text := err.Error()
	if e, ok := rpcerror.FromError(err); ok {
		text = e.Message()
	}
	state = maps.Clone(state)
	state[unfinished] = resource.NewProperty(text)
	return initFailed(id, nil, state, err)
}

// stillUnfinished is the answer to a read of what was not changed to the end.
func stillUnfinished(id string, inputs, state resource.PropertyMap) error {
	return initFailed(id, inputs, state, errors.New(reasonOf(state)))
}

// initFailed is the error that a state comes with; err is the one to give where it cannot be written.
func initFailed(id string, inputs, state resource.PropertyMap, err error) error {
	failed := &pulumirpc.ErrorResourceInitFailed{Id: id, Reasons: []string{reasonOf(state)}, RefreshBeforeUpdate: true}
	var wrong error
	if failed.Properties, wrong = write(state); wrong != nil {
		return err
	}
	if inputs != nil {
		if failed.Inputs, wrong = write(inputs); wrong != nil {
			return err
		}
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, reasonOf(state)), failed)
}

// unproven takes back what nodes are said to be set up by where a change did not come to its end: of each it is known only what it was before.
func unproven(nodes, prior map[string]door.Node) map[string]door.Node {
	for name, n := range nodes {
		n.Configuration = prior[name].Configuration
		nodes[name] = n
	}
	return nodes
}
