//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// HostStatus is what is seen of a host now.
type HostStatus struct {
	Name      string     `json:"name"`
	Site      string     `json:"site"`
	Address   netip.Addr `json:"address"`
	Running   bool       `json:"running"`
	System    string     `json:"system,omitempty"`   // systemd's word: running, degraded, starting, …
	Init      int        `json:"init,omitempty"`     // pid of its systemd on this machine
	Memory    uint64     `json:"memory,omitempty"`   // bytes, page cache included
	SiteCut   bool       `json:"site_cut,omitempty"` // its site is cut off
	Loss      int        `json:"loss,omitempty"`     // percentage of packets lost at its site's border
	Unplugged bool       `json:"unplugged,omitempty"`
	Frozen    bool       `json:"frozen,omitempty"`
	Full      []string   `json:"full,omitempty"` // folders that FillDisk filled
	Console   string     `json:"console"`        // path of its console log
}

// Status looks at every host.
func (l *Lab) Status(ctx context.Context) ([]HostStatus, error) {
	r, err := loadRecord(l.dir)
	if err != nil {
		return nil, err
	}
	var all []HostStatus
	for _, site := range r.Spec.Sites {
		isCut := slices.ContainsFunc(r.Cuts, func(c cut) bool { return c.Site == site.Name })
		for _, h := range site.Hosts {
			m, err := l.machine(r, h.Name)
			if err != nil {
				return nil, err
			}
			s := HostStatus{Name: h.Name, Site: site.Name, Address: h.Address, SiteCut: isCut, Console: m.console()}
			s.Unplugged = slices.Contains(r.Unplugged, h.Name)
			for _, x := range r.Losses {
				if x.Site == site.Name {
					s.Loss = x.Percent
				}
			}
			if err := m.look(ctx, &s); err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, ctx.Err()
}

// look sees what of a host's status is not recorded.
func (m *machine) look(ctx context.Context, s *HostStatus) error {
	var err error
	if s.Running, err = m.running(); err != nil || !s.Running {
		return err
	}
	if s.Init, err = m.group.findInit(); err != nil {
		return err
	}
	s.Memory = m.group.memory()
	if mountinfo, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", s.Init)); err == nil {
		s.Full = fullFolders(mountinfo)
	}
	if s.Frozen, err = m.group.frozen(); err != nil || s.Frozen {
		return err // it would never say how it is
	}
	// Its exit code is not zero for most states, so only the word counts.
	out, _ := m.exec(ctx, "systemctl", "is-system-running")
	s.System = strings.TrimSpace(string(out))
	return nil
}

// change runs fn under the lab's lock with its present record.
func (l *Lab) change(ctx context.Context, fn func(record) error) error {
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	r, err := loadRecord(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lab %s is not up: bring it up with `trivet lab up -f FOLDER`, FOLDER being that of its topology", l.name)
	}
	if err != nil {
		return err
	}
	return fn(r)
}

func (l *Lab) changeHost(ctx context.Context, name string, fn func(record, *machine) error) error {
	return l.change(ctx, func(r record) error {
		m, err := l.machine(r, name)
		if err != nil {
			return err
		}
		return fn(r, m)
	})
}

// StopHost powers a host off, as an operator would, and waits for it.
func (l *Lab) StopHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error { return m.stop(ctx) })
}

// KillHost ends all of a host at once, as a power cut does. What the host had written but
// not yet synced survives, since the machine's page cache does.
func (l *Lab) KillHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error { return m.kill(ctx) })
}

// StartHost boots a host from its disk and waits until it is up.
func (l *Lab) StartHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(r record, m *machine) error {
		return l.boot(ctx, r, name)
	})
}

// WipeOption changes what WipeHost does.
type WipeOption int

// KeepHostKey gives the empty disk the SSH host key of the old one.
const KeepHostKey WipeOption = 1

// WipeHost gives a stopped host an empty disk: the same name and address, but another
// machine id and, unless it is to be kept, another SSH host key.
func (l *Lab) WipeHost(ctx context.Context, name string, options ...WipeOption) error {
	return l.changeHost(ctx, name, func(r record, m *machine) error {
		running, err := m.running()
		if err != nil {
			return err
		}
		if running {
			return fmt.Errorf("host %s runs: stop it first (trivet lab stop %s)", name, name)
		}
		return l.wipe(ctx, r, m, options)
	})
}

func (l *Lab) wipe(ctx context.Context, r record, m *machine, options []WipeOption) error {
	base, err := ensureBase(ctx, l.options.CacheDir, l.options.Progress)
	if err != nil {
		return err
	}
	// Without host.json the disk counts as unfinished, however far this gets.
	gone := []string{"host.json"}
	if !slices.Contains(options, KeepHostKey) {
		gone = append(gone, hostKeyFile)
	}
	for _, file := range gone {
		if err := os.Remove(filepath.Join(m.dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := l.prepare(ctx, r, m.Name, base); err != nil {
		return err
	}
	return writeKnownHosts(l.dir, r)
}

// ReimageHost installs a host anew, whether it runs or is dead: its power is cut, it gets an empty disk as by WipeHost, and it boots.
func (l *Lab) ReimageHost(ctx context.Context, name string, options ...WipeOption) error {
	return l.changeHost(ctx, name, func(r record, m *machine) error {
		if err := m.kill(ctx); err != nil {
			return err
		}
		if err := l.wipe(ctx, r, m, options); err != nil {
			return err
		}
		return l.boot(ctx, r, name)
	})
}

// Exec runs a command as root inside a host, without SSH, and returns its standard output.
func (l *Lab) Exec(ctx context.Context, host string, argv ...string) ([]byte, error) {
	m, err := l.executes(host, argv)
	if err != nil {
		return nil, err
	}
	return m.exec(ctx, argv...)
}

// ExecTo is Exec with the command's output as it comes.
func (l *Lab) ExecTo(ctx context.Context, stdout, stderr io.Writer, host string, argv ...string) error {
	m, err := l.executes(host, argv)
	if err != nil {
		return err
	}
	return m.execTo(ctx, stdout, stderr, argv...)
}

func (l *Lab) executes(host string, argv []string) (*machine, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command to run")
	}
	r, err := loadRecord(l.dir)
	if err != nil {
		return nil, err
	}
	return l.machine(r, host)
}

// NetworkNamespace is the path of a running host's network namespace, for DialInNamespace. It leads nowhere once the host has ended.
func (l *Lab) NetworkNamespace(host string) (string, error) {
	r, err := loadRecord(l.dir)
	if err != nil {
		return "", err
	}
	m, err := l.machine(r, host)
	if err != nil {
		return "", err
	}
	pid, err := m.group.findInit()
	if err != nil {
		return "", err
	}
	if pid == 0 {
		return "", fmt.Errorf("host %s: %w", host, errNoInit)
	}
	return fmt.Sprintf("/proc/%d/ns/net", pid), nil
}
