//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// renumber gives a host that runs the address that it shall have, as a restart of its network does: what else the
// interface had of addresses, routes and neighbours is gone. The disk stays, and all that runs.
func (m *machine) renumber(progress func(string)) error {
	file := filepath.Join(m.dir, "host.json")
	var hr hostRecord
	if err := readJSON(file, &hr); err != nil {
		return fmt.Errorf("host %s runs without a finished disk: %w: cut its power (trivet lab kill %s) and bring the lab up again", m.Name, err, m.Name)
	}
	if hr.placed(m.Host) {
		return nil
	}
	pid, err := m.group.findInit()
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("host %s: %w", m.Name, errNoInit)
	}
	if err := errors.Join(m.restartNetwork(pid), m.rewriteHosts(pid)); err != nil {
		return fmt.Errorf("host %s: change its address to %s: %w", m.Name, m.Address, err)
	}
	progress(fmt.Sprintf("host %s (%s) had the address %s", m.Name, m.Address, hr.Address))
	hr.Address, hr.Network = m.Address, m.Network
	return writeJSON(file, hr) // last: until then the next Up does it again
}

func (m *machine) restartNetwork(pid int) error {
	host, err := openNetworkAt(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer host.close()
	link, err := host.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("interface eth0: %w", err)
	}
	if err := host.LinkSetDown(link); err != nil {
		return fmt.Errorf("interface eth0: %w", err)
	}
	wanted := netip.PrefixFrom(m.Address, m.Network.Bits())
	return errors.Join(
		host.dropAddresses("eth0", func(a netip.Prefix) bool { return a != wanted }),
		host.setAddress("eth0", wanted),
		host.up("eth0"),
		host.defaultRoute("eth0", m.gateway),
	)
}

// rewriteHosts writes through the root as the host has it mounted: what changes below a mounted overlay is undefined.
func (m *machine) rewriteHosts(pid int) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		return err
	}
	defer root.Close()
	return root.WriteFile("etc/hosts", []byte(hostsFile(m.Host)), 0o644)
}

// RemoveHost takes a host out of the lab for good, whether it runs or is dead: its power is cut, and its disk and its
// place in the lab go. With the last host of a site the site goes. Interrupted, it goes on when it is called again.
func (l *Lab) RemoveHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(r record, m *machine) error {
		if r.Spec.hostCount() == 1 {
			return fmt.Errorf("host %s is the last one of lab %s: trivet lab down removes the lab", name, l.name)
		}
		if err := m.kill(ctx); err != nil {
			return err
		}
		// Without host.json the disk counts as unfinished, however far this gets.
		if err := os.Remove(filepath.Join(m.dir, "host.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := errors.Join(l.removeNspawnFoldersOf(name), removeAll(m.dir)); err != nil {
			return err
		}
		next, err := r.without(name)
		if err != nil {
			return err
		}
		if err := l.settleRouter(next, m.site); err != nil {
			return err
		}
		if err := writeJSON(filepath.Join(l.dir, "lab.json"), next); err != nil {
			return err
		}
		return errors.Join(writeKnownHosts(l.dir, next), applyFirewall(ctx, l.name, next))
	})
}

// without is the record of a lab that a host has left, with all that was recorded of it.
func (r record) without(host string) (record, error) {
	next := r
	next.Spec.Sites = nil
	for _, site := range r.Spec.Sites {
		hosts := slices.DeleteFunc(slices.Clone(site.Hosts), func(h Host) bool { return h.Name == host })
		if len(hosts) == 0 && len(site.Hosts) > 0 {
			next.Cuts = slices.DeleteFunc(slices.Clone(next.Cuts), func(c cut) bool { return c.Site == site.Name })
			next.Losses = slices.DeleteFunc(slices.Clone(next.Losses), func(x loss) bool { return x.Site == site.Name })
			continue
		}
		next.Spec.Sites = append(next.Spec.Sites, Site{Name: site.Name, Hosts: hosts})
	}
	next.Unplugged = slices.DeleteFunc(slices.Clone(r.Unplugged), func(h string) bool { return h == host })
	var err error
	next.Gateways, err = next.Spec.gateways(r.Gateways)
	return next, err
}

// settleRouter brings a site's bridge up to the record, or removes it where the record no longer has the site.
func (l *Lab) settleRouter(r record, name string) error {
	router, err := openNetwork(routerNamespace(l.name))
	if err != nil {
		return err
	}
	defer router.close()
	for _, site := range r.Spec.Sites {
		if site.Name == name {
			return router.ensureBridge(l.name, site, r.Gateways)
		}
	}
	return router.deleteLink(bridgeName(name))
}
