package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/hostd"
)

// version is set when released.
var version = ""

func main() {
	if len(os.Args) != 2 {
		usage()
	}
	switch os.Args[1] {
	case "--version":
		fmt.Println("trivet-host", versionString())
	case "serve":
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "trivet-host:", err)
			os.Exit(1)
		}
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: trivet-host serve | --version\n\ntrivet starts this program on a host; it is of no use by hand.")
	os.Exit(2)
}

func versionString() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		return bi.Main.Version
	}
	return "unknown"
}

// serve runs until stdin ends or a signal comes. Neither cuts off an operation: it is finished, and its end recorded.
func serve() error {
	unix.Umask(0o022)
	// A write to a connection that is gone is an error to handle, not an end.
	// Caught, not ignored: the programs that are started here would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	defer stop()
	options := hostd.System()
	options.Staging = staging()
	h := hostd.New(options)
	defer h.Close()
	err := wire.Serve(ctx, stdio{}, h)
	if err != nil && (ctx.Err() != nil || errors.Is(err, io.EOF)) {
		return nil
	}
	return err
}

// staging is the folder that the engine put this program in: /var/tmp/trivet-<uid> unless it chose another. A program that was put elsewhere by hand has none.
func staging() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(self)
	if !strings.HasPrefix(filepath.Base(self), "trivet-host-") || !strings.HasPrefix(filepath.Base(dir), "trivet-") {
		return ""
	}
	return dir
}

// stdio is the channel to the engine.
type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }

func (stdio) Close() error {
	return errors.Join(os.Stdin.Close(), os.Stdout.Close())
}
