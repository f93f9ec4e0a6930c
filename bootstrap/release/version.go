package release

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Version is what versions are compared by: major, minor and patch.
type Version [3]int

// ReadVersion reads "1.37.2", "v1.37", "3.7.0" or a kernel's "6.1.0-18-amd64": the numbers at the beginning, two of them at least.
func ReadVersion(s string) (v Version, ok bool) {
	rest := strings.TrimPrefix(s, "v")
	for i := range v {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.Atoi(rest[:end])
		if err != nil {
			return v, i >= 2
		}
		v[i] = n
		if rest = rest[end:]; !strings.HasPrefix(rest, ".") {
			return v, i >= 1
		}
		rest = rest[1:]
	}
	return v, true
}

// version reads a version that is known to be one.
func version(s string) Version {
	v, _ := ReadVersion(s)
	return v
}

// Compare is negative where v is older than other, positive where it is newer.
func (v Version) Compare(other Version) int { return slices.Compare(v[:], other[:]) }

// Minor is the version without its patch.
func (v Version) Minor() Version { return Version{v[0], v[1]} }

// CompareVersions compares two versions as they are written. What is no version is older than any.
func CompareVersions(a, b string) int {
	va, aOK := ReadVersion(a)
	vb, bOK := ReadVersion(b)
	if !aOK || !bOK {
		return cmp.Compare(weigh(aOK), weigh(bOK))
	}
	return va.Compare(vb)
}

func weigh(ok bool) int {
	if ok {
		return 1
	}
	return 0
}
