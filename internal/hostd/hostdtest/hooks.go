package hostdtest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/internal/hostd"
)

// Hooks is a hostd.HookRunner of the programs that a test puts there.
type Hooks struct {
	mu sync.Mutex
	// Programs by path.
	Programs map[string]func(ctx context.Context, args []string, out io.Writer) error
	runs     []HookRun
}

// HookRun is one run of a program.
type HookRun struct {
	Command     string // the program and its arguments
	Environment []string
}

// Variable is the value of a variable of the run's environment.
func (r HookRun) Variable(name string) string {
	for _, v := range r.Environment {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// RunHook runs a program of the table.
func (h *Hooks) RunHook(ctx context.Context, cmd hostd.Command, out io.Writer) error {
	h.mu.Lock()
	p := h.Programs[cmd.Name]
	if p != nil {
		h.runs = append(h.runs, HookRun{strings.Join(append([]string{cmd.Name}, cmd.Args...), " "), slices.Clone(cmd.Env)})
	}
	h.mu.Unlock()
	if p == nil {
		return fmt.Errorf("hostdtest: %s: %w", cmd.Name, hostd.ErrNoCommand)
	}
	return p(ctx, cmd.Args, out)
}

// Runs are those so far, in order.
func (h *Hooks) Runs() []HookRun {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.runs)
}
