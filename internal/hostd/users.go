package hostd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type userKind struct{}

// accountFile is one of the files that a system user has a line in. Trivet writes them itself, under the lock of the account tools: useradd
// leaves backup files and defaults of the distribution behind, and works on no root but the running one.
type accountFile struct {
	path string
	line func(u *hostapi.User, id int) string
	must bool // where the file is missing, the line is dropped unless must is set
}

var accountFiles = []accountFile{
	{"/etc/group", func(u *hostapi.User, id int) string { return fmt.Sprintf("%s:x:%d:", u.Name, id) }, true},
	{"/etc/gshadow", func(u *hostapi.User, _ int) string { return u.Name + ":!::" }, false},
	{"/etc/passwd", func(u *hostapi.User, id int) string {
		return fmt.Sprintf("%s:x:%d:%d::%s:/usr/sbin/nologin", u.Name, id, id, u.Home)
	}, true},
	{"/etc/shadow", func(u *hostapi.User, _ int) string { return u.Name + ":!:::::::" }, false},
}

func (userKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	u := full.User
	if strings.ContainsAny(u.Home, ":\n") {
		return false, fmt.Errorf("%q cannot be a home", u.Home)
	}
	a := s.cachedAccounts()
	_, user := a.users[u.Name]
	_, group := a.groups[u.Name]
	if !e.Prior.Captured {
		if user != group {
			return false, fail(hostapi.CodeForeign, "remove it, or make both by hand", "there is a user or a group %s, but not both", u.Name)
		}
		e.Prior.Captured, e.Prior.Existed = true, user
	}
	return !user || !group, nil
}

func (userKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	u := full.User
	defer func() { s.acc = nil }()
	return true, s.withAccounts(func() error {
		a := s.accounts()
		id, err := freeID(a, u.Name)
		if err != nil {
			return err
		}
		for _, f := range accountFiles {
			if err := s.editAccounts(f, u.Name, f.line(u, id)); err != nil {
				return err
			}
			s.hook("account in " + f.path)
		}
		return nil
	})
}

// freeID is the number of a half-made user, or the highest one free for both user and group among system accounts.
func freeID(a *accounts, name string) (int, error) {
	if id, ok := a.groups[name]; ok {
		return id, nil
	}
	if id, ok := a.users[name]; ok {
		return id, nil
	}
	used := map[int]bool{}
	for _, m := range []map[string]int{a.users, a.groups} {
		for _, id := range m {
			used[id] = true
		}
	}
	for id := 999; id >= 100; id-- {
		if !used[id] {
			return id, nil
		}
	}
	return 0, errors.New("no number from 100 to 999 is free for a system user")
}

func (userKind) remove(_ context.Context, s *stepper, e *entry) error {
	if e.Prior.Existed {
		return nil
	}
	defer func() { s.acc = nil }()
	return s.withAccounts(func() error {
		for i := len(accountFiles) - 1; i >= 0; i-- {
			if err := s.editAccounts(accountFiles[i], e.id().Name, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// withAccounts runs f under the lock of the account tools.
func (s *stepper) withAccounts(f func() error) error {
	l, err := os.OpenFile(s.path("/etc/.pwd.lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return f() // no account tool was ever used on this root
	}
	if err != nil {
		return err
	}
	defer l.Close()
	if err := lockAccounts(l); err != nil {
		return fmt.Errorf("the lock of the account files: %w", err)
	}
	return f()
}

// editAccounts puts a line for a name into a file, or takes it out when line is empty, keeping mode, owner and label.
func (s *stepper) editAccounts(f accountFile, name, line string) error {
	real := s.path(f.path)
	s.unstage(f.path)
	b, err := os.ReadFile(real)
	if errors.Is(err, fs.ErrNotExist) && !f.must {
		return nil
	}
	if err != nil {
		return err
	}
	var out []string
	found := false
	for l := range strings.Lines(string(b)) {
		l = strings.TrimRight(l, "\n")
		if strings.HasPrefix(l, name+":") {
			if found = true; line == "" {
				continue
			}
		}
		out = append(out, l)
	}
	if found == (line != "") {
		return nil
	}
	if line != "" {
		out = append(out, line)
	}
	fi, err := os.Stat(real)
	if err != nil {
		return err
	}
	uid, gid := ownerOf(fi)
	if err := s.stage(f.path, []byte(strings.Join(out, "\n")+"\n"), fi.Mode().Perm(), owner{uid, gid}); err != nil {
		return err
	}
	s.hook("staged " + f.path)
	copyLabel(real, s.path(tempPath(f.path)))
	return s.rename(f.path)
}

func (userKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	name := e.id().Name
	uid, user := o.acc.users[name]
	gid, group := o.acc.groups[name]
	switch {
	case !user && !group:
		return "missing", ""
	case !user:
		return "the user is missing, its group is there", ""
	case !group:
		return "the group is missing, its user is there", ""
	case !e.Prior.Existed && uid != gid:
		return "user " + strconv.Itoa(uid) + " and group " + strconv.Itoa(gid) + " have different numbers", ""
	}
	return "", ""
}
