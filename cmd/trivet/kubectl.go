package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// kubectlLifetime is that of the certificate of one call.
const kubectlLifetime = time.Hour

func newKubectl(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl [--] ARG …",
		Short: "Run kubectl against the cluster, with a tunnel and a certificate for this one call",
		Long: `Run kubectl with a tunnel and a short-lived certificate of its own, and end with its exit code. kubectl is that of the cluster's release among
the artifacts (trivet mirror --with kubectl puts it there), or else the one of the PATH.

Flags of trivet come first; what follows the first word or flag that is not one of them, or "--", is kubectl's:

  trivet kubectl -f fleet get nodes -o wide
  trivet -f fleet kubectl -n kube-system get pods
  trivet kubectl -f fleet -- apply -f web.yaml`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ours, theirs := splitKubectl(cmd.Root().PersistentFlags(), args)
			if err := cmd.Root().PersistentFlags().Parse(ours); err != nil {
				return fmt.Errorf("%w; see trivet kubectl --help", err)
			}
			if len(theirs) == 0 || len(theirs) == 1 && (theirs[0] == "-h" || theirs[0] == "--help") && !slices.Contains(args, "--") {
				return cmd.Help()
			}
			return g.kubectl(cmd, theirs)
		},
	}
}

// splitKubectl splits arguments into trivet's own flags, which come first, and kubectl's arguments.
func splitKubectl(flags *pflag.FlagSet, args []string) (ours, theirs []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return args[:i], args[i+1:]
		}
		var flag *pflag.Flag
		value := false // whether arg has the value in itself
		switch {
		case strings.HasPrefix(arg, "--"):
			name, _, has := strings.Cut(arg[2:], "=")
			flag, value = flags.Lookup(name), has
		case strings.HasPrefix(arg, "-") && len(arg) > 1:
			flag, value = flags.ShorthandLookup(arg[1:2]), len(arg) > 2
		}
		if flag == nil {
			return args[:i], args[i:]
		}
		if !value && flag.NoOptDefVal == "" {
			i++
		}
	}
	return args, nil
}

func (g *global) kubectl(cmd *cobra.Command, args []string) error {
	g.json = false // standard output is kubectl's
	s, err := g.open(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	program, err := findKubectl(cmd.Context(), s)
	if err != nil {
		return err
	}
	e, err := s.connectOnly(cmd.Context(), controlPlane, mostOfThem)
	if err != nil {
		return err
	}
	api := e.APIDialer()
	defer api.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config, err := e.Kubeconfig(cmd.Context(), username(), "https://"+l.Addr().String(), kubectlLifetime)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.view.end()
	g.interrupt.announce(nil) // what an interruption means is kubectl's to decide
	// The tunnel outlasts an interruption, so that kubectl can end in its own way.
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	served := make(chan error, 1)
	go func() { served <- bootstrap.ServeTunnel(ctx, l, api.Dial, s.tunnelTrouble) }()
	err = g.runKubectl(cmd, program, config, args)
	cancel()
	<-served // its end is wanted here
	return err
}

func (g *global) runKubectl(cmd *cobra.Command, program string, config []byte, args []string) error {
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
	k := exec.CommandContext(cmd.Context(), program, args...)
	k.Env = append(os.Environ(), "KUBECONFIG="+f.Name())
	k.Stdin, k.Stdout, k.Stderr = os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()
	// Ctrl-C reaches kubectl from the terminal by itself. A signal to this process alone is passed on.
	k.Cancel = func() error {
		if sig, ok := g.interrupt.signal.Load().(os.Signal); ok && sig != os.Interrupt {
			return k.Process.Signal(sig)
		}
		return nil
	}
	err = k.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return &exitError{code: childCode(exit)}
	case errors.Is(err, context.Canceled):
		return nil // it ended well although the user wanted to stop it
	case err != nil:
		return fmt.Errorf("kubectl: %w", err)
	}
	return nil
}

// childCode is the exit code of a child, as a shell gives it where a signal ended it.
func childCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// findKubectl prefers the kubectl of the cluster's release among the artifacts; the user's own may be of another.
func findKubectl(ctx context.Context, s *session) (string, error) {
	folder, err := supply.UserFolder()
	if err != nil {
		return "", err
	}
	entries, err := folder.Lookup(ctx, []artifact.Want{{Name: "kubectl", Version: s.cluster.Kubernetes, Arch: runtime.GOARCH, Kind: artifact.Binary}})
	if err == nil {
		return programOf(ctx, folder, entries[0])
	}
	if path, perr := exec.LookPath("kubectl"); perr == nil {
		return path, nil
	}
	return "", fmt.Errorf("kubectl is neither among the artifacts nor on the PATH: get it with `trivet mirror --with kubectl`: %w", err)
}

// programOf is an artifact as a file that can be run: blobs are not executable. It is copied once, into the user's cache.
func programOf(ctx context.Context, folder *artifact.Folder, e artifact.Entry) (string, error) {
	dir, err := artifact.UserDir("bin")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, e.Name+"-"+e.SHA256)
	if st, err := os.Stat(path); err == nil && st.Size() == e.Size {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	r, err := folder.Open(ctx, e)
	if err != nil {
		return "", err
	}
	defer r.Close()
	f, err := os.CreateTemp(dir, e.Name+"-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	if _, err := io.Copy(f, r); err != nil {
		return "", errors.Join(fmt.Errorf("copy %s: %w", e, err), f.Close())
	}
	if err := errors.Join(f.Chmod(0o755), f.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}
