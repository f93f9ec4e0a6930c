package remotetest

import (
	"context"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// HeldPath is a path of the suite: with Held, an operation on it takes until its step is told to stop.
const HeldPath = "/etc/suite/held"

// Held returns h as the suite wants it, with one operation that takes as long as a test needs.
func Held(h hostapi.Handler) hostapi.Handler { return held{h} }

type held struct{ hostapi.Handler }

// Step holds the step up where it reports that it begins with HeldPath.
func (h held) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) error {
	return h.Handler.Step(ctx, step, func(e hostapi.Event) {
		emit(e)
		if e.State == "started" && step.Ops[e.Op].Ensure != nil && step.Ops[e.Op].Ensure.ID().Name == HeldPath {
			<-ctx.Done()
		}
	})
}
