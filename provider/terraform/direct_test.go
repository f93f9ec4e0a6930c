package terraform_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/provider/terraform"
)

// direct speaks the protocol of providers in place of terraform, where its processes would take too long.
type direct struct {
	server tfprotov6.ProviderServer
	types  map[string]tftypes.Type // of resources, data sources and ephemeral resources
}

// direct configures a provider over the fleet, for which one host is at work at a time, so that runs are the same every time.
func (w *world) direct(t *testing.T, adapt func(*bootstrap.Options)) *direct {
	t.Helper()
	return w.directAt(t, 1, adapt)
}

// directAt has so many hosts be at work at a time.
func (w *world) directAt(t *testing.T, parallel int, adapt func(*bootstrap.Options)) *direct {
	t.Helper()
	return w.configured(t, map[string]any{"ssh": map[string]any{"user": "ops", "parallel": parallel}, "age_identity": w.fleet.Key.String()}, adapt)
}

// configured configures a provider with these settings.
func (w *world) configured(t *testing.T, settings map[string]any, adapt func(*bootstrap.Options)) *direct {
	t.Helper()
	server := providerserver.NewProtocol6(terraform.New("test", adapt)())()
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d := &direct{server, map[string]tftypes.Type{}}
	for _, kind := range []map[string]*tfprotov6.Schema{schemas.ResourceSchemas, schemas.DataSourceSchemas, schemas.EphemeralResourceSchemas} {
		for name, s := range kind {
			d.types[name] = s.ValueType()
		}
	}
	config := dynamic(t, schemas.Provider.ValueType(), settings)
	resp, err := server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: config, TerraformVersion: "1.11.4"})
	if err := errors.Join(err, failed(resp.Diagnostics)); err != nil {
		t.Fatal(err)
	}
	return d
}

// create plans and creates a resource, and gives its state.
func (d *direct) create(ctx context.Context, t *testing.T, resource string, attributes map[string]any) (tftypes.Value, error) {
	t.Helper()
	none, err := tfprotov6.NewDynamicValue(d.types[resource], tftypes.NewValue(d.types[resource], nil))
	if err != nil {
		t.Fatal(err)
	}
	config := dynamic(t, d.types[resource], attributes)
	plan, err := d.server.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{TypeName: resource, PriorState: &none, ProposedNewState: config, Config: config})
	if err != nil {
		return tftypes.Value{}, err
	}
	if err := failed(plan.Diagnostics); err != nil {
		return tftypes.Value{}, err
	}
	made, err := d.server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{TypeName: resource, PriorState: &none, PlannedState: plan.PlannedState, Config: config, PlannedPrivate: plan.PlannedPrivate})
	if err != nil {
		return tftypes.Value{}, err
	}
	state, err := made.NewState.Unmarshal(d.types[resource])
	if err != nil {
		t.Fatal(err)
	}
	return state, failed(made.Diagnostics)
}

// read reads a data source.
func (d *direct) read(t *testing.T, source string, attributes map[string]any) (map[string]tftypes.Value, error) {
	t.Helper()
	resp, err := d.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: source, Config: dynamic(t, d.types[source], attributes)})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(resp.Diagnostics); err != nil {
		return nil, err
	}
	return d.object(t, source, resp.State), nil
}

// open opens an ephemeral resource, and closes it again.
func (d *direct) open(ctx context.Context, t *testing.T, resource string, attributes map[string]any) error {
	t.Helper()
	resp, err := d.server.OpenEphemeralResource(ctx, &tfprotov6.OpenEphemeralResourceRequest{TypeName: resource, Config: dynamic(t, d.types[resource], attributes)})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(resp.Diagnostics); err != nil {
		return err
	}
	closed, err := d.server.CloseEphemeralResource(t.Context(), &tfprotov6.CloseEphemeralResourceRequest{TypeName: resource, Private: resp.Private})
	if err != nil {
		t.Fatal(err)
	}
	return failed(closed.Diagnostics)
}

// imports imports a resource, and reads it as terraform does then.
func (d *direct) imports(t *testing.T, resource, id string) (map[string]tftypes.Value, error) {
	t.Helper()
	resp, err := d.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: resource, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(resp.Diagnostics); err != nil {
		return nil, err
	}
	one := resp.ImportedResources[0]
	read, err := d.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: resource, CurrentState: one.State, Private: one.Private})
	if err != nil {
		t.Fatal(err)
	}
	return d.object(t, resource, read.NewState), failed(read.Diagnostics)
}

// object reads the attributes of what the provider gave.
func (d *direct) object(t *testing.T, of string, v *tfprotov6.DynamicValue) map[string]tftypes.Value {
	t.Helper()
	x, err := v.Unmarshal(d.types[of])
	if err != nil {
		t.Fatal(err)
	}
	return attributesOf(t, x)
}

func attributesOf(t *testing.T, v tftypes.Value) map[string]tftypes.Value {
	t.Helper()
	out := map[string]tftypes.Value{}
	if err := v.As(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func failed(diags []*tfprotov6.Diagnostic) error {
	var errs []error
	for _, d := range diags {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			errs = append(errs, fmt.Errorf("%s: %s", d.Summary, d.Detail))
		}
	}
	return errors.Join(errs...)
}

func dynamic(t *testing.T, of tftypes.Type, v any) *tfprotov6.DynamicValue {
	t.Helper()
	out, err := tfprotov6.NewDynamicValue(of, valueOf(of, v))
	if err != nil {
		t.Fatal(err)
	}
	return &out
}

// valueOf makes a value of a type; attributes that are not given are null.
func valueOf(of tftypes.Type, v any) tftypes.Value {
	if known, ok := v.(tftypes.Value); ok {
		return known
	}
	switch t := of.(type) {
	case tftypes.Object:
		given, ok := v.(map[string]any)
		if !ok {
			return tftypes.NewValue(of, nil)
		}
		out := map[string]tftypes.Value{}
		for name, of := range t.AttributeTypes {
			out[name] = valueOf(of, given[name])
		}
		return tftypes.NewValue(of, out)
	case tftypes.Map:
		given, ok := v.(map[string]any)
		if !ok {
			return tftypes.NewValue(of, nil)
		}
		out := map[string]tftypes.Value{}
		for name, x := range given {
			out[name] = valueOf(t.ElementType, x)
		}
		return tftypes.NewValue(of, out)
	case tftypes.List:
		given, ok := v.([]string)
		if !ok {
			return tftypes.NewValue(of, nil)
		}
		var out []tftypes.Value
		for _, x := range given {
			out = append(out, valueOf(t.ElementType, x))
		}
		return tftypes.NewValue(of, out)
	}
	return tftypes.NewValue(of, v)
}

// attributes are those of a cluster with these hosts.
func (w *world) attributes(hosts []fleettest.Host) map[string]any {
	sites, machines := map[string]any{}, map[string]any{}
	for _, h := range hosts {
		sites[h.Site] = map[string]any{"region": "r"}
		for _, known := range w.fleet.Cluster.Hosts {
			if known.Name == h.Name {
				machines[h.Name] = map[string]any{"address": known.Address.String(), "site": h.Site, "roles": h.Roles}
			}
		}
	}
	return map[string]any{"name": "main", "kubernetes": "1.37.2", "age_recipients": []string{w.fleet.Key.Recipient().String()}, "sites": sites, "hosts": machines}
}
