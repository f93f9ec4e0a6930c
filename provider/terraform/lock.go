package terraform

import (
	"context"
	"errors"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// pins is the lock that an apply works with.
type pins struct {
	*artifact.Lock
	// given is true where the configuration has the lock: then it has to name everything, since Terraform lets no apply add to it.
	given bool
}

// checkLock parses a lock that the configuration has.
func checkLock(config input.Object, diags *diag.Diagnostics) {
	if text, ok := config["lock"].(string); ok {
		if _, err := artifact.ParseLock("lock", []byte(text)); err != nil {
			diags.AddAttributeError(path.Root("lock"), "Wrong lock", err.Error()+".")
		}
	}
}

// pinsOf gives the lock of the configuration, or the one that the state has.
func pinsOf(config, state input.Object) (pins, error) {
	text, given := config["lock"].(string)
	if !given {
		text, _ = state["lock"].(string)
	}
	if text == "" {
		return noPins(), nil
	}
	l, err := artifact.ParseLock("lock", []byte(text))
	return pins{l, given}, err
}

// value is the lock for the state. Where wanted is given, what nothing asks for any more is forgotten.
func (p pins) value(wanted func(artifact.Want) bool) types.String {
	if wanted != nil {
		p.Keep(wanted)
	}
	b, err := p.Marshal()
	if err != nil {
		panic("provider: " + err.Error()) // a lock holds plain data only
	}
	return types.StringValue(string(b))
}

// locked reports an error of the artifacts at the lock; false where it is another one.
func locked(summary string, err error, given bool, diags *diag.Diagnostics) bool {
	var mismatch *artifact.LockMismatchError
	var unpinned *artifact.UnpinnedError
	if !errors.As(err, &mismatch) && !errors.As(err, &unpinned) {
		return false
	}
	detail := err.Error() + "."
	if !given {
		detail += "\n\nThe lock is the one that the state has: to change it, write it into a file, change that, and set lock = file(\"artifacts.lock\")."
	}
	diags.AddAttributeError(path.Root("lock"), summary, detail)
	return true
}

// wantsMore says whether a change may need artifacts that no lock pins yet, going by what is described alone: other programs, or a machine of which the architecture and the
// distribution are not known.
func (c *client) wantsMore(f *fleet, state input.Object, prior, planned map[string]node) bool {
	for name, n := range planned {
		was, ok := prior[name]
		if !ok || !n.settled || was.Kubernetes == "" || was.Configuration == "" {
			return true
		}
	}
	before, diags := c.fleet(state)
	if diags.HasError() || before.cluster == nil {
		return true
	}
	was, now := wants(before), wants(f)
	return slices.ContainsFunc(now, func(w artifact.Want) bool { return !slices.Contains(was, w) })
}

// wants lists what the hosts of a fleet need if they are of one architecture.
func wants(f *fleet) []artifact.Want {
	rel, err := release.Lookup(f.cluster.Kubernetes)
	if err != nil {
		return nil
	}
	facts := map[string]hostapi.Facts{}
	for _, h := range f.cluster.Hosts {
		facts[h.Name] = hostapi.Facts{Architecture: "amd64"}
	}
	return desired.Wants(f.cluster, rel, facts, true)
}

// noPins is for what sends nothing.
func noPins() pins { return pins{Lock: artifact.NewLock()} }

// planLock has a plan show that the lock will be another one. One that the configuration has is what it is.
func planLock(ctx context.Context, config input.Object, grows bool, p *tfsdk.Plan, diags *diag.Diagnostics) {
	if config["lock"] == nil && grows {
		set(ctx, p, diags, "lock", types.StringUnknown())
	}
}

// storeLock writes the lock into the state where the plan did not say what it would be.
func storeLock(ctx context.Context, planned input.Object, lock pins, e *session, state *tfsdk.State, diags *diag.Diagnostics) {
	if _, said := planned["lock"].(string); !said {
		diags.Append(state.SetAttribute(ctx, path.Root("lock"), lock.value(e.artifacts.Wanted))...)
	}
}
