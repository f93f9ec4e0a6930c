package terraform

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"golang.org/x/crypto/ssh"

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
	case "ssh.private_key":
		return keygen(t, "")
	case "ssh.known_hosts":
		return "10.11.1.11 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Z5tLq3sJ0Yx1nXVnqk1yqz0G1yq2o3o0Y5Xw9hG3b"
	case "age_identity":
		key, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return key.String()
	}
	return "text of " + name
}

// keygen makes a key as ssh-keygen does.
func keygen(t *testing.T, passphrase string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// TestWrongSettings: a setting that is none is told once, at its attribute, before a host is contacted, and nothing secret is said of it.
func TestWrongSettings(t *testing.T) {
	for _, variable := range door.Environment {
		t.Setenv(variable, "")
	}
	for name, c := range map[string]struct {
		setting string
		value   any
		want    string
	}{
		"the name of a key's file":  {"ssh.private_key", "~/.ssh/planted", "ssh: ssh.private_key: It has to be the text of the private key itself"},
		"an encrypted key":          {"ssh.private_key", keygen(t, "planted"), "ssh: ssh.private_key: Nobody can be asked for its passphrase"},
		"the name of a file":        {"ssh.known_hosts", "known_hosts", "ssh: ssh.known_hosts: It has to be the text of a known_hosts file, not the file's name: line 1: "},
		"the name of an identity's": {"age_identity", "~/planted.key", "age_identity: It has to be the text of the identity itself, not the name of its file"},
		"a port":                    {"ssh.port", 70000, "ssh: ssh.port: It must be a whole number from 1 to 65535. It is in the provider block."},
		"a policy":                  {"unreachable", "maybe", `unreachable: "maybe" is not one of fail and forget. It is in the provider block.`},
	} {
		t.Run(name, func(t *testing.T) {
			_, resp := configure(t, map[string]any{c.setting: c.value})
			errs := resp.Diagnostics.Errors()
			if len(errs) != 1 {
				t.Fatalf("%d errors: %v", len(errs), errs)
			}
			at, _ := errs[0].(diag.DiagnosticWithPath)
			if got := at.Path().String() + ": " + at.Detail(); !strings.HasPrefix(got, c.want) || strings.Contains(got, "planted") || strings.Contains(got, os.TempDir()) {
				t.Errorf("it says %q", got)
			}
		})
	}
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
			if free := []string{"ssh.user", "ssh.sudo_password", "artifacts"}; !slices.Contains(free, name) {
				_, resp := configure(t, nil)
				if !resp.Diagnostics.HasError() {
					t.Fatal("nonsense is taken")
				}
				if d := resp.Diagnostics.Errors()[0]; !strings.Contains(d.Detail(), variable) {
					t.Errorf("it is not told that the environment has it: %s", d.Detail())
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
