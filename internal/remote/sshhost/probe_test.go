package sshhost

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const probed = `Welcome!
trivet-probe-begin
uname=Linux aarch64
uid=1000
init=systemd
scp=yes
sudo=yes
dir=/var/tmp/trivet-1000
mkdir=
stat=drwx------. 2 1000 1000 4096 Nov 23 07:46 /var/tmp/trivet-1000
file=total 12
file=-rwx------. 1 1000 1000 9876543 Nov 23 07:46 trivet-host-0123456789abcdef
file=-rw------- 1 1000 1000 12 Nov 23 07:46 upload-X
file=-rwx------ 1 0 0 12 Nov 23 07:46 trivet-host-of-root
trivet-probe-end
`

func TestParseProbe(t *testing.T) {
	got, err := parseProbe(probed)
	if err != nil {
		t.Fatal(err)
	}
	want := &probe{system: "Linux", machine: "aarch64", uid: 1000, systemd: true, scp: true, sudo: true, dir: "/var/tmp/trivet-1000",
		stat:  "drwx------. 2 1000 1000 4096 Nov 23 07:46 /var/tmp/trivet-1000",
		files: map[string]int64{"trivet-host-0123456789abcdef": 9876543}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(probe{})); diff != "" {
		t.Error(diff)
	}
	if arch, err := got.check(&endpoint{}, false); err != nil || arch != "arm64" {
		t.Errorf("%q, %v", arch, err)
	}
	for _, bad := range []string{"", "trivet-probe-begin\nuid=1\n", "trivet-probe-begin\ntrivet-probe-end\n", strings.Replace(probed, "uid=1000", "uid=", 1)} {
		if _, err := parseProbe(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestTail(t *testing.T) {
	var k tail
	for range 5000 {
		_, _ = k.Write([]byte("abcdefghi\n"))
	}
	_, _ = k.Write([]byte("the end"))
	s := k.String()
	if !strings.HasPrefix(s, "abcdefghi\n") || !strings.HasSuffix(s, "the end") || len(s) > 2*tailSize+10 {
		t.Errorf("%d bytes: %.20q … %q", len(s), s, s[len(s)-20:])
	}
	if got := oneLine("a\r\n\tb\x00\x1b[0m  c\xff"); got != "a b [0m c?" {
		t.Errorf("%q", got)
	}
}
