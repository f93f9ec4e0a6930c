package topology

import (
	"strings"
	"testing"
)

// TestUnknown checks what is known of a topology in which some values are not known yet.
func TestUnknown(t *testing.T) {
	const text = `fleet "f" {
}
region "r" {
  site "s" {
    room "1" {
      rack "a" {
        host "h1" {
          address = unknown
          roles   = ["etcd", "control-plane", "worker"]
          labels  = { "example.com/a" = "b", "example.com/c" = unknown }
        }
        host "h2" {
          address = ADDRESS
          roles   = ["worker"]
        }
        host "h3" {
          address = unknown
          roles   = unknown
          surge   = true
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
  age_recipients = [unknown]
}
`
	opts := testOptions()
	opts.Unknown = "unknown"
	parse := func(address string) (*Topology, string) {
		top, src, diags := Parse(map[string][]byte{"main.hcl": []byte(strings.Replace(text, "ADDRESS", address, 1))}, opts)
		return top, printed(t, src, diags)
	}
	top, out := parse("unknown")
	if top == nil || out != "" {
		t.Fatalf("unknown values alone are reported: %s", out)
	}
	if c := top.Clusters[0]; len(c.Hosts) != 2 || c.Hosts[0].Address.IsValid() || c.Hosts[0].Labels != nil || c.AgeRecipients != nil {
		t.Errorf("unknown values have a value: %+v", c.Hosts[0])
	}
	if top, out := parse(`"10.128.0.7"`); top != nil || strings.Count(out, "Error:") != 1 || !strings.Contains(out, "address of host h2") {
		t.Errorf("the mistake beside unknown values is not the one that is reported: %s", out)
	}
	opts.Unknown = ""
	if _, out := parse(`"10.11.1.11"`); !strings.Contains(out, `There is no variable named "unknown"`) {
		t.Errorf("a name that stands for nothing is accepted: %s", out)
	}
}

// TestLeftOutRanges gives clusters the usual ranges for pods and Services, also where the argument is null.
func TestLeftOutRanges(t *testing.T) {
	const text = `fleet "f" {
}
region "r" {
  site "s" {
    room "1" {
      rack "a" {
        host "h1" {
          address = "192.168.7.2"
          roles   = ["etcd", "control-plane", "worker"]
        }
      }
    }
  }
}
cluster "c" {
  kubernetes     = "1.37.2"
  sites          = ["s"]
  pod_cidr       = null
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
}
`
	top, src, diags := Parse(map[string][]byte{"main.hcl": []byte(text)}, testOptions())
	if len(diags) > 0 {
		t.Fatal(printed(t, src, diags))
	}
	if c := top.Clusters[0]; c.PodCIDR.String() != "10.128.0.0/12" || c.ServiceCIDR.String() != "10.96.0.0/16" {
		t.Errorf("pods in %s, Services in %s", c.PodCIDR, c.ServiceCIDR)
	}
}
