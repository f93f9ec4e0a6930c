package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/trivet-dev/trivet/internal/snapshot"
)

func main() {
	if len(os.Args) != 3 {
		usage()
	}
	do := map[string]func(context.Context, string) error{"take": take, "receive": receive}[os.Args[1]]
	if do == nil {
		usage()
	}
	syscall.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := do(ctx, os.Args[2]); err != nil {
		say("%v", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: trivet-snapshot take|receive CONFIG\n\nThe units trivet-snapshot.service and trivet-snapshot-receive.service start this program; to take a snapshot now: systemctl start trivet-snapshot.service")
	os.Exit(2)
}

// say writes a line to the journal.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func take(ctx context.Context, path string) error {
	c, err := snapshot.ReadConfig(path)
	if err != nil {
		return err
	}
	return snapshot.Take(ctx, c, time.Now, say)
}

func receive(ctx context.Context, path string) error {
	listeners, err := activation.Listeners()
	if err != nil {
		return err
	}
	return snapshot.Serve(ctx, listeners, func() (*snapshot.Config, error) { return snapshot.ReadConfig(path) }, time.Now, snapshot.Idle, say)
}
