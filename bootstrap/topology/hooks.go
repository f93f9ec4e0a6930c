package topology

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Hook is a command of the user's that runs on a host before or after what Trivet does there.
type Hook struct {
	Name          string
	Before, After []HookStep
	Roles         []Role        // hosts with one of them; empty: every host
	Command       []string      // a program by its path, and its arguments; no shell reads it
	Timeout       time.Duration // for one run
	Range         hcl.Range
}

// HookStep is what is done to a host, as hooks tell it apart.
type HookStep string

// Steps.
const (
	StepInstall HookStep = "install" // the host is set up
	StepChange  HookStep = "change"  // what was set up changes
	StepUpgrade HookStep = "upgrade" // it changes while the cluster goes to another release
	StepRemove  HookStep = "remove"  // the host is given back
)

// HookSteps are all steps.
var HookSteps = []HookStep{StepInstall, StepChange, StepUpgrade, StepRemove}

// On reports whether the hook is for a host.
func (h *Hook) On(host *Host) bool {
	return len(h.Roles) == 0 || slices.ContainsFunc(h.Roles, host.Has)
}

// maxHookTimeout keeps a hook from holding up a run for ever.
const maxHookTimeout = 24 * time.Hour

var hookBlock = &blockType{
	name: "hook", label: "name", repeat: true,
	meaning: "A command that runs on hosts before or after what Trivet does to them. Hooks run in the order in which they are written. " +
		"They may run more than once for the same step, so they have to be idempotent; see [Hooks](operations.md#hooks).",
	attrs: []attribute{
		{name: "before", kind: "list of string", def: "none", words: texts(HookSteps), meaning: "The steps before which it runs: `\"install\"` (the host is set up), `\"change\"` (what was set up changes), `\"upgrade\"` (it changes while the cluster goes to another release), `\"remove\"` (the host is given back). A hook that fails keeps its host's step from beginning."},
		{name: "after", kind: "list of string", def: "none", words: texts(HookSteps), meaning: "The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do."},
		{name: "roles", kind: "list of string", def: "every host", words: roleWords, meaning: "Only hosts with one of these roles."},
		{name: "command", kind: "list of string", required: true, meaning: "The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown."},
		{name: "timeout", kind: "duration", def: "`\"5m\"`", meaning: "How long one run may take, at most `\"24h\"`. After it the program and all that it started in its process group are ended, and the hook has failed."},
	},
}

func (d *decoder) decodeHooks(cluster *block) []Hook {
	var out []Hook
	for _, b := range cluster.children("hook") {
		d.labelSyntax(b, "hook", validation.IsDNS1123Label, dnsLabelRule)
		d.unique("hook", cluster.label, b.label, b.labelAt, b.rng)
		h := Hook{Name: b.label, Range: b.rng}
		h.Before, h.After = wordsOf(b, "before", "step", HookSteps), wordsOf(b, "after", "step", HookSteps)
		if b.attrs["before"] == nil && b.attrs["after"] == nil {
			d.errorf(b.rng, b.rng, "Hook that never runs", "Say when it runs: before = [\"upgrade\"], or after = [\"upgrade\"]. The steps are %s.", list(texts(HookSteps), "and"))
		}
		h.Roles = wordsOf(b, "roles", "role", []Role{RoleEtcd, RoleControlPlane, RoleWorker})
		h.Command = b.argv("command")
		h.Timeout = b.duration("timeout", 5*time.Minute)
		if h.Timeout > maxHookTimeout {
			b.errorf("timeout", "Wrong duration", "timeout must be at most 24h.")
		}
		out = append(out, h)
	}
	return out
}

// wordsOf reads a list of some words, each once.
func wordsOf[T ~string](b *block, name, kind string, known []T) []T {
	listed, ok := b.texts(name)
	if ok && len(listed) == 0 {
		b.errorf(name, "Empty "+name, "The list is empty. Name at least one %s, or remove the argument.", kind)
	}
	var out []T
	for _, w := range listed {
		switch {
		case !slices.Contains(known, T(w.v)):
			b.d.errorf(w.rng, b.rng, "Unknown "+kind, "%s is not one of %s.%s", show(w.v), list(texts(known), "and"), Suggest(w.v, texts(known)))
		case slices.Contains(out, T(w.v)):
			b.d.errorf(w.rng, b.rng, "Duplicate "+kind, "%s is in the list twice. Remove one.", show(w.v))
		default:
			out = append(out, T(w.v))
		}
	}
	return out
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = string(x)
	}
	return out
}

// argv reads a program with its arguments.
func (b *block) argv(name string) []string {
	if _, secret, ok := b.value(name, cty.List(cty.String)); ok && secret {
		b.errorf(name, "Secret in a command", "A sensitive variable is used here, but plans show commands, and every user of a host can read them. Have the program read the secret from a file of its own.")
		return nil
	} else if !ok {
		return nil
	}
	listed, _ := b.texts(name)
	if len(listed) == 0 {
		b.errorf(name, "Empty "+name, "The list is empty. Write the path of a program and its arguments, such as [\"/usr/local/sbin/balancer\", \"out\"].")
		return nil
	}
	var out []string
	for i, w := range listed {
		switch {
		case strings.ContainsRune(w.v, 0):
			b.d.errorf(w.rng, b.rng, "Wrong argument", "%s holds a zero byte, which no argument of a program can.", show(w.v))
		case i == 0 && (!path.IsAbs(w.v) || path.Clean(w.v) != w.v || w.v == "/"):
			b.d.errorf(w.rng, b.rng, "Wrong program", "%s is not the full path of a program on the host, such as \"/usr/local/sbin/balancer\". A line for a shell is written [\"/bin/sh\", \"-c\", \"…\"].", show(w.v))
		}
		out = append(out, w.v)
	}
	return out
}
