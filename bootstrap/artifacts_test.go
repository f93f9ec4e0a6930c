package bootstrap_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// pinned are a fleet's artifacts with a lock file. It notes what it is asked to get.
type pinned struct {
	*fleettest.Fleet
	lock  *artifact.Lock
	mu    sync.Mutex
	asked []string
}

func newPinned(t testing.TB, f *fleettest.Fleet) *pinned {
	t.Helper()
	lock, err := artifact.LoadLock(filepath.Join(t.TempDir(), artifact.LockName))
	if err != nil {
		t.Fatal(err)
	}
	return &pinned{Fleet: f, lock: lock}
}

func (p *pinned) Pinned(w artifact.Want) []artifact.Entry { return p.lock.Pins(w) }

func (p *pinned) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	entries, err := p.Fleet.Resolve(ctx, wants)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range wants {
		p.asked = append(p.asked, w.Name)
	}
	for _, e := range entries {
		if err := p.lock.Pin(e); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// takes what was asked for since the last time, each once, sorted.
func (p *pinned) takes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Compact(slices.Sorted(slices.Values(p.asked)))
	p.asked = nil
	return out
}

func (p *pinned) open(t testing.TB) *bootstrap.Engine {
	t.Helper()
	return open(t, p.Fleet, func(o *bootstrap.Options) { o.Artifacts = p })
}

// TestArtifactsOnlyAsNeeded gets nothing that is pinned and that hosts have, unless it has to be sent from here.
func TestArtifactsOnlyAsNeeded(t *testing.T) {
	hosts := []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}, {Name: "w2", Site: "s2", Roles: []string{"worker"}},
	}
	grow := func(name, site string) func(*testing.T, *pinned) {
		return func(t *testing.T, p *pinned) {
			more := append(slices.Clone(hosts), fleettest.Host{Name: name, Site: site, Roles: []string{"worker"}})
			if err := p.Change(fleettest.Settings{Hosts: more}); err != nil {
				t.Fatal(err)
			}
		}
	}
	lose := func(host, link string) func(*testing.T, *pinned) {
		return func(t *testing.T, p *pinned) {
			o, err := p.Observe(host)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range o.Record.Items {
				if a := r.Item.Artifact; a != nil && a.Path == link {
					if err := os.Remove(p.Machines[host].Path("/opt/trivet/store/sha256/" + a.Blob.SHA256)); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
			t.Fatalf("host %s has no %s", host, link)
		}
	}
	node := []string{"agnhost", "cni-bridge", "cni-host-local", "cni-loopback", "cni-portmap", "containerd", "containerd-shim-runc-v2", "coredns", "ctr", "flanneld", "haproxy",
		"iptables", "kube-proxy", "kubelet", "nftables", "pause", "runc"}
	for _, c := range []struct {
		name   string
		change func(*testing.T, *pinned)
		want   []string
	}{
		{"nothing to do", func(*testing.T, *pinned) {}, nil},
		{"a file to mend", func(t *testing.T, p *pinned) {
			if err := os.WriteFile(p.Machines["w1"].Path("/etc/kubernetes/kubelet.yaml"), []byte("mine\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a worker more in a site that has all", grow("w3", "s1"), nil},
		{"a worker in a site of its own", grow("w3", "s3"), node},
		{"an artifact lost in a site that has another", lose("w1", "/opt/trivet/bin/kubelet"), nil},
		{"the only one of a site lost", lose("w2", "/opt/trivet/bin/kubelet"), []string{"kubelet"}},
		{"another digest pinned than recorded", func(t *testing.T, p *pinned) {
			w := artifact.Want{Name: "kubelet", Version: "1.37.2", Arch: "amd64", Kind: artifact.Binary}
			e := p.lock.Pins(w)[0]
			e.SHA256, e.Size = hostapi.Digest([]byte("another")), 1
			if err := p.lock.Pin(e); err != nil {
				t.Fatal(err)
			}
		}, []string{"kubelet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPinned(t, newFleet(t, fleettest.Settings{Hosts: hosts}))
			apply(t, p.open(t))
			if all := p.takes(); len(all) < len(node)+6 {
				t.Errorf("a bring-up asks for %v", all)
			}
			c.change(t, p)
			e := p.open(t)
			planned := planOf(t, e)
			if d := cmp.Diff(c.want, p.takes()); d != "" {
				t.Errorf("asked for (-want +got):\n%s", d)
			}
			if err := e.Apply(t.Context(), planned); err != nil {
				t.Fatal(err)
			}
			if left := planOf(t, p.open(t)); !left.Empty() {
				t.Errorf("still %d actions", left.Actions())
			}
		})
	}
}

// TestSentAfterAll gets an artifact in the midst of a run, where the host that should give it cannot be reached by the one that needs it.
func TestSentAfterAll(t *testing.T) {
	p := newPinned(t, newFleet(t, small))
	apply(t, p.open(t))
	p.takes()
	if err := p.Change(fleettest.Settings{Hosts: append(slices.Clone(small.Hosts), fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}})}); err != nil {
		t.Fatal(err)
	}
	p.Blocked["cp1"], p.Blocked["w1"] = true, true
	e := p.open(t)
	planned := planOf(t, e)
	if got := p.takes(); len(got) > 0 {
		t.Errorf("the plan asked for %v", got)
	}
	if err := e.Apply(t.Context(), planned); err != nil {
		t.Fatal(err)
	}
	if got := p.takes(); !slices.Contains(got, "kubelet") || slices.Contains(got, "etcd") {
		t.Errorf("the apply asked for %v", got)
	}
}

// TestIdentityNeededFirst says that the age identity is missing before anything is got, where that is certain.
func TestIdentityNeededFirst(t *testing.T) {
	f := newFleet(t, small)
	p := newPinned(t, f)
	f.Cut = fleettest.Cut{Host: "cp1", Point: "stepped"} // the sealed identity is stored, and no more
	end := f.Begin()
	e := p.open(t)
	if err := e.Apply(t.Context(), planOf(t, e)); err == nil {
		t.Fatal("not interrupted")
	}
	end()
	f.Cut = fleettest.Cut{}
	f.Begin()
	e = open(t, f, func(o *bootstrap.Options) { o.Artifacts, o.Identities = p, nil })
	planned := planOf(t, e)
	p.takes()
	wants(t, e.Apply(t.Context(), planned), "age identity", "--identity")
	if got := p.takes(); len(got) > 0 {
		t.Errorf("asked for %v first", got)
	}
	apply(t, p.open(t))
}
