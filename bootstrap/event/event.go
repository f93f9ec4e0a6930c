// Package event is the one stream of progress that every door renders: the command as a live view, plain lines or JSON, the providers as log lines.
package event

import "time"

// Kind says what happened.
type Kind string

// Kinds of events.
const (
	PhaseStarted Kind = "phase-started"
	PhaseDone    Kind = "phase-done"
	HostStarted  Kind = "host-started" // a host's part of a phase began
	HostDone     Kind = "host-done"
	HostFailed   Kind = "host-failed"
	// ActionStarted: a host is at an item that has to be changed. What is as it should be has an ActionDone only.
	ActionStarted Kind = "action-started"
	ActionDone    Kind = "action-done"  // State says whether something changed
	Progress      Kind = "progress"     // bytes of a transfer
	Waiting       Kind = "waiting"      // a gate has not passed yet; Message says what is missing
	CheckFailed   Kind = "check-failed" // a check of verify; Item names it, Message says what came back, and the report has both again
	Output        Kind = "output"       // a line that a hook printed; Item names the hook
	Message       Kind = "message"
	Warning       Kind = "warning"
)

// Event is one thing that happened. It holds no secret.
type Event struct {
	Time    time.Time     `json:"time"`
	Kind    Kind          `json:"kind"`
	Phase   string        `json:"phase,omitempty"`
	Host    string        `json:"host,omitempty"`
	Item    string        `json:"item,omitempty"`
	State   string        `json:"state,omitempty"` // "changed", "unchanged"
	Message string        `json:"message,omitempty"`
	Bytes   int64         `json:"bytes,omitempty"`
	Total   int64         `json:"total,omitempty"`
	Elapsed time.Duration `json:"elapsed,omitempty"` // nanoseconds
	// Deadline is when a wait is given up.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Sink takes events; it may be called from several goroutines at once.
type Sink func(Event)

// Discard drops events.
func Discard(Event) {}
