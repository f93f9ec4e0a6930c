//go:build linux

package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// CutSite drops all that goes between a site and the rest of the fleet; with
// Options.OperatorCut also what goes between it and the operator.
func (l *Lab) CutSite(ctx context.Context, site string) error {
	return l.setCut(ctx, site, []cut{{Site: site, Operator: l.options.OperatorCut}})
}

// JoinSite undoes CutSite.
func (l *Lab) JoinSite(ctx context.Context, site string) error {
	return l.setCut(ctx, site, nil)
}

func (l *Lab) setCut(ctx context.Context, site string, now []cut) error {
	return l.changeRouter(ctx, site, func(r *record) {
		r.Cuts = append(slices.DeleteFunc(r.Cuts, func(c cut) bool { return c.Site == site }), now...)
	})
}

// LosePackets drops a percentage of the packets that cross a site's border, in each
// direction, those to and from the operator included; 0 ends that.
func (l *Lab) LosePackets(ctx context.Context, site string, percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("%d percent of the packets cannot be lost: give a number from 0 to 100", percent)
	}
	return l.changeRouter(ctx, site, func(r *record) {
		r.Losses = slices.DeleteFunc(r.Losses, func(x loss) bool { return x.Site == site })
		if percent > 0 {
			r.Losses = append(r.Losses, loss{Site: site, Percent: percent})
		}
	})
}

// changeRouter changes the record and then the router's firewall to it.
func (l *Lab) changeRouter(ctx context.Context, site string, fn func(*record)) error {
	return l.change(ctx, func(r record) error {
		if err := r.Spec.hasSite(site); err != nil {
			return err
		}
		fn(&r)
		if err := writeJSON(filepath.Join(l.dir, "lab.json"), r); err != nil {
			return err
		}
		return applyFirewall(ctx, l.name, r)
	})
}

// UnplugHost pulls the host's network cable: its link and the switch's go down. The host
// runs on, and stays unplugged when it is started again.
func (l *Lab) UnplugHost(ctx context.Context, name string) error {
	return l.setPlug(ctx, name, true)
}

// PlugHost undoes UnplugHost.
func (l *Lab) PlugHost(ctx context.Context, name string) error { return l.setPlug(ctx, name, false) }

func (l *Lab) setPlug(ctx context.Context, name string, out bool) error {
	return l.changeHost(ctx, name, func(r record, m *machine) error {
		r.Unplugged = slices.DeleteFunc(r.Unplugged, func(h string) bool { return h == name })
		if out {
			r.Unplugged = append(r.Unplugged, name)
		}
		if err := writeJSON(filepath.Join(l.dir, "lab.json"), r); err != nil {
			return err
		}
		running, err := m.running()
		if err != nil || !running {
			return err
		}
		return setCarrier(ctx, l.name, name, !out)
	})
}

// FreezeHost stops every process of a host where it is, as firmware or a hypervisor may do:
// its kernel still takes connections, and nothing ever answers.
func (l *Lab) FreezeHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error {
		running, err := m.running()
		if err != nil {
			return err
		}
		if !running {
			return fmt.Errorf("host %s: %w", name, errNoInit)
		}
		return m.group.freeze(ctx, true)
	})
}

// ThawHost undoes FreezeHost.
func (l *Lab) ThawHost(ctx context.Context, name string) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error { return m.group.freeze(ctx, false) })
}
