package sshhost

import "errors"

// Kinds of Error, for errors.Is.
var (
	ErrUnreachable = errors.New("unreachable")
	ErrHostKey     = errors.New("host key refused")
	ErrAuth        = errors.New("login refused")
	ErrSudo        = errors.New("sudo refused")
	ErrUnsupported = errors.New("host not supported")
	ErrHelper      = errors.New("helper not started")
)

// Error says why a host cannot be worked with, and what to do.
type Error struct {
	Kind    error
	Target  string // "host bj1-cp1 (10.11.1.11:22)"
	Message string
	Remedy  string
	Err     error // cause, when it adds something
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Target + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Is matches the kind.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
