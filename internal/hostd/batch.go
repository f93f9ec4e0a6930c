package hostd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// prepare looks at the host for operations from first on, and marks in the record what they will change. It returns at least one operation;
// an error is about the first.
func (s *stepper) prepare(ctx context.Context, first int) ([]planned, error) {
	var batch []planned
	touched := map[string]bool{}
	s.states = nil
	for i := first; i < len(s.step.Ops); i++ {
		op := &s.step.Ops[i]
		if i > first && (alone(op) || op.Remove != nil != (s.step.Ops[first].Remove != nil)) {
			break
		}
		paths := s.touches(op)
		if anyIn(touched, paths) {
			break
		}
		p, err := s.prepareOp(ctx, i, op)
		if err != nil {
			if i == first {
				return nil, err
			}
			break // it comes first in the next batch, and fails there, after what is before it was done
		}
		batch = append(batch, p)
		for _, t := range paths {
			touched[t] = true
		}
		if alone(op) || (p.change && opID(op).Kind == hostapi.KindPackage) {
			break
		}
	}
	s.states = nil
	return batch, nil
}

// alone operations make a batch of their own. What comes after one on a unit has to find the unit as it is then.
func alone(op *hostapi.Operation) bool {
	return op.Forget || op.Prune || op.Unit != nil || op.Hook != nil || op.Owe != nil || op.Waive != ""
}

func anyIn(set map[string]bool, names []string) bool {
	for _, n := range names {
		if set[n] {
			return true
		}
	}
	return false
}

// touches names what an operation is about: paths for what lives at paths, otherwise the item.
func (s *stepper) touches(op *hostapi.Operation) []string {
	switch {
	case op.Ensure != nil:
		return append(itemPaths(*op.Ensure), op.Ensure.ID().String())
	case op.Remove != nil:
		names := []string{op.Remove.String()}
		if e := s.rec.find(*op.Remove); e != nil {
			for _, v := range e.versions() {
				names = append(names, itemPaths(v)...)
			}
		}
		return names
	}
	return nil
}

// itemPaths are the paths that an item owns.
func itemPaths(it hostapi.Item) []string {
	switch {
	case it.Directory != nil:
		return []string{it.Directory.Path}
	case it.Artifact != nil:
		return []string{it.Artifact.Path}
	case it.File != nil:
		return []string{it.File.Path}
	case it.KeyPair != nil:
		return []string{it.KeyPair.CertPath, it.KeyPair.KeyPath}
	case it.Module != nil:
		return []string{modulePath(it.Module.Name)}
	}
	return nil
}

func (s *stepper) prepareOp(ctx context.Context, i int, op *hostapi.Operation) (planned, error) {
	p := planned{op: i, change: true}
	switch {
	case op.Ensure != nil:
		return s.prepareEnsure(ctx, p, op.Ensure)
	case op.Remove != nil:
		p.entry = s.rec.find(*op.Remove)
		if p.change = p.entry != nil; p.change {
			p.before = p.entry.clone()
			p.entry.Pending = pendingRemove
			p.intent, s.dirty = true, true
			s.rec.ReloadOwed = s.rec.ReloadOwed || ownsUnitFile(p.entry.item())
		}
	case op.Unit != nil:
		s.rec.Seq++
		p.seq = s.rec.Seq
	}
	return p, nil
}

func (s *stepper) prepareEnsure(ctx context.Context, p planned, full *hostapi.Item) (planned, error) {
	next := stripped(*full)
	id := next.ID()
	e := s.rec.find(id)
	if e != nil {
		p.before = e.clone()
	} else {
		e = &entry{}
	}
	e.Next = &next
	made := slices.Clone(s.rec.MadeDirs)
	change, err := kinds[id.Kind].prepare(ctx, s, e, full)
	p.entry = e
	p.change = change || p.before == nil || p.before.Pending != "" || !sameItem(p.before.Item, next)
	if err != nil || !p.change {
		if p.before != nil {
			*e = *p.before
		}
		s.rec.MadeDirs = made
		s.backups = s.backups || p.before == nil
		return p, err
	}
	if p.before == nil {
		s.rec.Items = append(s.rec.Items, e)
	}
	s.rec.Seq++
	if q, ok := kinds[id.Kind].(quiet); !ok || p.before == nil || p.before.Pending != "" || !q.quiet(s, p.before, full) {
		e.ChangedSeq = s.rec.Seq
	}
	e.Pending = pendingEnsure
	p.seq, p.intent, s.dirty = s.rec.Seq, true, true
	if ownsUnitFile(next) {
		s.rec.ReloadOwed = true
	}
	return p, nil
}

// ownsUnitFile says whether systemd has to read its files again after a change of the item.
func ownsUnitFile(it hostapi.Item) bool {
	for _, p := range itemPaths(it) {
		if isUnitPath(p) {
			return true
		}
	}
	return false
}

func isUnitPath(p string) bool {
	for _, dir := range []string{"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/", "/usr/local/lib/systemd/system/"} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return false
}

// opID is the item that an operation is about; the zero ID when it is about none.
func opID(op *hostapi.Operation) hostapi.ID {
	switch {
	case op.Ensure != nil:
		return op.Ensure.ID()
	case op.Remove != nil:
		return *op.Remove
	case op.Unit != nil:
		return hostapi.ID{Kind: hostapi.KindUnit, Name: op.Unit.Name}
	case op.Document != nil:
		return hostapi.ID{Kind: "document", Name: op.Document.Name}
	case op.Discard != "":
		return hostapi.ID{Kind: "document", Name: op.Discard}
	case op.Forget:
		return hostapi.ID{Kind: "forget"}
	case op.Prune:
		return hostapi.ID{Kind: "prune"}
	case op.Hook != nil:
		return hostapi.ID{Kind: "hook", Name: op.Hook.Name}
	case op.Waive != "":
		return hostapi.ID{Kind: "hook", Name: op.Waive}
	case op.Owe != nil:
		return hostapi.ID{Kind: "hooks", Name: "owed"}
	}
	return hostapi.ID{}
}

func describe(op *hostapi.Operation) string {
	switch {
	case op.Ensure != nil:
		return "ensure " + opID(op).String()
	case op.Remove != nil:
		return "remove " + opID(op).String()
	case op.Unit != nil:
		return op.Unit.Verb + " " + op.Unit.Name
	case op.Document != nil:
		return "keep document " + op.Document.Name
	case op.Discard != "":
		return "discard document " + op.Discard
	case op.Forget:
		return "forget the host"
	case op.Hook != nil:
		return "run hook " + op.Hook.Name
	case op.Waive != "":
		return "waive hook " + op.Waive
	case op.Owe != nil:
		return "note which hooks are owed"
	}
	return "prune the store"
}

// checkOperation refuses what could not be meant, before anything is done.
func checkOperation(op *hostapi.Operation) error {
	set := 0
	for _, b := range []bool{op.Ensure != nil, op.Remove != nil, op.Unit != nil, op.Document != nil, op.Discard != "", op.Forget, op.Prune, op.Owe != nil, op.Waive != "", op.Hook != nil} {
		if b {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("an operation has %d fields set, not exactly one", set)
	}
	switch {
	case op.Ensure != nil:
		return checkItem(*op.Ensure)
	case op.Unit != nil:
		return checkUnitName(op.Unit.Name)
	case op.Document != nil:
		return checkName(op.Document.Name)
	case op.Discard != "":
		return checkName(op.Discard)
	case op.Hook != nil:
		return checkHook(op.Hook)
	case op.Waive != "":
		return checkName(op.Waive)
	}
	for _, o := range op.Owe {
		if err := checkName(o.Hook); err != nil {
			return err
		}
	}
	return nil
}

func checkItem(it hostapi.Item) error {
	id := it.ID()
	if _, ok := kinds[id.Kind]; !ok {
		return fmt.Errorf("the item is of no known kind")
	}
	for _, p := range itemPaths(it) {
		if err := checkPath(p); err != nil {
			return err
		}
	}
	switch {
	case it.Unit != nil:
		return checkUnitName(id.Name)
	case it.Package != nil, it.User != nil, it.Module != nil:
		return checkName(id.Name)
	case it.Sysctl != nil:
		if id.Name == "" || strings.Contains(id.Name, "..") || strings.ContainsAny(id.Name, " \n\x00") || strings.ContainsAny(it.Sysctl.Value, "\n\x00") {
			return fmt.Errorf("%q is not a kernel parameter", id.Name)
		}
	case it.Claim != nil:
		return checkClaim(it.Claim)
	}
	return nil
}

// checkPath wants a clean absolute path, not of the root or right below it.
func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p || strings.Count(p, "/") < 2 || strings.ContainsAny(p, "\x00\n") {
		return fmt.Errorf("%q is not a path that Trivet may own: it has to be absolute, clean, and below a folder of the root", p)
	}
	if p == trivetDir || p == stateDir || strings.HasPrefix(p, trivetDir+"/store") || strings.HasPrefix(p, stateDir+"/") {
		return fmt.Errorf("%q is Trivet's own and not an item", p)
	}
	return nil
}

// checkName wants something that is safe as a file name and as an argument.
func checkName(n string) error {
	if n == "" || strings.HasPrefix(n, "-") || strings.HasPrefix(n, ".") || strings.ContainsAny(n, "/:\x00\n \t") {
		return fmt.Errorf("%q is not a name", n)
	}
	return nil
}

func checkUnitName(n string) error {
	if err := checkName(strings.ReplaceAll(n, ":", "")); err != nil || !strings.Contains(n, ".") {
		return fmt.Errorf("%q is not the name of a systemd unit", n)
	}
	return nil
}
