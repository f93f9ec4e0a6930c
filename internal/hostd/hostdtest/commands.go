package hostdtest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd"
)

// Commands is a hostd.Runner of the few programs that hostd runs.
type Commands struct {
	m  *Machine
	mu sync.Mutex
	// Programs by base name; a test may replace one.
	Programs map[string]func(args []string) ([]byte, error)
	// Modules are the kernel modules that modprobe finds.
	Modules []string
	// Apt are packages, as Deb makes them, that apt-get finds.
	Apt map[string][]byte
	// Tables are nftables tables, "family name".
	Tables []string
	// Rules are iptables' by program ("iptables-nft", "ip6tables-legacy", …), where InstallIPTables was called.
	Rules map[string][]*RuleTable
	// Images are containerd's, by reference.
	Images map[string]Image
	// Hang has, by base name, programs that do nothing before a channel is closed, not even end when they are told to, as on a disk that is gone.
	Hang map[string]<-chan struct{}
	// Log has every command that was run.
	Log []string
	// stdin is what the program that runs reads.
	stdin []byte
}

// Image is an image of containerd.
type Image struct {
	Digest string
	Labels []string
}

func newCommands(m *Machine) *Commands {
	c := &Commands{m: m, Modules: []string{"overlay", "br_netfilter", "nf_conntrack"}, Apt: map[string][]byte{}, Images: map[string]Image{}, Rules: map[string][]*RuleTable{}}
	c.Programs = map[string]func([]string) ([]byte, error){
		"modprobe": c.modprobe, "dpkg": c.dpkg, "dpkg-deb": c.dpkgDeb, "apt-get": c.aptGet, "nft": c.nft, "ctr": c.ctr,
	}
	return c
}

// Run runs a program of the table, by base name.
func (c *Commands) Run(ctx context.Context, cmd hostd.Command) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if hang := c.Hang[filepath.Base(cmd.Name)]; hang != nil {
		<-hang
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Log = append(c.Log, cmd.Name+" "+strings.Join(cmd.Args, " "))
	p := c.Programs[filepath.Base(cmd.Name)]
	if p == nil {
		return nil, fmt.Errorf("hostdtest: %s: %w", cmd.Name, hostd.ErrNoCommand)
	}
	c.stdin = cmd.Stdin
	return p(slices.DeleteFunc(slices.Clone(cmd.Args), func(a string) bool { return a == "--" }))
}

func unknown(program string, args []string) ([]byte, error) {
	return nil, fmt.Errorf("hostdtest: %s is not known to be called as %q", program, args)
}

func (c *Commands) modprobe(args []string) ([]byte, error) {
	switch {
	case len(args) == 1:
		if !slices.Contains(c.Modules, args[0]) {
			return nil, fmt.Errorf("modprobe: FATAL: Module %s not found", args[0])
		}
		return nil, os.MkdirAll(c.m.Path("/sys/module/"+args[0]), 0o755)
	case len(args) == 2 && args[0] == "-r":
		return nil, os.RemoveAll(c.m.Path("/sys/module/" + args[1]))
	}
	return unknown("modprobe", args)
}

// deb is what stands for a Debian package.
type deb struct {
	Name, Version string
	Files         map[string]string
}

// Deb makes a package. A file in /lib/systemd/system is a service that its installation enables, and starts where that is allowed.
func Deb(name, version string, files map[string]string) []byte {
	b, err := json.Marshal(deb{name, version, files})
	if err != nil {
		panic(err) // strings only
	}
	return b
}

func stanza(name, version string) string {
	return "Package: " + name + "\nStatus: install ok installed\nVersion: " + version + "\n\n"
}

func readDeb(real string) (*deb, error) {
	b, err := os.ReadFile(real)
	if err != nil {
		return nil, err
	}
	d := &deb{}
	return d, json.Unmarshal(b, d)
}

func (c *Commands) dpkgDeb(args []string) ([]byte, error) {
	if len(args) != 3 || args[0] != "--field" || args[2] != "Package" {
		return unknown("dpkg-deb", args)
	}
	d, err := readDeb(args[1])
	if err != nil {
		return nil, err
	}
	return []byte(d.Name + "\n"), nil
}

func (c *Commands) dpkg(args []string) ([]byte, error) {
	if len(args) == 0 {
		return unknown("dpkg", args)
	}
	rest := slices.DeleteFunc(slices.Clone(args[1:]), func(a string) bool { return strings.HasPrefix(a, "--force-conf") })
	for _, a := range rest {
		switch args[0] {
		case "--install":
			d, err := readDeb(a)
			if err != nil {
				return nil, err
			}
			if err := c.installDeb(d); err != nil {
				return nil, err
			}
		case "--purge":
			if err := c.purgeDeb(a); err != nil {
				return nil, err
			}
		default:
			return unknown("dpkg", args)
		}
	}
	return nil, nil
}

// installDeb unpacks and configures. What it unpacked goes again when it fails, as dpkg has it.
func (c *Commands) installDeb(d *deb) (err error) {
	status := c.m.Path("/var/lib/dpkg/status")
	b, err := os.ReadFile(status)
	if err != nil {
		return err
	}
	var list []string
	installed := strings.Contains(string(b), "Package: "+d.Name+"\n")
	defer func() {
		if err == nil || installed {
			return
		}
		for p := range d.Files {
			_ = os.Remove(c.m.Path(p))
		}
		_ = os.Remove(c.m.Path("/var/lib/dpkg/info/" + d.Name + ".list"))
	}()
	for p, content := range d.Files {
		if err := write(c.m.Path(p), content); err != nil {
			return err
		}
		list = append(list, p)
	}
	sort.Strings(list)
	if err := write(c.m.Path("/var/lib/dpkg/info/"+d.Name+".list"), strings.Join(list, "\n")+"\n"); err != nil {
		return err
	}
	if !installed {
		b = append(b, stanza(d.Name, d.Version)...)
	}
	if err := replace(status, b); err != nil {
		return err
	}
	installed = true
	for p, content := range d.Files {
		// As systemd-tmpfiles does, which maintainer scripts call.
		if f := strings.Fields(content); filepath.Dir(p) == "/usr/lib/tmpfiles.d" && len(f) > 1 && f[0] == "d" {
			if err := os.MkdirAll(c.m.Path(f[1]), 0o755); err != nil {
				return err
			}
		}
	}
	policy, _ := os.ReadFile(c.m.Path("/usr/sbin/policy-rc.d"))
	for _, p := range list {
		if filepath.Dir(p) != "/lib/systemd/system" {
			continue
		}
		if err := c.m.Units.Enable(context.Background(), filepath.Base(p)); err != nil {
			return err
		}
		if !strings.Contains(string(policy), "exit 101") {
			if err := c.m.Units.Start(context.Background(), filepath.Base(p), true); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace writes a file that is whole at every moment.
func replace(real string, content []byte) error {
	if err := os.WriteFile(real+"-new", content, 0o644); err != nil {
		_ = os.Remove(real + "-new")
		return err
	}
	return os.Rename(real+"-new", real)
}

func (c *Commands) purgeDeb(name string) error {
	status := c.m.Path("/var/lib/dpkg/status")
	b, err := os.ReadFile(status)
	if err != nil {
		return err
	}
	info := c.m.Path("/var/lib/dpkg/info/" + name + ".list")
	list, err := os.ReadFile(info)
	if err != nil {
		return fmt.Errorf("dpkg: warning: ignoring request to remove %s which isn't installed", name)
	}
	stanzas := slices.DeleteFunc(strings.SplitAfter(string(b), "\n\n"), func(s string) bool { return strings.HasPrefix(s, "Package: "+name+"\n") })
	if err := replace(status, []byte(strings.Join(stanzas, ""))); err != nil {
		return err
	}
	for p := range strings.Lines(string(list)) {
		_ = os.Remove(c.m.Path(strings.TrimSpace(p)))
	}
	return os.Remove(info)
}

func (c *Commands) aptGet(args []string) ([]byte, error) {
	name := args[len(args)-1]
	b, ok := c.Apt[name]
	if args[0] != "install" {
		return unknown("apt-get", args)
	}
	if !ok {
		return nil, fmt.Errorf("E: Unable to locate package %s", name)
	}
	var d deb
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, err
	}
	if slices.Contains(args, "--simulate") {
		return fmt.Appendf(nil, "Inst %s (%s Debian:12/stable [amd64])\nConf %s (%s)\n", d.Name, d.Version, d.Name, d.Version), nil
	}
	return nil, c.installDeb(&d)
}

func (c *Commands) nft(args []string) ([]byte, error) {
	switch {
	case slices.Equal(args, []string{"list", "tables"}):
		var b bytes.Buffer
		for _, t := range c.Tables {
			fmt.Fprintln(&b, "table", t)
		}
		for t := range c.ruleTables() {
			fmt.Fprintln(&b, "table", t)
		}
		return b.Bytes(), nil
	case len(args) == 4 && args[0] == "list" && args[1] == "table" && c.ruleTables()[args[2]+" "+args[3]] != nil:
		name := args[2] + " " + args[3]
		return listRuleTable(name, c.ruleTables()[name]), nil
	case len(args) == 4 && args[0] == "delete" && args[1] == "table":
		c.deleteTable(args[2] + " " + args[3])
		return nil, nil
	case len(args) == 5 && args[0] == "delete" && args[1] == "chain" && c.ruleTables()[args[2]+" "+args[3]] != nil:
		return nil, deleteBase(c.ruleTables()[args[2]+" "+args[3]], args[4])
	}
	return unknown("nft", args)
}

// ImageArchive is a docker-archive with nothing in it but the names of its images.
func ImageArchive(tags ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	manifest, _ := json.Marshal([]map[string]any{{"Config": "c.json", "RepoTags": tags}})
	_ = w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(manifest))})
	_, _ = w.Write(manifest)
	_ = w.Close()
	return b.Bytes()
}

func (c *Commands) ctr(args []string) ([]byte, error) {
	if len(args) < 6 || args[0] != "--namespace" || args[2] != "--address" || args[4] != "images" {
		return unknown("ctr", args)
	}
	rest := args[6:]
	switch args[5] {
	case "ls":
		return c.listImages(), nil
	case "import":
		return nil, c.importImage(rest)
	case "label":
		im, ok := c.Images[rest[0]]
		if !ok {
			return nil, fmt.Errorf("ctr: image %q: not found", rest[0])
		}
		if !slices.Contains(im.Labels, rest[1]) {
			im.Labels = append(im.Labels, rest[1])
		}
		c.Images[rest[0]] = im
		return nil, nil
	case "tag":
		im, ok := c.Images[rest[1]]
		if !ok || rest[0] != "--force" {
			return nil, fmt.Errorf("ctr: image %q: not found", rest[1])
		}
		c.Images[rest[2]] = im
		return nil, nil
	case "rm":
		delete(c.Images, rest[0])
		return nil, nil
	}
	return unknown("ctr", args)
}

func (c *Commands) importImage(args []string) error {
	b, err := os.ReadFile(args[len(args)-1])
	if err != nil {
		return err
	}
	tr := tar.NewReader(bytes.NewReader(b))
	if _, err := tr.Next(); err != nil {
		return err
	}
	var m []struct{ RepoTags []string }
	if err := json.NewDecoder(tr).Decode(&m); err != nil {
		return err
	}
	im := Image{Digest: "sha256:" + hostapi.Digest(b)}
	if args[0] == "--label" {
		im.Labels = []string{args[1]}
	}
	for _, t := range m[0].RepoTags {
		c.Images[t] = im
	}
	return nil
}

func (c *Commands) listImages() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "REF TYPE DIGEST SIZE PLATFORMS LABELS")
	for ref, im := range c.Images {
		fmt.Fprintln(&b, ref, "application/vnd.docker.distribution.manifest.v2+json", im.Digest, "1.0", "MiB", "linux/amd64", strings.Join(im.Labels, ","))
	}
	return b.Bytes()
}
