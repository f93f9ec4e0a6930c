package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

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

func (s standIn) preview(context.Context) error {
	err := s.Preview(centres.Program)
	for _, x := range s.Steps {
		fmt.Printf("    %s %s %v\n", x.Op, x.URN.Name(), slices.Sorted(maps.Keys(x.Diff)))
	}
	return err
}

func (s standIn) up(context.Context) (result, error) {
	res, err := s.Up(centres.Program)
	if err != nil {
		return result{}, err
	}
	out := result{workers: res["workers"].Mappable(), kubeconfig: res["kubeconfig"].StringValue()}
	for _, x := range s.Steps {
		if x.Op != minengine.Same && x.Op != minengine.Read {
			fmt.Printf("    %s %s %v\n", x.Op, x.URN.Name(), slices.Sorted(maps.Keys(x.Diff)))
			out.changed = true
		}
	}
	return out, nil
}

func (s standIn) destroy(context.Context) error { return s.Destroy() }

func (s standIn) set(_ context.Context, name, value string) error {
	s.Settings[name] = value
	return nil
}

func (s standIn) close() { s.Close() }
