package remotetest_test

import (
	"testing"

	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

func TestMemoryHost(t *testing.T) {
	remotetest.TestHost(t, func(*testing.T) remote.Host { return remotetest.NewMemoryHost("mem1", new(remotetest.Handler)) })
}
