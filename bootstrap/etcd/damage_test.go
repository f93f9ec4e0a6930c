package etcd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
)

// TestDamageOfRealMembers damages the data of a real member in the ways in which disks do, and reads what it says of them.
func TestDamageOfRealMembers(t *testing.T) {
	m := etcdtest.Start(t, 1)[0]
	fill(t, m)
	m.Stop()
	database := func(data string) string { return filepath.Join(data, "member/snap/db") }
	log := func(data string) string {
		files, err := filepath.Glob(filepath.Join(data, "member/wal/*.wal"))
		if err != nil || len(files) != 1 {
			t.Fatalf("logs: %v, %v", files, err)
		}
		return files[0]
	}
	for _, c := range []struct {
		name   string
		damage func(data string) error
		want   string
	}{
		{"database that begins with zeros", func(data string) error { return overwrite(database(data), 0, make([]byte, 8192)) }, "its database cannot be read"},
		{"database that is no database", func(data string) error { return os.WriteFile(database(data), []byte("garbage\n"), 0o600) }, "its database cannot be read"},
		{"pages of the database", func(data string) error { return overwrite(database(data), 8192, bytes.Repeat([]byte{0xa5}, 1<<20)) }, "its database is damaged"},
		{"middle of the log", func(data string) error { return overwrite(log(data), 100_000, bytes.Repeat([]byte{0xa5}, 4096)) }, "its log (WAL) is damaged"},
		{"empty log", func(data string) error { return os.Truncate(log(data), 0) }, "it crashes while it reads them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			again := etcdtest.New(t, m.Name)
			again.PeerURL = m.PeerURL
			must(t, os.CopyFS(filepath.Join(again.Data(), "member"), os.DirFS(filepath.Join(m.Data(), "member"))))
			must(t, os.Chmod(again.Data(), 0o700))
			must(t, c.damage(again.Data()))
			for i := range 2 { // it tries to repair some of it, and is started again
				again.Start(t, "new", m.Name+"="+m.PeerURL)
				if words := again.Ended(t); etcd.Damage(words) != c.want {
					t.Errorf("start %d: %q, want %q, of:\n%s", i, etcd.Damage(words), c.want, words)
				}
			}
		})
	}
}

// fill writes some megabytes, so that the log and the database have something to lose.
func fill(t *testing.T, m *etcdtest.Member) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + m.Address}, Logger: zap.NewNop()})
	must(t, err)
	defer client.Close() //nolint:errcheck // nothing is left to do
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 200 {
		_, err := client.Put(ctx, fmt.Sprintf("key-%d", i), string(bytes.Repeat([]byte("x"), 20_000)))
		must(t, err)
	}
	_, err = client.Defragment(ctx, m.Address) // which has all of it written
	must(t, err)
}

func overwrite(path string, at int64, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(content, at)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamage tells what etcd 3.7.3 says of its data from what it says of anything else.
func TestDamage(t *testing.T) {
	const trace = "\n\ngoroutine 1 [running]:\ngo.etcd.io/etcd/server/v3/etcdserver.NewServer({{0x7ffd, 0x2}})\n\tgo.etcd.io/etcd/server/v3@v3.7.3/etcdserver/server.go:296 +0x8b\n"
	for words, want := range map[string]string{
		"": "",
		`{"level":"panic","caller":"etcdserver/bootstrap.go:442","msg":"failed to recover v3 backend from snapshot","error":"failed to find database snapshot file (snap: snapshot file doesn't exist)"}`:           "its database is missing or empty",
		`{"level":"fatal","caller":"etcdmain/etcd.go:157","msg":"discovery failed","error":"member 8be28dc9a2828482 has already been bootstrapped"}`:                                                                "its log (WAL) is gone",
		`panic: tocommit(2996) is out of range [lastIndex(884)]. Was the raft log corrupted, truncated, or lost?`:                                                                                                   "its log (WAL) lacks what it has confirmed to other members",
		"panic: assertion failed: Page expected to be: 881, but self identifies as 6442\n\ngoroutine 104 [running]:\ngo.etcd.io/bbolt/internal/common.(*Page).FastCheck(0x7f)\ngo.etcd.io/bbolt.(*Tx).page(0x31)\n": "its database is damaged",
		"unexpected fault address 0x7f22\nfatal error: fault\n[signal SIGBUS: bus error]\n\ngoroutine 1 [running]:\ngo.etcd.io/bbolt.(*Tx).page(0x31)\n":                                                            "its database is damaged",
		"panic: runtime error: invalid memory address or nil pointer dereference" + trace:                                                                                                                           "it crashes while it reads them",
		`{"level":"panic","caller":"backend/backend.go:215","msg":"failed to open database","error":"open /var/lib/etcd/member/snap/db: permission denied"}` + "\npanic: failed to open database" + trace:           "",
		`{"level":"fatal","caller":"etcdserver/raft.go:234","msg":"failed to save Raft hard state and entries","error":"write: no space left on device"}`:                                                           "",
		`{"level":"fatal","caller":"etcdmain/etcd.go:157","msg":"discovery failed","error":"listen tcp 10.0.0.1:2380: bind: address already in use"}`:                                                               "",
		`{"level":"warn","caller":"embed/etcd.go:400","msg":"the member has been permanently removed from the cluster"}`:                                                                                            "",
		"panic: runtime error: index out of range\n\ngoroutine 9 [running]:\ngo.etcd.io/etcd/server/v3/etcdserver/api/v3rpc.(*watchServer).Watch(0x1)\n":                                                            "",
	} {
		if got := etcd.Damage(words); got != want {
			t.Errorf("%q, want %q, of:\n%s", got, want, words)
		}
	}
}
