package pulumi

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// often is how often a line of progress is sent at most: a bring-up of many hosts has hundreds of events in a second, and nobody reads them.
const often = 100 * time.Millisecond

// progress is what an operation has said of its progress.
type progress struct {
	mu    sync.Mutex
	last  time.Time
	phase string
}

// Happened implements door.Log: what happens is shown in the engine's Info column while it does, and warnings stay.
func (p *Provider) Happened(ctx context.Context, e event.Event) {
	op, ok := ctx.Value(operationKey{}).(*operation)
	if !ok {
		return
	}
	text, stays := op.saying.line(e)
	switch {
	case stays:
		op.say(diag.Warning, text)
	case text != "":
		op.show(text)
	}
}

// Fetched implements door.Log.
func (p *Provider) Fetched(ctx context.Context, e artifact.Event) {
	if op, ok := ctx.Value(operationKey{}).(*operation); ok && op.saying.due(time.Now()) {
		op.show(strings.TrimSpace(e.Task + ": " + e.Line))
	}
}

// show tells something that is true now.
func (op *operation) show(text string) {
	if host := op.p.engine(); host != nil {
		_ = host.LogStatus(context.WithoutCancel(op), diag.Info, op.urn, op.hide.Replace(text)) // who does not listen is not told
	}
}

// due says whether enough time has passed since the last line.
func (p *progress) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.last) < often {
		return false
	}
	p.last = now
	return true
}

// line is an event as a line, "" where it is not worth one; stays says that it is a warning.
func (p *progress) line(e event.Event) (text string, stays bool) {
	p.mu.Lock()
	if e.Kind == event.PhaseStarted {
		p.phase, p.last = e.Phase, time.Time{}
	}
	phase := p.phase
	p.mu.Unlock()
	where := func(parts ...string) string {
		var out []string
		for _, s := range append([]string{phase}, parts...) {
			if s != "" {
				out = append(out, s)
			}
		}
		return strings.Join(out, ": ")
	}
	switch e.Kind {
	case event.Warning, event.HostFailed, event.CheckFailed:
		return strings.TrimPrefix(where(e.Host, e.Item, e.Message), phase+": "), true
	case event.PhaseStarted:
		return where(e.Message), false
	case event.Waiting, event.Output, event.Message:
		return where(e.Host, e.Message), false
	case event.HostStarted, event.ActionStarted, event.Progress:
		if p.due(e.Time) {
			return where(e.Host, e.Item), false
		}
	}
	return "", false
}
