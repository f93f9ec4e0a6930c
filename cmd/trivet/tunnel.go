package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const tunnelAddress = "127.0.0.1:16443"

func newTunnel(g *global) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "tunnel [FOLDER]",
		Short: "Hold a tunnel to the API for kubectl, until Ctrl-C",
		Long: `Hold a tunnel to the API for kubectl, until Ctrl-C. Any control plane that answers will do; when one goes away, new connections take another
one, and lost SSH connections are made anew.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			return serveTunnel(cmd.Context(), l, api.Dial, s.tunnelTrouble)
		},
	}
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where to listen")
	return cmd
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

// serveTunnel carries connections that l accepts over those that dial makes, until ctx ends.
func serveTunnel(ctx context.Context, l net.Listener, dial func(context.Context) (net.Conn, error), trouble func(error)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the tunnel ended: %w", err)
		}
		wg.Go(func() {
			defer conn.Close()
			api, err := dial(ctx)
			if err != nil {
				if ctx.Err() == nil {
					trouble(err)
				}
				return
			}
			carry(ctx, conn, api)
		})
	}
}

// carry copies both ways until one side ends.
func carry(ctx context.Context, a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // either end may break off; both are closed then
			done <- struct{}{}
		}()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	a.Close()
	b.Close()
}
