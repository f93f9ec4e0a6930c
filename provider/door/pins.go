package door

import (
	"errors"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// Pins is the lock that an apply works with.
type Pins struct {
	*artifact.Lock
	// Given is true where the configuration has the lock: then it has to name everything, and no apply adds to it.
	Given bool
}

// CheckLock parses a lock that the configuration has.
func CheckLock(config input.Object) []input.Problem {
	if text, ok := config["lock"].(string); ok {
		if _, err := artifact.ParseLock("lock", []byte(text)); err != nil {
			return []input.Problem{input.Mistake("lock", "Wrong lock", err.Error()+".")}
		}
	}
	return nil
}

// PinsOf gives the lock of the configuration, or the one that the state has.
func PinsOf(config, state input.Object) (Pins, error) {
	text, given := config["lock"].(string)
	if !given {
		text, _ = state["lock"].(string)
	}
	if text == "" {
		return NoPins(), nil
	}
	l, err := artifact.ParseLock("lock", []byte(text))
	return Pins{l, given}, err
}

// Text is the lock as a text. Where wanted is given, what nothing asks for any more is forgotten.
func (p Pins) Text(wanted func(artifact.Want) bool) string {
	if wanted != nil {
		p.Keep(wanted)
	}
	b, err := p.Marshal()
	if err != nil {
		panic("provider: " + err.Error()) // a lock holds plain data only
	}
	return string(b)
}

// LockedOut tells an error of the artifacts, which is one of the lock; false where it is another one. given says that the configuration has the lock.
func LockedOut(err error, given bool) (detail string, ok bool) {
	var mismatch *artifact.LockMismatchError
	var unpinned *artifact.UnpinnedError
	if !errors.As(err, &mismatch) && !errors.As(err, &unpinned) {
		return "", false
	}
	detail = err.Error() + "."
	if !given {
		detail += "\n\nThe lock is the one that the state has: to change it, write it into a file, change that, and give the file's text as lock."
	}
	return detail, true
}

// WantsMore says whether a change may need artifacts that no lock pins yet, going by what is described alone: other programs, or a machine of which the architecture and the
// distribution are not known.
func (c *Client) WantsMore(f *Fleet, state input.Object, prior, planned map[string]Node) bool {
	for name, n := range planned {
		was, ok := prior[name]
		if !ok || !n.Settled || was.Kubernetes == "" || was.Configuration == "" {
			return true
		}
	}
	before, _ := c.Fleet(state)
	if before.Cluster == nil {
		return true
	}
	was, now := wants(before), wants(f)
	return slices.ContainsFunc(now, func(w artifact.Want) bool { return !slices.Contains(was, w) })
}

// wants lists what the hosts of a fleet need if they are of one architecture.
func wants(f *Fleet) []artifact.Want {
	rel, err := release.Lookup(f.Cluster.Kubernetes)
	if err != nil {
		return nil
	}
	facts := map[string]hostapi.Facts{}
	for _, h := range f.Cluster.Hosts {
		facts[h.Name] = hostapi.Facts{Architecture: "amd64"}
	}
	return desired.Wants(f.Cluster, rel, facts, true)
}

// NoPins is for what sends nothing.
func NoPins() Pins { return Pins{Lock: artifact.NewLock()} }
