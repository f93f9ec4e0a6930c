package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/pki"
)

func newKubeconfig(g *global) *cobra.Command {
	var out, address string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "kubeconfig [FOLDER]",
		Short: "Make a short-lived kubeconfig for kubectl through \"trivet tunnel\"",
		Long: `Make a kubeconfig with a certificate of its own, signed by the cluster for a limited time. The API is reached through the
tunnel that "trivet tunnel" holds: keep that running while you use the file.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.askMost(cmd, func(s *session, e *bootstrap.Engine) error {
				config, err := e.Kubeconfig(cmd.Context(), username(), "https://"+address, s.adminLifetime(ttl))
				if err != nil {
					return err
				}
				s.view.end()
				return s.giveKubeconfig(cmd.ErrOrStderr(), out, config)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write, mode 0600 (default: standard output)")
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where the tunnel listens")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it is good for (default: the topology's admin_lifetime)")
	return cmd
}

// giveKubeconfig writes the file, which holds a private key, or prints it.
func (s *session) giveKubeconfig(errOut io.Writer, path string, config []byte) error {
	end, err := expiryOf(config)
	if err != nil {
		return err
	}
	switch {
	case path != "" && path != "-":
		if err := writeSecret(path, config); err != nil {
			return err
		}
		if s.json {
			return writeResult(s.out, "kubeconfig", map[string]any{"file": path, "notAfter": end})
		}
		_, err := fmt.Fprintf(errOut, "%s is good until %s.\n", path, end.Local().Format("2006-01-02 15:04 MST"))
		return err
	case s.json:
		return writeResult(s.out, "kubeconfig", map[string]any{"kubeconfig": string(config), "notAfter": end})
	}
	_, err = s.out.Write(config)
	return err
}

// expiryOf is when the certificate of a kubeconfig ends.
func expiryOf(config []byte) (time.Time, error) {
	c, err := clientcmd.Load(config)
	if err != nil {
		return time.Time{}, err
	}
	for _, u := range c.AuthInfos {
		list, err := pki.DecodeCertificates(u.ClientCertificateData)
		if err != nil {
			return time.Time{}, err
		}
		if len(list) > 0 {
			return list[0].NotAfter, nil
		}
	}
	return time.Time{}, errors.New("the kubeconfig has no certificate")
}

// writeSecret replaces a file by one that only its owner can read, whatever the mode of the old one was.
func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		if err := f.Chmod(0o600); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Close()
}

func (s *session) adminLifetime(ttl time.Duration) time.Duration {
	if ttl > 0 {
		return ttl
	}
	return s.cluster.Certificates.AdminLifetime
}

func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "trivet"
}
