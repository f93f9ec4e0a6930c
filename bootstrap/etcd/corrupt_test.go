package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
)

const checked = "--feature-gates=InitialCorruptCheck=true"

// TestCheckAtTheStart runs real members that compare their data when they start, as units of Trivet's do. It holds what ADR 24 rests on: how such a member ends whose data differ, how one
// does that is right, and that members that are away, frozen or starting themselves hold nobody up for long.
func TestCheckAtTheStart(t *testing.T) {
	members := etcdtest.Start(t, 3, checked)
	var cluster []string
	for _, m := range members {
		cluster = append(cluster, m.Name+"="+m.PeerURL)
	}
	start := func(m *etcdtest.Member) { m.Start(t, "new", strings.Join(cluster, ",")) }
	m1, m2, m3 := members[0], members[1], members[2]
	fill(t, m1)
	awaitValue(t, m3)

	for _, m := range members {
		m.Stop()
	}
	for _, m := range members {
		start(m)
	}
	for _, m := range members {
		t.Logf("all at once: %s answers after %s", m.Name, awaitValue(t, m))
	}

	m3.Stop()
	must(t, m2.Freeze())
	start(m3)
	t.Logf("with one of three frozen: m3 answers after %s", awaitValue(t, m3)) // a time-out of 5 s and two elections
	m2.Stop()
	start(m2)
	awaitValue(t, m2)

	m3.Stop()
	must(t, rot(filepath.Join(m3.Data(), "member/snap/db")))
	m3.Flags = nil
	start(m3)
	awaitValue(t, m3) // unnoticed
	m1.Stop()
	start(m1)
	words := m1.Ended(t)
	if etcd.Damage(words) != etcd.Differ || !slices.Equal(etcd.Differing(words), []string{m3.PeerURL}) {
		t.Errorf("one that is right, beside one that is not: %q, differs from %q, of:\n%s", etcd.Damage(words), etcd.Differing(words), words)
	}
	m3.Stop()
	start(m1)
	awaitValue(t, m1)
	m3.Flags = []string{checked}
	start(m3)
	words = m3.Ended(t)
	want := []string{m1.PeerURL, m2.PeerURL}
	got := etcd.Differing(words)
	slices.Sort(want)
	slices.Sort(got)
	if etcd.Damage(words) != etcd.Differ || !slices.Equal(got, want) {
		t.Errorf("one that is not: %q, differs from %q, of:\n%s", etcd.Damage(words), got, words)
	}
}

// TestCheckBetweenReleases restarts members of an upgrade that is half done: what compactions leave has the same hash in both releases.
func TestCheckBetweenReleases(t *testing.T) {
	older := etcdtest.BinaryOf(t, "etcd", "3.6.")
	newer := etcdtest.BinaryOf(t, "etcd", "3.7.")
	var members []*etcdtest.Member
	var cluster []string
	for _, name := range []string{"m1", "m2", "m3"} {
		m := etcdtest.New(t, name)
		m.Flags, m.Program = []string{checked}, older
		members, cluster = append(members, m), append(cluster, m.Name+"="+m.PeerURL)
	}
	start := func(m *etcdtest.Member) { m.Start(t, "new", strings.Join(cluster, ",")) }
	for _, m := range members {
		start(m)
	}
	fill(t, members[0])
	for _, m := range members[:2] {
		m.Stop()
		m.Program = newer
		start(m)
		awaitValue(t, m)
		churn(t, m)
	}
	for _, m := range members {
		m.Stop()
		start(m)
		awaitValue(t, m)
	}
}

// churn deletes, writes again, and compacts.
func churn(t *testing.T, m *etcdtest.Member) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + m.Address}, Logger: zap.NewNop()})
	must(t, err)
	defer client.Close() //nolint:errcheck // nothing is left to do
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = client.Delete(ctx, "key-1", clientv3.WithPrefix())
	must(t, err)
	gone, err := client.Delete(ctx, "key-5")
	must(t, err)
	_, err = client.Put(ctx, "key-1", "again")
	must(t, err)
	_, err = client.Compact(ctx, gone.Header.Revision, clientv3.WithCompactPhysical()) // at a deletion, which older releases hashed in their own way
	must(t, err)
}

// awaitValue waits until a member has a quorum, and says how long that took.
func awaitValue(t *testing.T, m *etcdtest.Member) time.Duration {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + m.Address}, Logger: zap.NewNop()})
	must(t, err)
	defer client.Close() //nolint:errcheck // nothing is left to do
	for begun := time.Now(); ; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := client.Get(ctx, "key-0")
		cancel()
		switch took := time.Since(begun); {
		case err == nil:
			return took
		case took > time.Minute:
			t.Fatalf("%s does not answer: %v", m.Name, err)
		}
	}
}

// rot changes some bytes in the midst of each value of a database, as a disk may without a word.
func rot(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	run := bytes.Repeat([]byte("x"), 10_000)
	found := 0
	for at := 0; ; found++ {
		i := bytes.Index(content[at:], run)
		if i < 0 {
			break
		}
		at += i + len(run)
		copy(content[at-100:at], bytes.Repeat([]byte("y"), 100))
	}
	if found == 0 {
		return errors.New("the database has no values")
	}
	return os.WriteFile(path, content, 0o600)
}
