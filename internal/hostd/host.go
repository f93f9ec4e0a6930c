package hostd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Paths on the host, below the root.
const (
	stateDir     = "/var/lib/trivet"
	recordPath   = stateDir + "/record.json"
	previousPath = stateDir + "/record.json.prev"
	documentsDir = stateDir + "/documents"
	priorDir     = stateDir + "/prior"
	parentsPath  = stateDir + "/parents.json"
	stepLockPath = stateDir + "/step.lock"
	runLockPath  = stateDir + "/run.lock"
	holderPath   = stateDir + "/holder.json"
	trivetDir    = "/opt/trivet"
	storeDir     = trivetDir + "/store/sha256"
)

// Options are the means by which a Host reaches the machine.
type Options struct {
	// Root is "/" on a real host, or a folder that stands for one. Below a folder, and without root's rights, ownership is left alone.
	Root     string
	Units    UnitManager
	Commands Runner
	Kernel   Kernel
	Hooks    HookRunner
	// Architecture is runtime.GOARCH unless set.
	Architecture string
	Clock        func() time.Time
	// Staging is the folder that this program and uploads were put in, which goes when the host is forgotten; empty keeps everything.
	Staging string
	// Patience bounds how long containerd is asked for its images: 15 s by an observation and 2 min by a step, unless set.
	Patience time.Duration
	// NoSync leaves out every fsync, for simulations of many hosts.
	NoSync bool
	// Hook, when set, is called at each point where an interruption is interesting. Tests panic in it.
	Hook func(point string)
	// OnSync, when set, is told of each file and folder that was made durable. Tests work out from it what a power cut leaves.
	OnSync func(real string)
}

// UnitManager is systemd.
type UnitManager interface {
	// Version is the version string of systemd.
	Version(ctx context.Context) (string, error)
	// States answers for every name, with Load "not-found" for units that do not exist.
	States(ctx context.Context, names []string) (map[string]UnitState, error)
	DaemonReload(ctx context.Context) error
	Enable(ctx context.Context, name string) error
	Disable(ctx context.Context, name string) error
	// Start, Stop, Restart and Reload queue a job; with wait they return when it is done, or with an error when it failed or ctx ended.
	Start(ctx context.Context, name string, wait bool) error
	Stop(ctx context.Context, name string, wait bool) error
	// Restart without wait returns once the former run has ended: it must not be taken for the new one.
	Restart(ctx context.Context, name string, wait bool) error
	Reload(ctx context.Context, name string, wait bool) error
	// Kill sends SIGKILL to every process of the unit. With syscall.EIO in the error's tree it did not get to all of them and may be repeated.
	Kill(ctx context.Context, name string) error
	ResetFailed(ctx context.Context, name string) error
	Journal(ctx context.Context, name string, lines int) (string, error)
	// LastWords is the end of what a unit's processes wrote in the last of its runs that has ended, "" where that is not known.
	LastWords(ctx context.Context, name string) (string, error)
}

// UnitState is what systemd says about a unit.
type UnitState struct {
	Load       string // loaded, not-found, masked, …
	Active     string // active, inactive, activating, failed, …
	Sub        string // running, auto-restart, …
	File       string // enabled, disabled, static, …
	NeedReload bool   // the unit's files changed since systemd read them
	// Again is true while a unit is starting that systemd started a moment ago since it had failed.
	Again bool
	// Restarts is how often systemd has started a service by itself since somebody did.
	Restarts uint32
	// Started is when the main process of a service that is not inactive began, by the host's clock; zero when there is none or it is not known.
	Started time.Time
}

// Command is a program with its arguments. Nothing secret is ever an argument.
type Command struct {
	Name string
	Args []string
	Env  []string // in addition to a minimal environment
	// Stdin is what the program reads; it reads nothing when this is empty.
	Stdin []byte
}

// Runner runs programs. The error of a failed one carries the end of what it said; ErrNoCommand is in its tree where it is not installed.
type Runner interface {
	Run(ctx context.Context, cmd Command) (stdout []byte, err error)
}

// HookRunner runs commands of the user's.
type HookRunner interface {
	// RunHook runs a program until it ends. When ctx ends, the program and all that it started in its process group are asked to end, and are ended once the program has or after hookGrace. What
	// they print goes to out, from one goroutine. ErrNoCommand is in the error's tree where there is no such program.
	RunHook(ctx context.Context, cmd Command, out io.Writer) error
}

// ErrNoCommand says that a program is not installed.
var ErrNoCommand = errors.New("command not found")

// Kernel is what is asked of the kernel by other means than files.
type Kernel interface {
	// Interfaces lists every network interface.
	Interfaces(ctx context.Context) ([]hostapi.Interface, error)
	DeleteLink(ctx context.Context, name string) error
	// Routes counts, by interface, the routes through it that were not made by the kernel itself for its addresses.
	Routes(ctx context.Context) (map[string]int, error)
	// Counters lists netfilter's accounting objects (nfacct).
	Counters(ctx context.Context) ([]string, error)
	DeleteCounter(ctx context.Context, name string) error
	Unmount(ctx context.Context, path string) error
	// Kill sends SIGKILL to a process.
	Kill(ctx context.Context, pid int) error
}

// Host is a hostapi.Handler for one host.
type Host struct {
	Options
}

var _ hostapi.Handler = (*Host)(nil)

// New returns a handler. Units, Commands, Kernel and Hooks may be nil where nothing asks for them.
func New(o Options) *Host {
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Architecture == "" {
		o.Architecture = runtime.GOARCH
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Units == nil {
		o.Units = noUnits{}
	}
	if o.Commands == nil {
		o.Commands = noCommands{}
	}
	if o.Kernel == nil {
		o.Kernel = noKernel{}
	}
	if o.Hooks == nil {
		o.Hooks = noHooks{}
	}
	return &Host{Options: o}
}

// path returns where a path of the host is.
func (h *Host) path(p string) string { return filepath.Join(h.Root, p) }

func (h *Host) hook(point string) {
	if h.Hook != nil {
		h.Hook(point)
	}
}

// run runs a command and returns what it printed.
func (h *Host) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	return h.Commands.Run(ctx, Command{Name: name, Args: args})
}

// Close lets go of connections to the machine.
func (h *Host) Close() error {
	if c, ok := h.Units.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Logs returns the last lines of a unit's journal.
func (h *Host) Logs(ctx context.Context, req *hostapi.Logs) (string, error) {
	if err := checkUnitName(req.Unit); err != nil {
		return "", err
	}
	lines := req.Lines
	if lines <= 0 {
		lines = 20
	}
	out, err := h.Units.Journal(ctx, req.Unit, lines)
	if err != nil {
		return "", h.wrap(err, hostapi.ID{Kind: hostapi.KindUnit, Name: req.Unit})
	}
	return out, nil
}

// fail makes an error that is not about an operation; Step fills in which one.
func fail(code hostapi.Code, remedy, format string, args ...any) *hostapi.Error {
	return &hostapi.Error{Code: code, Op: -1, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// wrap turns any error into a *hostapi.Error about an item.
func (h *Host) wrap(err error, id hostapi.ID) *hostapi.Error {
	var he *hostapi.Error
	if errors.As(err, &he) {
		c := *he
		if c.Item == "" && id != (hostapi.ID{}) {
			c.Item = id.String()
		}
		return &c
	}
	he = &hostapi.Error{Code: hostapi.CodeFailed, Op: -1, Message: err.Error()}
	if id != (hostapi.ID{}) {
		he.Item = id.String()
	}
	switch {
	case isDiskFull(err):
		he.Code = hostapi.CodeDiskFull
		he.Remedy = "free space on the host and apply again"
	case isReadOnly(err):
		he.Remedy = "the file system is mounted read-only, which the kernel does by itself after errors of the disk: look at dmesg on the host, mend it, and apply again"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		he.Code = hostapi.CodeCancelled
		he.Remedy = "apply again to go on"
	}
	return he
}

type noUnits struct{}

var errNoSystemd = fail(hostapi.CodeFailed, "Trivet needs systemd as init", "systemd does not answer on this host")

func (noUnits) Version(context.Context) (string, error) { return "", errNoSystemd }
func (noUnits) States(context.Context, []string) (map[string]UnitState, error) {
	return nil, errNoSystemd
}
func (noUnits) DaemonReload(context.Context) error                   { return errNoSystemd }
func (noUnits) Enable(context.Context, string) error                 { return errNoSystemd }
func (noUnits) Disable(context.Context, string) error                { return errNoSystemd }
func (noUnits) Start(context.Context, string, bool) error            { return errNoSystemd }
func (noUnits) Stop(context.Context, string, bool) error             { return errNoSystemd }
func (noUnits) Restart(context.Context, string, bool) error          { return errNoSystemd }
func (noUnits) Reload(context.Context, string, bool) error           { return errNoSystemd }
func (noUnits) Kill(context.Context, string) error                   { return errNoSystemd }
func (noUnits) ResetFailed(context.Context, string) error            { return errNoSystemd }
func (noUnits) Journal(context.Context, string, int) (string, error) { return "", errNoSystemd }
func (noUnits) LastWords(context.Context, string) (string, error)    { return "", errNoSystemd }

type noCommands struct{}

func (noCommands) Run(_ context.Context, c Command) ([]byte, error) {
	return nil, fmt.Errorf("%s: %w", c.Name, ErrNoCommand)
}

type noHooks struct{}

func (noHooks) RunHook(_ context.Context, c Command, _ io.Writer) error {
	return fmt.Errorf("%s: %w", c.Name, ErrNoCommand)
}

type noKernel struct{}

func (noKernel) Interfaces(context.Context) ([]hostapi.Interface, error) { return nil, nil }
func (noKernel) DeleteLink(context.Context, string) error                { return errors.ErrUnsupported }
func (noKernel) Routes(context.Context) (map[string]int, error)          { return nil, nil }
func (noKernel) Counters(context.Context) ([]string, error)              { return nil, nil }
func (noKernel) DeleteCounter(context.Context, string) error             { return errors.ErrUnsupported }
func (noKernel) Unmount(context.Context, string) error                   { return errors.ErrUnsupported }
func (noKernel) Kill(context.Context, int) error                         { return errors.ErrUnsupported }
