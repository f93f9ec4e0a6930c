//go:build !linux

package hostd

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// Hosts run Linux. Elsewhere the package compiles, so that the engine does, and says so when used.

func lockFile(context.Context, *os.File, bool) (bool, error) { return false, errors.ErrUnsupported }
func locked(*os.File) (bool, error)                          { return false, errors.ErrUnsupported }
func lockAccounts(*os.File) error                            { return errors.ErrUnsupported }
func ownerOf(fs.FileInfo) (uid, gid int)                     { return 0, 0 }
func inode(fs.FileInfo) uint64                               { return 0 }
func sameFile(a, b fs.FileInfo) bool                         { return os.SameFile(a, b) }
func linkCount(fs.FileInfo) uint64                           { return 0 }
func freeBytes(string) (int64, error)                        { return 0, errors.ErrUnsupported }
func writable(string) bool                                   { return false }
func isDiskFull(error) bool                                  { return false }
func isReadOnly(error) bool                                  { return false }
func noExec(string) bool                                     { return false }
func copyLabel(from, to string)                              {}
func processStart(int) (string, error)                       { return "", errors.ErrUnsupported }
func terminate(int) error                                    { return errors.ErrUnsupported }
func writeOut(*os.File, int64, int64)                        {}

const openNoFollow = 0
