package hostd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// heldRoot tells a second process of this test on which root to hold the lock; stubborn one not to end when it is told to.
const (
	heldRoot = "TRIVET_TEST_HELD_ROOT"
	stubborn = "TRIVET_TEST_STUBBORN"
)

// TestHolderProcess is the other process of TestTakeOverFromAnotherProcess: like the helper, it ends with SIGTERM.
func TestHolderProcess(t *testing.T) {
	root := os.Getenv(heldRoot)
	if root == "" {
		t.Skip("TestHolderProcess is run by TestTakeOverFromAnotherProcess")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if os.Getenv(stubborn) != "" {
		ctx = context.WithoutCancel(ctx)
	}
	must(t, hostdtest.Open(root).Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "ann@desk", Purpose: "apply"}}, func() { fmt.Println("held") }))
}

func startHolder(t *testing.T, root string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHolderProcess$")
	cmd.Env = slices.Concat(os.Environ(), []string{heldRoot + "=" + root}, env)
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

// TestStepThatHangs: whoever waits for a step's end is told what does not end, and on whose account.
func TestStepThatHangs(t *testing.T) {
	m := newMachine(t)
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	m.Hooks.Programs[balancer] = func(context.Context, []string, io.Writer) error {
		close(begun)
		<-release
		return nil
	}
	go func() { ended <- m.Host().Step(t.Context(), testStep(hookOp("out", false)), nil) }()
	<-begun
	raise := func() error {
		return m.Host().RaiseEpoch(t.Context(), &hostapi.RaiseEpoch{Epoch: 9, ClusterID: "id-main", Patience: 30 * time.Millisecond})
	}
	he := wantCode(t, raise(), hostapi.CodeBusy)
	for _, want := range []string{`"run hook out" of ops@desk`, fmt.Sprintf("process %d", os.Getpid()), "since ", "within 30ms"} {
		if !strings.Contains(he.Message, want) {
			t.Errorf("%q does not say %q", he.Message, want)
		}
	}
	close(release)
	must(t, <-ended)
	must(t, raise())
	if b, err := os.ReadFile(m.Path("/var/lib/trivet/step.lock")); err != nil || len(b) > 0 {
		t.Errorf("when the step has ended, its lock still says %q, %v", b, err)
	}
	if e := observe(t, m).Record.Epoch; e != 9 {
		t.Errorf("the epoch is %d", e)
	}
}

// TestHolderThatDoesNotEnd: a take-over ends with who is in its way.
func TestHolderThatDoesNotEnd(t *testing.T) {
	m := newMachine(t)
	other := startHolder(t, m.Root, stubborn+"=yes")
	ask := &hostapi.Hold{From: observe(t, m).Holder, Holder: hostapi.Holder{Actor: "bob"}, Patience: 30 * time.Millisecond}
	he := wantCode(t, m.Host().Hold(t.Context(), ask, func() { t.Error("the lock was taken from somebody who has it") }), hostapi.CodeBusy)
	if want := fmt.Sprintf("the helper of ann@desk (process %d) was told to end, and has not within 30ms", other.Process.Pid); he.Message != want {
		t.Errorf("got %q, want %q", he.Message, want)
	}
	if who := observe(t, m).Holder; who == nil || who.Actor != "ann@desk" {
		t.Errorf("the holder is %+v", who)
	}
}
