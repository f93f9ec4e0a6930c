package hostd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// realHooks is a host whose hooks are programs of this machine.
func realHooks(m *hostdtest.Machine) *hostd.Host {
	o := m.Options()
	o.Hooks = hostd.System().Hooks
	return hostd.New(o)
}

func shellHook(timeout time.Duration, script string, env ...string) hostapi.Operation {
	return hostapi.Operation{Hook: &hostapi.Hook{Name: "sh", Command: []string{"/bin/sh", "-c", script, "sh", "$(id)", "two words"}, Environment: env, Timeout: timeout}}
}

// lines collects what a hook prints.
func lines(out *[]string) func(hostapi.Event) {
	return func(e hostapi.Event) {
		if e.State == "progress" {
			*out = append(*out, e.Message)
		}
	}
}

func TestHookProgram(t *testing.T) {
	m := newMachine(t)
	h := realHooks(m)
	var got []string
	if err := h.Step(t.Context(), testStep(shellHook(time.Minute, `echo "$1|$2|$TRIVET_STEP|$PWD|$(ps -o pgid= $$ | tr -d ' ')" | sed "s/|$$\$/|own group/"; echo err >&2; cat`, "TRIVET_STEP=change")), lines(&got)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"$(id)|two words|change|/|own group", "err"}, got); d != "" {
		t.Errorf("the program printed (-want +got):\n%s", d)
	}

	err := h.Step(t.Context(), testStep(shellHook(time.Minute, "echo no such pool; exit 7")), nil)
	if err == nil || !strings.Contains(err.Error(), "hook:sh: /bin/sh failed: exit status 7\n  its last lines:\n  no such pool") {
		t.Errorf("exit status 7 gives %v", err)
	}
	err = h.Step(t.Context(), testStep(shellHook(time.Minute, "kill -KILL $$")), nil)
	if err == nil || !strings.Contains(err.Error(), "failed: signal: killed, without a word") {
		t.Errorf("a killed program gives %v", err)
	}

	// What the program leaves running is let be, and does not keep the step from going on.
	left := filepath.Join(t.TempDir(), "left")
	start := time.Now()
	if err := h.Step(t.Context(), testStep(shellHook(time.Minute, "sleep 300 & echo $! >"+left)), nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the step waited %s for what the hook left running", took)
	}
	pid := readPID(t, left)
	if !alive(pid) {
		t.Error("what the hook left running was ended")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// TestHookEnded holds that a hook is ended with all that it started: when its time is over, and when the step is cancelled, as it is when the connection is lost.
func TestHookEnded(t *testing.T) {
	// The child does not care for SIGTERM. It says "started", at which the step is cancelled, when both have set what they do then.
	const script = `trap 'echo ending; exit 1' TERM; sh -c 'trap "" TERM; echo $$ >$PIDS; echo started; while :; do sleep 1; done' & wait`
	for name, c := range map[string]struct {
		timeout time.Duration
		cancel  bool
		want    string
		code    hostapi.Code
	}{
		"time-out": {2 * time.Second, false, "/bin/sh did not end within 2s and was ended", hostapi.CodeFailed},
		"cancel":   {time.Minute, true, "/bin/sh was ended with the run", hostapi.CodeCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := realHooks(newMachine(t)).Step(ctx, testStep(shellHook(c.timeout, script, "PIDS="+pids)), func(e hostapi.Event) {
				if c.cancel && e.Message == "started" {
					cancel()
				}
			})
			var he *hostapi.Error
			if !errors.As(err, &he) || he.Code != c.code || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "  started\n  ending") {
				t.Errorf("it ended with %v", err)
			}
			pid := readPID(t, pids)
			t.Cleanup(func() { // where it failed
				if alive(pid) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			until(t, "the hook's child is gone", func() bool { return !alive(pid) }) // a signal takes its time
		})
	}
}

// TestHookDiesWithItsHelper kills a helper, which then cannot end anything any more.
func TestHookDiesWithItsHelper(t *testing.T) {
	const variable = "TRIVET_TEST_HOOK_PID"
	if pids := os.Getenv(variable); pids != "" { // the helper
		_ = realHooks(newMachine(t)).Step(t.Context(), testStep(shellHook(time.Hour, "echo $$ >$PIDS.new; mv $PIDS.new $PIDS; exec sleep 3600", "PIDS="+pids)), nil)
		return
	}
	pids := filepath.Join(t.TempDir(), "pid")
	helper := exec.Command(os.Args[0], "-test.run=^TestHookDiesWithItsHelper$")
	helper.Env = append(os.Environ(), variable+"="+pids, "TMPDIR="+t.TempDir())
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the hook runs", func() bool {
		_, err := os.Stat(pids)
		return err == nil
	})
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // killed
	pid := readPID(t, pids)
	until(t, "the hook is gone", func() bool { return !alive(pid) })
}

// until waits for something that happens by itself.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive says whether a process runs; one that was ended may be a zombie for a while, where nobody reaps it.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}
