package main

import "time"

// lap measures one part of a run after another.
type lap struct {
	start, last time.Time
}

func newLap() *lap { return &lap{time.Now(), time.Now()} }

// next is the time since the last call.
func (l *lap) next() time.Duration {
	now := time.Now()
	d := now.Sub(l.last)
	l.last = now
	return d
}

func (l *lap) total() time.Duration { return l.last.Sub(l.start) }
