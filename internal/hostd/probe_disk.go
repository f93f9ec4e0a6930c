package hostd

import (
	"context"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Synchronous writes as etcd makes them for its log: https://etcd.io/docs/latest/op-guide/hardware suggests 2300 bytes each.
const (
	syncWrites = 100
	syncBytes  = 2300
	syncBudget = time.Second
)

// syncLatency times small writes with fdatasync on the file system of a path. The file never has a name where the file system can do that, and else only for a moment: it is gone
// however the helper ends.
func (h *Host) syncLatency(ctx context.Context, p string) hostapi.SyncLatency {
	if p == "" || h.NoSync {
		return hostapi.SyncLatency{}
	}
	dir := h.nearest(p)
	s := hostapi.SyncLatency{Path: dir}
	f, err := unnamedFile(h.path(dir))
	if err != nil {
		s.Error = err.Error()
		return s
	}
	defer f.Close()
	var took []time.Duration
	buf := make([]byte, syncBytes)
	end := time.Now().Add(syncBudget)
	for i := 0; i <= syncWrites && (i <= 1 || time.Now().Before(end)) && ctx.Err() == nil; i++ {
		start := time.Now()
		if _, err := f.Write(buf); err != nil {
			s.Error = err.Error()
			break
		}
		if err := syncData(f); err != nil {
			s.Error = err.Error()
			break
		}
		if i > 0 { // the first one finds the file system asleep
			took = append(took, time.Since(start))
		}
	}
	if len(took) == 0 {
		return s
	}
	slices.Sort(took)
	n := len(took)
	s.Writes, s.Median, s.P99, s.Max = n, took[n/2], took[(n*99+99)/100-1], took[n-1]
	return s
}
