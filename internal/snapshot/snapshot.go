// Package snapshot takes snapshots of an etcd member, keeps them in a folder, and copies them to hosts of other sites. It is what the program trivet-snapshot does on hosts; the
// engine reads its reports. A file has its final name only after its content was verified, so what is called a snapshot is one.
package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"
)

// Config is what a host's units go by: a file that the engine writes.
type Config struct {
	Host   string `json:"host"`
	Site   string `json:"site"`
	Folder string `json:"folder"`
	// Keep is how many snapshots of each member are kept at most, KeepFor for how long, in seconds.
	Keep    int   `json:"keep"`
	KeepFor int64 `json:"keepFor"`
	// Member is nil on a host that only receives.
	Member *Member `json:"member,omitempty"`
	// Copies are the hosts of other sites that get each snapshot.
	Copies []Copy `json:"copies,omitempty"`
	// Receive is nil on a host that gets none.
	Receive *Receive `json:"receive,omitempty"`
}

// Member is how the host's own etcd member is reached.
type Member struct {
	Endpoint string `json:"endpoint"`
	Keys     Keys   `json:"keys"`
	Database string `json:"database"` // its file, for its size
	Etcdctl  string `json:"etcdctl"`
	Etcdutl  string `json:"etcdutl"`
}

// Copy is a host that receives. Keys are those that the sender shows.
type Copy struct {
	Host    string `json:"host"`
	Address string `json:"address"` // with the port
	Keys    Keys   `json:"keys"`
}

// Receive says from whom snapshots are taken: hosts by the common names of their certificates.
type Receive struct {
	Keys Keys     `json:"keys"`
	From []string `json:"from"`
}

// Keys names files.
type Keys struct {
	Authority   string `json:"authority"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// ReadConfig reads the file that the engine wrote.
func ReadConfig(path string) (*Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(content, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}

// Snapshot is one that was verified when it was stored.
type Snapshot struct {
	Member   string    `json:"member"` // on which it was taken
	Taken    time.Time `json:"taken"`
	Revision int64     `json:"revision"`
	Size     int64     `json:"size"` // bytes, with the hash at the end
	SHA256   string    `json:"sha256"`
	// Wrong is what a verification found now.
	Wrong string `json:"wrong,omitempty"`
}

const timeForm = "20060102T150405Z"

// Name is the snapshot's file name. It holds all that is known of it, so that one rename makes it known.
func (s Snapshot) Name() string {
	return fmt.Sprintf("%s_%s_r%d.db", s.Member, s.Taken.UTC().Format(timeForm), s.Revision)
}

var nameForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)_([0-9]{8}T[0-9]{6}Z)_r([0-9]{1,18})\.db$`)

// ParseName reads a file name; false when it is not that of a snapshot.
func ParseName(name string) (Snapshot, bool) {
	parts := nameForm.FindStringSubmatch(name)
	if parts == nil {
		return Snapshot{}, false
	}
	taken, err := time.Parse(timeForm, parts[3])
	revision, rerr := strconv.ParseInt(parts[4], 10, 64)
	if err != nil || rerr != nil {
		return Snapshot{}, false
	}
	return Snapshot{Member: parts[1], Taken: taken, Revision: revision}, true
}

// Report is what a host tells of its folder.
type Report struct {
	Host      string     `json:"host"`
	Site      string     `json:"site"`
	Snapshots []Snapshot `json:"snapshots"` // newest first
	Last      *Run       `json:"last,omitempty"`
}

// Run is how the last run on the host's member ended.
type Run struct {
	Began time.Time `json:"began"`
	Error string    `json:"error,omitempty"` // of the snapshot
	// Copies has, by host, why a copy did not arrive, "" where it did.
	Copies map[string]string `json:"copies,omitempty"`
}

// tail splits the hash that etcd puts behind a snapshot from the hash of what is before it, which is being counted while the file passes through Write.
type tail struct {
	sum  interface{ Write([]byte) (int, error) }
	hash func() []byte
	last []byte
	size int64
}

func newTail() *tail {
	h := sha256.New()
	return &tail{sum: h, hash: func() []byte { return h.Sum(nil) }}
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	t.last = append(t.last, p...)
	if n := len(t.last) - sha256.Size; n > 0 {
		_, _ = t.sum.Write(t.last[:n]) // a hash takes everything
		t.last = append(t.last[:0], t.last[n:]...)
	}
	return len(p), nil
}

// verify compares the two and returns the hash in hex. etcd 3.7.3 marks a snapshot with a hash by its length (client/v3/snapshot, hasChecksum).
func (t *tail) verify() (string, error) {
	if t.size%512 != sha256.Size || t.size == sha256.Size {
		return "", fmt.Errorf("it is %d bytes long, and no snapshot of etcd with its hash is: it was cut off", t.size)
	}
	if got := t.hash(); string(got) != string(t.last) {
		return "", fmt.Errorf("its content has the hash %x, and %x is what etcd wrote at its end: it is damaged", got, t.last)
	}
	return hex.EncodeToString(t.last), nil
}
