//go:build !linux

package hostd

import (
	"errors"
	"os"
	"syscall"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

func kernelClock() hostapi.ClockState { return hostapi.ClockUnknown }
func fileSystem(string) (free, total, inodes int64, err error) {
	return 0, 0, 0, errors.ErrUnsupported
}
func unnamedFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }
func syncData(*os.File) error              { return errors.ErrUnsupported }
func dontFragment(c syscall.RawConn) error { return errors.ErrUnsupported }
