package bootstrap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// TestStatusOfObjects compares the API as a plan does, and gets nothing built or fetched for it.
func TestStatusOfObjects(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	e := open(t, f, func(o *bootstrap.Options) { o.Artifacts = nil })
	s, err := e.Status(t.Context())
	if err != nil || !s.Healthy() || len(s.Objects) > 0 {
		t.Fatalf("after the bring-up: %+v, %v", s, err)
	}
	f.ForgetObject("Node/w1")
	f.ForgetObject("Deployment/kube-system/coredns")
	if s, err = e.Status(t.Context()); err != nil || s.Healthy() {
		t.Fatalf("with objects gone: %+v, %v", s, err)
	}
	want := []bootstrap.ObjectDrift{{Kind: "Node", GroupKind: "Node", Name: "w1", Missing: true}, {Kind: "Deployment", GroupKind: "Deployment.apps", Namespace: "kube-system", Name: "coredns", Missing: true}}
	if d := cmp.Diff(want, s.Objects); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}

	// A host that is not set up yet has no Node that could be missing.
	more := small
	more.Hosts = append(slices.Clone(small.Hosts), small.Hosts[1])
	more.Hosts[2].Name = "w2"
	if err := f.Change(more); err != nil {
		t.Fatal(err)
	}
	if s, err = open(t, f).Status(t.Context()); err != nil || len(s.Objects) != 2 || s.ObjectsError != "" {
		t.Errorf("with a new host: %+v, %v", s, err)
	}
}

// TestStatusOfCluster tells what the cluster has and the topology does not, and what is under way.
func TestStatusOfCluster(t *testing.T) {
	s := small
	s.Hosts = append(slices.Clone(small.Hosts), fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}})
	f := newFleet(t, s)
	apply(t, open(t, f))
	f.AddNode("guest")
	f.Cordon("w2")
	s.Hosts, s.Cluster = s.Hosts[:2], "rotation {\n  kubernetes_ca = 2\n}\n"
	if err := f.Change(s); err != nil {
		t.Fatal(err)
	}
	st, err := open(t, f).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(st.Leaving, []string{"w2"}) || !slices.Equal(st.UnknownNodes, []string{"guest"}) {
		t.Errorf("leaving %q, unknown nodes %q", st.Leaving, st.UnknownNodes)
	}
	if !st.Healthy() {
		t.Errorf("none of this is trouble: %v", told(st))
	}
	if len(st.Rotations) != 1 || st.Rotations[0].Asked != 2 || !strings.Contains(st.Rotations[0].Text, "an apply begins with it") {
		t.Errorf("rotations: %+v", st.Rotations)
	}
	apply(t, open(t, f)) // takes w2 out
	apply(t, open(t, f)) // makes the authority
	if st, err = open(t, f).Status(t.Context()); err != nil || len(st.Leaving) > 0 || len(st.Rotations) != 1 || st.Rotations[0].Stage != "trust" || !strings.Contains(st.Rotations[0].Text, "Next: ") {
		t.Errorf("with a rotation under way: %+v, %v", st, err)
	}
}

// TestStatusOfUpgrade tells of one that is wanted.
func TestStatusOfUpgrade(t *testing.T) {
	s := small
	s.Kubernetes = "1.36.3"
	f := newFleet(t, s)
	apply(t, open(t, f))
	if err := f.Change(small); err != nil {
		t.Fatal(err)
	}
	if st, err := open(t, f).Status(t.Context()); err != nil || st.Kubernetes != "1.36.3" || st.Wanted != "1.37.2" || st.From != "" {
		t.Errorf("before: %+v, %v", st, err)
	}
	f.FailGate(plan.GateNodes, errors.New("not today"))
	e := open(t, f)
	if err := e.Apply(t.Context(), planOf(t, e)); err == nil {
		t.Fatal("the upgrade went through")
	}
	if st, err := open(t, f).Status(t.Context()); err != nil || st.Kubernetes != "1.37.2" || st.From != "1.36.3" || st.Wanted != "" || st.Healthy() {
		t.Errorf("half way: %+v, %v", st, err)
	}
}

// TestDeepStatus finds an artifact that was changed in place with its size kept.
func TestDeepStatus(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	blobs, err := filepath.Glob(f.Machines["w1"].Path("/opt/trivet/store/sha256") + "/*")
	if err != nil || len(blobs) == 0 {
		t.Fatalf("no blobs: %v", err)
	}
	o, err := f.Observe("w1")
	if err != nil {
		t.Fatal(err)
	}
	damage := func(sha256 string) {
		for _, b := range blobs {
			if !strings.Contains(b, sha256) {
				continue
			}
			content, err := os.ReadFile(b)
			if err != nil {
				t.Fatal(err)
			}
			content[0] ^= 1
			if err := os.Chmod(b, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(b, content, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Fatalf("no blob %s", sha256)
	}
	for _, r := range o.Record.Items {
		if r.Item.Artifact != nil {
			damage(r.Item.Artifact.Blob.SHA256)
			break
		}
	}
	e := open(t, f)
	s, err := e.DeepStatus(t.Context())
	if err != nil || s.Healthy() || !s.Deep || len(s.Hosts[1].Drift) == 0 {
		t.Errorf("a deep status finds nothing: %+v, %v", s, err)
	}
}

// TestStatusOverrides shows a foreign drop-in, which is no drift.
func TestStatusOverrides(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	path := f.Machines["w1"].Path("/etc/systemd/system/containerd.service.d/mine.conf")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("[Service]\nNice=5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := open(t, f).Status(t.Context())
	if err != nil || !s.Healthy() {
		t.Fatalf("%+v, %v", s, err)
	}
	want := []hostapi.Drift{{ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "containerd.service"}, What: "drop-in /etc/systemd/system/containerd.service.d/mine.conf is not Trivet's"}}
	if d := cmp.Diff(want, s.Hosts[1].Overrides); d != "" || len(s.Hosts[0].Overrides) > 0 {
		t.Errorf("cp1: %+v; w1: -want +got:\n%s", s.Hosts[0].Overrides, d)
	}
}

// TestStatusCertificates lists them by expiry.
func TestStatusCertificates(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	s, err := open(t, f).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range s.Hosts {
		if len(h.Certificates) == 0 || *h.NextExpiry != h.Certificates[0] {
			t.Errorf("host %s: %+v, first %+v", h.Name, h.Certificates, h.NextExpiry)
		}
		if !slices.IsSortedFunc(h.Certificates, func(a, b bootstrap.Expiry) int { return a.NotAfter.Compare(b.NotAfter) }) {
			t.Errorf("host %s: not sorted: %+v", h.Name, h.Certificates)
		}
	}
	late := func(o *bootstrap.Options) {
		o.Now = func() time.Time { return s.Hosts[0].NextExpiry.NotAfter.Add(time.Second) }
	}
	if s, err := open(t, f, late).Status(t.Context()); err != nil || s.Healthy() {
		t.Errorf("with an expired certificate all is well: %v", err)
	}
}

// mute is a host that takes questions and never answers.
type mute struct{ remote.Host }

func (mute) Observe(ctx context.Context, _ hostapi.ObserveRequest) (*hostapi.Observation, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// muteOn has a host go silent.
func muteOn(f *fleettest.Fleet, name string) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			conn, err := f.Connect(ctx, h)
			if h.Name == name && err == nil {
				conn = mute{conn}
			}
			return conn, err
		}
	}
}

// TestApplyWithASilentHost leaves out a host that is connected and answers nothing, and so does a take-over.
func TestApplyWithASilentHost(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	if err := os.Remove(f.Machines["cp1"].Path("/etc/kubernetes/kubelet.yaml")); err != nil {
		t.Fatal(err)
	}
	e := open(t, f, muteOn(f, "w1")).Within(3 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := e.Plan(ctx)
	if err != nil || p.Empty() {
		t.Fatalf("plan %v, %v", p, err)
	}
	var partial *bootstrap.PartialError
	if err := e.Apply(ctx, p); !errors.As(err, &partial) || len(partial.Skipped) != 1 || !strings.Contains(partial.Skipped[0].Reason, "connected, and no answer for 3s") {
		t.Errorf("apply: %v", err)
	}
	if out, err := e.TakeOver(ctx, nil); err != nil || !slices.Equal(out.Away, []string{"w1"}) {
		t.Errorf("take-over: %+v, %v", out, err)
	}
}

// TestApplyWithAWorkerThatCannotWrite: a worker whose disk takes no record cannot be fenced off from earlier runs, which keeps nobody from the other hosts.
func TestApplyWithAWorkerThatCannotWrite(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	if err := os.Remove(f.Machines["cp1"].Path("/etc/kubernetes/kubelet.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(f.Machines["w1"].Path("/var/lib/trivet/record.json.new/in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	var warned []string
	e := open(t, f, func(o *bootstrap.Options) {
		o.Events = func(ev event.Event) {
			if ev.Kind == event.Warning {
				warned = append(warned, ev.Host+": "+ev.Message)
			}
		}
	})
	apply(t, e)
	if len(warned) != 1 || !strings.HasPrefix(warned[0], "w1: ") || !strings.Contains(warned[0], "record.json.new") {
		t.Errorf("warnings %q", warned)
	}
	if out, err := e.TakeOver(t.Context(), nil); err != nil || !slices.Equal(out.Away, []string{"w1"}) {
		t.Errorf("take-over: %+v, %v", out, err)
	}
}

// TestStatusOfSilentHost shows everything else, in bounded time.
func TestStatusOfSilentHost(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	s, err := open(t, f, muteOn(f, "w1")).StatusWithin(t.Context(), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if cp1 := s.Hosts[0]; cp1.Error != "" || len(cp1.Units) == 0 || cp1.Node != "Ready" {
		t.Errorf("cp1: %+v", cp1)
	}
	if w1 := s.Hosts[1]; !strings.Contains(w1.Error, "host w1: connected, and no answer for 3s") || s.Healthy() {
		t.Errorf("w1: %+v", w1)
	}
}

// TestVerifyWithoutCluster: hosts that know of no cluster are not asked for its parts.
func TestVerifyWithoutCluster(t *testing.T) {
	e := open(t, newFleet(t, small))
	report, err := e.Verify(t.Context(), time.Minute)
	wants(t, err, `cluster "main" does not exist yet: apply first`)
	if len(report.Checks) > 0 {
		t.Errorf("%+v", report.Checks)
	}
}
