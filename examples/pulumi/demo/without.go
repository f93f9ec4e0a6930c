package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/examples/pulumi/two-places-three-centres/centres"
	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
)

// standIn has its state in memory, and the provider behind a real connection.
type standIn struct{ *minengine.Engine }

func withoutPulumi(ctx context.Context, settings auto.ConfigMap) (stack, error) {
	e, err := minengine.New(context.WithoutCancel(ctx), func(h *host.HostClient) pulumirpc.ResourceProviderServer { return pulumi.New(h, "demo", nil) })
	if err != nil {
		return nil, err
	}
	e.Settings = map[string]string{}
	for name, v := range settings {
		e.Settings[name] = v.Value
	}
	e.Watch = func(m minengine.Message) { fmt.Println("   ", m.Text) }
	context.AfterFunc(ctx, func() {
		if err := e.Cancel(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	return standIn{e}, nil
}

func (s standIn) preview(context.Context) error { return s.Preview(centres.Program) }

func (s standIn) up(context.Context) (any, string, error) {
	out, err := s.Up(centres.Program)
	if err != nil {
		return nil, "", err
	}
	return out["workers"].Mappable(), out["kubeconfig"].StringValue(), nil
}

func (s standIn) complete(context.Context) error {
	if _, err := s.Up(centres.Program); err != nil {
		return err
	}
	for _, x := range s.Steps {
		if x.Op != minengine.Same && x.Op != minengine.Read {
			return fmt.Errorf("there was something left to do: %s %s, %v", x.Op, x.URN, x.Diff)
		}
	}
	return nil
}

func (s standIn) destroy(context.Context) error { return s.Destroy() }

func (s standIn) close() { s.Close() }
