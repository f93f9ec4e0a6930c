package shell_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/shell"
)

func TestQuote(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "''"},
		{"plain-1.2/x:y,z@%+", "plain-1.2/x:y,z@%+"},
		{"two words", "'two words'"},
		{"$HOME", "'$HOME'"},
		{"it's", `'it'\''s'`},
		{"~root", "'~root'"},
		{"a=b", "'a=b'"},
		{"line\nbreak", "'line\nbreak'"},
		{"größe", "'größe'"},
		{"`id`; rm *", "'`id`; rm *'"},
	} {
		got, err := shell.Quote(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("Quote(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	if _, err := shell.Quote("a\x00b"); err == nil || !strings.Contains(err.Error(), "position 1") {
		t.Errorf("a NUL byte gave %v", err)
	}
}

func TestLine(t *testing.T) {
	got, err := shell.Command("cat", "a file").Raw("2>/dev/null").Arg("$x").Build()
	if want := "cat 'a file' 2>/dev/null '$x'"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := shell.Command("cat", "\x00").Arg("ok").Build(); err == nil {
		t.Error("a NUL byte passed")
	}
	if _, err := new(shell.Line).Build(); err == nil {
		t.Error("an empty line passed")
	}
}

// run gives line to a real shell, as sshd does with a command, and returns what it printed.
func run(t *testing.T, line string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sh -c %q: %v %s", line, err, &stderr)
	}
	return string(out)
}

func TestScriptArguments(t *testing.T) {
	args := []string{"one", "two words", "it's", "", "$(id)", "*", "-n", "\\", "a\nb\n"}
	line, err := shell.Script(`printf '%s\0' "$@"`, args...).Build()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(run(t, line), "\x00"), "\x00")
	if diff := cmp.Diff(args, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "it's", "$x `y`", "\n", "~", "-n", "a=b", "!!", "\\'", "\xff\xfe", "''", "\r\n\t"} {
		f.Add(s, "second")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\x00") {
			t.Skip()
		}
		line, err := shell.Command("printf", "%s|%s|", a, b).Build()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := run(t, line), a+"|"+b+"|"; got != want {
			t.Fatalf("sh -c %q printed %q, want %q", line, got, want)
		}
	})
}
