//go:build linux

package lab

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFirewall(t *testing.T) {
	got := firewall([]cut{{Site: "bj1"}, {Site: "sh1", Operator: true}}, []loss{{Site: "bj2", Percent: 20}})
	want := `table inet trivet_lab {}
delete table inet trivet_lab
table inet trivet_lab {
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "b-bj1" oifname != { "b-bj1", "operator" } drop
		oifname "b-bj1" iifname != { "b-bj1", "operator" } drop
		iifname "b-sh1" oifname != { "b-sh1" } drop
		oifname "b-sh1" iifname != { "b-sh1" } drop
		iifname "b-bj2" oifname != "b-bj2" numgen random mod 100 < 20 drop
		oifname "b-bj2" iifname != "b-bj2" numgen random mod 100 < 20 drop
	}
}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseHierarchies(t *testing.T) {
	for name, test := range map[string]struct {
		mountinfo string
		want      []hierarchy
	}{
		"v2": {
			"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			[]hierarchy{{path: "/sys/fs/cgroup", unified: true}},
		},
		"hybrid, one mounted twice and one by a subtree": {
			`31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:30 / /mnt/cpuset rw,relatime - cgroup cgroup rw,cpuset
43 31 0:31 /docker/x /mnt/memory rw,relatime - cgroup cgroup rw,memory
`,
			[]hierarchy{
				{path: "/sys/fs/cgroup/cpu,cpuacct"}, {path: "/sys/fs/cgroup/cpuset", cpuset: true},
				{path: "/sys/fs/cgroup/systemd"}, {path: "/sys/fs/cgroup/unified", unified: true},
			},
		},
		"none": {"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseHierarchies(strings.NewReader(test.mountinfo))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGroupFiles runs against plain folders that look like a v2 and a v1 tree.
func TestGroupFiles(t *testing.T) {
	put := func(dir, name, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("v2 enables the missing controllers", func(t *testing.T) {
		root := t.TempDir()
		for _, dir := range []string{root, filepath.Join(root, "lab")} {
			put(dir, "cgroup.controllers", "cpu memory\n")
			put(dir, "cgroup.subtree_control", "cpu\n")
		}
		g := group{name: "lab/h", in: []hierarchy{{path: root, unified: true}}}
		if err := g.create(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{root, filepath.Join(root, "lab")} {
			data, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(data), "+memory") { // a plain file is overwritten
				t.Errorf("%s: %q", dir, data)
			}
		}
		if !isFolder(filepath.Join(root, "lab/h")) {
			t.Error("the group was not made")
		}
	})
	t.Run("v1 copies the cpuset of each parent", func(t *testing.T) {
		root := t.TempDir()
		put(root, "cpuset.cpus", "0-1\n")
		put(root, "cpuset.mems", "0\n")
		put(filepath.Join(root, "lab", "h"), "cgroup.procs", "")
		g := group{name: "lab/h", in: []hierarchy{{path: root, cpuset: true}}}
		if err := g.create(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(root, "lab/h/cpuset.cpus"))
		if err != nil || string(data) != "0-1\n" {
			t.Errorf("%q, %v", data, err)
		}
	})
	t.Run("processes of the groups below count", func(t *testing.T) {
		root := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		put(filepath.Join(root, "lab/h/kubepods/pod1"), "cgroup.procs", strconv.Itoa(cmd.Process.Pid)+"\n4194304\n")
		g := group{name: "lab/h", in: []hierarchy{{path: root}}}
		got, err := g.processes()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{cmd.Process.Pid}, got); diff != "" {
			t.Error(diff)
		}
		if g.has(cmd.Process.Pid) {
			t.Error("the process is said to be of a group that the kernel does not name")
		}
		if diff := cmp.Diff([]string{"h"}, group{name: "lab", in: g.in}.children()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestIsInit(t *testing.T) {
	for status, want := range map[string]bool{
		"Name:\tsystemd\nNSpid:\t5969\t1\nVmPeak: 1\n": true,
		"Name:\tsystemd\nNSpid:\t5969\t17\n":           false,
		"Name:\tnspawn\nNSpid:\t5966\n":                false,
		"Name:\tpause\nNSpid:\t7001\t812\t1\n":         false,
		"":                                             false,
	} {
		if got := isInit(status); got != want {
			t.Errorf("isInit(%q) = %v", status, got)
		}
	}
}

func TestProcessWait(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := openProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a process that runs: %v", err)
	}
	if err := p.signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if !isZombie(cmd.Process.Pid) {
		t.Error("a process that has ended is no zombie before it is collected")
	}
	cmd.Wait()
}

func TestAptSources(t *testing.T) {
	const vendor = "Types: deb\nURIs: http://vendor.example\nSuites: nodistro\nComponents: main\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  sources
	}{
		"deb822, with comments, other vendors and disabled ones": {
			map[string]string{
				"etc/apt/sources.list.d/debian.sources": "# note\nTypes: deb deb-src\n# note\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n\n\nTypes: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main contrib\nSigned-By: /k.gpg\n",
				"etc/apt/sources.list.d/vendor.sources": vendor,
				"etc/apt/sources.list.d/off.sources":    "Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n",
			},
			sources{stanzas: []string{
				"Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n",
				"Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main contrib\nSigned-By: /k.gpg\n",
			}},
		},
		"one-line": {
			map[string]string{
				"etc/apt/sources.list":               "# deb http://old.example bookworm main\ndeb [ arch=amd64 signed-by=/k.gpg ] http://mirror.example/debian bookworm main contrib # note\ndeb-src http://mirror.example/debian bookworm main\n",
				"etc/apt/sources.list.d/docker.list": "deb http://docker.example bookworm stable\ndeb http://sid.example sid main\n",
			},
			sources{lines: []string{"deb [ arch=amd64 signed-by=/k.gpg ] http://mirror.example/debian bookworm main contrib"}},
		},
		"none": {nil, sources{}},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := aptSources(root, "bookworm")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(sources{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAptOption(t *testing.T) {
	for line, want := range map[string]string{
		`Acquire::http::Proxy "http://proxy.example:3128";`:       `Acquire::http::Proxy "http://proxy.example:3128"`,
		`Acquire::https::mirror.example::CaInfo "/etc/ca.pem";`:   `Acquire::https::mirror.example::CaInfo "/etc/ca.pem"`,
		`Acquire::Check-Date "false";`:                            `Acquire::Check-Date "false"`,
		`APT::Periodic::Enable "1";`:                              "",
		`Acquire::http::Proxy "";`:                                "",
		`DPkg::Post-Invoke:: "rm -f /var/cache/apt/*.bin";`:       "",
		`Acquire::AllowInsecureRepositories "1";`:                 "",
		`Acquire::http::Proxy "x"; DPkg::Pre-Invoke:: "touch x";`: "",
	} {
		got := ""
		if m := aptOption.FindStringSubmatch(line); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%s\n got %q\nwant %q", line, got, want)
		}
	}
}

func TestBaseName(t *testing.T) {
	one, err := baseName("bookworm")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := baseName("bookworm")
	other, _ := baseName("trixie")
	if one != again || one == other || !strings.HasPrefix(one, "base-") {
		t.Errorf("%s, %s, %s", one, again, other)
	}
}

func TestOverlayOptions(t *testing.T) {
	got := overlayOptions(`/a:b,c\d`, "/state")
	want := `lowerdir=/a\:b\,c\\d,upperdir=/state/upper,workdir=/state/work`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMountsBelow(t *testing.T) {
	const mountinfo = `27 1 254:0 / / rw - ext4 /dev/vda rw
50 27 0:40 / /var/lib/lab/h/root rw - overlay overlay rw
51 50 0:41 / /var/lib/lab/h/root/with\040space rw - tmpfs tmpfs rw
52 27 0:42 / /var/lib/lab/hh rw - tmpfs tmpfs rw
`
	got := mountsBelow([]byte(mountinfo), "/var/lib/lab/h")
	if diff := cmp.Diff([]string{"/var/lib/lab/h/root/with space", "/var/lib/lab/h/root"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "demo.lock")
	first, err := takeLock(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() {
		_, err := takeLock(ctx, path, func() { close(told) })
		waited <- err
	}()
	<-told
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), path) {
		t.Errorf("a cancelled wait: %v", err)
	}
	// The holder removes the file, as Down does: whoever waited must not lock the removed one.
	told = make(chan struct{})
	got := make(chan *fileLock)
	go func() {
		lock, err := takeLock(t.Context(), path, func() { close(told) })
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	<-told
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first.release()
	second := <-got
	defer second.release()
	if lock, err := tryLock(path); lock != nil || err != nil {
		t.Errorf("the lock was given twice: %v, %v", lock, err)
	}
}

func TestCopyTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	old := time.Unix(1700000000, 0)
	err := errors.Join(
		os.MkdirAll(filepath.Join(from, "dpkg/info"), 0o755),
		os.WriteFile(filepath.Join(from, "dpkg/status"), []byte("ok\n"), 0o640),
		os.Symlink("status", filepath.Join(from, "dpkg/link")),
		os.Chtimes(filepath.Join(from, "dpkg/status"), old, old),
		os.Chmod(filepath.Join(from, "dpkg/info"), 0o2750|os.ModeSetgid),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := copyTree(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(to, "dpkg/status"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o640 || !info.ModTime().Equal(old) || info.Size() != 3 {
		t.Errorf("%v %v %d", info.Mode(), info.ModTime(), info.Size())
	}
	if link, err := os.Readlink(filepath.Join(to, "dpkg/link")); err != nil || link != "status" {
		t.Errorf("%q, %v", link, err)
	}
	if info, err := os.Stat(filepath.Join(to, "dpkg/info")); err != nil || info.Mode()&os.ModeSetgid == 0 || info.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copyTree(cancelled, from, to+"2"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled copy: %v", err)
	}
}

func TestRecordVersion(t *testing.T) {
	dir := t.TempDir()
	if err := writeJSON(filepath.Join(dir, "lab.json"), record{Version: 99}); err != nil {
		t.Fatal(err)
	}
	if _, err := loadRecord(dir); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("%v", err)
	}
}

// TestWithout takes hosts out of a record: nothing of them stays, and the site goes with its last host.
func TestWithout(t *testing.T) {
	rack1, rack2, rack3 := netip.MustParsePrefix("10.1.1.0/24"), netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("10.2.1.0/24")
	r := record{
		Version: recordVersion,
		Spec: Spec{Name: "demo", Sites: []Site{
			{Name: "s", Hosts: []Host{at("a", "10.1.1.11/24"), at("b", "10.1.2.11/24")}}, {Name: "t", Hosts: []Host{at("c", "10.2.1.11/24")}},
		}},
		Gateways:  map[netip.Prefix]netip.Addr{rack1: rack1.Addr().Next(), rack2: rack2.Addr().Next(), rack3: rack3.Addr().Next()},
		Cuts:      []cut{{Site: "s"}, {Site: "t"}},
		Losses:    []loss{{Site: "t", Percent: 5}},
		Unplugged: []string{"b", "c"},
	}
	step := func(host string, want record) {
		t.Helper()
		next, err := r.without(host)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, next, cmp.AllowUnexported(record{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", host, diff)
		}
		r = next
	}
	step("c", record{
		Version: recordVersion, Spec: Spec{Name: "demo", Sites: r.Spec.Sites[:1]},
		Gateways: map[netip.Prefix]netip.Addr{rack1: rack1.Addr().Next(), rack2: rack2.Addr().Next()},
		Cuts:     []cut{{Site: "s"}}, Losses: []loss{}, Unplugged: []string{"b"},
	})
	step("b", record{
		Version: recordVersion, Spec: Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("a", "10.1.1.11/24")}}}},
		Gateways: map[netip.Prefix]netip.Addr{rack1: rack1.Addr().Next()},
		Cuts:     []cut{{Site: "s"}}, Losses: []loss{}, Unplugged: []string{},
	})
}

func TestAccessKeys(t *testing.T) {
	dir := t.TempDir()
	one, err := ensureAccess("demo", dir)
	if err != nil {
		t.Fatal(err)
	}
	two, err := ensureAccess("demo", dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("the keys were made again:\n%s", diff)
	}
	if _, err := one.signer(); err != nil {
		t.Error(err)
	}
	if one.NetworkNamespace != "/run/trivet-lab/trivet-demo-operator" {
		t.Error(one.NetworkNamespace)
	}
	// A broken identity file must not be quoted.
	if err := os.WriteFile(one.AgeIdentity, []byte("AGE-SECRET-KEY-1BROKEN\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ensureAccess("demo", dir); err == nil || strings.Contains(err.Error(), "BROKEN") {
		t.Errorf("%v", err)
	}
}

func TestRemoveState(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		left  []string
		want  string
	}{
		"a lab with an operator's file":  {[]string{"lab.json", "access.json", "hosts/a/console.log", "trivet.lock.json"}, nil, ""},
		"half gone":                      {[]string{"known_hosts", "hosts/a/host.json"}, nil, ""},
		"not there":                      {nil, nil, ""},
		"a folder that is not the lab's": {[]string{"access.json", "photo.jpg"}, []string{"photo.jpg"}, "not the lab's"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "demo")
			for _, file := range test.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			err := (&Lab{name: "demo", dir: dir}).removeState()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v", err)
			}
			entries, _ := os.ReadDir(dir)
			var left []string
			for _, e := range entries {
				left = append(left, e.Name())
			}
			if diff := cmp.Diff(test.left, left); diff != "" {
				t.Error(diff)
			}
			if isFolder(dir) != (test.left != nil) {
				t.Error("the folder is left")
			}
		})
	}
}
