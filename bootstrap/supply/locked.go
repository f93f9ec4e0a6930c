package supply

import (
	"context"
	"slices"
	"sync"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Locked are artifacts with a lock: what it pins to another digest is refused.
type Locked struct {
	bootstrap.Artifacts
	lock   *artifact.Lock
	source string
	all    bool

	mu     sync.Mutex
	wanted map[artifact.Want]bool
}

var _ bootstrap.Pins = (*Locked)(nil)

// Lock has what artifacts give checked. source is where they come from, as in Options. With all, what the lock does not pin is refused; otherwise it is added, and the lock is saved.
func Lock(from bootstrap.Artifacts, source string, lock *artifact.Lock, all bool) *Locked {
	return &Locked{Artifacts: from, lock: lock, source: source, all: all, wanted: map[artifact.Want]bool{}}
}

// Resolve gives the entries of wants and pins them. Trivet's own programs go with the command, so that no lock pins them.
func (l *Locked) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	l.want(wants...)
	entries, err := l.Artifacts.Resolve(ctx, wants)
	if err != nil {
		return nil, err
	}
	pinned := slices.DeleteFunc(slices.Clone(entries), func(e artifact.Entry) bool { return e.Provenance == artifact.Own })
	if err := l.lock.CheckAll(pinned, l.all); err != nil {
		return nil, err
	}
	for _, e := range pinned {
		if err := l.lock.Pin(e); err != nil {
			return nil, err
		}
	}
	return entries, l.lock.Save()
}

// Pinned lists what the lock has for a want, as far as the chosen source could give it: whoever asks for artifacts built from source does not want those from upstream, although a
// cluster has them.
func (l *Locked) Pinned(w artifact.Want) []artifact.Entry {
	l.want(w)
	return slices.DeleteFunc(l.lock.Pins(w), func(e artifact.Entry) bool {
		chosen := l.source != artifact.Upstream && l.source != artifact.SourceBuilt || e.Provenance == l.source
		return !chosen && e.Provenance != artifact.Distribution
	})
}

func (l *Locked) want(wants ...artifact.Want) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range wants {
		l.wanted[w] = true
	}
}

// Wanted says whether a want was asked for.
func (l *Locked) Wanted(w artifact.Want) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted[w]
}
