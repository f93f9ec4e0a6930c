package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// TestManifestsCommand: mistakes in manifests are those of the topology; what cannot be applied is left out, told, and ends plan, apply and status with codes of their own.
func TestManifestsCommand(t *testing.T) {
	s := fleettest.Settings{Hosts: []fleettest.Host{{Name: "cp1", Site: "s1", Roles: []string{"etcd", "control-plane", "worker"}}}, Manifests: map[string]string{
		"shop.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}\n"}}
	f := newMemoryFleet(t, s)
	f.trivet(0, "validate")
	f.trivet(0, "apply", "--yes")
	f.trivet(0, "plan")
	f.trivet(0, "status")

	// Somebody else has a field of the Deployment.
	if err := f.SetObject("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 7}}", "scaler"); err != nil {
		t.Fatal(err)
	}
	out, _ := f.trivet(exitPartial, "plan")
	matches(t, out, `^Cluster "main": Kubernetes 1\.37\.2\. No changes, and 1 object cannot be applied: every host and every other object is as the topology says\.$`,
		`^Cannot be applied: 1 object, and the rest is done without\.$`, `^  .*shop\.yaml:3: Deployment/shop/web: scaler has spec$`)
	_, errOut := f.trivet(exitPartial, "apply", "--yes")
	matches(t, errOut, `the rest is done, and 1 object of a manifest cannot be applied:$`, `^ +.*shop\.yaml:3: Deployment/shop/web: scaler has spec$`)
	f.ForgetObject("Namespace/shop")
	out, _ = f.trivet(exitChanges, "plan")
	matches(t, out, `^  \+ Namespace shop$`, `^Plan: 1 to create, 0 to change, 0 to restart, 0 to remove; 1 object cannot be applied\.$`)
	out, _ = f.trivet(exitChanges, "plan", "--json")
	matches(t, out, `"blocked":\[\{"object":"Deployment shop/web","reason":"[^"]*shop\.yaml:3: Deployment/shop/web: scaler has spec"\}\]`)
	out, _ = f.trivet(exitPartial, "apply", "--yes", "--json")
	matches(t, out, `"blocked":\[\{"object":"Deployment shop/web"`)
	out, _ = f.trivet(exitFailed, "status")
	matches(t, out, `^✗ API: Deployment shop/web: cannot be applied: .*shop\.yaml:3: `)

	if err := os.WriteFile(filepath.Join(f.dir, "shop.yaml"), []byte("apiVersion: v1\nkind: Node\nmetadata:\n  name: cp1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"validate", "plan", "status"} {
		_, errOut = f.trivet(exitFailed, command)
		matches(t, errOut, `shop\.yaml:2:7$`, `Nodes are Trivet's own`)
	}
}
