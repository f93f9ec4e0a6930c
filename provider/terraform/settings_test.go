package terraform

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/provider/door"
)

// leaves are the settings of the provider block, by name.
func leaves(t *testing.T) map[string]schema.Attribute {
	t.Helper()
	var resp provider.SchemaResponse
	New("test", nil)().Schema(t.Context(), provider.SchemaRequest{}, &resp)
	out := map[string]schema.Attribute{}
	for name, a := range resp.Schema.Attributes {
		if nested, ok := a.(schema.SingleNestedAttribute); ok {
			for inner, b := range nested.Attributes {
				out[name+"."+inner] = b.(schema.Attribute)
			}
			continue
		}
		out[name] = a
	}
	return out
}

// configure configures the provider with some settings; the others are null.
func configure(t *testing.T, values map[string]any) (*client, provider.ConfigureResponse) {
	t.Helper()
	p := New("test", nil)()
	var s provider.SchemaResponse
	p.Schema(t.Context(), provider.SchemaRequest{}, &s)
	typ := s.Schema.Type().TerraformType(t.Context()).(tftypes.Object)
	object := func(typ tftypes.Object, prefix string, value func(string, tftypes.Type) tftypes.Value) tftypes.Value {
		out := map[string]tftypes.Value{}
		for name, inner := range typ.AttributeTypes {
			out[name] = value(prefix+name, inner)
		}
		return tftypes.NewValue(typ, out)
	}
	raw := object(typ, "", func(name string, inner tftypes.Type) tftypes.Value {
		if of, ok := inner.(tftypes.Object); ok {
			return object(of, name+".", func(name string, typ tftypes.Type) tftypes.Value { return tftypes.NewValue(typ, values[name]) })
		}
		return tftypes.NewValue(inner, values[name])
	})
	var resp provider.ConfigureResponse
	p.Configure(t.Context(), provider.ConfigureRequest{Config: tfsdk.Config{Raw: raw, Schema: s.Schema}}, &resp)
	c, _ := resp.ResourceData.(*client)
	return c, resp
}

// example gives a value of a setting as a text, another one than the default.
func example(t *testing.T, name string) string {
	t.Helper()
	switch name {
	case "ssh.port":
		return "2222"
	case "ssh.parallel":
		return "7"
	case "ssh.agent":
		return "true"
	case "on_destroy", "unreachable":
		return "forget"
	}
	return "text of " + name
}

// TestEnvironment: every setting has an environment variable, which says so and gives the same as the setting; the provider block goes before it.
func TestEnvironment(t *testing.T) {
	for _, variable := range door.Environment {
		t.Setenv(variable, "")
	}
	plain, _ := configure(t, nil)
	for name, a := range leaves(t) {
		t.Run(name, func(t *testing.T) {
			variable := door.Environment[name]
			if variable == "" || !strings.Contains(a.GetMarkdownDescription(), "`"+variable+"`") {
				t.Fatalf("it has no environment variable, or its description does not name it: %s", a.GetMarkdownDescription())
			}
			text := example(t, name)
			var value any = text
			switch name {
			case "ssh.port":
				value = 2222
			case "ssh.parallel":
				value = 7
			case "ssh.agent":
				value = true
			}
			given, resp := configure(t, map[string]any{name: value})
			if resp.Diagnostics.HasError() || reflect.DeepEqual(given, plain) {
				t.Fatalf("the setting changes nothing: %v", resp.Diagnostics)
			}
			set := text
			if name == "age_identity" {
				set = filepath.Join(t.TempDir(), "key")
				if err := os.WriteFile(set, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv(variable, set)
			fromEnvironment, resp := configure(t, nil)
			if resp.Diagnostics.HasError() || !reflect.DeepEqual(given, fromEnvironment) {
				t.Errorf("by %s=%s\n%+v\nby the setting\n%+v\n%v", variable, set, fromEnvironment, given, resp.Diagnostics)
			}
			t.Setenv(variable, "nonsense/of/the/environment")
			if name == "ssh.port" || name == "ssh.parallel" || name == "ssh.agent" || name == "age_identity" || name == "on_destroy" || name == "unreachable" {
				if _, resp := configure(t, nil); !resp.Diagnostics.HasError() {
					t.Error("nonsense is taken")
				}
			}
			if again, resp := configure(t, map[string]any{name: value}); resp.Diagnostics.HasError() || !reflect.DeepEqual(given, again) {
				t.Errorf("the environment goes before the provider block: %+v, %v", again, resp.Diagnostics)
			}
		})
	}
}

// TestUnknownSettings: a value that is not known yet is no error. What contacts hosts is told which one it is; without the age identity, much can be done.
func TestUnknownSettings(t *testing.T) {
	for name := range leaves(t) {
		c, resp := configure(t, map[string]any{name: tftypes.UnknownValue})
		want := name
		if name == "age_identity" {
			want = ""
		}
		if resp.Diagnostics.HasError() || c.Unknown != want {
			t.Errorf("%s: unknown is %q, %v", name, c.Unknown, resp.Diagnostics)
		}
		if _, err := c.Identities(); name == "age_identity" && err == nil {
			t.Error("an unknown identity opens something")
		}
	}
}
