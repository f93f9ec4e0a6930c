package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// logger is Terraform's log.
type logger struct{}

// Happened implements door.Log.
func (logger) Happened(ctx context.Context, e event.Event) {
	fields := map[string]any{"kind": string(e.Kind)}
	for k, v := range map[string]string{"phase": e.Phase, "host": e.Host, "item": e.Item, "state": e.State} {
		if v != "" {
			fields[k] = v
		}
	}
	switch e.Kind {
	case event.Warning, event.HostFailed, event.CheckFailed:
		tflog.Warn(ctx, e.Message, fields)
	case event.Progress, event.ActionStarted, event.ActionDone:
		tflog.Debug(ctx, e.Message, fields)
	default:
		tflog.Info(ctx, e.Message, fields)
	}
}

// Fetched implements door.Log.
func (logger) Fetched(ctx context.Context, e artifact.Event) {
	tflog.Info(ctx, e.Line, map[string]any{"task": e.Task})
}
