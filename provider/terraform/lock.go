package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// checkLock parses a lock that the configuration has.
func checkLock(config input.Object, diags *diag.Diagnostics) {
	diags.Append(problemDiagnostics(door.CheckLock(config))...)
}

// locked reports an error of the artifacts at the lock; false where it is another one.
func locked(summary string, err error, given bool, diags *diag.Diagnostics) bool {
	detail, ok := door.LockedOut(err, given)
	if ok {
		diags.AddAttributeError(path.Root("lock"), summary, detail)
	}
	return ok
}

// planLock has a plan show that the lock will be another one. One that the configuration has is what it is.
func planLock(ctx context.Context, config input.Object, grows bool, p *tfsdk.Plan, diags *diag.Diagnostics) {
	if config["lock"] == nil && grows {
		set(ctx, p, diags, "lock", types.StringUnknown())
	}
}

// storeLock writes the lock into the state where the plan did not say what it would be.
func storeLock(ctx context.Context, planned input.Object, lock door.Pins, e *door.Session, state *tfsdk.State, diags *diag.Diagnostics) {
	if _, said := planned["lock"].(string); !said {
		diags.Append(state.SetAttribute(ctx, path.Root("lock"), types.StringValue(lock.Text(e.Supply.Wanted)))...)
	}
}
