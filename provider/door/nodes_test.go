package door

import (
	"strings"
	"testing"

	"filippo.io/age"
)

// TestConfiguration: a host's digest is another one when a setting is, whatever the setting's name ends in, and the same when only the text around it is another.
func TestConfiguration(t *testing.T) {
	const text = `
fleet "f" {}
region "r" {
  site "s" {
    room "1" {
      rack "a" {
        cidr = "10.1.1.0/24"
        host "h" {
          address = "10.1.1.11"
          roles   = ["etcd", "control-plane", "worker"]
        }
      }
    }
  }
}
cluster "c" {
  kubernetes     = "1.37.2"
  sites          = ["s"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = ["RECIPIENT"]
  component "kube-proxy" {
    settings = { portRange = "1000-2000" }
  }
}
`
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	of := func(text string) string {
		t.Helper()
		top, diags := (*Client)(nil).Parse(strings.Replace(text, "RECIPIENT", key.Recipient().String(), 1), nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return configuration(top.Clusters[0], top.Clusters[0].Hosts[0])
	}
	if of(text) != of("\n\n# moved\n"+text) {
		t.Error("the digest is another one where only the text was moved")
	}
	if of(text) == of(strings.Replace(text, "1000-2000", "1000-3000", 1)) {
		t.Error("the digest is the same with another portRange")
	}
}
