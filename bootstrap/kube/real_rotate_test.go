package kube_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
)

// encryption writes a configuration with keys of these names, the first being the one to write with.
func encryption(t *testing.T, path string, keys ...string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets, configmaps]\n  providers:\n  - secretbox:\n      keys:\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "      - {name: %s, secret: %s}\n", k, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(k, 32))))
	}
	b.WriteString("  - identity: {}\n")
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func within(names []string, folder string) []string {
	var out []string
	for _, n := range names {
		out = append(out, strings.TrimPrefix(n, folder))
	}
	return out
}

// TestRealStoreAgain has a real API server store what lies in a real etcd under an old key. The objects stay as they are, immutable ones too.
func TestRealStoreAgain(t *testing.T) {
	const folder = "/registry/secrets/"
	config := filepath.Join(t.TempDir(), "encryption.yaml")
	encryption(t, config, "a")
	server := kubetest.Start(t, "--encryption-provider-config="+config, "--encryption-provider-config-automatic-reload=true")
	c, err := kube.New([]kube.Endpoint{server.Endpoint("cp1")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is left to do
	if err := c.HostsReady(t.Context(), []string{"cp1"}, func(map[string]string) {}); err != nil {
		t.Fatal(err)
	}
	members, err := etcd.New([]etcd.Endpoint{{Name: server.Store.Name, Dial: server.Store.Dial}})
	if err != nil {
		t.Fatal(err)
	}
	defer members.Close() //nolint:errcheck // nothing is left to do
	without := func(key string) []string {
		t.Helper()
		names, err := members.Without(t.Context(), folder, []byte("k8s:enc:secretbox:v1:"+key+":"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	secrets := c.Typed().CoreV1().Secrets("default")
	var want []string
	for i := range 120 { // more than etcd is asked for at once
		name, immutable := fmt.Sprintf("s%03d", i), i%2 == 0
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Immutable: &immutable, StringData: map[string]string{"n": name}}
		if _, err := secrets.Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		want = append(want, folder+"default/"+name)
	}
	if left := without("a"); len(left) > 0 {
		t.Fatalf("not under the first key: %q", left)
	}
	if got := without("b"); !slices.Equal(got, want) {
		t.Fatalf("%d secrets are not under another key, want %d", len(got), len(want))
	}
	before, err := secrets.Get(t.Context(), "s007", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}

	encryption(t, config, "b", "a")
	deadline := time.Now().Add(2 * time.Minute)
	for len(without("b")) == len(want) { // until the server has read the keys
		if err := c.StoreAgain(t.Context(), "secrets", []string{"default/s007", "default/gone"}); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the secret stays under the old key")
		}
	}
	if err := c.StoreAgain(t.Context(), "secrets", within(without("b"), folder)); err != nil {
		t.Fatal(err)
	}
	if left := without("b"); len(left) > 0 {
		t.Errorf("left under the old key: %q", left)
	}
	now, err := secrets.Get(t.Context(), "s007", metav1.GetOptions{})
	if err != nil || string(now.Data["n"]) != "s007" || now.ResourceVersion == before.ResourceVersion || len(now.ManagedFields) != len(before.ManagedFields) {
		t.Errorf("before %+v, now %+v, %v", before, now, err)
	}
}
