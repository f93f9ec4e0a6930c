package main

import (
	"context"
	"fmt"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// quiet is for what says nothing while it works.
type quiet struct{}

// Happened implements door.Log.
func (quiet) Happened(context.Context, event.Event) {}

// Fetched implements door.Log.
func (quiet) Fetched(context.Context, artifact.Event) {}

// connectTo connects to the control planes that the access of a cluster names, as the providers give it. How to log in is told by the environment, as for providers.
func (g *global) connectTo(ctx context.Context, access string, more ...func(*bootstrap.Options)) (*door.Session, error) {
	o, err := door.ParseAccess(access)
	if err != nil {
		return nil, fmt.Errorf("--access: %w", err)
	}
	c := &door.Client{Adapt: g.adapt, Words: input.Words{Provider: "environment"}, Log: quiet{}}
	if problems := c.Configure(nil); input.HasErrors(problems) {
		return nil, fmt.Errorf("%s: %s", problems[0].Summary, problems[0].Detail)
	}
	return c.Connect(ctx, c.FleetAt(c.AccessIn(o)), door.NoPins(), more...)
}
