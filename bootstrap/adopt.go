package bootstrap

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/trivet-dev/trivet/bootstrap/adopt"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// AdoptOptions are what a cluster of kubeadm's is read and described with.
type AdoptOptions struct {
	// Options are those of an engine that tell how hosts are reached: Connect, NetworkNamespace, Helper, SudoPassword, Passphrase, Events.
	Options
	// Address of a control plane, and where SSH listens and as whom it logs in there, where that is not as SSH says.
	Address string
	SSH     topology.SSH
	// Bastions are passed on the way to every host.
	Bastions []topology.Bastion
	// Staging is a folder for the helper on hosts, gone once it runs: /dev/shm when empty.
	Staging string
	// Describe says how the topology is to be written.
	Describe adopt.Options
	// Report is told what is done; it may be nil.
	Report func(format string, args ...any)
}

// Adopt reads the cluster that a control plane belongs to, without changing it, and describes it as a topology with what taking it over would change.
func Adopt(ctx context.Context, o AdoptOptions) (*adopt.Description, error) {
	o.defaults()
	// Hosts are reached as those of a topology are: one site, with the bastions.
	site := &topology.Site{Bastions: o.Bastions}
	rack := &topology.Rack{Room: &topology.Room{Site: site}}
	first := &topology.Host{Rack: rack}
	c := &topology.Cluster{Hosts: []*topology.Host{first}}
	e := &Engine{Options: o.Options, cluster: c, declared: c}
	e.Topology = &topology.Topology{Fleet: topology.Fleet{SSH: o.SSH}}
	connect := o.Connect
	if connect == nil {
		e.pool = sshhost.NewPool(sshhost.Options{Learned: e.learned})
		defer e.pool.Close()
		reach, err := newReach(e)
		if err != nil {
			return nil, err
		}
		connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			cfg := reach.config(h)
			cfg.Fleeting, cfg.Staging = true, o.Staging
			return e.pool.Connect(ctx, cfg)
		}
	}
	found, err := adopt.Read(ctx, o.Address, adopt.Reach{Parallel: e.parallel(), Report: o.Report, Connect: func(ctx context.Context, name, address string) (remote.Host, error) {
		h := &topology.Host{Name: name, Rack: rack, SSHAddress: address}
		h.Address, _ = netip.ParseAddr(address) // a name is for SSH alone
		return connect(ctx, h)
	}})
	if err != nil {
		return nil, err
	}
	o.Describe.Now = o.Now()
	d, err := adopt.Describe(found, o.Describe)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", o.Address, err)
	}
	return d, nil
}
