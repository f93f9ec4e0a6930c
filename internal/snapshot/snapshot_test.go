package snapshot

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// content is what etcd would send: whole sectors with their hash behind them.
func content(fill byte) []byte {
	body := bytes.Repeat([]byte{fill}, 4096)
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func TestName(t *testing.T) {
	want := Snapshot{Member: "bj1-cp1.example", Taken: noon, Revision: 42}
	if got, ok := ParseName(want.Name()); !ok || got != want {
		t.Errorf("%s is read as %+v, %v", want.Name(), got, ok)
	}
	for _, name := range []string{"last.json", ".tmp-1", "a_20261129T120000Z_r1.db.part", "../a_20261129T120000Z_r1.db", "a/b_20261129T120000Z_r1.db", "a_20261399T120000Z_r1.db", "a_20261129T120000Z_r-1.db"} {
		if got, ok := ParseName(name); ok {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}

func TestTail(t *testing.T) {
	good := content('x')
	for name, test := range map[string]struct {
		content []byte
		says    string
	}{
		"good":      {good, ""},
		"damaged":   {append([]byte{'y'}, good[1:]...), "it is damaged"},
		"cut off":   {good[:len(good)-1], "it was cut off"},
		"a hash":    {good[len(good)-32:], "it was cut off"},
		"no hash":   {good[:4096], "it was cut off"},
		"one block": {append(good[:0:0], good[512:]...), "it is damaged"},
	} {
		for _, size := range []int{1, 31, 32, 33, 5000} {
			tail := newTail()
			for part := test.content; len(part) > 0; part = part[min(size, len(part)):] {
				_, _ = tail.Write(part[:min(size, len(part))])
			}
			_, err := tail.verify()
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%s, in pieces of %d: %v, want %q", name, size, err, test.says)
			}
		}
	}
}

func TestExpired(t *testing.T) {
	at := func(member string, hoursAgo int) Snapshot {
		return Snapshot{Member: member, Taken: noon.Add(time.Duration(-hoursAgo) * time.Hour), Revision: 1}
	}
	bad := at("a", 0)
	bad.Wrong = "damaged"
	for name, test := range map[string]struct {
		all  []Snapshot
		want []int // indices
	}{
		"nothing":             {nil, nil},
		"the only one is old": {[]Snapshot{at("a", 1000)}, nil},
		"too many of one":     {[]Snapshot{at("a", 0), at("b", 0), at("a", 1), at("a", 2), at("a", 3)}, []int{3, 4}},
		"too old":             {[]Snapshot{at("a", 0), at("b", 100), at("b", 101)}, []int{1, 2}},
		"all are old":         {[]Snapshot{at("a", 100), at("a", 101)}, []int{1}},
		"no newer good one":   {[]Snapshot{bad, at("a", 100), at("a", 101)}, []int{2}},
	} {
		var want []Snapshot
		for _, i := range test.want {
			want = append(want, test.all[i])
		}
		if diff := cmp.Diff(want, expired(test.all, 2, 48*time.Hour, noon)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The newest that is good stays, whatever came after it; temporary files go when nobody can be writing them.
func TestPrune(t *testing.T) {
	s := store{t.TempDir()}
	for i, body := range [][]byte{content('a'), content('b'), append([]byte{'z'}, content('c')[1:]...)} {
		name := Snapshot{Member: "a", Taken: noon.Add(time.Duration(i) * time.Minute), Revision: 1}.Name()
		if err := os.WriteFile(filepath.Join(s.dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, age := range map[string]time.Duration{".tmp-old": 48 * time.Hour, ".tmp-new": time.Hour} {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, noon.Add(-age), noon.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := s.prune(&Config{Keep: 1, KeepFor: 60}, noon.Add(time.Hour))
	if err != nil || len(gone) != 1 || !gone[0].Taken.Equal(noon) {
		t.Errorf("pruned %v, %v; want the first alone", gone, err)
	}
	list, err := s.list()
	if err != nil || len(list) != 2 {
		t.Errorf("left: %v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".tmp-old")); !os.IsNotExist(err) {
		t.Errorf("an old temporary file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".tmp-new")); err != nil {
		t.Error(err)
	}
}
