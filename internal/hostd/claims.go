package hostd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type claimKind struct{}

func checkClaim(c *hostapi.Claim) error {
	bad := func(want string) error {
		return fmt.Errorf("%q cannot be claimed as %s: it has to be %s", c.Name, c.What, want)
	}
	if strings.ContainsAny(strings.TrimSuffix(c.Name, "*"), "*?[\\\x00\n") || c.Name == "*" || c.Name == "" {
		return bad("a name, with at most one * at its end")
	}
	switch c.What {
	case hostapi.ClaimLink:
		if c.Name == "lo" || strings.Contains(c.Name, "/") {
			return bad("a network interface")
		}
	case hostapi.ClaimNFTTable:
		if f := strings.Fields(c.Name); len(f) != 2 || f[1] == "*" {
			return bad(`"family name"`)
		}
	case hostapi.ClaimCounter:
		if len(c.Name) > 31 || strings.ContainsAny(c.Name, " /") { // NFACCT_NAME_MAX
			return bad("a counter of netfilter")
		}
	case hostapi.ClaimChains:
		if !checkChains(c.Name) {
			return bad("chains of iptables, none of its own among them")
		}
	case hostapi.ClaimCgroup:
		if path.Clean(c.Name) != c.Name || path.IsAbs(c.Name) || strings.HasPrefix(c.Name, "..") || slices.Contains(systemdCgroups, strings.TrimSuffix(c.Name, "*")) {
			return bad("a control group below the root, and not one of systemd's own")
		}
	case hostapi.ClaimMounts, hostapi.ClaimTree, hostapi.ClaimNetns:
		return checkPath(strings.TrimSuffix(strings.TrimSuffix(c.Name, "*"), "/"))
	default:
		return fmt.Errorf("there is no claim of a %q", c.What)
	}
	return nil
}

// matches compares a name with a claim's, which may end in "*".
func matches(pattern, name string) bool {
	if p, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, p)
	}
	return pattern == name
}

func (claimKind) prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	if e.Prior.Captured {
		c := *full.Claim
		if was := e.Item.Claim; was != nil && !was.Routes {
			c.Routes = false // nobody took away what is only to be there from now on
		}
		why, err := s.claimAstray(ctx, &c)
		if why != "" {
			s.astray = append(s.astray, full.ID())
		}
		return why != "", err
	}
	if err := s.foreignClaim(ctx, full.Claim); err != nil {
		return false, err
	}
	if full.Claim.What == hostapi.ClaimNetns {
		e.Prior.Parents = s.missingDirs(path.Dir(full.Claim.Name))
	}
	if full.Claim.What == hostapi.ClaimChains {
		var err error
		if e.Prior.Tables, e.Prior.BaseChains, err = s.priorTables(ctx); err != nil {
			return false, err
		}
	}
	e.Prior.Captured = true
	return true, nil
}

func (claimKind) apply(context.Context, *stepper, *entry, *hostapi.Item) (bool, error) {
	return true, nil
}

func (claimKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	d := o.claims[e.id()]
	return d.What, d.Code
}

// foreignClaim is an error where something is there that is to be claimed.
func (s *stepper) foreignClaim(ctx context.Context, c *hostapi.Claim) error {
	found, err := s.claimed(ctx, c)
	if err != nil || len(found) == 0 {
		return err
	}
	return fail(hostapi.CodeForeign, "it belongs to something else on the host, perhaps another Kubernetes: remove that first",
		"the %s %s exists already", c.What, strings.Join(found, ", "))
}

// quiet: what is known of a claim changed, and nothing on the host.
func (claimKind) quiet(s *stepper, before *entry, full *hostapi.Item) bool {
	return !sameItem(before.Item, *full) && !slices.Contains(s.astray, full.ID())
}

// lookAtClaims finds out about claims whose unit runs.
func (o *observer) lookAtClaims(ctx context.Context, rec *record) error {
	o.claims = map[hostapi.ID]hostapi.Drift{}
	for _, e := range rec.of(hostapi.KindClaim) {
		c := e.item().Claim
		if c.Unit == "" || o.states[c.Unit].Active != "active" {
			continue
		}
		what, code, err := o.amiss(ctx, c)
		if err != nil {
			return err
		}
		o.claims[e.id()] = hostapi.Drift{What: what, Code: code}
	}
	return nil
}

// claimAstray says what is wrong with a recorded claim, "" when nothing is.
func (s *stepper) claimAstray(ctx context.Context, c *hostapi.Claim) (string, error) {
	if c.Unit == "" {
		return "", nil
	}
	st, err := s.freshState(ctx, c.Unit)
	if err != nil || st.Active != "active" {
		return "", err
	}
	what, _, err := s.amiss(ctx, c)
	return what, err
}

// amiss says what a running unit lacks of its claim.
func (h *Host) amiss(ctx context.Context, c *hostapi.Claim) (string, hostapi.DriftCode, error) {
	found, err := h.claimed(ctx, c)
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		return "missing, while " + c.Unit + " runs, which makes it", "", nil
	}
	if c.What != hostapi.ClaimLink || !c.Routes {
		return "", "", nil
	}
	routes, err := h.Kernel.Routes(ctx)
	if err != nil {
		return "", "", err
	}
	for _, link := range found {
		if routes[link] == 0 {
			return "no route leads through it, while " + c.Unit + " runs, which makes them", hostapi.DriftNoRoute, nil
		}
	}
	return "", "", nil
}

// claimed lists what is there of a claim.
func (h *Host) claimed(ctx context.Context, c *hostapi.Claim) ([]string, error) {
	switch c.What {
	case hostapi.ClaimLink:
		links, err := h.Kernel.Interfaces(ctx)
		var found []string
		for _, l := range links {
			if matches(c.Name, l.Name) && l.Name != "lo" {
				found = append(found, l.Name)
			}
		}
		return found, err
	case hostapi.ClaimCounter:
		all, err := h.Kernel.Counters(ctx)
		return slices.DeleteFunc(all, func(n string) bool { return !matches(c.Name, n) }), err
	case hostapi.ClaimNFTTable:
		return h.nftTables(ctx, c.Name)
	case hostapi.ClaimChains:
		return h.chains(ctx, c.Name)
	case hostapi.ClaimCgroup:
		return h.cgroups(c.Name)
	case hostapi.ClaimMounts:
		return h.mountsBelow(strings.TrimSuffix(c.Name, "*"))
	case hostapi.ClaimTree:
		return h.pathsMatching(c.Name)
	case hostapi.ClaimNetns:
		if strings.HasSuffix(c.Name, "*") {
			return h.pathsMatching(c.Name)
		}
		return h.pathsMatching(c.Name + "/*")
	}
	return nil, nil
}

// pathsMatching lists what is at a path, or what its folder holds that matches.
func (h *Host) pathsMatching(p string) ([]string, error) {
	if !strings.HasSuffix(p, "*") {
		if _, err := os.Lstat(h.path(p)); err != nil {
			return nil, ignoreMissing(err)
		}
		return []string{p}, nil
	}
	dir := path.Dir(p)
	names, err := os.ReadDir(h.path(dir))
	var found []string
	for _, n := range names {
		if full := path.Join(dir, n.Name()); matches(p, full) {
			found = append(found, full)
		}
	}
	return found, ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// nftTables lists "family name" of nftables tables that match.
func (h *Host) nftTables(ctx context.Context, pattern string) ([]string, error) {
	out, err := h.run(ctx, "nft", "list", "tables")
	if errors.Is(err, ErrNoCommand) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	want := strings.Join(strings.Fields(pattern), " ")
	var found []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "table" && matches(want, f[1]+" "+f[2]) {
			found = append(found, f[1]+" "+f[2])
		}
	}
	return found, nil
}

// mountsBelow lists mount points below a path, innermost first.
func (h *Host) mountsBelow(dir string) ([]string, error) {
	b, err := os.ReadFile(h.path("/proc/self/mountinfo"))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	dir = strings.TrimSuffix(dir, "/")
	var found []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := unescapeMount(f[4]); strings.HasPrefix(p, dir+"/") {
			found = append(found, p)
		}
	}
	slices.Reverse(found) // later mounts lie on or below earlier ones
	return found, nil
}

// unescapeMount undoes the octal escapes of proc_pid_mountinfo(5).
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func (claimKind) remove(ctx context.Context, s *stepper, e *entry) error {
	ctx = context.WithoutCancel(ctx)
	c := e.item().Claim
	switch c.What {
	case hostapi.ClaimCgroup:
		return s.removeCgroups(ctx, c.Name)
	case hostapi.ClaimChains:
		return s.removeChains(ctx, e)
	}
	found, err := s.claimed(ctx, c)
	if err != nil {
		return err
	}
	for _, f := range found {
		switch c.What {
		case hostapi.ClaimLink:
			err = s.Kernel.DeleteLink(ctx, f)
		case hostapi.ClaimCounter:
			err = s.Kernel.DeleteCounter(ctx, f)
		case hostapi.ClaimNFTTable:
			_, err = s.command(ctx, "nft", append([]string{"delete", "table"}, strings.Fields(f)...)...)
		case hostapi.ClaimMounts:
			err = s.Kernel.Unmount(ctx, f)
		case hostapi.ClaimTree:
			if err = s.unmountClaimed(ctx, f); err == nil {
				err = s.removeTree(f, false)
			}
		case hostapi.ClaimNetns:
			if s.isMount(f) {
				err = s.Kernel.Unmount(ctx, f)
			}
			if err == nil {
				err = ignoreMissing(os.Remove(s.path(f)))
			}
		}
		if err != nil {
			return fmt.Errorf("%s %s cannot be removed: %w", c.What, f, err)
		}
		s.hook("removed " + f)
	}
	for _, dir := range slices.Backward(e.Prior.Parents) {
		// One that is in use, or has become a mount point, is somebody else's by now.
		if err := os.Remove(s.path(dir)); err == nil {
			s.hook("removed " + dir)
		}
	}
	return nil
}

// unmountClaimed unmounts what lies below a folder and is claimed: the claim may be removed after the folder.
func (s *stepper) unmountClaimed(ctx context.Context, dir string) error {
	below, err := s.mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, p := range below {
		claimed := slices.ContainsFunc(s.rec.of(hostapi.KindClaim), func(e *entry) bool {
			c := e.item().Claim
			return c.What == hostapi.ClaimMounts && strings.HasPrefix(p, strings.TrimRight(c.Name, "/*")+"/")
		})
		if !claimed {
			continue // removeTree names it
		}
		if err := s.Kernel.Unmount(context.WithoutCancel(ctx), p); err != nil {
			return fmt.Errorf("%s cannot be unmounted: %w", p, err)
		}
	}
	return nil
}

func (h *Host) isMount(p string) bool {
	below, err := h.mountsBelow(path.Dir(p))
	return err == nil && slices.Contains(below, p)
}

// removeTree removes what is below a folder, and the folder unless keep is set. It does not reach into other mounts: what is mounted there
// is somebody's.
func (h *Host) removeTree(p string, keep bool) error {
	below, err := h.mountsBelow(p)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return fail(hostapi.CodeFailed, "unmount it, or reboot the host, and go on", "%s is mounted below %s", below[0], p)
	}
	if !keep && !h.isMount(p) {
		return os.RemoveAll(h.path(p))
	}
	names, err := os.ReadDir(h.path(p))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, n := range names {
		if n.Name() == "lost+found" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(h.path(p), n.Name())); err != nil {
			return err
		}
	}
	return nil
}
