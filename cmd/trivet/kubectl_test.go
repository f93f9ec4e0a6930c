package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/pki"
)

func TestSplitKubectl(t *testing.T) {
	for _, c := range []struct{ args, ours, theirs string }{
		{"get nodes -o wide", "", "get nodes -o wide"},
		{"-f fleet --lab get nodes -o wide", "-f fleet --lab", "get nodes -o wide"},
		{"-n kube-system get pods", "", "-n kube-system get pods"},
		{"--lab -n kube-system get pods", "--lab", "-n kube-system get pods"},
		{"-f fleet -- apply -f web.yaml", "-f fleet", "apply -f web.yaml"},
		{"-f fleet apply -f web.yaml", "-f fleet", "apply -f web.yaml"},
		{"-ffleet get", "-ffleet", "get"},
		{"--file=fleet --var a=b get", "--file=fleet --var a=b", "get"},
		{"--lab exec pod -- ls -f", "--lab", "exec pod -- ls -f"},
		{"-- exec pod -- ls", "", "exec pod -- ls"},
		{"--help", "", "--help"},
		{"get --help", "", "get --help"},
		{"apply -f -", "", "apply -f -"},
		{"--lab", "--lab", ""},
		{"--file", "--file", ""},
		{"", "", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			root, _ := newRoot()
			ours, theirs := splitKubectl(root.PersistentFlags(), strings.Fields(c.args))
			if diff := cmp.Diff([]string{c.ours, c.theirs}, []string{strings.Join(ours, " "), strings.Join(theirs, " ")}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestFindKubectl: that of the cluster's release, where the artifacts have it, can be run; else that of the PATH.
func TestFindKubectl(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	s := &session{cluster: &topology.Cluster{Kubernetes: "1.37.2"}}
	if _, err := findKubectl(t.Context(), s); err == nil || !strings.Contains(err.Error(), "trivet mirror --with kubectl") {
		t.Errorf("with none: %v", err)
	}
	script := func(version string) []byte { return []byte("#!/bin/sh\necho " + version + "\n") }
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), script("1.30.0"), 0o755); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		path, err := findKubectl(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s says %q, %v; want %q", path, out, err, want)
		}
	}
	says("1.30.0")
	folder, err := supply.UserFolder()
	if err != nil {
		t.Fatal(err)
	}
	e := artifact.Entry{Want: artifact.Want{Name: "kubectl", Version: "1.37.2", Arch: runtime.GOARCH, Kind: artifact.Binary}, Provenance: artifact.SourceBuilt}
	if _, err := folder.Add(t.Context(), e, bytes.NewReader(script("1.37.2"))); err != nil {
		t.Fatal(err)
	}
	says("1.37.2")
	says("1.37.2") // from the copy
}

// TestExpiryOf reads until when a kubeconfig is good.
func TestExpiryOf(t *testing.T) {
	want := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	key, err := pki.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: want.Add(-time.Hour), NotAfter: want}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Write(clientcmdapi.Config{AuthInfos: map[string]*clientcmdapi.AuthInfo{
		"ann": {ClientCertificateData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := expiryOf(config); err != nil || !got.Equal(want) {
		t.Errorf("%s, %v", got, err)
	}
	var out, errOut bytes.Buffer
	path := filepath.Join(t.TempDir(), "kubeconfig")
	s := &session{global: &global{}, out: &out}
	if err := s.giveKubeconfig(&errOut, path, config); err != nil || out.Len() > 0 || errOut.String() != path+" is good until "+want.Local().Format("2006-01-02 15:04 MST")+".\n" {
		t.Errorf("%v: %q, %q", err, out.String(), errOut.String())
	}
}
