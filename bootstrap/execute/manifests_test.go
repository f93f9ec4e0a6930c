package execute_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

const planted = "planted-5f2c9d"

// secretNeedles are a value, and the object that holds it, in the forms in which they could turn up in a text.
func secretNeedles(t *testing.T, f *fleettest.Fleet) []string {
	t.Helper()
	out := []string{planted, base64.StdEncoding.EncodeToString([]byte(planted)), hex.EncodeToString([]byte(planted))}
	texts := [][]byte{[]byte(planted)}
	for _, m := range f.Cluster.Manifests {
		if m.Kind == "Secret" {
			texts = append(texts, m.JSON)
			// base64 of a part of a text depends on where it begins.
			for i := range 3 {
				out = append(out, base64.StdEncoding.EncodeToString([]byte(planted)[i:])[:12])
			}
		}
	}
	for _, text := range texts {
		sum := sha256.Sum256(text)
		out = append(out, hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:])[:12], base64.StdEncoding.EncodeToString(sum[:]))
	}
	return out
}

// TestSecretsOfManifests: a plan that makes, changes and deletes Secrets of manifests shows no value of them and no digest of one, nor do the events and errors of its apply.
func TestSecretsOfManifests(t *testing.T) {
	secret := func(form string) string {
		return "{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop, annotations: {last: '" + planted + "'}}, " + form + "}"
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(planted))
	settings := oneHost
	settings.Manifests = map[string]string{"a.yaml": secret("stringData: {password: " + planted + "}")}
	f := newFleet(t, settings)
	var mu sync.Mutex
	var said bytes.Buffer
	sink := func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		if err := json.NewEncoder(&said).Encode(e); err != nil {
			t.Error(err)
		}
	}
	run := func(what string, wantErr bool) {
		t.Helper()
		needles := secretNeedles(t, f)
		p, _, _, err := apply(t.Context(), f, sink)
		if (err != nil) != wantErr || p == nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !hasSecret(p) {
			t.Fatalf("%s: the plan has no Secret", what)
		}
		raw, jsonErr := json.Marshal(p)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		said.Write(raw)
		if err := p.WriteText(&said, plan.TextOptions{Full: true}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&said, p.Digest(), err)
		for _, a := range actions(p) {
			if a.Object != nil {
				said.Write(a.Object.Manifest) // in JSON it is base64
			}
		}
		for _, n := range needles {
			if strings.Contains(said.String(), n) {
				t.Errorf("%s: %q is told", what, n)
			}
		}
		if got := f.Objects()["Secret/shop/key"]; !wantErr && settings.Manifests["a.yaml"] != "" && !bytes.Contains(got, []byte(planted)) && !bytes.Contains(got, []byte(encoded)) {
			t.Errorf("%s: the API has not got the value: %s", what, got)
		}
	}
	run("made", false)
	change := func(text string) {
		t.Helper()
		settings.Manifests = map[string]string{}
		if text != "" {
			settings.Manifests["a.yaml"] = text
		}
		if err := f.Change(settings); err != nil {
			t.Fatal(err)
		}
	}
	change(secret("data: {password: " + encoded + "}"))
	run("changed", false)
	change(secret("data: {password: " + encoded + "}, immutable: true"))
	f.RefuseObject("Secret/shop/key", true)
	run("refused", true)
	change("")
	run("deleted", false)
}

func actions(p *plan.Plan) []plan.Action {
	var out []plan.Action
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			out = append(out, s.Actions...)
		}
	}
	return out
}

func hasSecret(p *plan.Plan) bool {
	for _, a := range actions(p) {
		if a.Object != nil && a.Object.Kind == "Secret" {
			return true
		}
	}
	return false
}

// TestManifestsAreToldOneByOne: what was applied before another failed has been told, and what failed was not.
func TestManifestsAreToldOneByOne(t *testing.T) {
	settings := oneHost
	settings.Manifests = map[string]string{"a.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: shop}}"}
	f := newFleet(t, settings)
	var mu sync.Mutex
	var told []string
	sink := func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == event.ActionDone && e.Phase == "manifests" && strings.Contains(e.Item, "shop") {
			told = append(told, e.Item)
		}
	}
	f.RefuseObject("ConfigMap/shop/conf", true)
	if _, _, _, err := apply(t.Context(), f, sink); err == nil || !strings.Contains(err.Error(), "the API refuses it") {
		t.Fatalf("apply: %v", err)
	}
	if d := cmp.Diff([]string{"Namespace shop"}, told); d != "" {
		t.Errorf("with one refused (-want +got):\n%s", d)
	}
	told = nil
	f.RefuseObject("ConfigMap/shop/conf", false)
	if _, _, _, err := apply(t.Context(), f, sink); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"ConfigMap shop/conf"}, told); d != "" {
		t.Errorf("afterwards (-want +got):\n%s", d)
	}
	told = nil
	settings.Manifests = map[string]string{"a.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"}
	if err := f.Change(settings); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := apply(t.Context(), f, sink); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"delete ConfigMap shop/conf"}, told); d != "" {
		t.Errorf("when it is taken out (-want +got):\n%s", d)
	}
}
