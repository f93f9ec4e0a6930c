package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/door"
)

const tunnelAddress = door.TunnelAddress

func newTunnel(g *global) *cobra.Command {
	var address, access string
	cmd := &cobra.Command{
		Use:   "tunnel [FOLDER]",
		Short: "Hold a tunnel to the API for kubectl, until Ctrl-C",
		Long: `Hold a tunnel to the API for kubectl, until Ctrl-C. Any control plane that answers will do; when one goes away, new connections take another
one, and lost SSH connections are made anew.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if access != "" {
				return g.tunnelTo(cmd, access, address)
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			l, err := net.Listen("tcp", address)
			if err != nil {
				return fmt.Errorf("the tunnel cannot listen: %w; choose another --address", err)
			}
			defer l.Close()
			e, err := s.connectOnly(cmd.Context(), none) // the dialer connects to one, and to others as it needs them
			if err != nil {
				return err
			}
			api := e.APIDialer()
			defer api.Close()
			s.view.status("connecting to a control plane")
			if err := answers(cmd.Context(), api); err != nil {
				return s.noCluster(cmd.Context(), err)
			}
			s.view.end()
			if err := s.announceTunnel(cmd.ErrOrStderr(), l.Addr()); err != nil {
				return err
			}
			g.interrupt.announce(nil) // Ctrl-C is how a tunnel ends
			return bootstrap.ServeTunnel(cmd.Context(), l, api.Dial, s.tunnelTrouble)
		},
	}
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where to listen")
	cmd.Flags().StringVar(&access, "access", "", "how the cluster is reached, as `JSON`: the access that a provider gives, in place of a topology")
	return cmd
}

// tunnelTo holds a tunnel to a cluster of which there is no topology here.
func (g *global) tunnelTo(cmd *cobra.Command, access, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the tunnel cannot listen: %w; choose another --address", err)
	}
	defer l.Close()
	e, err := g.connectTo(cmd.Context(), access, func(o *bootstrap.Options) { o.Only = none })
	if err != nil {
		return err
	}
	defer e.Close()
	api := e.APIDialer()
	defer api.Close()
	if err := answers(cmd.Context(), api); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The API of cluster %q answers at https://%s, until Ctrl-C.\n", e.Cluster().Name, l.Addr())
	g.interrupt.announce(nil) // Ctrl-C is how a tunnel ends
	return bootstrap.ServeTunnel(cmd.Context(), l, api.Dial, func(err error) { fmt.Fprintln(cmd.ErrOrStderr(), err) })
}

// answers fails when no control plane does: a tunnel that leads nowhere helps nobody.
func answers(ctx context.Context, api *bootstrap.APIDialer) error {
	conn, err := api.Dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// noCluster says of a tunnel that leads nowhere that there is no cluster, where a host answered and knows of none.
func (s *session) noCluster(ctx context.Context, cause error) error {
	if answered := new(hostapi.Error); !errors.As(cause, &answered) {
		return cause
	}
	first := s.engine
	defer first.Close()
	e, err := s.connectOnly(ctx, controlPlane)
	if err != nil {
		return cause
	}
	st, err := e.Status(ctx)
	if err != nil || st.ClusterID != "" {
		return cause
	}
	for _, h := range st.Hosts {
		if h.Error != "" && slices.Contains(h.Roles, string(topology.RoleControlPlane)) {
			return cause
		}
	}
	return fmt.Errorf("cluster %q does not exist yet: apply first", s.cluster.Name)
}

func (s *session) announceTunnel(errOut io.Writer, at net.Addr) error {
	if s.json {
		return writeResult(s.out, "tunnel", map[string]string{"cluster": s.cluster.Name, "address": at.String()})
	}
	address := ""
	if at.String() != tunnelAddress {
		address = " --address " + at.String()
	}
	_, err := fmt.Fprintf(errOut, "The API of cluster %q answers at https://%s, until Ctrl-C. In another terminal:\n  trivet kubeconfig%s%s -o kubeconfig && kubectl --kubeconfig kubeconfig get nodes\n",
		s.cluster.Name, at, s.flags(), address)
	return err
}

func (s *session) tunnelTrouble(err error) {
	s.view.event(event.Event{Time: time.Now(), Kind: event.Warning, Message: err.Error()})
}
