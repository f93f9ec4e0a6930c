package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/artifact"
)

const tunnelAddress = "127.0.0.1:16443"

func newKubeconfig(g *global) *cobra.Command {
	var out, address string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Make a short-lived kubeconfig for kubectl through `trivet tunnel`",
		Long: `Make a kubeconfig with a certificate of its own, signed by the cluster for a limited time. The API is reached through the
tunnel that ` + "`trivet tunnel`" + ` holds: keep that running while you use the file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			b, err := e.Kubeconfig(cmd.Context(), username(), "https://"+address, s.adminLifetime(ttl))
			if err != nil {
				return err
			}
			s.view.end()
			if out == "" || out == "-" {
				_, err = cmd.OutOrStdout().Write(b)
				return err
			}
			return os.WriteFile(out, b, 0o600)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write, mode 0600 (default: standard output)")
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where the tunnel listens")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it is good for (default: the topology's admin_lifetime)")
	return cmd
}

func (s *session) adminLifetime(ttl time.Duration) time.Duration {
	if ttl > 0 {
		return ttl
	}
	return s.cluster.Certificates.AdminLifetime
}

func newTunnel(g *global) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "tunnel",
		Short: "Hold a tunnel to the API for kubectl, until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", address)
			if err != nil {
				return fmt.Errorf("the tunnel cannot listen: %w; choose another --address", err)
			}
			s.view.end()
			fmt.Fprintf(cmd.ErrOrStderr(), "The API of cluster %q answers at https://%s, until Ctrl-C. In another terminal:\n  trivet kubeconfig%s -o kubeconfig && kubectl --kubeconfig kubeconfig get nodes\n",
				s.cluster.Name, l.Addr(), s.flags())
			return serveTunnel(cmd.Context(), l, e)
		},
	}
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where to listen")
	return cmd
}

// serveTunnel carries connections to the API until ctx ends.
func serveTunnel(ctx context.Context, l net.Listener, e *bootstrap.Engine) error {
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
			return err
		}
		wg.Go(func() {
			defer conn.Close()
			api, err := e.DialAPI(ctx)
			if err != nil {
				fmt.Fprintln(os.Stderr, "tunnel: "+err.Error())
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

func newKubectl(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl -- [ARG …]",
		Short: "Run kubectl against the cluster, with a tunnel and a certificate for this one call",
		Long:  "Run kubectl with a tunnel and a short-lived certificate of its own. kubectl is taken from the PATH, or from the artifacts (trivet mirror --with kubectl).",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			program, err := findKubectl(cmd.Context(), s)
			if err != nil {
				return err
			}
			e, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go serveTunnel(ctx, l, e)
			config, err := e.Kubeconfig(cmd.Context(), username(), "https://"+l.Addr().String(), time.Hour)
			if err != nil {
				return err
			}
			s.view.end()
			return runKubectl(cmd, program, config, args)
		},
	}
}

func runKubectl(cmd *cobra.Command, program string, config []byte, args []string) error {
	f, err := os.CreateTemp("", "trivet-kubeconfig-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(config); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	k := exec.Command(program, args...)
	k.Env = append(os.Environ(), "KUBECONFIG="+f.Name())
	k.Stdin, k.Stdout, k.Stderr = os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()
	err = k.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{code: exit.ExitCode()}
	}
	return err
}

// findKubectl prefers the user's own kubectl.
func findKubectl(ctx context.Context, s *session) (string, error) {
	if path, err := exec.LookPath("kubectl"); err == nil {
		return path, nil
	}
	folder, err := userArtifacts()
	if err != nil {
		return "", err
	}
	entries, err := folder.Lookup(ctx, []artifact.Want{{Name: "kubectl", Version: s.cluster.Kubernetes, Arch: runtime.GOARCH, Kind: artifact.Binary}})
	if err != nil {
		return "", fmt.Errorf("kubectl is neither on the PATH nor among the artifacts: get it with `trivet mirror --with kubectl`: %w", err)
	}
	return folder.Path(entries[0])
}
