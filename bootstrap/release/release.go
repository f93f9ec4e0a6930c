// Package release knows what a Kubernetes version consists of: the versions of its components and their artifacts, the fields and flags that each component
// takes, and the feature gates that it has, as tables.
package release

import (
	"fmt"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// FieldError is a mistake in a component's settings.
type FieldError = topology.FieldError

// Release is one supported version of Kubernetes with everything that goes with it.
type Release struct {
	Kubernetes string // "1.37.2"
	Etcd       string
	Containerd string
	Runc       string
	CNIPlugins string
	Flannel    string
	CoreDNS    string
	Pause      string
	Agnhost    string // of the image that verify runs

	// ContainerdConfig is the version of containerd's configuration file.
	ContainerdConfig int
}

// releases is the table, oldest first. Kubernetes pairs with the etcd that it is tested with: 1.36 with 3.6, 1.37 with 3.7.
var releases = []*Release{
	{
		Kubernetes: "1.36.3", Etcd: "3.6.16", Containerd: "2.4.2", Runc: "1.5.2", CNIPlugins: "1.9.1", Flannel: "0.28.10",
		CoreDNS: "1.15.0", Pause: "3.10.1", Agnhost: "2.63.0", ContainerdConfig: 4,
	},
	{
		Kubernetes: "1.37.2", Etcd: "3.7.3", Containerd: "2.4.2", Runc: "1.5.2", CNIPlugins: "1.9.1", Flannel: "0.28.10",
		CoreDNS: "1.15.0", Pause: "3.10.1", Agnhost: "2.66.1", ContainerdConfig: 4,
	},
}

// Supported lists the supported versions, oldest first.
func Supported() []string {
	out := make([]string, len(releases))
	for i, r := range releases {
		out[i] = r.Kubernetes
	}
	return out
}

// Lookup finds a release by its version. Its error lists what is supported and names the nearest.
func Lookup(version string) (*Release, error) {
	for _, r := range releases {
		if r.Kubernetes == version {
			found := *r
			return &found, nil
		}
	}
	if strings.HasPrefix(version, "v") {
		if _, err := Lookup(version[1:]); err == nil {
			return nil, fmt.Errorf("Kubernetes release %q is written without the v: %q", version, version[1:])
		}
	}
	known := strings.Join(Supported(), ", ")
	if near := nearest(version); near != "" {
		return nil, fmt.Errorf("Kubernetes %s is not supported: this trivet knows %s; the nearest is %s", version, known, near)
	}
	return nil, fmt.Errorf("%q is not a Kubernetes release: this trivet knows %s", version, known)
}

// Known is Lookup for those who need only the answer: it fits topology.Options.Releases.
func Known(version string) error {
	_, err := Lookup(version)
	return err
}

// Minor returns "1.37".
func (r *Release) Minor() string { return r.Kubernetes[:strings.LastIndexByte(r.Kubernetes, '.')] }

// atLeast reports whether the release is of the given minor version or a later one.
func (r *Release) atLeast(minor string) bool {
	return version(r.Minor()).Compare(version(minor)) >= 0
}

// nearest returns the supported release closest to the one asked for: of the same minor version, else of the nearest one.
func nearest(asked string) string {
	want, ok := ReadVersion(asked)
	if !ok || strings.Trim(asked, "v0123456789.") != "" {
		return ""
	}
	var best string
	var bestDistance int
	for _, r := range releases {
		have := version(r.Kubernetes)
		distance := 0
		for i, weight := range []int{1_000_000, 1_000, 1} {
			distance += (have[i] - want[i]) * weight
		}
		distance = max(distance, -distance)
		if best == "" || distance <= bestDistance {
			best, bestDistance = r.Kubernetes, distance
		}
	}
	return best
}
