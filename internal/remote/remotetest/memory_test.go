package remotetest_test

import (
	"testing"

	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

func TestMemoryHost(t *testing.T) {
	remotetest.TestHost(t, func(*testing.T) remote.Host {
		return remotetest.NewMemoryHost("mem1", remotetest.Held(new(remotetest.Handler)))
	})
}

// TestHostd is the suite on the real helper's code, on a machine that is a folder.
func TestHostd(t *testing.T) {
	remotetest.TestHost(t, func(t *testing.T) remote.Host {
		m, err := hostdtest.New(t.TempDir(), "machine1")
		if err != nil {
			t.Fatal(err)
		}
		h := m.Host()
		t.Cleanup(func() { _ = h.Close() })
		return remotetest.NewMemoryHostIn(m.Root, "machine1", remotetest.Held(h))
	})
}
