package hostd

import (
	"testing"
	"time"
)

func TestStartedAt(t *testing.T) {
	const boot = 1_000_000_000 // the wall clock at boot, in seconds
	at := func(s float64) time.Time { return time.UnixMicro(int64((boot + s) * 1e6)).UTC() }
	micros := func(s float64) uint64 { return uint64(s * 1e6) }
	for _, tt := range []struct {
		name            string
		wall, monotonic uint64
		now             time.Time
		sinceBoot       time.Duration
		want            time.Time
	}{
		{"no process", 0, 0, at(100), 100 * time.Second, time.Time{}},
		{"an even clock", micros(boot + 60.25), micros(60.25), at(100), 100 * time.Second, at(60.25)},
		{"set back by an hour since", micros(boot + 60), micros(60), at(100 - 3600), 100 * time.Second, at(60 - 3600)},
		{"set forward by an hour since", micros(boot + 60), micros(60), at(100 + 3600), 100 * time.Second, at(60)},
		{"asleep for an hour since", micros(boot + 60), micros(60), at(100 + 3600), 100 * time.Second, at(60)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := startedAt(tt.wall, tt.monotonic, tt.now, tt.sinceBoot); !got.Equal(tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
