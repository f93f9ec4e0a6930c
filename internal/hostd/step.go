package hostd

import (
	"context"
	"os"
	"path"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// kind is how one kind of item is handled. The functions get the entry with Next set to the item to apply (its content is in full).
type kind interface {
	// prepare looks at the host, captures what is there before, and says whether apply has something to do. It changes nothing but prior/.
	prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (change bool, err error)
	// apply makes the effect, and may be repeated from any point of it. It says whether it had to do anything.
	apply(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (changed bool, err error)
	// remove takes the effect back, by the entry; it may be repeated too.
	remove(ctx context.Context, s *stepper, e *entry) error
	// drift says how the host differs from the entry, "" when it does not, and what that amounts to where it is told apart.
	drift(o *observer, e *entry) (string, hostapi.DriftCode)
}

// quiet is implemented by kinds that can tell a change which is no reason to restart what uses the item. before is the entry as it was.
type quiet interface {
	quiet(s *stepper, before *entry, full *hostapi.Item) bool
}

// kinds is the table of what a host can own.
var kinds = map[hostapi.Kind]kind{
	hostapi.KindPackage:   packageKind{},
	hostapi.KindUser:      userKind{},
	hostapi.KindModule:    moduleKind{},
	hostapi.KindSysctl:    sysctlKind{},
	hostapi.KindClaim:     claimKind{},
	hostapi.KindDirectory: directoryKind{},
	hostapi.KindArtifact:  artifactKind{},
	hostapi.KindFile:      fileKind{},
	hostapi.KindKeyPair:   keyPairKind{},
	hostapi.KindUnit:      unitKind{},
	hostapi.KindImage:     imageKind{},
}

// Step carries out operations in order under the step lock.
func (h *Host) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) error {
	if emit == nil {
		emit = func(hostapi.Event) {}
	}
	for i := range step.Ops {
		if err := checkOperation(&step.Ops[i]); err != nil {
			e := *h.wrap(err, opID(&step.Ops[i]))
			e.Op = i
			return &e
		}
	}
	l, err := h.lockStep(ctx)
	if err != nil {
		return err
	}
	defer l.release()
	defer h.leaveUntouched()
	rec, err := h.loadRecord()
	if err != nil {
		return err
	}
	s := &stepper{Host: h, rec: rec, step: step, emit: emit, lock: l, dirs: map[string]bool{}}
	s.sign("")
	defer func() { _ = l.f.Truncate(0) }()
	if rec == nil {
		s.rec = &record{}
	}
	if err := checkCluster(s.rec, step.ClusterID); err != nil {
		return err
	}
	if step.Epoch < s.rec.Epoch {
		return staleEpoch(step.Epoch, s.rec.Epoch)
	}
	s.head(rec == nil)
	if err := s.run(ctx); err != nil {
		return err
	}
	return nil
}

// stepper is one running step.
type stepper struct {
	*Host
	rec  *record
	step *hostapi.Step
	emit func(hostapi.Event)
	lock *lock
	acc  *accounts
	// dirty: the record has changes that are not on the disk.
	dirty bool
	// dirs were written to and have to be synced before the record says that the work is done.
	dirs map[string]bool
	// states caches unit states while a batch is prepared.
	states map[string]UnitState
	// images caches containerd's images, by socket and namespace, until a unit or an image is touched.
	images map[string]listedImages
	// astray are claims of which something is missing that a running unit needs.
	astray    []hostapi.ID
	forgotten bool
	// backups: entries went, so files below prior/ may be needed no more.
	backups bool
}

// planned is one operation of a batch, prepared.
type planned struct {
	op     int
	entry  *entry
	change bool
	// before is the entry as it was before the intent; nil for a new one.
	before *entry
	intent bool
	begun  bool
	seq    uint64
}

// head brings the head of the record up to date.
func (s *stepper) head(isNew bool) {
	r, st := s.rec, s.step
	if isNew || r.Cluster != st.Cluster || r.ClusterID != st.ClusterID || r.Host != st.Host || r.Epoch != st.Epoch {
		r.Cluster, r.ClusterID, r.Host, r.Epoch = st.Cluster, st.ClusterID, st.Host, st.Epoch
		s.dirty = true
	}
}

func (s *stepper) run(ctx context.Context) error {
	if err := s.recoverGuard(); err != nil {
		return s.wrap(err, hostapi.ID{})
	}
	if op, err := s.foreign(ctx); err != nil {
		return s.failed(ctx, err, op, nil)
	}
	for next := 0; next < len(s.step.Ops); {
		if ctx.Err() != nil {
			return s.cancelled(ctx, next, nil)
		}
		batch, err := s.prepare(ctx, next)
		if err != nil {
			return s.failed(ctx, err, next, nil)
		}
		if err := s.save(hasIntent(batch)); err != nil {
			return s.failed(ctx, err, next, batch)
		}
		s.hook("intended")
		for i := range batch {
			p := &batch[i]
			if ctx.Err() != nil {
				return s.cancelled(ctx, p.op, batch)
			}
			if err := s.do(ctx, p); err != nil {
				return s.failed(ctx, err, p.op, batch)
			}
		}
		if err := s.settle(ctx, nil); err != nil {
			return s.failed(ctx, err, batch[len(batch)-1].op, nil)
		}
		next += len(batch)
	}
	if !s.forgotten {
		s.noteFilled()
		if err := s.settle(ctx, nil); err != nil {
			return s.wrap(err, hostapi.ID{})
		}
	}
	return nil
}

func hasIntent(batch []planned) bool {
	return slices.ContainsFunc(batch, func(p planned) bool { return p.intent })
}

// cancelled ends the step before an operation, with what was done recorded.
func (s *stepper) cancelled(ctx context.Context, op int, batch []planned) error {
	if err := s.settle(context.WithoutCancel(ctx), batch); err != nil {
		return s.failed(ctx, err, op, nil)
	}
	e := fail(hostapi.CodeCancelled, "apply again to go on", "the step was cancelled before operation %d of %d", op+1, len(s.step.Ops))
	e.Op = op
	return e
}

// failed ends the step at an operation that failed, with what was done recorded.
func (s *stepper) failed(ctx context.Context, err error, op int, batch []planned) error {
	e := *s.wrap(err, opID(&s.step.Ops[op]))
	e.Op = op
	if batch != nil {
		if serr := s.settle(context.WithoutCancel(ctx), batch); serr != nil && e.Code != hostapi.CodeDiskFull {
			e.Message += "; and the record could not be completed, so more than this is pending: " + serr.Error()
		}
	}
	s.emit(hostapi.Event{Op: op, State: "failed", Message: e.Error()})
	return &e
}

// save writes the record if it has changes.
func (s *stepper) save(force bool) error {
	if !s.dirty && !force {
		return nil
	}
	if err := s.saveRecord(s.rec); err != nil {
		return err
	}
	s.dirty = false
	return nil
}

// settle ends a batch: marks of operations that were not begun are taken back, folders are synced, the record is completed.
func (s *stepper) settle(ctx context.Context, batch []planned) error {
	if s.forgotten {
		return nil
	}
	reverted := false
	for i := range slices.Backward(batch) {
		if p := &batch[i]; p.intent && !p.begun {
			s.takeBack(p)
			reverted = true
		}
	}
	if reverted {
		s.pruneMadeDirs()
		if err := s.writeSysctls(); err != nil {
			return err
		}
	}
	if s.rec.ReloadOwed && !hasUnitWork(s.rec) {
		// Units that are to be started come with a reload of their own; files that only went need one here.
		if err := s.reloadUnits(ctx); err != nil {
			return err
		}
	}
	if err := s.syncDirs(); err != nil {
		return err
	}
	s.hook("settling")
	if err := s.save(false); err != nil {
		return err
	}
	s.hook("settled")
	if s.backups {
		s.pruneBackups()
		s.backups = false
	}
	return nil
}

// hasUnitWork says whether a pending or stale unit will have systemd reloaded before it is started.
func hasUnitWork(r *record) bool {
	return slices.ContainsFunc(r.of(hostapi.KindUnit), func(e *entry) bool { return e.Pending == pendingEnsure || r.stale(e) })
}

// takeBack undoes an intent whose operation was not begun.
func (s *stepper) takeBack(p *planned) {
	s.dirty = true
	for _, v := range p.entry.versions() {
		for _, path := range itemPaths(v) {
			s.unstage(path)
		}
	}
	if p.before == nil {
		s.rec.drop(p.entry)
		s.backups = true
		if d := p.entry.item().Directory; d != nil && !p.entry.Prior.Paths[d.Path].Exists {
			s.rec.MadeDirs = append(s.rec.MadeDirs, d.Path) // it was made on the way to something else; pruneMadeDirs looks whether
		}
		return
	}
	*p.entry = *p.before
}

func (s *stepper) do(ctx context.Context, p *planned) error {
	op := &s.step.Ops[p.op]
	id := opID(op)
	start := time.Now()
	p.begun = true
	changed := true
	var err error
	s.hook("before " + id.String())
	if p.change {
		s.sign(describe(op))
		s.emit(hostapi.Event{Op: p.op, State: "started", Message: describe(op)})
	}
	switch {
	case op.Ensure != nil && !p.change:
		changed = false
	case op.Ensure != nil:
		changed, err = s.ensure(ctx, p, op.Ensure)
	case op.Remove != nil && !p.change:
		changed = false
	case op.Remove != nil:
		err = s.remove(ctx, p)
	case op.Unit != nil:
		err = s.unitAction(ctx, p, op.Unit)
	case op.Document != nil:
		changed, err = s.putDocument(op.Document)
	case op.Discard != "":
		changed, err = s.discardDocument(op.Discard)
	case op.Prune:
		err = s.pruneStore()
	case op.Forget:
		err = s.forget(ctx)
	case op.Owe != nil:
		changed = s.owe(op.Owe)
	case op.Waive != "":
		changed = s.pay(op.Waive)
	case op.Hook != nil:
		err = s.runHook(ctx, p.op, op.Hook)
	}
	if err != nil {
		return err
	}
	if id.Kind == hostapi.KindUnit && changed {
		s.images = nil
	}
	s.hook("after " + id.String())
	if !changed {
		s.emit(hostapi.Event{Op: p.op, State: "unchanged"})
		return nil
	}
	s.emit(hostapi.Event{Op: p.op, State: "done", Elapsed: time.Since(start)})
	return nil
}

// sign says for others who wait for the lock what the step is at.
func (s *stepper) sign(operation string) {
	s.lock.sign(stepFile{Actor: s.step.Actor, PID: os.Getpid(), Operation: operation, Since: s.Clock()})
}

func (s *stepper) ensure(ctx context.Context, p *planned, full *hostapi.Item) (bool, error) {
	e := p.entry
	changed, err := kinds[full.ID().Kind].apply(ctx, s, e, full)
	if err != nil {
		return false, err
	}
	if p.intent {
		e.Item, e.Next, e.Pending = *e.Next, nil, ""
		s.dirty = true
	}
	return changed || p.intent, nil
}

func (s *stepper) remove(ctx context.Context, p *planned) error {
	e := p.entry
	if err := kinds[e.id().Kind].remove(ctx, s, e); err != nil {
		return err
	}
	s.rec.drop(e)
	s.dirty, s.backups = true, true
	for _, v := range e.versions() {
		for _, path := range itemPaths(v) {
			s.cleanParents(path)
		}
	}
	return nil
}

// command runs a program that is not cut off by a cancelled step.
func (s *stepper) command(ctx context.Context, name string, args ...string) ([]byte, error) {
	return s.Host.run(context.WithoutCancel(ctx), name, args...)
}

// syncDirs makes durable what was written so far.
func (s *stepper) syncDirs() error {
	for dir := range s.dirs {
		if err := s.syncDir(dir); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	clear(s.dirs)
	return nil
}

// wrote remembers a folder that has to be synced before the record is completed.
func (s *stepper) wrote(p string) {
	if !s.NoSync {
		s.dirs[path.Dir(p)] = true
	}
}

// owner resolves names; users made in this step are seen.
func (s *stepper) owner(user, group string) (owner, error) {
	if s.acc == nil {
		s.acc = s.accounts()
	}
	o, err := s.acc.resolve(user, group)
	if err != nil && s.chowns() {
		return o, err
	}
	return o, nil
}

// pruneBackups removes files below prior/ that no entry names.
func (s *stepper) pruneBackups() {
	keep := map[string]bool{}
	for _, e := range s.rec.Items {
		for _, pp := range e.Prior.Paths {
			keep[pp.Backup] = true
		}
	}
	if g := s.rec.StartGuard; g != nil {
		keep[g.Backup] = true
	}
	files, err := os.ReadDir(s.path(priorDir))
	if err != nil {
		return
	}
	for _, f := range files {
		if !keep[f.Name()] {
			_ = os.Remove(s.path(path.Join(priorDir, f.Name())))
		}
	}
}
