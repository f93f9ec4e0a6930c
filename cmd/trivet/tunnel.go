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
	"github.com/trivet-dev/trivet/provider/door"
)

const tunnelAddress = door.TunnelAddress

func newTunnel(g *global) *cobra.Command {
	var address, access string
	var idle time.Duration
	cmd := &cobra.Command{
		Use:   "tunnel [FOLDER]",
		Short: "Hold a tunnel to the API for kubectl, until Ctrl-C",
		Long: `Hold a tunnel to the API for kubectl, until Ctrl-C. Any control plane that answers will do; when one goes away, new connections take another
one, and lost SSH connections are made anew.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if access != "" {
				return g.tunnelTo(cmd, access, address, idle)
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
			return g.serveTunnel(cmd.Context(), l, idle, api.Dial, s.tunnelTrouble)
		},
	}
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where to listen")
	cmd.Flags().StringVar(&access, "access", "", "how the cluster is reached, as `JSON`: the access that a provider gives, in place of a topology")
	cmd.Flags().DurationVar(&idle, "idle", 0, "end once nobody has been connected for so long, or once no control plane answers any more (default: hold it until Ctrl-C)")
	return cmd
}

// serveTunnel carries connections until Ctrl-C; where idle is not zero, until nobody needs them, or they lead nowhere.
func (g *global) serveTunnel(ctx context.Context, l net.Listener, idle time.Duration, dial func(context.Context) (net.Conn, error), trouble func(error)) error {
	g.interrupt.announce(nil) // Ctrl-C is how a tunnel ends
	if idle == 0 {
		return bootstrap.ServeTunnel(ctx, l, dial, trouble)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	o := outage{now: time.Now, end: end}
	err := bootstrap.ServeTunnel(ctx, bootstrap.WhileUsed(l, idle), o.watch(dial), trouble)
	switch cause := context.Cause(ctx); {
	case errors.Is(err, bootstrap.ErrUnused):
		return nil
	case err == nil && !errors.Is(cause, context.Canceled):
		return cause
	}
	return err
}

// outagePatience is how long a tunnel that nobody watches goes on while no control plane answers: whoever needs it begins another one then, which may know others.
const outagePatience = time.Minute

// outage ends a tunnel that leads nowhere.
type outage struct {
	now   func() time.Time
	end   context.CancelCauseFunc
	mu    sync.Mutex
	since time.Time // of the first connection that found no way after the last that did; zero where that was the last
}

func (o *outage) watch(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		o.mu.Lock()
		defer o.mu.Unlock()
		switch {
		case err == nil:
			o.since = time.Time{}
		case o.since.IsZero():
			o.since = o.now()
		case o.now().Sub(o.since) > outagePatience:
			o.end(err)
		}
		return conn, err
	}
}

// tunnelTo holds a tunnel to a cluster of which there is no topology here.
func (g *global) tunnelTo(cmd *cobra.Command, access, address string, idle time.Duration) error {
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
	if g.json {
		if err := writeResult(cmd.OutOrStdout(), "tunnel", tunnelResult{e.Cluster().Name, l.Addr().String()}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.ErrOrStderr(), "The API of cluster %q answers at https://%s, until Ctrl-C.\n", e.Cluster().Name, l.Addr())
	}
	return g.serveTunnel(cmd.Context(), l, idle, api.Dial, func(err error) { fmt.Fprintln(cmd.ErrOrStderr(), err) })
}

// tunnelResult is the result of tunnel: it is told once the tunnel leads to the API.
type tunnelResult struct {
	Cluster string `json:"cluster"`
	Address string `json:"address"`
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
		return writeResult(s.out, "tunnel", tunnelResult{s.cluster.Name, at.String()})
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
