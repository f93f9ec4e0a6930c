package hostd_test

import (
	"fmt"
	"testing"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// manyItems are n small files and a unit that reads them all.
func manyItems(n int) []hostapi.Item {
	var items []hostapi.Item
	unit := &hostapi.Unit{Name: "x.service", Enabled: true, Running: true}
	for i := range n {
		f := &hostapi.File{Path: fmt.Sprintf("/etc/many/%03d.conf", i), Mode: 0o644, Content: fmt.Appendf(nil, "file %d\n", i)}
		items = append(items, hostapi.Item{File: f})
		unit.Inputs = append(unit.Inputs, hostapi.ID{Kind: hostapi.KindFile, Name: f.Path})
	}
	items = append(items, hostapi.Item{File: &hostapi.File{Path: "/etc/systemd/system/x.service", Mode: 0o644, Content: []byte("[Service]\n")}})
	return append(items, hostapi.Item{Unit: unit})
}

func BenchmarkStep300Items(b *testing.B) {
	ops := ensure(manyItems(300)...)
	for range b.N {
		b.StopTimer()
		m, err := hostdtest.New(b.TempDir(), "node1")
		must(b, err)
		b.StartTimer()
		run(b, m, ops...)
	}
}

func BenchmarkStep300ItemsNothingToDo(b *testing.B) {
	m := newMachine(b)
	ops := ensure(manyItems(300)...)
	run(b, m, ops...)
	b.ResetTimer()
	for range b.N {
		run(b, m, ops...)
	}
}

func BenchmarkObserve100Items(b *testing.B) {
	m := newMachine(b)
	run(b, m, ensure(manyItems(100)...)...)
	b.ResetTimer()
	for range b.N {
		observe(b, m)
	}
}
