package release_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// fleet has a host that is control plane and worker at once and a plain worker.
const fleet = `fleet "f" {
  ssh {
    user = "ops"
  }
}
region "r" {
  site "s" {
    room "1" {
      rack "a" {
        cidr = "10.1.1.0/24"
        host "a" {
          address = "10.1.1.11"
          roles   = ["etcd", "control-plane", "worker"]
        }
        host "b" {
          address = "10.1.1.12"
          roles   = ["worker"]
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
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
`

// TestPositions holds where mistakes in settings are underlined: names at the key, values at the value, fields that do not fit where the last was written.
func TestPositions(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"names and values", `
component "kubelet" {
  settings = {
    maxPod              = 100
    imageMinimumGCAge   = "2 minutes"
    evictionHard        = { "memory.available" = "500MB", "memory.free" = "1Gi" }
    tlsCipherSuites     = ["TLS_AES_128_GCM_SHA256", "TLS_AES_129_GCM_SHA256"]
    imageGCHighThresholdPercent = 75
  }
}`, `
5 | maxPod
6 | "2 minutes"
7 | "500MB"
7 | "memory.free"
8 | "TLS_AES_129_GCM_SHA256"
9 | 75
`},
		{"across blocks", `
component "kubelet" {
  settings = { imageGCLowThresholdPercent = 60, featureGates = { DefaultPodSysctls = true } }
}
component "kubelet" {
  role     = "worker"
  settings = { imageGCHighThresholdPercent = 60 }
}
component "kubelet" {
  role     = "control-plane"
  settings = {
    defaultPodSysctls          = { "net.core.somaxconn" = "1024" }
    imageGCLowThresholdPercent = 50
  }
}`, `
8 | 60
`},
		{"split over roles that one host has", `
component "kubelet" {
  role     = "control-plane"
  settings = { serializeImagePulls = true }
}
component "kubelet" {
  role     = "worker"
  settings = { maxParallelImagePulls = 4 }
}`, `
9 | 4
`},
		{"from a local value", `
component "etcd" {
  settings = local.etcd
}`, `
4 | local.etcd
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := strings.Count(fleet, "\n")
			text := fleet + c.text + "\n}\nlocals {\n  etcd = { snapshot-count = -1 }\n}\n"
			lines := strings.Split(text, "\n")
			topo, src, diags := topology.Parse(map[string][]byte{"main.hcl": []byte(text)}, topology.Options{Home: "/home/op", Releases: release.Known, CheckSettings: release.CheckComponent})
			if topo != nil {
				t.Fatal("accepted")
			}
			var got strings.Builder
			got.WriteString("\n")
			for _, d := range diags {
				line := lines[d.Subject.Start.Line-1]
				got.WriteString(strings.TrimSpace(strings.Join([]string{strconv.Itoa(d.Subject.Start.Line - first + 1), "|", line[d.Subject.Start.Column-1 : d.Subject.End.Column-1]}, " ")) + "\n")
			}
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				var out bytes.Buffer
				if err := src.Write(&out, diags, false, 0); err != nil {
					t.Fatal(err)
				}
				t.Errorf("(-want +got):\n%s\n%s", diff, out.String())
			}
		})
	}
}
