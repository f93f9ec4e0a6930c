package pulumi

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
)

// partly is the error of a change that was begun and did not come to its end. The engine keeps the state that comes with it, and calls the next change an update, which goes on. Without
// a state nothing was begun, and the error is as it is.
func (op *operation) partly(id string, state resource.PropertyMap, err error) error {
	if state == nil || id == "" {
		return err
	}
	properties, wrong := write(state)
	if wrong != nil {
		return err
	}
	text := err.Error()
	if e, ok := rpcerror.FromError(err); ok {
		text = e.Message()
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, text), &pulumirpc.ErrorResourceInitFailed{Id: id, Properties: properties, Reasons: []string{text}, RefreshBeforeUpdate: true})
}
