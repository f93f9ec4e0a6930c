package hostd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// heldRoot tells a second process of this test on which root to hold the lock.
const heldRoot = "TRIVET_TEST_HELD_ROOT"

// TestHolderProcess is the other process of TestTakeOverFromAnotherProcess: like the helper, it ends with SIGTERM.
func TestHolderProcess(t *testing.T) {
	root := os.Getenv(heldRoot)
	if root == "" {
		t.Skip("TestHolderProcess is run by TestTakeOverFromAnotherProcess")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	must(t, hostdtest.Open(root).Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "ann@desk", Purpose: "apply"}}, func() { fmt.Println("held") }))
}

func startHolder(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHolderProcess$")
	cmd.Env = append(os.Environ(), heldRoot+"="+root)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd
}

func TestTakeOverFromAnotherProcess(t *testing.T) {
	m := newMachine(t)
	other := startHolder(t, m.Root)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wantCode(t, m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "bob"}}, func() {}), hostapi.CodeHeld)
	if who := observe(t, m).Holder; who == nil || who.Actor != "ann@desk" {
		t.Errorf("the holder is %+v", who)
	}
	ann := observe(t, m).Holder
	cat := &hostapi.Holder{Actor: "cat@desk", Purpose: "apply"}
	wantCode(t, m.Host().Hold(ctx, &hostapi.Hold{From: cat, Holder: hostapi.Holder{Actor: "bob"}}, func() {}), hostapi.CodeHeld)
	must(t, m.Host().Hold(ctx, &hostapi.Hold{From: ann, Holder: hostapi.Holder{Actor: "bob"}}, cancel))
	if err := other.Wait(); err != nil {
		t.Errorf("the other holder did not end in order: %v", err)
	}
}

// TestKilledHolderLetsGo: the lock ends with its process, however that ends.
func TestKilledHolderLetsGo(t *testing.T) {
	m := newMachine(t)
	other := startHolder(t, m.Root)
	must(t, other.Process.Kill())
	var exit *exec.ExitError
	if err := other.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the other process ended with %v", err)
	}
	if who := observe(t, m).Holder; who != nil {
		t.Errorf("a killed process still holds the lock: %+v", who)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "bob"}}, cancel))
}

// TestUnsignedLock waits for whoever takes or leaves the lock at this moment: nobody holds it without having said who.
func TestUnsignedLock(t *testing.T) {
	m := newMachine(t)
	must(t, os.MkdirAll(m.Path("/var/lib/trivet"), 0o700))
	f, err := os.OpenFile(m.Path("/var/lib/trivet/run.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wantCode(t, m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "bob"}}, func() {}), hostapi.CodeHeld) // not for ever
	asked := make(chan error, 1)
	go func() { asked <- m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "bob"}}, cancel) }()
	select {
	case err := <-asked:
		t.Fatalf("refused at once: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	must(t, f.Close())
	must(t, <-asked)
}
