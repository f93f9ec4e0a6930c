package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// System returns the means of a real host.
func System() Options {
	return Options{Root: "/", Units: &systemd{}, Commands: execRunner{}, Kernel: linuxKernel{}, Hooks: hookRunner{}}
}

// execRunner runs programs of the host.
type execRunner struct{}

// saidLimit bounds how much of a failed program's output goes into an error.
const saidLimit = 2000

func (execRunner) Run(ctx context.Context, c Command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	if !strings.Contains(c.Name, "/") && cmd.Err != nil {
		// sudo's or a minimal PATH may leave the administrator's folders out.
		for _, dir := range []string{"/usr/local/sbin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/", "/usr/bin/", "/bin/"} {
			if unix.Access(dir+c.Name, unix.X_OK) == nil {
				cmd = exec.CommandContext(ctx, dir+c.Name, c.Args...)
				break
			}
		}
	}
	cmd.Env = append(baseEnv(), c.Env...)
	// A group of its own: a signal to the helper's group does not reach a package manager in the middle of its work.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if len(c.Stdin) > 0 {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	err := cmd.Run()
	if err == nil {
		return stdout.Bytes(), nil
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", c.Name, ErrNoCommand)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	said := strings.TrimSpace(stderr.String())
	if said == "" {
		said = strings.TrimSpace(stdout.String())
	}
	if len(said) > saidLimit {
		said = "…" + said[len(said)-saidLimit:]
	}
	return nil, fmt.Errorf("%s: %w: %s", c.Name, err, said)
}

// baseEnv is what every program gets.
func baseEnv() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
}

// linuxKernel asks the running kernel.
type linuxKernel struct{}

// Interfaces takes two dumps, however many interfaces there are.
func (linuxKernel) Interfaces(context.Context) ([]hostapi.Interface, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	byLink := map[int][]netip.Prefix{}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		ones, _ := a.Mask.Size()
		byLink[a.LinkIndex] = append(byLink[a.LinkIndex], netip.PrefixFrom(ip.Unmap(), ones))
	}
	var out []hostapi.Interface
	for _, l := range links {
		at := l.Attrs()
		out = append(out, hostapi.Interface{Name: at.Name, MTU: at.MTU, Addresses: byLink[at.Index]})
	}
	return out, nil
}

// Routes looks at the main tables.
func (linuxKernel) Routes(context.Context) (map[string]int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	out := map[string]int{}
	for _, r := range routes {
		if r.Protocol != unix.RTPROT_KERNEL {
			out[names[r.LinkIndex]]++
		}
	}
	return out, nil
}

func (linuxKernel) DeleteLink(_ context.Context, name string) error {
	l, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return err
	}
	return nil
}

// Messages and attributes of linux/netfilter/nfnetlink_acct.h.
const (
	acctGet  = unix.NFNL_SUBSYS_ACCT<<8 | 1
	acctDel  = unix.NFNL_SUBSYS_ACCT<<8 | 3
	acctName = 1
)

func acctRequest(message, flags int) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(message, flags)
	r.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	return r
}

// Counters are none where the kernel has no nfacct.
func (linuxKernel) Counters(context.Context) ([]string, error) {
	answers, err := acctRequest(acctGet, unix.NLM_F_DUMP).Execute(unix.NETLINK_NETFILTER, 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil
	}
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("netfilter's counters cannot be listed: %w", err)
	}
	var out []string
	for _, a := range answers {
		if len(a) < nl.SizeofNfgenmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(a[nl.SizeofNfgenmsg:])
		if err != nil {
			return nil, err
		}
		for _, attr := range attrs {
			if attr.Attr.Type == acctName {
				out = append(out, strings.TrimRight(string(attr.Value), "\x00"))
			}
		}
	}
	return out, nil
}

func (linuxKernel) DeleteCounter(_ context.Context, name string) error {
	r := acctRequest(acctDel, unix.NLM_F_ACK)
	r.AddData(nl.NewRtAttr(acctName, nl.ZeroTerminated(name)))
	if _, err := r.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// Unmount detaches what is busy: its users end with their mount namespace.
func (linuxKernel) Unmount(_ context.Context, path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // it is mounted no more
	}
	return err
}

func (linuxKernel) Kill(_ context.Context, pid int) error {
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}
