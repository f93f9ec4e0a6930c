package etcd

import (
	"regexp"
	"slices"
	"strings"
)

// signs are what etcd writes when it cannot start from its data (3.6 and 3.7 alike), with what that comes to. A database or log in this state does not mend by itself, whoever starts
// it.
var signs = []struct{ says, means string }{
	{`"error":"invalid database"`, "its database cannot be read"}, // bbolt 1.5, errors
	{`"error":"checksum error"`, "its database cannot be read"},
	{`"error":"version mismatch"`, "its database cannot be read"},
	{"failed to find database snapshot file", "its database is missing or empty"}, // etcdserver/bootstrap.go: the log goes on from where the database should be
	{"walpb: crc mismatch", "its log (WAL) is damaged"},                           // storage/wal
	{"wal: conflicting metadata found", "its log (WAL) is damaged"},
	{"wal: snapshot mismatch", "its log (WAL) is damaged"},
	{"wal: snapshot not found", "its log (WAL) is damaged"},
	{"wal: file not found", "its log (WAL) is damaged"},
	{"wal: slice bounds out of range", "its log (WAL) is damaged"},
	{"has already been bootstrapped", "its log (WAL) is gone"},                                                        // etcdserver/bootstrap.go: without a log it takes itself for new
	{"Was the raft log corrupted, truncated, or lost?", "its log (WAL) lacks what it has confirmed to other members"}, // raft 3.7, log.go
	{"found data inconsistency with peers", Differ},                                                                   // etcdserver/corrupt.go
}

// Differ is what Damage says of a member whose data are not those of others, as far as it found out at its start. Which of them are right is not said.
const Differ = "its data differ from those of the others"

var differing = regexp.MustCompile(`"found different hash values from remote peer".*"remote-peer-endpoints":\[([^\]]*)\]`)

// Differing lists the peer URLs of the members whose data a member found to be others than its own when it started, by what it wrote.
func Differing(words string) []string {
	var out []string
	for _, m := range differing.FindAllStringSubmatch(words, -1) {
		for url := range strings.SplitSeq(m[1], ",") {
			if url = strings.Trim(url, `"`); !slices.Contains(out, url) {
				out = append(out, url)
			}
		}
	}
	return out
}

// elsewhere are causes that are none of the data's: what etcd reports then is mended on the host, and its data are what they were.
var elsewhere = []string{"no space left on device", "permission denied", "read-only file system", "input/output error", "too many open files", "cannot allocate memory"}

// Damage says what is wrong with the data of a member, by what etcd wrote before it ended; "" where it ended for another reason, or nobody can tell.
func Damage(words string) string {
	if slices.ContainsFunc(elsewhere, func(cause string) bool { return strings.Contains(words, cause) }) {
		return ""
	}
	for _, s := range signs {
		if strings.Contains(words, s.says) {
			return s.means
		}
	}
	crashed, database, starting := false, false, false
	for line := range strings.Lines(words) {
		crashed = crashed || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "unexpected fault address ")
		database = database || strings.HasPrefix(line, "go.etcd.io/bbolt.")
		starting = starting || strings.HasPrefix(line, "go.etcd.io/etcd/server/v3/etcdserver.NewServer(") // which does nothing but read them
	}
	switch {
	case crashed && database:
		return "its database is damaged"
	case crashed && starting:
		return "it crashes while it reads them"
	}
	return ""
}
