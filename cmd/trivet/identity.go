package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

func newIdentity(g *global) *cobra.Command {
	cmd := &cobra.Command{Use: "identity", Short: "The age identity that opens the cluster's sealed keys"}
	var path string
	create := &cobra.Command{
		Use:   "new",
		Short: "Make an age identity and print its recipient, for age_recipients in the topology",
		Long: `Make an age identity and print its recipient. The authorities' private keys are stored on the control planes
sealed to the recipients that the topology lists; whoever has the identity's file can open them. Keep a copy
of the file in a safe place, and list the recipients of more than one person.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := age.GenerateX25519Identity()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists and is not overwritten: an identity that is lost cannot be made again", path)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(f, "# public key: %s\n%s\n", id.Recipient(), id); err != nil {
				return errors.Join(err, f.Close())
			}
			if err := errors.Join(f.Sync(), f.Close()); err != nil {
				return err
			}
			if g.json {
				return writeResult(cmd.OutOrStdout(), "identity", map[string]string{"recipient": id.Recipient().String(), "file": path})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The identity is in %s. Its recipient, for age_recipients:\n", path)
			fmt.Fprintln(cmd.OutOrStdout(), id.Recipient())
			return nil
		},
	}
	create.Flags().StringVarP(&path, "out", "o", defaultIdentity(), "file for the identity")
	cmd.AddCommand(create)
	return cmd
}
