package main

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivet-dev/trivet/bootstrap"
)

// credentialLifetime is that of a certificate that a program asks for by itself, and asks for anew.
const credentialLifetime = kubectlLifetime

func newCredential(g *global) *cobra.Command {
	var access, address string
	var tunnel bool
	cmd := &cobra.Command{
		Use:   "credential [FOLDER]",
		Short: "Make a short-lived credential for the API, as kubeconfigs ask for it",
		Long: `Make a certificate for the API that ends soon, and print it as client-go's credential plugins do. A kubeconfig without a secret names this command; the providers
write such ones. The API itself is reached through the tunnel that "trivet tunnel" holds. With --tunnel, one is begun where there is none, which goes on after this command
until nobody has used it for longer than a certificate lives.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tunnel && access == "" {
				return errors.New("--tunnel needs --access: a tunnel that goes on by itself has no topology that may change under it")
			}
			config, err := g.credential(cmd, access)
			if err != nil {
				return err
			}
			if tunnel {
				if err := g.keepTunnel(cmd.Context(), config, access, address); err != nil {
					return err
				}
			}
			return writeCredential(cmd, config)
		},
	}
	cmd.Flags().StringVar(&access, "access", "", "how the cluster is reached, as `JSON`: the access that a provider gives, in place of a topology")
	cmd.Flags().BoolVar(&tunnel, "tunnel", false, "begin a tunnel to the API where there is none")
	cmd.Flags().StringVar(&address, "address", tunnelAddress, "where the tunnel of --tunnel listens")
	return cmd
}

// credential makes a kubeconfig with a certificate.
func (g *global) credential(cmd *cobra.Command, access string) ([]byte, error) {
	if access != "" {
		e, err := g.connectTo(cmd.Context(), access, func(o *bootstrap.Options) { o.Majority = true })
		if err != nil {
			return nil, err
		}
		defer e.Close()
		return e.Kubeconfig(cmd.Context(), username(), "https://"+tunnelAddress, credentialLifetime)
	}
	g.json = false // standard output is the credential's
	s, err := g.open(cmd)
	if err != nil {
		return nil, err
	}
	defer s.close()
	e, err := s.connectOnly(cmd.Context(), controlPlane, mostOfThem)
	if err != nil {
		return nil, err
	}
	config, err := e.Kubeconfig(cmd.Context(), username(), "https://"+tunnelAddress, credentialLifetime)
	s.view.end()
	return config, err
}

// writeCredential prints the certificate of a kubeconfig.
func writeCredential(cmd *cobra.Command, config []byte) error {
	c, err := clientcmd.Load(config)
	if err != nil {
		return err
	}
	end, err := expiryOf(config)
	if err != nil {
		return err
	}
	for _, u := range c.AuthInfos {
		until := metav1.NewTime(end)
		return json.NewEncoder(cmd.OutOrStdout()).Encode(clientauthentication.ExecCredential{
			TypeMeta: metav1.TypeMeta{APIVersion: clientauthentication.SchemeGroupVersion.String(), Kind: "ExecCredential"},
			Status:   &clientauthentication.ExecCredentialStatus{ExpirationTimestamp: &until, ClientCertificateData: string(u.ClientCertificateData), ClientKeyData: string(u.ClientKeyData)},
		})
	}
	return errors.New("the kubeconfig has no certificate")
}
