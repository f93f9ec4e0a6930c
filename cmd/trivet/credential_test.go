package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"
)

// TestCredential prints what a kubeconfig asks for, by a topology and by the access that a provider gives.
func TestCredential(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	var endpoints []string
	for _, h := range f.Cluster.Hosts[:3] {
		endpoints = append(endpoints, fmt.Sprintf(`{"host":%q,"address":%q}`, h.Name, h.Address))
	}
	access := fmt.Sprintf(`{"name":"main","id":"","endpoints":[%s]}`, strings.Join(endpoints, ","))
	for name, args := range map[string][]string{"topology": nil, "access": {"--access", access}} {
		out, _ := f.trivet(0, append([]string{"credential"}, args...)...)
		var c clientauthentication.ExecCredential
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if c.Kind != "ExecCredential" || c.Status == nil || !strings.Contains(c.Status.ClientKeyData, "PRIVATE KEY") || c.Status.ExpirationTimestamp == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	_, errOut := f.trivet(1, "credential", "--access", "{}")
	matches(t, errOut, `the access of a cluster has no name`)
}
