package hostd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// holderFile says who holds the run lock. It counts only while the lock is taken: what a dead holder left says nothing.
type holderFile struct {
	hostapi.Holder
	PID int `json:"pid"`
	// Start tells the process from a later one of the same number.
	Start string `json:"start"`
	// Token finds a holder that is in this process.
	Token string `json:"token"`
}

// holds are the run locks that this process holds, by token.
var holds = struct {
	sync.Mutex
	end map[string]context.CancelFunc
}{end: map[string]context.CancelFunc{}}

// Hold takes the run lock and keeps it until ctx ends, or until somebody takes it over.
func (h *Host) Hold(ctx context.Context, req *hostapi.Hold, held func()) error {
	l, err := h.takeRunLock(ctx)
	if err != nil {
		return h.wrap(err, hostapi.ID{})
	}
	if l == nil && req.From == nil {
		return h.heldError()
	}
	if l == nil {
		if l, err = h.takeOver(ctx, *req.From, req.Patience); err != nil {
			return h.wrap(err, hostapi.ID{})
		}
	}
	defer l.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	token := rand.Text()
	if err := h.writeHolder(req.Holder, token); err != nil {
		h.leaveHolder()
		return h.wrap(err, hostapi.ID{})
	}
	holds.Lock()
	holds.end[token] = cancel
	holds.Unlock()
	held()
	<-ctx.Done()
	holds.Lock()
	delete(holds.end, token)
	holds.Unlock()
	h.leaveHolder()
	return nil
}

// A lock without a signature is being taken or let go: that takes a moment, after which it is signed or free.
const (
	unsignedTries = 100
	unsignedPause = 10 * time.Millisecond
)

// takeRunLock takes the run lock, nil when somebody holds it.
func (h *Host) takeRunLock(ctx context.Context) (*lock, error) {
	for try := 1; ; try++ {
		l, err := h.takeLock(ctx, runLockPath, false)
		if l != nil || err != nil {
			return l, err
		}
		if _, err := h.readHolder(); !errors.Is(err, fs.ErrNotExist) || try == unsignedTries {
			return nil, nil
		}
		select {
		case <-time.After(unsignedPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (h *Host) writeHolder(who hostapi.Holder, token string) error {
	start, err := processStart(os.Getpid())
	if err != nil {
		return err
	}
	b, err := json.Marshal(holderFile{Holder: who, PID: os.Getpid(), Start: start, Token: token})
	if err != nil {
		return err
	}
	// Not synced: after a power cut nobody holds the lock, whatever the file says.
	if err := h.writeUnsynced(holderPath, b); err != nil {
		return err
	}
	return nil
}

func (h *Host) writeUnsynced(p string, b []byte) error {
	tmp := h.path(tempPath(p))
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, h.path(p))
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// leaveHolder leaves a host that has no record as it was before the lock was taken.
func (h *Host) leaveHolder() {
	_ = os.Remove(h.path(holderPath))
	if _, err := os.Lstat(h.path(recordPath)); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if _, err := os.Lstat(h.path(trivetDir)); err == nil {
		return // the store is in use, and the state folder knows its parents
	}
	l, err := h.takeExisting(stepLockPath)
	if err != nil {
		return // a step is about to begin
	}
	if l != nil {
		_ = os.Remove(h.path(stepLockPath))
		defer l.release()
	}
	made := h.notedParents()
	_ = os.Remove(h.path(runLockPath))
	_ = os.Remove(h.path(parentsPath))
	if os.Remove(h.path(stateDir)) != nil {
		return
	}
	for i := len(made) - 1; i >= 0; i-- {
		_ = os.Remove(h.path(made[i]))
	}
}

// takeExisting takes the lock of a file if the file is there; nil, nil if it is not.
func (h *Host) takeExisting(p string) (*lock, error) {
	f, err := os.OpenFile(h.path(p), os.O_RDWR|openNoFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ok, err := lockFile(context.Background(), f, false); err != nil || !ok {
		f.Close()
		return nil, fmt.Errorf("%s is held", p)
	}
	return &lock{f}, nil
}

func (h *Host) readHolder() (*holderFile, error) {
	b, err := os.ReadFile(h.path(holderPath))
	if err != nil {
		return nil, err
	}
	var f holderFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// holder is who holds the run lock, nil when nobody does.
func (h *Host) holder() (*hostapi.Holder, error) {
	f, err := os.Open(h.path(runLockPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	held, err := locked(f)
	if err != nil || !held {
		return nil, err
	}
	who, err := h.readHolder()
	if err != nil {
		// Taken, and not signed yet.
		return &hostapi.Holder{Actor: "unknown", Purpose: "unknown"}, nil
	}
	return &who.Holder, nil
}

func (h *Host) heldError() error {
	who, err := h.readHolder()
	if err != nil {
		return fail(hostapi.CodeHeld, "wait until that run has ended", "somebody else has just taken the host's lock")
	}
	return fail(hostapi.CodeHeld, "wait until that run has ended, or take the lock over if nobody is at it any more",
		"%s holds the host's lock for %s since %s", who.Actor, who.Purpose, who.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// takeOver ends a holder's helper, which finishes its current operation first, and waits until the lock is free. Somebody else may have taken the lock since the holder was seen.
func (h *Host) takeOver(ctx context.Context, from hostapi.Holder, patience time.Duration) (*lock, error) {
	who, err := h.readHolder()
	if err != nil || !who.Holder.Same(from) {
		return nil, h.heldError()
	}
	holds.Lock()
	end, mine := holds.end[who.Token]
	holds.Unlock()
	switch {
	case mine:
		end()
	case who.PID != os.Getpid():
		if start, err := processStart(who.PID); err == nil && start == who.Start {
			if err := terminate(who.PID); err != nil {
				return nil, fmt.Errorf("the helper of %s (process %d) cannot be ended: %w", who.Actor, who.PID, err)
			}
		}
	}
	wait, cancel := ctx, context.CancelFunc(func() {})
	if patience > 0 {
		wait, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	l, err := h.takeLock(wait, runLockPath, true)
	if err == nil || wait.Err() == nil || ctx.Err() != nil {
		return l, err
	}
	at := ""
	if s := h.stepUnderWay(); s != nil && s.PID == who.PID {
		at = ": it is at " + s.String()
	}
	return nil, fail(hostapi.CodeBusy, busyRemedy, "the helper of %s (process %d) was told to end, and has not within %s%s", who.Actor, who.PID, patience, at)
}
