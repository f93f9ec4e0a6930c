package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/trivet-dev/trivet/examples/pulumi/two-places-three-centres/centres"
)

// real runs the pulumi that is on the PATH, which finds the provider there as well. Its state is where PULUMI_BACKEND_URL says.
type real struct{ auto.Stack }

func withPulumi(ctx context.Context, settings auto.ConfigMap) (stack, error) {
	s, err := auto.UpsertStackInlineSource(ctx, "demo", "two-places-three-centres", centres.Program)
	if err != nil {
		return nil, err
	}
	if err := s.SetAllConfig(ctx, settings); err != nil {
		return nil, err
	}
	fmt.Printf("with pulumi %s\n", s.Workspace().PulumiVersion())
	return real{s}, nil
}

func (s real) preview(ctx context.Context) error {
	_, err := s.Preview(ctx, optpreview.ProgressStreams(os.Stdout), optpreview.Diff())
	return err
}

func (s real) up(ctx context.Context) (result, error) {
	res, err := s.Up(ctx, optup.ProgressStreams(os.Stdout))
	if err != nil {
		return result{}, err
	}
	out := result{workers: res.Outputs["workers"].Value}
	out.kubeconfig, _ = res.Outputs["kubeconfig"].Value.(string)
	for op := range *res.Summary.ResourceChanges {
		out.changed = out.changed || op != string(apitype.OpSame)
	}
	return out, nil
}

func (s real) destroy(ctx context.Context) error {
	_, err := s.Destroy(ctx, optdestroy.ProgressStreams(os.Stdout), optdestroy.Remove())
	return err
}

func (s real) set(ctx context.Context, name, value string) error {
	return s.SetConfig(ctx, name, auto.ConfigValue{Value: value})
}

func (s real) close() {}
