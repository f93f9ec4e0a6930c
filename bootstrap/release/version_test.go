package release

import "testing"

func TestReadVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"1.37.2": {1, 37, 2}, "v1.37": {1, 37, 0}, "3.10.0": {3, 10, 0}, "6.1.0-18-amd64": {6, 1, 0}, "5.10-rc1": {5, 10, 0}, "1.37.x": {1, 37, 0}, "1.37.2.9": {1, 37, 2},
	} {
		if got, ok := ReadVersion(text); !ok || got != want {
			t.Errorf("%q is %v, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "v", "6", "1.", "one.two", "1.x.2", ".1.2"} {
		if got, ok := ReadVersion(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"3.9.0", "3.10.0", -1}, {"3.10.0", "3.9.5", 1}, {"v3.7.0", "3.7", 0}, {"", "3.7.0", -1}, {"3.7.0", "", 1}, {"", "", 0}} {
		if got := CompareVersions(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d", c.a, c.b, got)
		}
	}
}
