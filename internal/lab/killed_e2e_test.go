//go:build linux

package lab

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestKilledUp kills the process that brings a lab up, at several moments, and brings the
// lab up again over what is left.
func TestKilledUp(t *testing.T) {
	needLab(t)
	o := testOptions(t)
	spec := testSpec("ltk")
	if err := Down(t.Context(), spec.Name, o); err != nil {
		t.Fatal(err)
	}
	before := footprint(t)
	t.Cleanup(func() {
		if err := Down(context.Background(), spec.Name, o); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, footprint(t)); diff != "" {
			t.Errorf("the lab left something (-before +after):\n%s", diff)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	delays := []time.Duration{30 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond}
	for i, delay := range delays {
		t.Run(delay.String(), func(t *testing.T) {
			cmd := exec.Command(self, "-test.run=^TestUpForKill$")
			cmd.Env = append(os.Environ(), "TRIVET_LAB_UP="+string(data), "TRIVET_LAB_STATE="+o.StateDir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				t.Logf("it was done before it could be killed: %v", err)
			case <-time.After(delay):
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				<-ended
			}
			if i%2 == 1 { // going down must work from there as well
				if err := Down(t.Context(), spec.Name, o); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, footprint(t)); diff != "" {
					t.Fatalf("down left something of a killed up (-before +after):\n%s", diff)
				}
				return
			}
			l, err := Up(t.Context(), spec, o)
			if err != nil {
				t.Fatal(err)
			}
			testHosts(t, l, spec)
			if err := Down(t.Context(), spec.Name, o); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestBaseBuildKilled kills a build of the base image; two builds at once follow it.
func TestBaseBuildKilled(t *testing.T) {
	needLab(t)
	if testing.Short() {
		t.Skip("builds a base image")
	}
	cache := t.TempDir()
	before := footprint(t, cache)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestBaseBuildForKill$")
	cmd.Env = append(os.Environ(), "TRIVET_LAB_CACHE="+cache)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	building := func() []string {
		dirs, err := filepath.Glob(filepath.Join(cache, "lab", "*.building-*", "root", "var", "lib", "dpkg"))
		if err != nil {
			t.Fatal(err)
		}
		return dirs
	}
	for len(building()) == 0 { // until it is in the middle of it
		time.Sleep(20 * time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	paths := make(chan string, 2)
	for range 2 {
		go func() {
			path, err := ensureBase(t.Context(), cache, func(msg string) { t.Log(msg) })
			if err != nil {
				t.Error(err)
			}
			paths <- path
		}()
	}
	one, two := <-paths, <-paths
	if one != two || one == "" {
		t.Fatalf("two builds at once gave %q and %q", one, two)
	}
	for _, program := range []string{"usr/sbin/sshd", "usr/bin/sudo", "usr/sbin/nft", "home/ops", "usr/local/lib/trivet-lab/boot"} {
		if _, err := os.Stat(filepath.Join(one, program)); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(cache, "lab"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "building") {
			t.Errorf("a build left %s", e.Name())
		}
	}
	if diff := cmp.Diff(before, footprint(t, cache)); diff != "" {
		t.Errorf("the builds left something (-before +after):\n%s", diff)
	}
}

// TestBaseBuildForKill is the process that TestBaseBuildKilled kills.
func TestBaseBuildForKill(t *testing.T) {
	cache := os.Getenv("TRIVET_LAB_CACHE")
	if cache == "" {
		t.Skip("run by TestBaseBuildKilled")
	}
	if _, err := ensureBase(t.Context(), cache, func(string) {}); err != nil {
		t.Fatal(err)
	}
}

// TestUpForKill is the process that TestKilledUp kills.
func TestUpForKill(t *testing.T) {
	data := os.Getenv("TRIVET_LAB_UP")
	if data == "" {
		t.Skip("run by TestKilledUp")
	}
	var spec Spec
	if err := json.Unmarshal([]byte(data), &spec); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(t.Context(), spec, Options{StateDir: os.Getenv("TRIVET_LAB_STATE")}); err != nil {
		t.Fatal(err)
	}
}
