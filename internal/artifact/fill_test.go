package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/trivet-dev/trivet/internal/artifact/flock"
	"github.com/trivet-dev/trivet/internal/artifact/upstream"
)

// publisher is all of upstream: what the projects publish, at the paths they do.
type publisher struct {
	files  map[string][]byte
	before func(w http.ResponseWriter, r *http.Request) (done bool)
	mu     sync.Mutex
	asked  []string // method, path and range
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func targz(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{files: map[string][]byte{"/release/stable.txt": []byte("v1.37.2")}}
	kube := "/release/v1.37.2/bin/linux/amd64/"
	for _, n := range []string{"kubelet", "kubectl"} {
		p.files[kube+n] = []byte(n + " of upstream")
		p.files[kube+n+".sha256"] = []byte(sum(p.files[kube+n]))
	}
	etcd := "/etcd-io/etcd/releases/download/v3.7.3/"
	tarball := "etcd-v3.7.3-linux-amd64.tar.gz"
	p.files[etcd+tarball] = targz(t, map[string]string{
		"etcd-v3.7.3-linux-amd64/README.md": "read me", "etcd-v3.7.3-linux-amd64/etcd": "etcd of upstream", "etcd-v3.7.3-linux-amd64/etcdctl": "etcdctl of upstream",
	})
	p.files[etcd+"SHA256SUMS"] = fmt.Appendf(nil, "%064d  other.zip\n%s  %s\n", 0, sum(p.files[etcd+tarball]), tarball)
	cni := "/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz"
	p.files[cni] = targz(t, map[string]string{"./bridge": "bridge of upstream", "./host-local": "host-local of upstream"})
	p.files[cni+".sha256"] = []byte(sum(p.files[cni]) + "  cni-plugins-linux-amd64-v1.9.1.tgz\n")
	runc := "/opencontainers/runc/releases/download/v1.5.2/"
	p.files[runc+"runc.amd64"] = []byte("runc of upstream")
	p.files[runc+"runc.sha256sum"] = []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + sum(p.files[runc+"runc.amd64"]) + " *runc.amd64\n-----BEGIN PGP SIGNATURE-----\n")
	flannel := "/flannel-io/flannel/releases/download/v0.28.10/flanneld-amd64"
	p.files[flannel] = []byte("flanneld of upstream")
	p.files["/repos/flannel-io/flannel/releases/tags/v0.28.10"] = []byte(`{"assets":[{"name":"flanneld-amd64","digest":"sha256:` + sum(p.files[flannel]) + `"}]}`)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	p.mu.Unlock()
	if p.before != nil && p.before(w, r) {
		return
	}
	b, ok := p.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, path.Base(r.URL.Path), time.Time{}, bytes.NewReader(b))
}

func (p *publisher) count(prefix string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

// serve starts p and a registry and gives options that know no other servers.
func serve(t *testing.T, p *publisher) FillOptions {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(images.Close)
	return FillOptions{
		Provenance: Upstream, WorkDir: t.TempDir(), CacheDir: t.TempDir(),
		Upstream: upstream.Endpoints{Kubernetes: server.URL, GitHub: server.URL, GitHubAPI: server.URL, Registry: strings.TrimPrefix(images.URL, "http://")},
	}
}

func binary(name, version string) Want {
	return Want{Name: name, Version: version, Arch: "amd64", Kind: Binary}
}

func TestFillFromUpstream(t *testing.T) {
	p := newPublisher(t)
	opts := serve(t, p)
	var events []string
	opts.Progress = func(e Event) { events = append(events, string(e.Kind)) }
	want := map[Want]string{
		binary("kubelet", "1.37.2"):       "kubelet of upstream",
		binary("kubectl", "1.37.2"):       "kubectl of upstream",
		binary("etcd", "3.7.3"):           "etcd of upstream",
		binary("etcdctl", "3.7.3"):        "etcdctl of upstream",
		binary("cni-bridge", "1.9.1"):     "bridge of upstream",
		binary("cni-host-local", "1.9.1"): "host-local of upstream",
		binary("runc", "1.5.2"):           "runc of upstream",
		binary("flanneld", "0.28.10"):     "flanneld of upstream",
	}
	var wants []Want
	for w := range want {
		wants = append(wants, w)
	}
	f := newFolder(t)
	entries, err := Fill(t.Context(), f, wants, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(wants) {
		t.Fatalf("%d entries for %d wants", len(entries), len(wants))
	}
	for i, e := range entries {
		if e.Want != wants[i] || e.Provenance != Upstream {
			t.Errorf("entry %d is %+v, want it for %s", i, e, wants[i])
		}
		if text, err := read(f, e); err != nil || text != want[e.Want] {
			t.Errorf("%s: %q, %v", e, text, err)
		}
	}
	if n := p.count("GET /etcd-io/etcd/releases/download/v3.7.3/etcd-v3.7.3-linux-amd64.tar.gz"); n != 1 {
		t.Errorf("the archive of two binaries was fetched %d times", n)
	}
	if n := p.count("HEAD"); n != 0 {
		t.Errorf("%d questions whether upstream is there, though it was asked for by name", n)
	}
	slices.Sort(events)
	if diff := cmp.Diff(append(slices.Repeat([]string{"done"}, 6), slices.Repeat([]string{"started"}, 6)...), events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	// With everything there, nothing is asked and nothing is told.
	before := p.count("")
	events = nil
	start := time.Now()
	again, err := Fill(t.Context(), f, wants, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, again); diff != "" {
		t.Error(diff)
	}
	if p.count("") != before || len(events) > 0 {
		t.Errorf("%d requests and events %v for nothing", p.count("")-before, events)
	}
	t.Logf("second fill: %s", time.Since(start))

	// What was damaged since is fetched again.
	damaged := f.blob(entries[0].SHA256)
	if err := os.WriteFile(damaged, make([]byte, entries[0].Size), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Fill(t.Context(), f, wants, opts); err != nil {
		t.Fatal(err)
	}
	if _, err := read(f, entries[0]); err != nil {
		t.Errorf("after mending: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(opts.CacheDir, "*", "*"))
	if len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

func TestFillImagesFromARegistry(t *testing.T) {
	opts := serve(t, newPublisher(t))
	index := v1.ImageIndex(empty.Index)
	layers := map[string]v1.Hash{}
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(2048, 2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c = c.DeepCopy()
		c.OS, c.Architecture = "linux", arch
		if img, err = mutate.ConfigFile(img, c); err != nil {
			t.Fatal(err)
		}
		if layers[arch], err = img.ConfigName(); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	for _, repository := range []string{"coredns/coredns:v1.15.0", "library/nginx:1.29"} {
		ref, err := name.ParseReference(opts.Upstream.Registry + "/" + repository)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index, remote.WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	f := newFolder(t)
	for _, w := range []Want{
		{Name: "coredns", Version: "1.15.0", Arch: "amd64", Kind: Image},
		{Name: "coredns", Version: "1.15.0", Arch: "arm64", Kind: Image},
		{Name: "docker.io/library/nginx", Version: "1.29", Arch: "arm64", Kind: Image},
	} {
		t.Run(w.String(), func(t *testing.T) {
			entries, err := Fill(t.Context(), f, []Want{w}, opts)
			if err != nil {
				t.Fatal(err)
			}
			file, err := f.Path(entries[0])
			if err != nil {
				t.Fatal(err)
			}
			tag, err := name.NewTag(entries[0].Reference)
			if err != nil {
				t.Fatal(err)
			}
			img, err := tarball.ImageFromPath(file, &tag) // fails if the archive does not name the reference
			if err != nil {
				t.Fatal(err)
			}
			if got, err := img.ConfigName(); err != nil || got != layers[w.Arch] {
				t.Errorf("the archive has the image %s, %v; published for %s was %s", got, err, w.Arch, layers[w.Arch])
			}
		})
	}
	_, err := Fill(t.Context(), f, []Want{{Name: "pause", Version: "9", Arch: "amd64", Kind: Image}}, opts)
	wantError(t, err, "registry.k8s.io/pause:9")
}

func TestFillOfTheSameTwice(t *testing.T) {
	f := newFolder(t)
	entries, err := Fill(t.Context(), f, []Want{kubelet, kubelet}, serve(t, newPublisher(t)))
	if err != nil || len(entries) != 2 || entries[0] != entries[1] {
		t.Errorf("%v, %v", entries, err)
	}
	if all, _ := f.Entries(); len(all) != 1 {
		t.Errorf("recorded: %v", all)
	}
}

func TestFillKeepsWhatSucceeded(t *testing.T) {
	p := newPublisher(t)
	p.files["/release/v1.37.2/bin/linux/amd64/kubectl"] = []byte("kubectl of someone else")
	opts := serve(t, p)
	f := newFolder(t)
	wants := []Want{binary("kubectl", "1.37.2"), binary("kubelet", "1.37.2"), binary("kubeadm", "1.37.2")}
	_, err := Fill(t.Context(), f, wants, opts)
	wantError(t, err, "kubectl", "was promised", "kubeadm", "404")
	if _, err := f.Lookup(t.Context(), wants[1:2]); err != nil {
		t.Errorf("the good one was not kept: %v", err)
	}
	if _, err := f.Lookup(t.Context(), wants[:1]); err == nil {
		t.Error("the bad one was kept")
	}
}

func TestFillRefusesBeforeWorking(t *testing.T) {
	p := newPublisher(t)
	tests := map[string]struct {
		wants      []Want
		provenance string
		errors     []string
	}{
		"unknown binary":        {[]Want{binary("netscape", "4.0.0"), binary("kubelet", "1.37.2")}, Upstream, []string{"netscape"}},
		"unknown image":         {[]Want{{Name: "nginx", Version: "1", Arch: "amd64", Kind: Image}}, Upstream, []string{"docker.io/library/nginx"}},
		"version is a path":     {[]Want{binary("kubelet", "../../secret")}, Upstream, []string{"is not a version"}},
		"unknown kind":          {[]Want{{Name: "k", Version: "1", Arch: "amd64", Kind: "film"}}, Upstream, []string{`kind "film"`}},
		"unknown provenance":    {[]Want{kubelet}, "street", []string{"auto, upstream, source"}},
		"version of a package":  {[]Want{{Name: "haproxy", Version: "2.6", Arch: "amd64", Kind: Package}}, Upstream, []string{"haproxy"}},
		"source: unknown image": {[]Want{{Name: "docker.io/library/nginx", Version: "1", Arch: "amd64", Kind: Image}}, SourceBuilt, []string{"cannot be built from source"}},
		"source: agnhost":       {[]Want{{Name: "agnhost", Version: "1.0", Arch: "amd64", Kind: Image}}, SourceBuilt, []string{"which Kubernetes release"}},
		"source: several problems": {[]Want{binary("netscape", "4.0.0"), binary("etcd", "three"), binary("cni-bridge", "1.9.1")}, SourceBuilt,
			[]string{"netscape", `"three" is not a version`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			opts := serve(t, p)
			opts.Provenance = test.provenance
			opts.Progress = func(e Event) { t.Errorf("work was begun: %+v", e) }
			_, err := Fill(t.Context(), newFolder(t), test.wants, opts)
			wantError(t, err, test.errors...)
		})
	}
	if n := p.count(""); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestAutoAsksOnce(t *testing.T) {
	p := newPublisher(t)
	opts := serve(t, p)
	opts.Provenance = Auto
	wants := []Want{binary("kubelet", "1.37.2"), binary("etcd", "3.7.3"), binary("runc", "1.5.2")}
	f := newFolder(t)
	entries, err := Fill(t.Context(), f, wants, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Provenance != Upstream {
			t.Errorf("%s is from %s", e, e.Provenance)
		}
	}
	if n := p.count("HEAD"); n != 1 {
		t.Errorf("asked %d times whether upstream is there, want once", n)
	}
	if _, err := Fill(t.Context(), f, wants, opts); err != nil {
		t.Fatal(err)
	}
	if n := p.count("HEAD"); n != 1 {
		t.Errorf("asked again with everything there")
	}
}

func TestAutoTurnsToSource(t *testing.T) {
	pause := Want{Name: "pause", Version: "3.10.1", Arch: "amd64", Kind: Image}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	refusing := newPublisher(t)
	refusing.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden) // as a company's proxy would
		return true
	}
	proxy := httptest.NewServer(refusing)
	defer proxy.Close()
	for name, address := range map[string]string{
		"nobody listens": "http://" + closed.Addr().String(), "nobody answers": "http://" + silent.Addr().String(), "a proxy refuses": proxy.URL,
	} {
		t.Run(name, func(t *testing.T) {
			needGo(t)
			f := newFolder(t)
			var decided time.Duration
			start := time.Now()
			entries, err := Fill(t.Context(), f, []Want{pause}, FillOptions{
				Provenance: Auto, WorkDir: t.TempDir(), CacheDir: t.TempDir(), Upstream: upstream.Endpoints{Kubernetes: address},
				Progress: func(e Event) {
					if e.Kind == Started {
						decided = time.Since(start)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if entries[0].Provenance != SourceBuilt {
				t.Errorf("provenance %s", entries[0].Provenance)
			}
			if decided > 5*time.Second {
				t.Errorf("decided after %s", decided)
			}
		})
	}
}

func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go toolchain to build with")
	}
}

// One real build from source: the cheapest one, in two places.
func TestFillFromSource(t *testing.T) {
	needGo(t)
	wants := []Want{
		{Name: "pause", Version: "3.10.1", Arch: "amd64", Kind: Image},
		{Name: "pause", Version: "3.10.1", Arch: "arm64", Kind: Image},
	}
	var digests []string
	for range 2 {
		f := newFolder(t)
		opts := FillOptions{Provenance: SourceBuilt, WorkDir: filepath.Join(t.TempDir(), "some", "where"), CacheDir: t.TempDir()}
		entries, err := Fill(t.Context(), f, wants, opts)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			digests = append(digests, e.SHA256)
			if e.Want != wants[i] || e.Provenance != SourceBuilt || e.Reference != "registry.k8s.io/pause:3.10.1" {
				t.Errorf("entry %+v", e)
			}
			path, err := f.Path(e)
			if err != nil {
				t.Fatal(err)
			}
			img, err := tarball.ImageFromPath(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if c.Architecture != e.Arch || !slices.Equal(c.Config.Entrypoint, []string{"/pause"}) {
				t.Errorf("image config %+v", c)
			}
		}
		opts.Progress = func(e Event) { t.Errorf("built again: %+v", e) }
		if _, err := Fill(t.Context(), f, wants, opts); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(digests[:2], digests[2:]); diff != "" {
		t.Errorf("the same source in another folder gives other bytes (-first +second):\n%s", diff)
	}
	if digests[0] == digests[1] {
		t.Error("amd64 and arm64 have the same digest")
	}
}

// TestKilledFill kills a process in the middle of a download and lets another go on.
func TestKilledFill(t *testing.T) {
	if os.Getenv("TRIVET_TEST_FILL") != "" {
		fillInChild(t)
		return
	}
	p := newPublisher(t)
	const file = "/release/v1.37.2/bin/linux/amd64/kubelet"
	p.files[file] = bytes.Repeat([]byte("kubelet "), 200_000)
	p.files[file+".sha256"] = []byte(sum(p.files[file]))
	half := make(chan struct{})
	var first sync.Once
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		stall := false
		if r.URL.Path == file {
			first.Do(func() { stall = true })
		}
		if stall {
			w.Header().Set("Content-Length", fmt.Sprint(len(p.files[file])))
			_, _ = w.Write(p.files[file][:len(p.files[file])/2])
			w.(http.Flusher).Flush()
			close(half)
			<-r.Context().Done()
		}
		return stall
	}
	opts := serve(t, p)
	f := newFolder(t)
	child := exec.Command(os.Args[0], "-test.run=^TestKilledFill$")
	config, err := json.Marshal(map[string]string{"server": opts.Upstream.Kubernetes, "work": opts.WorkDir, "cache": opts.CacheDir, "folder": f.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	child.Env = append(os.Environ(), "TRIVET_TEST_FILL="+string(config))
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-half
	var partial []string
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) { // until some of it is on the disk
		partial, _ = filepath.Glob(filepath.Join(opts.CacheDir, "upstream", "*.partial"))
		if len(partial) == 1 {
			if info, err := os.Stat(partial[0]); err == nil && info.Size() > 0 {
				break
			}
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("no partial download: %v", partial)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()

	if _, err := f.Lookup(t.Context(), []Want{kubelet}); err == nil {
		t.Error("half a file is given as the artifact")
	}
	entries, err := Fill(t.Context(), f, []Want{kubelet}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := read(f, entries[0]); err != nil || text != string(p.files[file]) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if n := p.count("GET " + file + " bytes="); n != 1 {
		t.Errorf("the second run did not go on from the first one's bytes: %v", p.asked)
	}
}

func fillInChild(t *testing.T) {
	var c map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("TRIVET_TEST_FILL")), &c); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(c["folder"])
	if err != nil {
		t.Fatal(err)
	}
	_, err = Fill(t.Context(), f, []Want{kubelet}, FillOptions{
		Provenance: Upstream, WorkDir: c["work"], CacheDir: c["cache"],
		Upstream: upstream.Endpoints{Kubernetes: c["server"], GitHub: c["server"], GitHubAPI: c["server"]},
	})
	t.Fatalf("was to be killed, but ended: %v", err)
}

func TestFillStopsWithItsContext(t *testing.T) {
	p := newPublisher(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/kubelet") {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	opts := serve(t, p)
	_, err := Fill(ctx, newFolder(t), []Want{kubelet}, opts)
	wantError(t, err, "stopped", "context canceled", "run it again")
}

// What another folder has intact is copied, and not fetched: also while another run holds the lock.
func TestFillTakesFromAnotherFolder(t *testing.T) {
	p := newPublisher(t)
	opts := serve(t, p)
	wants := []Want{kubelet, binary("kubectl", "1.37.2")}
	cache := newFolder(t)
	entries, err := Fill(t.Context(), cache, wants, opts)
	if err != nil {
		t.Fatal(err)
	}
	asked := p.count("")
	unlock, ok, err := flock.TryLock(filepath.Join(opts.WorkDir, ".lock"))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	mirror, fresh := newFolder(t), 0
	opts.From = []*Folder{cache}
	opts.Progress = func(e Event) { fresh += len(e.Entries) }
	got, err := Fill(t.Context(), mirror, wants, opts)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if diff := cmp.Diff(entries, got); diff != "" || fresh != 2 || p.count("") != asked {
		t.Errorf("%d new, %d requests; -want +got:\n%s", fresh, p.count("")-asked, diff)
	}
	for _, e := range got {
		if !mirror.intact(e) {
			t.Errorf("%s did not arrive", e)
		}
	}
	// A damaged file is fetched anew.
	path, err := cache.Path(entries[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), int(entries[0].Size)), 0o644); err != nil {
		t.Fatal(err)
	}
	other := newFolder(t)
	if _, err := Fill(t.Context(), other, wants, opts); err != nil {
		t.Fatal(err)
	}
	if p.count("") == asked || !other.intact(entries[0]) {
		t.Error("the damaged file was not replaced")
	}
}

// What cannot be had is told while another run holds the lock.
func TestFillRefusesBeforeWaiting(t *testing.T) {
	opts := serve(t, newPublisher(t))
	unlock, ok, err := flock.TryLock(filepath.Join(opts.WorkDir, ".lock"))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	for _, provenance := range []string{Upstream, SourceBuilt} {
		opts.Provenance = provenance
		_, err := Fill(t.Context(), newFolder(t), []Want{{Name: "kubelet", Version: "1.37.2", Arch: "s390x", Kind: Binary}}, opts)
		wantError(t, err, `"s390x" is not one of amd64, arm64`)
	}
}

// Two fills of one folder at once do the work once.
func TestFillsAtOnce(t *testing.T) {
	p := newPublisher(t)
	opts := serve(t, p)
	f := newFolder(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			entries, err := Fill(t.Context(), f, []Want{kubelet}, opts)
			if err != nil || len(entries) != 1 {
				t.Errorf("%v, %v", entries, err)
			}
		})
	}
	wg.Wait()
	if n := p.count("GET /release/v1.37.2/bin/linux/amd64/kubelet"); n != 2 { // and its checksum
		t.Errorf("%d requests, want 2: %v", n, p.asked)
	}
}
