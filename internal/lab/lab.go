//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultStateDir holds a folder for each lab.
const DefaultStateDir = "/var/lib/trivet-lab"

// Options say where a lab keeps its things; the zero value is good.
type Options struct {
	CacheDir    string           // base images; by default trivet in the user's cache folder
	StateDir    string           // by default DefaultStateDir
	Progress    func(msg string) // told what happens, from one goroutine at a time
	OperatorCut bool             // CutSite cuts the site off from the operator too
	BootTimeout time.Duration    // for each host; by default 3 minutes
}

func (o Options) withDefaults() (Options, error) {
	if o.CacheDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("cache folder: %w", err)
		}
		o.CacheDir = filepath.Join(cache, "trivet")
	}
	if o.StateDir == "" {
		o.StateDir = DefaultStateDir
	}
	for _, dir := range []*string{&o.CacheDir, &o.StateDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return o, err
		}
		*dir = abs
	}
	if o.BootTimeout == 0 {
		o.BootTimeout = 3 * time.Minute
	}
	told := o.Progress
	var mu sync.Mutex
	o.Progress = func(msg string) {
		if told != nil {
			mu.Lock()
			defer mu.Unlock()
			told(msg)
		}
	}
	return o, nil
}

// Lab is a lab that is up.
type Lab struct {
	name    string
	dir     string
	options Options
	access  Access
}

// Access tells how to reach the lab's hosts.
func (l *Lab) Access() Access { return l.access }

// Up brings up what does not run of a lab, over whatever an interrupted command left.
// Sites that are cut off stay so, and so does every other fault. A host that the spec no longer has stays in the lab,
// until RemoveHost; one that runs and has another address in the spec gets it.
func Up(ctx context.Context, spec Spec, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkMachine(), spec.check()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StateDir, 0o755); err != nil {
		return nil, err
	}
	if err := checkStateDir(o.StateDir, o.Progress); err != nil {
		return nil, err
	}
	l := &Lab{name: spec.Name, dir: filepath.Join(o.StateDir, spec.Name), options: o}
	lock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	r, err := l.settle(spec)
	if err != nil {
		return nil, err
	}
	if l.access, err = ensureAccess(l.name, l.dir); err != nil {
		return nil, err
	}
	if err := keepSysctls(ctx, o.StateDir, r.Spec.hostCount()); err != nil {
		return nil, err
	}
	if err := ensureRouter(r.Spec, r.Gateways); err != nil {
		return nil, err
	}
	if err := applyFirewall(ctx, l.name, r); err != nil {
		return nil, err
	}
	return l, l.bootAll(ctx, r)
}

func checkMachine() error {
	if os.Geteuid() != 0 {
		return errors.New("a lab needs root: it makes namespaces and boots systemd in them")
	}
	if missing := Requirements(); len(missing) > 0 {
		return fmt.Errorf("the lab lacks programs on this machine: run apt-get install %s", strings.Join(missing, " "))
	}
	_, err := hierarchies()
	return err
}

// lock keeps other commands off this lab. It lies beside the lab's folder, which comes and goes.
func (l *Lab) lock(ctx context.Context) (*fileLock, error) {
	return takeLock(ctx, l.dir+".lock", func() {
		l.options.Progress("waiting for another command that works on the lab " + l.name)
	})
}

// settle writes down what the lab shall consist of, before anything of it is made.
func (l *Lab) settle(spec Spec) (record, error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return record{}, err
	}
	old, err := loadRecord(l.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	merged, kept := merge(old.Spec, spec)
	if len(kept) > 0 {
		l.options.Progress(fmt.Sprintf("no longer in the topology, but still in the lab until trivet lab remove or trivet lab down: %s", strings.Join(kept, ", ")))
	}
	if err := merged.check(); err != nil {
		if len(kept) > 0 {
			err = fmt.Errorf("%w\nof these hosts the topology no longer has %s: take one whose address or network is needed out of the lab (trivet lab remove HOST)",
				err, strings.Join(kept, ", "))
		}
		return record{}, err
	}
	gateways, err := merged.gateways(old.Gateways)
	if err != nil {
		return record{}, err
	}
	r := old
	r.Version, r.Spec, r.Gateways = recordVersion, merged, gateways
	if err := l.refuseMoves(old, r); err != nil {
		return record{}, err
	}
	return r, writeJSON(filepath.Join(l.dir, "lab.json"), r)
}

// refuseMoves refuses another site for a host that runs: nobody carries it there while it does.
func (l *Lab) refuseMoves(old, next record) error {
	var errs []error
	for _, site := range old.Spec.Sites {
		for _, was := range site.Hosts {
			_, isIn, err := next.Spec.host(was.Name)
			if err != nil {
				return err
			}
			if isIn == site.Name {
				continue
			}
			m, err := l.machine(old, was.Name)
			if err != nil {
				return err
			}
			running, err := m.running()
			if err != nil {
				return err
			}
			if running {
				errs = append(errs, fmt.Errorf("host %s runs in site %s and shall be in site %s: stop it first (trivet lab stop %s)", was.Name, site.Name, isIn, was.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// bootAll gives every host a disk, boots those that do not run and waits for all.
func (l *Lab) bootAll(ctx context.Context, r record) error {
	var names []string
	fresh := false
	for _, site := range r.Spec.Sites {
		for _, h := range site.Hosts {
			names = append(names, h.Name)
			if _, err := os.Stat(filepath.Join(hostFolder(l.dir, h.Name), "host.json")); err != nil {
				fresh = true
			}
		}
	}
	base := ""
	if fresh {
		var err error
		if base, err = ensureBase(ctx, l.options.CacheDir, l.options.Progress); err != nil {
			return err
		}
	}
	if err := l.eachHost(names, func(name string) error { return l.prepare(ctx, r, name, base) }); err != nil {
		return err
	}
	if err := writeKnownHosts(l.dir, r); err != nil {
		return err
	}
	return l.eachHost(names, func(name string) error { return l.boot(ctx, r, name) })
}

// concurrency bounds how many hosts are prepared or booted at once.
const concurrency = 8

// eachHost runs fn for several hosts at once and reports every failure.
func (l *Lab) eachHost(names []string, fn func(name string) error) error {
	errs := make([]error, len(names))
	slots := make(chan struct{}, concurrency)
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = fn(name)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// prepare gives a host a disk unless it has one, and its address to a host that had another one.
func (l *Lab) prepare(ctx context.Context, r record, name, base string) error {
	m, err := l.machine(r, name)
	if err != nil {
		return err
	}
	running, err := m.running()
	if err != nil {
		return err
	}
	if running {
		return m.renumber(l.options.Progress)
	}
	signer, err := l.access.signer()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	if err := makeDisk(ctx, m.dir, m.Host, base, authorizedKey(signer.PublicKey())); err != nil {
		return fmt.Errorf("host %s: %w", name, err)
	}
	return nil
}

// boot starts a host unless it runs, and waits until it is up.
func (l *Lab) boot(ctx context.Context, r record, name string) error {
	m, err := l.machine(r, name)
	if err != nil {
		return err
	}
	running, err := m.running()
	if err != nil {
		return err
	}
	began := time.Now()
	if !running {
		if err := m.start(ctx); err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
	}
	unplugged := slices.Contains(r.Unplugged, name)
	if unplugged {
		if err := setCarrier(ctx, l.name, name, false); err != nil {
			return err
		}
	}
	if frozen, err := m.group.frozen(); err != nil || frozen {
		return err // it is left as it is
	}
	limited, cancel := context.WithTimeout(ctx, l.options.BootTimeout)
	defer cancel()
	silent := unplugged || slices.ContainsFunc(r.Cuts, func(c cut) bool { return c.Site == m.site && c.Operator })
	if err := m.waitReady(limited, l.access, silent); err != nil {
		return err
	}
	if !running {
		l.options.Progress(fmt.Sprintf("host %s (%s, %s) is up after %.1f s", name, m.Address, m.site, time.Since(began).Seconds()))
	}
	return nil
}

// Open finds a lab that is up, in the default state folder.
func Open(name string) (*Lab, error) { return OpenIn(name, Options{}) }

// OpenIn finds a lab that is up.
func OpenIn(name string, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkName("lab", name, maxLabName); err != nil {
		return nil, err
	}
	l := &Lab{name: name, dir: filepath.Join(o.StateDir, name), options: o}
	if _, err := loadRecord(l.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = readJSON(filepath.Join(l.dir, "access.json"), &l.access)
	if errors.Is(err, fs.ErrNotExist) || !namespaceExists(routerNamespace(name)) || !namespaceExists(operatorNamespace(name)) {
		return nil, fmt.Errorf("lab %s is not up: bring it up with `trivet lab up -f FOLDER`, FOLDER being that of its topology", name)
	}
	return l, err
}
