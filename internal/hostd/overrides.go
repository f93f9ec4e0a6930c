package hostd

import (
	"os"
	"path"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// dropInDirs are where systemd looks for a unit's drop-ins (systemd.unit(5)); system.control is where systemctl set-property writes.
var dropInDirs = []string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/etc/systemd/system", "/run/systemd/system",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// overrides lists foreign drop-ins of recorded units. They change what a unit does while its own file is as recorded; yet they may be the host's people's wish.
func (o *observer) overrides(rec *record) []hostapi.Drift {
	ours := map[string]bool{}
	for _, e := range rec.Items {
		for _, v := range e.versions() {
			for _, p := range itemPaths(v) {
				ours[p] = true
			}
		}
	}
	var out []hostapi.Drift
	for _, e := range rec.of(hostapi.KindUnit) {
		var found []string
		for _, p := range o.dropIns(e.id().Name) {
			if !ours[p] {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			out = append(out, hostapi.Drift{ID: e.id(), What: "drop-in " + found[0] + " is not Trivet's"})
		default:
			out = append(out, hostapi.Drift{ID: e.id(), What: "drop-ins " + strings.Join(found, ", ") + " are not Trivet's"})
		}
	}
	return out
}

// dropIns lists the drop-ins of one unit. A link to /dev/null, which takes the effect from another, is one.
func (h *Host) dropIns(unit string) []string {
	var found []string
	lib, err := os.Readlink(h.path("/lib"))
	merged := err == nil && strings.TrimPrefix(lib, "/") == "usr/lib"
	for _, dir := range dropInDirs {
		if merged && dir == "/lib/systemd/system" {
			continue
		}
		names, err := os.ReadDir(h.path(path.Join(dir, unit+".d")))
		if err != nil {
			continue
		}
		for _, n := range names {
			if strings.HasSuffix(n.Name(), ".conf") {
				found = append(found, path.Join(dir, unit+".d", n.Name()))
			}
		}
	}
	return found
}
