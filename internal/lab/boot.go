//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// machine is one host with all that is needed to run it.
type machine struct {
	Host
	lab, site string
	dir       string // the host's folder
	gateway   netip.Addr
	group     group
}

func (l *Lab) machine(r record, name string) (*machine, error) {
	h, site, err := r.Spec.host(name)
	if err != nil {
		return nil, err
	}
	g, err := openGroup(hostGroup(l.name, name))
	if err != nil {
		return nil, err
	}
	return &machine{
		Host: h, lab: l.name, site: site, dir: hostFolder(l.dir, name),
		gateway: r.Gateways[h.Network.Masked()], group: g,
	}, nil
}

func (m *machine) console() string { return filepath.Join(m.dir, "console.log") }

func (m *machine) running() (bool, error) {
	pids, err := m.group.processes()
	return len(pids) > 0, err
}

// start boots a host that does not run; it does not wait for it.
func (m *machine) start(ctx context.Context) error {
	var hr hostRecord
	err := readJSON(filepath.Join(m.dir, "host.json"), &hr)
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("it has no disk: run trivet lab up, which makes one")
	}
	if err != nil {
		return err
	}
	// Groups of a former life would be seen in the new one.
	if err := m.group.remove(ctx); err != nil {
		return err
	}
	if err := connectHost(m.lab, m.site, m.Host, m.gateway); err != nil {
		return err
	}
	if err := m.group.create(); err != nil {
		return err
	}
	if err := os.Rename(m.console(), m.console()+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return onRoot(m.dir, hr.Base, m.launch)
}

// launch starts systemd-nspawn from a thread in the host's mount namespace. It outlives us.
func (m *machine) launch(root string) error {
	nspawn, err := findTool("systemd-nspawn")
	if err != nil {
		return err
	}
	// The host outlives this command: what the command was started with, such as the lock of
	// a script that called it, must not live as long.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close what is not the host's: %w", err)
	}
	console, err := os.OpenFile(m.console(), os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer console.Close()
	unified, err := m.group.enterThread()
	if err != nil {
		return err
	}
	cmd := exec.Command(nspawn, m.arguments(root)...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = console, console
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"SYSTEMD_NSPAWN_API_VFS_WRITABLE=1", // a host sets sysctls, loads modules and makes control groups
		"SYSTEMD_NSPAWN_TMPFS_TMP=0",        // /tmp is on the disk, as Debian has it
		"SYSTEMD_NSPAWN_LOCK=0",             // the control group is the lock
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if unified != nil {
		defer unified.Close()
		cmd.SysProcAttr.UseCgroupFD = true
		cmd.SysProcAttr.CgroupFD = int(unified.Fd())
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start systemd-nspawn: %w", err)
	}
	go cmd.Wait() // collects it, should it end before us
	return nil
}

func (m *machine) arguments(root string) []string {
	args := []string{
		"--directory=" + root,
		"--machine=" + machineName(m.lab, m.Name),
		"--hostname=" + m.Name,
		"--network-namespace-path=" + namespacePath(hostNamespace(m.lab, m.Name)),
		"--register=no", "--keep-unit",
		"--capability=all", "--drop-capability=CAP_SYS_TIME", // the clock is the machine's
		"--system-call-filter=@known",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--bind-ro=/dev/kmsg",
	}
	if isFolder("/lib/modules") {
		args = append(args, "--bind-ro=/lib/modules")
	}
	for _, f := range realFolders {
		from := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(filepath.Join(m.dir, "disk", f.onDisk))
		args = append(args, "--bind="+from+":/"+f.inHost)
	}
	return append(args, "--console=read-only", "--boot")
}

// waitReady watches a booting host until its operator can log in, or could but for the
// network where that is silent.
func (m *machine) waitReady(ctx context.Context, access Access, silent bool) error {
	err := m.watchBoot(ctx)
	if err == nil && !silent {
		err = m.login(ctx, access)
	}
	if err != nil {
		return fmt.Errorf("host %s did not come up: %w; its console log %s ends:\n%s", m.Name, err, m.console(), tailFile(m.console(), 15))
	}
	// The namespace now lives by the host's processes alone: when the host ends, in
	// whatever way, its interface goes, and nothing answers for a dead machine.
	return deleteNamespace(hostNamespace(m.lab, m.Name))
}

// watchBoot waits until the host lets its operator log in. It does not wait for systemd to
// report that all is up: after a power cut, units of one host may wait for another host that
// is still off. It looks at files, which cost nothing; a tool run each time would slow the boot.
func (m *machine) watchBoot(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		running, err := m.running()
		if err != nil {
			return err
		}
		if !running {
			return errors.New("it ended while booting")
		}
		pid, err := m.group.findInit()
		if err != nil {
			return err
		}
		if pid != 0 && loginOpen(filepath.Join("/proc", strconv.Itoa(pid), "root")) {
			return nil
		}
		if n%20 == 19 {
			out, _ := m.exec(ctx, "systemctl", "is-system-running")
			if state := strings.TrimSpace(string(out)); state == "maintenance" || state == "stopping" {
				return fmt.Errorf("systemd is in the state %q", state)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sshd has not started: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// loginOpen tells whether a host's sshd listens, which is when it writes its pid, and whether
// systemd has let users in, which is when it removes nologin.
func loginOpen(root string) bool {
	_, listens := os.Stat(filepath.Join(root, "run/sshd.pid"))
	_, closed := os.Stat(filepath.Join(root, "run/nologin"))
	return listens == nil && errors.Is(closed, os.ErrNotExist)
}

// login checks over SSH, from where operators dial, that they get in and may use sudo.
func (m *machine) login(ctx context.Context, access Access) error {
	signer, err := access.signer()
	if err != nil {
		return err
	}
	var hr hostRecord
	if err := readJSON(filepath.Join(m.dir, "host.json"), &hr); err != nil {
		return err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hr.HostKey))
	if err != nil {
		return fmt.Errorf("host key in host.json: %w", err)
	}
	address := net.JoinHostPort(m.Address.String(), "22")
	conn, err := DialInNamespace(ctx, access.NetworkNamespace, "tcp", address)
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: access.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	defer session.Close()
	if out, err := session.CombinedOutput("sudo -n true"); err != nil {
		return fmt.Errorf("ssh: sudo: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// powerOffSignal is SIGRTMIN+4, by which systemd as pid 1 powers off.
const powerOffSignal = unix.Signal(38)

// powerOffLimit is longer than the 90 s systemd gives a unit to stop.
const powerOffLimit = 3 * time.Minute

// stop powers the host off and waits for its end.
func (m *machine) stop(ctx context.Context) error {
	if frozen, err := m.group.frozen(); err != nil || frozen {
		return errors.Join(err, fmt.Errorf("host %s is frozen and cannot power off: thaw it first (trivet lab thaw %s), or cut its power (trivet lab kill %s)", m.Name, m.Name, m.Name))
	}
	pid, err := m.group.findInit()
	if err != nil {
		return err
	}
	if pid != 0 {
		if p, err := openProcess(pid); err == nil {
			if m.group.has(pid) {
				err = p.signal(powerOffSignal)
			}
			p.close()
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("host %s: power off: %w", m.Name, err)
			}
		}
		limited, cancel := context.WithTimeout(ctx, powerOffLimit)
		defer cancel()
		if err := m.group.waitEmpty(limited); err != nil {
			return fmt.Errorf("host %s did not power off: %w; its console log %s ends:\n%s\ntrivet lab kill cuts its power",
				m.Name, err, m.console(), tailFile(m.console(), 15))
		}
	}
	return m.clear(ctx)
}

// kill cuts the host's power. Its init goes first: the kernel ends all others with it,
// before any of them could react.
func (m *machine) kill(ctx context.Context) error {
	pid, err := m.group.findInit()
	if err != nil {
		return err
	}
	if pid != 0 {
		if p, err := openProcess(pid); err == nil {
			if m.group.has(pid) {
				err = p.signal(unix.SIGKILL) // waits in the queue of a process that is frozen
			}
			p.close()
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("host %s: kill: %w", m.Name, err)
			}
		}
	}
	return m.clear(ctx)
}

// clear removes what is left of a host that has ended, or has not properly begun.
func (m *machine) clear(ctx context.Context) error {
	if frozen, err := m.group.frozen(); err != nil {
		return err
	} else if frozen {
		if err := m.group.freeze(ctx, false); err != nil {
			return fmt.Errorf("host %s: %w", m.Name, err)
		}
	}
	if err := m.group.kill(ctx); err != nil {
		return fmt.Errorf("host %s: %w", m.Name, err)
	}
	if err := m.group.remove(ctx); err != nil {
		return fmt.Errorf("host %s: %w", m.Name, err)
	}
	if namespaceExists(routerNamespace(m.lab)) {
		router, err := openNetwork(routerNamespace(m.lab))
		if err != nil {
			return err
		}
		defer router.close()
		if err := router.deleteLink(portName(m.Name)); err != nil {
			return fmt.Errorf("host %s: %w", m.Name, err)
		}
	}
	return deleteNamespace(hostNamespace(m.lab, m.Name))
}

var errNoInit = errors.New("the host is not running")

// exec runs a command as root inside the host and returns its standard output.
func (m *machine) exec(ctx context.Context, argv ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	if err := m.execTo(ctx, &stdout, &stderr, argv...); err != nil {
		if last := lastLine(stderr.String()); last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
		return stdout.Bytes(), err
	}
	return stdout.Bytes(), nil
}

// execTo is exec with the command's output as it comes.
func (m *machine) execTo(ctx context.Context, stdout, stderr io.Writer, argv ...string) error {
	pid, err := m.group.findInit()
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("host %s: %w", m.Name, errNoInit)
	}
	nsenter, err := findTool("nsenter")
	if err != nil {
		return err
	}
	args := append([]string{"--target", strconv.Itoa(pid), "--all", "--root", "--wd", "--"}, argv...)
	cmd := exec.CommandContext(ctx, nsenter, args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // a daemon that the command leaves behind may hold the pipes
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("host %s: %s: %w", m.Name, argv[0], err)
	}
	return nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
