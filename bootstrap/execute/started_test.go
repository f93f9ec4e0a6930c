package execute_test

import (
	"sync"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// TestActionStarted: what a host is at is told before it is done, so that a view can show it while it takes long.
func TestActionStarted(t *testing.T) {
	var mu sync.Mutex
	at, packages := map[string]string{}, 0
	_, _, _, err := apply(t.Context(), newFleet(t, oneHost), func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Kind == event.ActionStarted:
			if before := at[e.Host]; before != "" {
				t.Errorf("host %s: %s was begun while it was at %s", e.Host, e.Item, before)
			}
			at[e.Host] = e.Item
		case e.Kind == event.ActionDone && at[e.Host] != "":
			if at[e.Host] != e.Item {
				t.Errorf("host %s: %s is done while it was at %s", e.Host, e.Item, at[e.Host])
			}
			if e.Item == "package:haproxy" {
				packages++
			}
			delete(at, e.Host)
		}
	})
	if err != nil || len(at) > 0 || packages != 1 {
		t.Errorf("%v; %d packages were begun and done; left: %v", err, packages, at)
	}
}
