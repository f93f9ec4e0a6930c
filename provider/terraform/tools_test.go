package terraform_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TestMain keeps what providers leave for their users out of the system's folder for temporary files.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tf")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

type topologyHost = topology.Host

func lookTerraform() (string, error) { return exec.LookPath("terraform") }

// changedNodes wants the elements of an attribute that a plan changes to be these.
type changedNodes struct {
	attribute string
	want      []string
}

// CheckPlan implements plancheck.PlanCheck.
func (c changedNodes) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, rc := range req.Plan.ResourceChanges {
		if rc.Address != main {
			continue
		}
		side := func(v any) map[string]any {
			o, _ := v.(map[string]any)
			m, _ := o[c.attribute].(map[string]any)
			return m
		}
		before, after, unknown := side(rc.Change.Before), side(rc.Change.After), side(rc.Change.AfterUnknown)
		var got []string
		for name := range union(before, after) {
			if open, _ := unknown[name].(map[string]any); !reflect.DeepEqual(before[name], after[name]) || anyTrue(open) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			resp.Error = fmt.Errorf("the plan changes %v, want %v", got, c.want)
		}
		return
	}
	resp.Error = fmt.Errorf("%s is not in the plan", main)
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

func anyTrue(m map[string]any) bool {
	for _, v := range m {
		if on, _ := v.(bool); on {
			return true
		}
	}
	return false
}

// unchanged wants a plan to leave an attribute as it is.
type unchanged string

// CheckPlan implements plancheck.PlanCheck.
func (u unchanged) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, rc := range req.Plan.ResourceChanges {
		before, _ := rc.Change.Before.(map[string]any)
		after, _ := rc.Change.After.(map[string]any)
		if rc.Address == main && !reflect.DeepEqual(before[string(u)], after[string(u)]) {
			resp.Error = fmt.Errorf("the plan changes %s", u)
		}
	}
}
