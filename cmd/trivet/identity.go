package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
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
	cmd.AddCommand(create, g.rekey())
	return cmd
}

func (g *global) rekey() *cobra.Command {
	return &cobra.Command{
		Use:   "rekey [FOLDER]",
		Short: "Seal the cluster's identity to the age_recipients of the topology",
		Long: `Open the identity of the running cluster with an age identity that can, and seal it to the age_recipients that the topology has now, on
every control plane that answers (a majority is needed). No key of the cluster changes: whoever could open the identity before, and kept a
copy or a backup of it, still can.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectAny(cmd.Context())
			if err != nil {
				return err
			}
			var done *bootstrap.Rekeyed
			if err := s.change(func() (err error) { done, err = e.Rekey(cmd.Context()); return err }); err != nil {
				return err
			}
			if s.json {
				return writeResult(s.out, "rekey", done)
			}
			return s.rekeyed(done)
		},
	}
}

// rekeyed says who can open the identity now.
func (s *session) rekeyed(r *bootstrap.Rekeyed) error {
	if len(r.Hosts) == 0 {
		fmt.Fprintln(s.out, "The cluster's identity is sealed to the recipients of the topology already.")
	} else {
		fmt.Fprintf(s.out, "The cluster's identity on %s can be opened by:\n", strings.Join(r.Hosts, ", "))
	}
	for _, a := range r.After {
		sign := " "
		if !slices.Contains(r.Before, a) {
			sign = "+"
		}
		fmt.Fprintf(s.out, "%s %s\n", sign, a)
	}
	gone := false
	for _, b := range r.Before {
		if !slices.Contains(r.After, b) {
			gone = true
			fmt.Fprintf(s.out, "- %s\n", b)
		}
	}
	if gone {
		fmt.Fprintln(s.out, "Copies and backups made before can still be opened by the recipients taken away.")
	}
	if len(r.Away) > 0 {
		fmt.Fprintf(s.out, "%s did not answer and still has the old one: run the same command again when it is back.\n", strings.Join(r.Away, ", "))
	}
	return nil
}
