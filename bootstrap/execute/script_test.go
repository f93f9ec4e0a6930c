package execute_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestScripts runs testdata/*.txt. A script is a list of commands with what they print. A command is one line, "name key=value …", which may have lines of input below it; its
// output stands between a line "----" and an empty line. Text that begins with "#" is for the reader. `go test -update` writes the output anew.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			runScript(t, path)
		})
	}
}

func runScript(t *testing.T, path string) {
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t}
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(string(source)), "\n\n") {
		head, _, isCommand := strings.Cut(block, "\n----")
		out.WriteString(head + "\n")
		if isCommand {
			out.WriteString("----\n" + s.run(head))
		}
		out.WriteString("\n")
	}
	got := strings.TrimRight(out.String(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if d := gocmp.Diff(strings.Split(string(source), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// script is a running script.
type script struct {
	t        *testing.T
	fleet    *fleettest.Fleet
	settings fleettest.Settings
	saved    *plan.Plan     // by "save"
	told     map[string]int // runs of hooks, by host
}

// command is a line of a script.
type command struct {
	name  string
	args  map[string]string
	input []string
}

func parseCommand(text string) command {
	c := command{args: map[string]string{}}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case c.name == "":
			fields := strings.Fields(line)
			c.name = fields[0]
			for _, f := range fields[1:] {
				k, v, _ := strings.Cut(f, "=")
				c.args[k] = v
			}
		default:
			c.input = append(c.input, line)
		}
	}
	return c
}

var commands map[string]func(*script, command) string

func init() {
	commands = map[string]func(*script, command) string{
		"topology": (*script).topology, "apply": (*script).apply, "plan": (*script).plan, "save": (*script).save, "apply-saved": (*script).applySaved,
		"destroy": (*script).destroy, "record": (*script).record, "inventory": (*script).inventory, "edit": (*script).edit, "stop": (*script).stop, "fail": (*script).fail,
		"heal": (*script).heal, "block": (*script).block, "unreachable": (*script).unreachable, "compare": (*script).compare, "forget": (*script).forget,
		"reimage": (*script).reimage, "etcd": (*script).etcd, "nodes": (*script).nodes, "drain": (*script).drain,
		"program": (*script).program, "runs": (*script).runs, "stray": (*script).stray,
		"litter": (*script).litter, "coherent": (*script).coherent, "mode": (*script).mode, "garble": (*script).garble, "replace": (*script).replace, "unlink": (*script).unlink, "wipe": (*script).wipe,
		"manifest": (*script).manifest, "object": (*script).object, "objects": (*script).objects, "own": (*script).own, "refuse": (*script).refuse,
	}
}

func (s *script) run(text string) string {
	c := parseCommand(text)
	do := commands[c.name]
	if do == nil {
		return fmt.Sprintf("unknown command %q\n", c.name)
	}
	out := do(s, c)
	if out == "" {
		out = "ok\n"
	}
	return out
}

// topology makes the fleet, or changes it when there is one. Input: "name site role,role address", with the role "surge" for a worker that is there for the time of an upgrade, and lines of the cluster block after a "|".
func (s *script) topology(c command) string {
	s.settings = fleettest.Settings{Kubernetes: c.args["kubernetes"], Manifests: s.settings.Manifests}
	s.settings.Parallel, _ = strconv.Atoi(c.args["parallel"])
	for _, line := range c.input {
		if more, ok := strings.CutPrefix(line, "|"); ok {
			s.settings.Cluster += more + "\n"
			continue
		}
		f := strings.Fields(line)
		h := fleettest.Host{Name: f[0], Site: f[1], Roles: strings.Split(f[2], ",")}
		if f[2] == "surge" {
			h.Roles, h.Surge = []string{"worker"}, true
		}
		if len(f) > 3 {
			h.Address = f[3]
		}
		s.settings.Hosts = append(s.settings.Hosts, h)
	}
	if s.fleet == nil {
		s.fleet = newFleet(s.t, s.settings)
		return ""
	}
	return failure(s.fleet.Change(s.settings))
}

// apply plans and applies. cut=host:point kills the run there; at=host:point, the n-th time where nth=n, dies=host:unit stops a unit, and gone=host has a host vanish. "_" stands
// for a space.
func (s *script) apply(c command) string {
	tr := &transcript{}
	if at, ok := c.args["cut"]; ok {
		host, point, _ := strings.Cut(at, ":")
		s.fleet.Cut = fleettest.Cut{Host: host, Point: strings.ReplaceAll(point, "_", " ")}
	}
	if at, ok := c.args["at"]; ok {
		left := 1
		if n, err := strconv.Atoi(c.args["nth"]); err == nil {
			left = n
		}
		s.fleet.OnPoint = func(host, point string) {
			if host+":"+strings.ReplaceAll(point, " ", "_") != at {
				return
			}
			if left--; left == 0 {
				s.strike(c)
			}
		}
	}
	_, _, killed, err := apply(s.t.Context(), s.fleet, tr.sink)
	s.fleet.Cut, s.fleet.OnPoint = fleettest.Cut{}, nil
	if killed != "" {
		// What was reported last may be lost with the connection.
		text := tr.String()
		if i := strings.LastIndex(text, "phase "); i >= 0 {
			phase, _, _ := strings.Cut(text[i:], "\n")
			text = text[:i] + phase + "\n"
		}
		return text + "  killed at " + killed + "\n"
	}
	return tr.String() + failure(err)
}

// strike is what befalls a fleet in the midst of a run.
func (s *script) strike(c command) {
	if host, unit, ok := strings.Cut(c.args["dies"], ":"); ok {
		if err := s.fleet.Machines[host].Units.Stop(s.t.Context(), unit, true); err != nil {
			s.t.Error(err)
		}
	}
	if host := c.args["gone"]; host != "" {
		s.fleet.Vanish(host)
	}
}

// engine runs do with an engine over the fleet.
func (s *script) engine(sink event.Sink, do func(*bootstrap.Engine) error) error {
	end := s.fleet.Begin()
	defer end()
	e, err := connect(s.t.Context(), s.fleet, sink)
	if err != nil {
		return err
	}
	return errors.Join(do(e), e.Close())
}

func (s *script) plan(c command) string {
	var out strings.Builder
	err := s.engine(nil, func(e *bootstrap.Engine) error {
		p, err := e.Plan(s.t.Context())
		if err != nil {
			return err
		}
		return p.WriteText(&out, plan.TextOptions{})
	})
	if err != nil {
		return failure(err)
	}
	text := strings.ReplaceAll(out.String(), "\n\n", "\n") // an empty line ends the output of a command
	if _, ok := c.args["diff"]; ok {
		return text
	}
	return diffLine.ReplaceAllString(text, "")
}

// save keeps a plan as a file has it, for apply-saved.
func (s *script) save(command) string {
	return failure(s.engine(nil, func(e *bootstrap.Engine) error {
		p, err := e.Plan(s.t.Context())
		if err != nil {
			return err
		}
		saved, err := json.Marshal(p)
		if err != nil {
			return err
		}
		s.saved = &plan.Plan{}
		return json.Unmarshal(saved, s.saved)
	}))
}

func (s *script) applySaved(command) string {
	tr := &transcript{}
	err := s.engine(tr.sink, func(e *bootstrap.Engine) error { return e.Apply(s.t.Context(), s.saved) })
	return tr.String() + failure(err)
}

func (s *script) destroy(command) string {
	tr := &transcript{}
	err := s.engine(tr.sink, func(e *bootstrap.Engine) error { return e.Destroy(s.t.Context()) })
	return tr.String() + failure(err)
}

// record says of what kinds a host's record has items, and what of them is pending, stale or changed by hand.
func (s *script) record(c command) string {
	o, err := s.fleet.Observe(c.args["host"])
	if err != nil {
		return failure(err)
	}
	if o.Record == nil {
		return fmt.Sprintf("no record, %d blobs\n", len(o.Blobs))
	}
	var kinds, pending, stale []string
	for _, r := range o.Record.Items {
		id := r.Item.ID()
		if !slices.Contains(kinds, string(id.Kind)) {
			kinds = append(kinds, string(id.Kind))
		}
		if r.Pending {
			pending = append(pending, id.String())
		}
		if r.Stale {
			stale = append(stale, id.String())
		}
	}
	slices.Sort(kinds)
	var out strings.Builder
	fmt.Fprintf(&out, "epoch %d: %s\n", o.Record.Epoch, cmp.Or(strings.Join(kinds, ", "), "nothing"))
	if len(pending) > 0 {
		fmt.Fprintf(&out, "pending: %s\n", list(pending))
	}
	if len(stale) > 0 {
		fmt.Fprintf(&out, "stale: %s\n", list(stale))
	}
	for _, d := range o.Drift {
		fmt.Fprintf(&out, "drift %s: %s\n", d.ID, d.What)
	}
	for _, k := range o.Record.Owed {
		fmt.Fprintf(&out, "owed: hook %s after %s\n", k.Hook, k.Step)
	}
	return out.String()
}

// inventory says what each control plane keeps.
func (s *script) inventory(command) string {
	var out strings.Builder
	for _, h := range s.fleet.Cluster.HostsWith("control-plane") {
		o, err := s.fleet.Observe(h.Name)
		if err != nil {
			return failure(err)
		}
		var docs []string
		for n := range o.Documents {
			docs = append(docs, n)
		}
		slices.Sort(docs)
		fmt.Fprintf(&out, "%s: %s", h.Name, strings.Join(docs, ", "))
		if d, ok := o.Documents[inventory.Document]; ok {
			inv, err := inventory.Parse(d.Content)
			if err != nil {
				return failure(err)
			}
			fmt.Fprintf(&out, "; generation %d, initialised %t, destroying %t, %d hosts", inv.Generation, inv.Initialised, inv.Destroying, len(inv.Hosts))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// reimage installs a host anew.
func (s *script) reimage(c command) string { return failure(s.fleet.Reimage(c.args["host"])) }

// etcd lists the members; add=name puts one there that nobody knows.
func (s *script) etcd(c command) string {
	if name := c.args["add"]; name != "" {
		s.fleet.AddStranger(name)
	}
	return strings.Join(s.fleet.MemberNames(), " ") + "\n"
}

// nodes lists those of the API, with those that are cordoned and those that were drained so far.
func (s *script) nodes(command) string {
	var names []string
	for name := range s.fleet.Objects() {
		if node, ok := strings.CutPrefix(name, "Node/"); ok {
			names = append(names, node)
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s; cordoned: %s; drained: %s\n", strings.Join(names, " "), strings.Join(s.fleet.Cordoned(), " "), strings.Join(s.fleet.Drained(), " "))
}

// drain makes drains of a node fail, for a reason with "_" for spaces, or not any more.
func (s *script) drain(c command) string {
	var err error
	if why := c.args["blocked"]; why != "" {
		err = errors.New(strings.ReplaceAll(why, "_", " "))
	}
	s.fleet.FailDrain(c.args["node"], err)
	return ""
}

// edit writes its input into a file on a host.
func (s *script) edit(c command) string {
	return failure(os.WriteFile(s.fleet.Machines[c.args["host"]].Path(c.args["file"]), []byte(strings.Join(c.input, "\n")+"\n"), 0o644))
}

// replace gives a host's name to another machine; the one before runs on.
func (s *script) replace(c command) string {
	before, err := s.fleet.Replace(c.args["host"])
	if err != nil {
		return failure(err)
	}
	return "the one before: " + before + "\n"
}

// garble damages the data of a host's etcd member, which ends and does not start any more.
func (s *script) garble(c command) string {
	return failure(s.fleet.GarbleMember(s.t.Context(), c.args["host"]))
}

// mode changes the mode of a file.
func (s *script) mode(c command) string {
	mode, err := strconv.ParseUint(c.args["mode"], 8, 32)
	if err != nil {
		return failure(err)
	}
	return failure(os.Chmod(s.fleet.Machines[c.args["host"]].Path(c.args["file"]), os.FileMode(mode)))
}

// unlink deletes a network interface.
func (s *script) unlink(c command) string {
	return failure(s.fleet.Machines[c.args["host"]].Kernel.DeleteLink(s.t.Context(), c.args["link"]))
}

// wipe empties a folder. With fill, it puts a file into it instead, as a component would.
func (s *script) wipe(c command) string {
	dir := s.fleet.Machines[c.args["host"]].Path(c.args["folder"])
	if name := c.args["fill"]; name != "" {
		return failure(os.WriteFile(filepath.Join(dir, name), []byte("data\n"), 0o600))
	}
	names, err := os.ReadDir(dir)
	for _, n := range names {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, n.Name())))
	}
	return failure(err)
}

// litter puts its input into a host's store, as an artifact that nothing refers to.
func (s *script) litter(c command) string {
	content := []byte(strings.Join(c.input, "\n") + "\n")
	return failure(os.WriteFile(s.fleet.Machines[c.args["host"]].Path("/opt/trivet/store/sha256/"+hostapi.Digest(content)), content, 0o555))
}

func (s *script) stop(c command) string {
	return failure(s.fleet.Machines[c.args["host"]].Units.Stop(s.t.Context(), c.args["unit"], true))
}

// fail makes the start of a unit fail, or a gate.
func (s *script) fail(c command) string {
	if g, ok := c.args["gate"]; ok {
		s.fleet.FailGate(plan.GateKind(g), errors.New(strings.Join(c.input, " ")))
		return ""
	}
	s.fleet.Machines[c.args["host"]].Units.FailStart[c.args["unit"]] = "exit-code"
	return ""
}

func (s *script) heal(c command) string {
	if g, ok := c.args["gate"]; ok {
		s.fleet.FailGate(plan.GateKind(g), nil)
		return ""
	}
	delete(s.fleet.Machines[c.args["host"]].Units.FailStart, c.args["unit"])
	return ""
}

// program puts a program for hooks on a host, or on all. With fails=status it ends with that status, after=n says from which run on; what it prints is the input.
func (s *script) program(c command) string {
	for name, m := range s.fleet.Machines {
		if h := c.args["host"]; h != "" && h != name {
			continue
		}
		left, _ := strconv.Atoi(c.args["after"])
		file := m.Path(c.args["path"]) // for who looks whether it is there
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755)); err != nil {
			return failure(err)
		}
		m.Hooks.Programs[c.args["path"]] = func(_ context.Context, _ []string, out io.Writer) error {
			for _, line := range c.input {
				fmt.Fprintln(out, line)
			}
			if left--; c.args["fails"] == "" || left >= 0 {
				return nil
			}
			return errors.New("exit status " + c.args["fails"])
		}
	}
	return ""
}

// runs lists the runs of hooks since it was asked last, by host.
func (s *script) runs(command) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.fleet.Machines)) {
		all := s.fleet.Machines[name].Hooks.Runs()
		for _, r := range all[min(s.told[name], len(all)):] {
			fmt.Fprintf(&out, "%s: %s %s: %s\n", name, r.Variable("TRIVET_WHEN"), r.Variable("TRIVET_STEP"), r.Command)
		}
		if s.told == nil {
			s.told = map[string]int{}
		}
		s.told[name] = len(all)
	}
	return cmp.Or(out.String(), "none\n")
}

// stray lists the machines that have the helper and nothing else of Trivet's.
func (s *script) stray(command) string {
	names, err := s.fleet.Stray()
	if err != nil {
		return failure(err)
	}
	return cmp.Or(strings.Join(names, " "), "none") + "\n"
}

// block keeps other hosts from taking artifacts from a host.
func (s *script) block(c command) string {
	s.fleet.Blocked[c.args["host"]] = true
	return ""
}

func (s *script) unreachable(c command) string {
	s.fleet.Unreachable[c.args["host"]] = c.args["off"] == ""
	return ""
}

// forget takes an object out of the API.
func (s *script) forget(c command) string {
	s.fleet.ForgetObject(c.args["object"])
	return ""
}

// manifest writes its input as a file of the topology; without input, the file goes.
func (s *script) manifest(c command) string {
	s.settings.Manifests = maps.Clone(s.settings.Manifests)
	if s.settings.Manifests == nil {
		s.settings.Manifests = map[string]string{}
	}
	s.settings.Manifests[c.args["file"]] = strings.Join(c.input, "\n") + "\n"
	if len(c.input) == 0 {
		delete(s.settings.Manifests, c.args["file"])
	}
	if s.fleet == nil {
		return ""
	}
	return failure(s.fleet.Change(s.settings))
}

// object puts its input into the API as somebody else would, manager=name one who keeps a field of it.
func (s *script) object(c command) string {
	return failure(s.fleet.SetObject(strings.Join(c.input, "\n"), c.args["manager"]))
}

// own puts an object there that an earlier version of Trivet applied.
func (s *script) own(c command) string {
	s.fleet.SetOwn(c.args["object"])
	return ""
}

// refuse makes the API refuse an object of a manifest; off=yes ends that.
func (s *script) refuse(c command) string {
	s.fleet.RefuseObject(c.args["object"], c.args["off"] == "")
	return ""
}

// objects lists those of a namespace, and the record of kinds.
func (s *script) objects(c command) string {
	var out strings.Builder
	objects := s.fleet.Objects()
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		if strings.Contains(name, "/"+c.args["namespace"]+"/") || strings.HasSuffix(name, "/"+desired.RecordName) {
			fmt.Fprintf(&out, "%s: %s\n", name, objects[name])
		}
	}
	return out.String()
}

// compare wants the fleet to be as after a bring-up of the same topology without interruption.
func (s *script) compare(command) string {
	f := newFleet(s.t, s.settings)
	if _, _, _, err := apply(s.t.Context(), f, nil); err != nil {
		return failure(err)
	}
	if d := gocmp.Diff(canonicalOf(s.t, f), canonicalOf(s.t, s.fleet)); d != "" {
		return "differs (-want +got):\n" + d
	}
	if err := s.fleet.Coherent(); err != nil {
		return failure(err)
	}
	return "as after an uninterrupted bring-up\n"
}

// coherent wants one identity and one inventory on the whole fleet.
func (s *script) coherent(command) string { return failure(s.fleet.Coherent()) }

// Random or of this machine, and so not for transcripts.
var (
	hexID    = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	diffLine = regexp.MustCompile(`(?m)^ {8}.*\n`)
	version  = regexp.MustCompile(`(image:[^ ]*):[^: ]+$`)
	pidName  = regexp.MustCompile(regexp.QuoteMeta(bootstrap.Actor()))
)

func failure(err error) string {
	if err == nil {
		return ""
	}
	text := pidName.ReplaceAllString(hexID.ReplaceAllString(err.Error(), "ID"), "ACTOR")
	return "error: " + strings.ReplaceAll(text, "\n", "\n       ") + "\n"
}

// transcript writes events for a reader: a line for each host of a phase, with how much was done there. Names are written out while they are few.
type transcript struct {
	mu    sync.Mutex
	out   bytes.Buffer
	hosts map[string]*hostPart
	order []string
}

type hostPart struct {
	done, same []string
	end        string
}

func (tr *transcript) sink(e event.Event) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch e.Kind {
	case event.PhaseStarted:
		tr.flush()
		fmt.Fprintf(&tr.out, "phase %s\n", e.Phase)
	case event.ActionDone:
		if e.Host == "" && strings.HasPrefix(e.Item, "gate ") {
			tr.flush()
			fmt.Fprintf(&tr.out, "  %s\n", e.Item)
			return
		}
		p := tr.part(e.Host)
		name := version.ReplaceAllString(e.Item, "$1")
		if e.Message != "" {
			name += " " + e.Message
		}
		if e.State == "unchanged" {
			p.same = append(p.same, name)
		} else {
			p.done = append(p.done, name)
		}
	case event.Output:
		p := tr.part(e.Host)
		p.done = append(p.done, fmt.Sprintf("(%s: %s)", e.Item, e.Message))
	case event.HostFailed:
		tr.part(e.Host).end = "failed"
	case event.Warning, event.Waiting:
		tr.flush()
		fmt.Fprintf(&tr.out, "  %s: %s\n", e.Kind, e.Message)
	}
}

func (tr *transcript) part(host string) *hostPart {
	if tr.hosts == nil {
		tr.hosts = map[string]*hostPart{}
	}
	if tr.hosts[host] == nil {
		tr.hosts[host] = &hostPart{}
		tr.order = append(tr.order, host)
	}
	return tr.hosts[host]
}

func (tr *transcript) flush() {
	slices.Sort(tr.order) // hosts of a phase go at once
	for _, h := range tr.order {
		p, name := tr.hosts[h], h
		if name == "" {
			name = "api"
		}
		fmt.Fprintf(&tr.out, "  %s: %s", name, list(p.done))
		if len(p.same) > 0 {
			fmt.Fprintf(&tr.out, "; unchanged: %s", list(p.same))
		}
		if p.end != "" {
			fmt.Fprintf(&tr.out, "; %s", p.end)
		}
		tr.out.WriteString("\n")
	}
	tr.hosts, tr.order = nil, nil
}

// list writes names, of many only the kinds: what exactly they are is not the scripts' concern.
func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	if len(names) > 6 {
		var kinds []string
		for _, n := range names {
			kind, _, _ := strings.Cut(n, ":")
			switch object, _, isObject := strings.Cut(n, " "); {
			case n != strings.ToLower(n) && isObject && !strings.Contains(object, ":"):
				kind = object
			case !strings.Contains(n, ":"):
				_, from, _ := strings.Cut(n, " from ")
				kind = strings.TrimSuffix("artifacts from "+from, " from ")
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
		slices.Sort(kinds)
		return "many: " + strings.Join(kinds, ", ")
	}
	return strings.Join(names, ", ")
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.flush()
	return tr.out.String()
}
