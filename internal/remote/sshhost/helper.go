package sshhost

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/shell"
)

// The scripts below are all that runs in a shell on a host. Their first lines name them, for whoever reads a process list.

// ScriptProbe makes the staging folder and tells what the host is. $1 is the folder, empty for the default. What is left of uploads that were cut off
// a day ago is removed.
const ScriptProbe = `# trivet probe
umask 077
LC_ALL=C
export LC_ALL
uid=$(id -u)
d=$1
[ -n "$d" ] || d=/var/tmp/trivet-$uid
echo trivet-probe-begin
echo "uname=$(uname -sm)"
echo "uid=$uid"
[ -d /run/systemd/system ] && echo init=systemd
[ -n "$(command -v scp)" ] && echo scp=yes
[ -n "$(command -v sudo)" ] && echo sudo=yes
echo "dir=$d"
[ -d "$d" ] || echo "mkdir=$(mkdir "$d" 2>&1)"
echo "stat=$(ls -ldn "$d" 2>&1)"
find "$d" -maxdepth 1 -name 'upload-*' -mmin +1440 -exec rm -f {} + 2>/dev/null
ls -ln "$d" 2>/dev/null | sed 's/^/file=/'
echo trivet-probe-end
`

// ScriptPlace verifies an uploaded file ($1) against a digest ($3) and gives it its name ($2).
const ScriptPlace = `# trivet place
LC_ALL=C
export LC_ALL
sum=$(sha256sum "$1") || exit 4
if [ "${sum%% *}" != "$3" ]; then
	rm -f "$1"
	echo "got ${sum%% *}" >&2
	exit 3
fi
chmod 0700 "$1" && mv -f "$1" "$2"
`

// ScriptClear removes a folder with helpers and uploads in it, and nothing else.
const ScriptClear = `# trivet clear
[ -d "$1" ] || exit 0
rm -f "$1"/trivet-host-* "$1"/upload-*
rmdir "$1"
`

// ScriptRoom tells how much room there is on a folder's file system: kilobytes, then inodes.
const ScriptRoom = `# trivet room
LC_ALL=C
export LC_ALL
df -Pk "$1" | tail -n 1
df -Pi "$1" | tail -n 1
`

// ScriptDiscard removes an uploaded file.
const ScriptDiscard = `# trivet discard
rm -f "$1"
`

// probe is the answer of ScriptProbe.
type probe struct {
	system, machine string
	uid             int
	systemd         bool
	scp, sudo       bool
	dir             string
	mkdir           string
	stat            string
	files           map[string]int64 // executables of ours in dir, by name
}

func parseProbe(out string) (*probe, error) {
	_, rest, ok := strings.Cut(out, "trivet-probe-begin\n")
	body, _, done := strings.Cut(rest, "trivet-probe-end")
	if !ok || !done {
		return nil, fmt.Errorf("unexpected output %q", oneLine(out))
	}
	p := &probe{uid: -1, files: map[string]int64{}}
	var listing []string
	for _, l := range strings.Split(body, "\n") {
		key, value, _ := strings.Cut(l, "=")
		switch key {
		case "uname":
			p.system, p.machine, _ = strings.Cut(value, " ")
		case "uid":
			if uid, err := strconv.Atoi(value); err == nil {
				p.uid = uid
			}
		case "init":
			p.systemd = value == "systemd"
		case "scp":
			p.scp = true
		case "sudo":
			p.sudo = true
		case "dir":
			p.dir = value
		case "mkdir":
			p.mkdir = value
		case "stat":
			p.stat = value
		case "file":
			listing = append(listing, value)
		}
	}
	if p.uid < 0 || p.dir == "" || p.system == "" {
		return nil, fmt.Errorf("incomplete output %q", oneLine(body))
	}
	for _, l := range listing {
		// mode links uid gid size month day time name
		f := strings.Fields(l)
		if len(f) < 9 || !strings.HasPrefix(f[0], "-rwx") || f[2] != strconv.Itoa(p.uid) {
			continue
		}
		if size, err := strconv.ParseInt(f[4], 10, 64); err == nil {
			p.files[f[8]] = size
		}
	}
	return p, nil
}

// architectures as uname spells them.
var architectures = map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

// check tells what keeps the host from being worked with.
func (p *probe) check(e *endpoint, anyInit bool) (goarch string, err error) {
	refuse := func(message, remedy string) (string, error) {
		return "", &Error{Kind: ErrUnsupported, Target: e.String(), Message: message, Remedy: remedy}
	}
	goarch = architectures[p.machine]
	switch {
	case p.system != "Linux":
		return refuse("it runs "+p.system+", not Linux", "use a host with Linux and systemd")
	case goarch == "":
		return refuse("its architecture is "+p.machine, "supported are x86_64 and aarch64")
	case !p.systemd && !anyInit:
		return refuse("systemd does not run there", "use a host that was booted with systemd")
	}
	return goarch, p.checkDir(e)
}

func (p *probe) checkDir(e *endpoint) error {
	refuse := func(message string) error {
		return &Error{Kind: ErrHelper, Target: e.String(), Message: fmt.Sprintf("staging folder %s %s", p.dir, message),
			Remedy: "look at it there, and remove it if it is not needed"}
	}
	f := strings.Fields(p.stat)
	switch {
	case strings.Contains(p.mkdir, "Read-only file system"), strings.Contains(p.mkdir, "No space left"):
		return &Error{Kind: ErrHelper, Target: e.String(), Message: fmt.Sprintf("staging folder %s cannot be made: %s", p.dir, oneLine(p.mkdir)),
			Remedy: "mend the file system there, or set another folder with staging"}
	case p.mkdir != "":
		return refuse("cannot be made: " + oneLine(p.mkdir))
	case len(f) < 4 || len(f[0]) < 10:
		return refuse("cannot be looked at: " + oneLine(p.stat))
	case f[0][0] != 'd':
		return refuse("is not a folder")
	case f[2] != strconv.Itoa(p.uid):
		return refuse(fmt.Sprintf("belongs to uid %s, not to %s (uid %d)", f[2], e.User, p.uid))
	case f[0][1:10] != "rwx------":
		return refuse("is open to others (" + f[0][:10] + ", not drwx------)")
	}
	return nil
}

// helpers knows the digests of the helper's files on this machine.
type helpers struct {
	mu    sync.Mutex
	known map[string]helperFile
}

type helperFile struct {
	path, sha256 string
	size         int64
	stamp        string
}

func (h *helpers) file(path string) (helperFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return helperFile{}, err
	}
	stamp := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	h.mu.Lock()
	defer h.mu.Unlock()
	if f, ok := h.known[path]; ok && f.stamp == stamp {
		return f, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return helperFile{}, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return helperFile{}, err
	}
	if h.known == nil {
		h.known = map[string]helperFile{}
	}
	file := helperFile{path, hex.EncodeToString(sum.Sum(nil)), size, stamp}
	h.known[path] = file
	return file, nil
}

func (f helperFile) name() string { return "trivet-host-" + f.sha256[:16] }

// ask runs ScriptProbe.
func ask(ctx context.Context, c *conn, staging string) (*probe, error) {
	line, err := shell.Script(ScriptProbe, staging).Build()
	if err != nil {
		return nil, err
	}
	out, errs, err := c.run(ctx, line)
	var exit *ssh.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: asking what it is: %w", c.e, err)
	}
	p, err := parseProbe(out)
	if err != nil {
		return nil, &Error{Kind: ErrUnsupported, Target: c.e.String(), Message: "it does not run a POSIX shell command as asked", Err: fmt.Errorf("%w %s", err, oneLine(errs)),
			Remedy: fmt.Sprintf("check the login shell of user %s and any ForceCommand", c.e.User)}
	}
	return p, nil
}

// place uploads the helper under a temporary name, has its digest checked there and renames it.
func place(ctx context.Context, c *conn, p *probe, f helperFile) error {
	fail := func(message string, err error) error {
		return &Error{Kind: ErrHelper, Target: c.e.String(), Message: message, Err: err}
	}
	content, err := os.Open(f.path)
	if err != nil {
		return fail("the helper's file cannot be read here", err)
	}
	defer content.Close()
	tmp := path.Join(p.dir, "upload-"+rand.Text())
	if err := copyTo(ctx, c, content, tmp, f.size, nil); err != nil {
		// The connection is about to end: what half came has to go before that.
		if line, lerr := shell.Script(ScriptDiscard, tmp).Build(); lerr == nil && ctx.Err() == nil {
			_, _, _ = c.run(ctx, line)
		}
		return fail("uploading the helper", err)
	}
	line, err := shell.Script(ScriptPlace, tmp, path.Join(p.dir, f.name()), f.sha256).Build()
	if err != nil {
		return err
	}
	if _, errs, err := c.run(ctx, line); err != nil {
		return fail("the uploaded helper cannot be put in place", fmt.Errorf("%w: %s", err, oneLine(errs)))
	}
	return nil
}
