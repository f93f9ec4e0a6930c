package hostd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// lock is a held lock on one of the files of the state folder.
type lock struct{ f *os.File }

func (l *lock) release() { _ = l.f.Close() }

// takeLock takes the lock of a file, making the file if it has to. It returns nil, nil when wait is false and somebody else holds it.
func (h *Host) takeLock(ctx context.Context, p string, wait bool) (*lock, error) {
	for {
		if err := h.ensureState(); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(h.path(p), os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the state folder was forgotten at this moment
		}
		if err != nil {
			return nil, err
		}
		ok, err := lockFile(ctx, f, wait)
		if err != nil {
			if !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
				f.Close()
			}
			return nil, err
		}
		if !ok {
			f.Close()
			return nil, nil
		}
		// Whoever held it may have removed the file: then this is a lock on nothing.
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if now, err := os.Lstat(h.path(p)); err == nil && sameFile(mine, now) {
			return &lock{f}, nil
		}
		f.Close()
	}
}

func (h *Host) lockStep(ctx context.Context) (*lock, error) {
	l, err := h.takeLock(ctx, stepLockPath, true)
	if err == nil {
		return l, nil
	}
	if ctx.Err() != nil {
		return nil, fail(hostapi.CodeCancelled, "apply again to go on", "cancelled while waiting for another step on the host to end")
	}
	return nil, h.wrap(err, hostapi.ID{})
}

// stepFile says whose step has the step lock, and what it is at. It counts only while the lock is taken, and is gone when the step has ended.
type stepFile struct {
	Actor     string    `json:"actor"`
	PID       int       `json:"pid"`
	Operation string    `json:"operation,omitempty"`
	Since     time.Time `json:"since"` // of the operation
}

// sign writes it, for whoever waits in vain; the work does not depend on it.
func (l *lock) sign(s stepFile) {
	if b, err := json.Marshal(s); err == nil && l.f.Truncate(0) == nil {
		_, _ = l.f.WriteAt(b, 0)
	}
}

// lockStepWithin is lockStep that gives up after some time, and tells what is under way; 0 never does.
func (h *Host) lockStepWithin(ctx context.Context, patience time.Duration) (*lock, error) {
	if patience == 0 {
		return h.lockStep(ctx)
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l, err := h.lockStep(wait)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		what := "a step of an earlier run"
		if s := h.stepUnderWay(); s != nil {
			what = s.String()
		}
		return nil, fail(hostapi.CodeBusy, busyRemedy, "%s is under way there, and has not ended within %s", what, patience)
	}
	return l, err
}

const busyRemedy = "look there what it waits for, and end that: the step ends with it, and what it left half done is done again by the next apply. Then run the same command again"

// stepUnderWay is what the present step is at, nil where it has not said.
func (h *Host) stepUnderWay() *stepFile {
	b, err := os.ReadFile(h.path(stepLockPath))
	var s stepFile
	if err != nil || json.Unmarshal(b, &s) != nil {
		return nil
	}
	return &s
}

func (s *stepFile) String() string {
	what := "a step"
	if s.Operation != "" {
		what = "\"" + s.Operation + "\""
	}
	return fmt.Sprintf("%s of %s (process %d, since %s)", what, s.Actor, s.PID, s.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// leaveUntouched, called with the step lock held, leaves a host that has no record as it was before the lock was taken: a step that was refused has done nothing.
// Where somebody holds the run lock, the end of that does it.
func (h *Host) leaveUntouched() {
	for _, p := range []string{recordPath, previousPath, runLockPath, trivetDir} {
		if _, err := os.Lstat(h.path(p)); !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	names, err := os.ReadDir(h.path(stateDir))
	if err != nil || slices.ContainsFunc(names, func(n fs.DirEntry) bool {
		return n.Name() != path.Base(stepLockPath) && n.Name() != path.Base(parentsPath)
	}) {
		return // there is something of worth in it
	}
	made := h.notedParents()
	_ = os.Remove(h.path(stepLockPath))
	_ = os.Remove(h.path(parentsPath))
	if os.Remove(h.path(stateDir)) != nil {
		return
	}
	for _, d := range slices.Backward(made) {
		_ = os.Remove(h.path(d))
	}
}

// RaiseEpoch sets the host's epoch under the step lock, so that no step of an older epoch is running once it returns.
func (h *Host) RaiseEpoch(ctx context.Context, req *hostapi.RaiseEpoch) error {
	l, err := h.lockStepWithin(ctx, req.Patience)
	if err != nil {
		return err
	}
	defer l.release()
	rec, err := h.loadRecord()
	if err != nil {
		return err
	}
	if rec == nil {
		rec = &record{ClusterID: req.ClusterID}
	}
	if err := checkCluster(rec, req.ClusterID); err != nil {
		return err
	}
	if req.Epoch <= rec.Epoch {
		return staleEpoch(req.Epoch, rec.Epoch)
	}
	rec.Epoch = req.Epoch
	if err := h.saveRecord(rec); err != nil {
		return h.wrap(err, hostapi.ID{})
	}
	return nil
}

func staleEpoch(got, have uint64) *hostapi.Error {
	return fail(hostapi.CodeStaleEpoch, "nothing was changed; look who holds the lock, then plan and apply again",
		"somebody took the lock over: this run has epoch %d, the host is at %d", got, have)
}

func checkCluster(rec *record, id string) error {
	if rec.ClusterID == "" || rec.ClusterID == id {
		return nil
	}
	name := rec.Cluster
	if name == "" {
		name = "without a name"
	}
	return fail(hostapi.CodeOtherCluster, "destroy that cluster, or take the host out of this topology",
		"the host belongs to another cluster, %q (%s), as its host %q", name, rec.ClusterID, rec.Host)
}
