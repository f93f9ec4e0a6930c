//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newLab says why there are no labs here.
func newLab(*global) *cobra.Command {
	return &cobra.Command{
		Use:   "lab",
		Short: "The topology's hosts on this machine; on Linux only",
		RunE:  func(*cobra.Command, []string) error { return errors.New("labs are made on Linux only") },
	}
}
