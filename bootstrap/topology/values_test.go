package topology

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"10y": 3650 * day, "30d": 30 * day, "1d12h": 36 * time.Hour, "1y1d1s": 366*day + time.Second,
		"500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "0s": 0, "-5s": -5 * time.Second,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
		if want > 0 {
			if again, err := parseDuration(formatDuration(got)); err != nil || again != got {
				t.Errorf("%s is written %s, which is read as %v, %v", text, formatDuration(got), again, err)
			}
		}
	}
	for _, text := range []string{"", "5", "d", "1.5d", "-1d", "1h1d", "1000y", "1w", "99999999999999999999d", "1y1y"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// TestAddressKinds holds that every address has exactly the kind of the primer's ten that it should have.
func TestAddressKinds(t *testing.T) {
	for addr, want := range map[string]struct {
		name string
		host bool
	}{
		"0.0.0.0":         {"the unspecified address", false},
		"0.0.0.1":         {"a \"this network\" address", false},
		"1.0.0.1":         {"a class A address", true},
		"10.255.255.254":  {"a private class A address", true},
		"11.0.0.0":        {"a class A address", true},
		"126.1.1.1":       {"a class A address", true},
		"127.255.255.255": {"a loopback address", false},
		"128.0.0.1":       {"a class B address", true},
		"169.254.0.1":     {"a link-local address", false},
		"172.15.255.255":  {"a class B address", true},
		"172.16.0.1":      {"a private class B address", true},
		"172.32.0.0":      {"a class B address", true},
		"192.168.1.1":     {"a private class C address", true},
		"223.255.255.255": {"a class C address", true},
		"224.0.0.1":       {"the all-hosts multicast address", false},
		"239.255.255.255": {"a class D address", false},
		"240.0.0.0":       {"a class E address", false},
		"255.255.255.255": {"the limited broadcast address", false},
		"fd00::1":         {"not an IPv4 address", false},
	} {
		got := KindOf(netip.MustParseAddr(addr))
		if got.Name != want.name || got.Host != want.host {
			t.Errorf("%s: got %s (host: %v), want %s (host: %v)", addr, got.Name, got.Host, want.name, want.host)
		}
		if !got.Host && got.Why == "" {
			t.Errorf("%s is refused without a reason", addr)
		}
	}
}

func TestRangeArithmetic(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.11.1.0/24": "10.11.1.255", "10.0.0.0/8": "10.255.255.255", "10.1.1.4/30": "10.1.1.7", "10.1.1.1/32": "10.1.1.1", "0.0.0.0/0": "255.255.255.255",
	} {
		if got := broadcast(netip.MustParsePrefix(prefix)); got.String() != want {
			t.Errorf("broadcast of %s: got %s, want %s", prefix, got, want)
		}
	}
	if got := nth(netip.MustParseAddr("10.0.255.250"), 10); got.String() != "10.1.0.4" {
		t.Errorf("got %s", got)
	}
	if got := nth(netip.MustParseAddr("255.255.255.250"), 10); got.IsValid() {
		t.Errorf("got %s after the last address", got)
	}
}

func TestWriteWrapsAndPaints(t *testing.T) {
	_, src, diags := Parse(map[string][]byte{"main.hcl": []byte("fleet \"F\" {\n}\n")}, Options{})
	diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Elsewhere", Subject: &hcl.Range{Filename: "other.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}})
	var buf bytes.Buffer
	if err := src.Write(&buf, diags, true, 40); err != nil {
		t.Fatal(err)
	}
	out := buf.String()
	for _, want := range []string{"\x1b[1;31mError\x1b[0m: \x1b[1mWrong name of a fleet\x1b[0m", "\x1b[1;31m^^^\x1b[0m", "\x1b[1;33mWarning\x1b[0m", "on other.hcl:1:1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "\x1b") && len(strings.TrimRight(line, "\n")) > 40 {
			t.Errorf("longer than 40 columns: %q", line)
		}
	}
}
