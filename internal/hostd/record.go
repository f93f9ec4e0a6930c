package hostd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// recordFormat is raised when an older helper could not read the record.
const recordFormat = 1

// record is the host's private record: hostapi.Record with digests of secrets, prior values and sequence numbers.
type record struct {
	Cluster    string   `json:"cluster"`
	ClusterID  string   `json:"clusterID"`
	Host       string   `json:"host"`
	Epoch      uint64   `json:"epoch"`
	Generation uint64   `json:"generation"`
	Seq        uint64   `json:"seq"`
	Items      []*entry `json:"items"`
	// MadeDirs are folders made on the way to an item; they go when they are empty.
	MadeDirs []string `json:"madeDirs,omitempty"`
	// ReloadOwed: unit files changed and systemd was perhaps not told.
	ReloadOwed bool `json:"reloadOwed,omitempty"`
	// StartGuard is what was at policyPath while packages are being installed.
	StartGuard *priorPath `json:"startGuard,omitempty"`
	// Foreign are units that were there before and have to be brought back once Trivet's own files are gone.
	Foreign []foreignUnit `json:"foreign,omitempty"`
	// Owed are hooks that have to run yet.
	Owed []hostapi.Owed `json:"owed,omitempty"`
}

type foreignUnit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled,omitempty"`
	Active  bool   `json:"active,omitempty"`
}

// What an entry is pending for.
const (
	pendingEnsure = "ensure"
	pendingRemove = "remove"
)

// entry is one recorded item.
type entry struct {
	// Item was applied; the zero Item while the first Ensure is pending.
	Item hostapi.Item `json:"item"`
	// Next is being applied.
	Next    *hostapi.Item `json:"next,omitempty"`
	Pending string        `json:"pending,omitempty"`
	// Digests, by path, of what was written, secret or not: this record is readable by root only and never leaves the host.
	Digests map[string]string `json:"digests,omitempty"`
	// Inode is the number of the file of an artifact's blob.
	Inode      uint64 `json:"inode,omitempty"`
	ChangedSeq uint64 `json:"changedSeq"`
	StartedSeq uint64 `json:"startedSeq,omitempty"`
	Prior      prior  `json:"prior"`
	// Filled: a folder of precious data has had some.
	Filled bool `json:"filled,omitempty"`
	// Skipped: an optional item that the host did not allow.
	Skipped bool `json:"skipped,omitempty"`
}

// prior is what was there before the first Ensure.
type prior struct {
	Paths map[string]priorPath `json:"paths,omitempty"`
	// Existed: a user that was there, a module that was loaded, an image that was present, a unit that systemd knew.
	Existed  bool    `json:"existed,omitempty"`
	Enabled  bool    `json:"enabled,omitempty"`
	Active   bool    `json:"active,omitempty"`
	Value    *string `json:"value,omitempty"` // of a sysctl
	Captured bool    `json:"captured,omitempty"`
	// Packages are those that installing this one brings in.
	Packages []string `json:"packages,omitempty"`
	// Images are names of the archive that containerd had already.
	Images []string `json:"images,omitempty"`
	// Tables are those of iptables that were there as nftables tables, "family name".
	Tables []string `json:"tables,omitempty"`
	// BaseChains are those that iptables makes by itself and that were there in them, "family table chain". A record of an older helper has none.
	BaseChains []string `json:"baseChains,omitempty"`
	// Parents are folders above a claim that were not there, the outermost first: who makes what is claimed makes them.
	Parents []string `json:"parents,omitempty"`
}

// priorPath is what was at a path.
type priorPath struct {
	Exists  bool        `json:"exists"`
	Mode    fs.FileMode `json:"mode,omitempty"` // with type bits
	UID     int         `json:"uid,omitempty"`
	GID     int         `json:"gid,omitempty"`
	Target  string      `json:"target,omitempty"` // of a symbolic link
	Backup  string      `json:"backup,omitempty"` // file below prior/
	ModTime time.Time   `json:"modTime,omitzero"`
}

// item is the item as it is, or is being, applied.
func (e *entry) item() hostapi.Item {
	if e.Next != nil {
		return *e.Next
	}
	return e.Item
}

func (e *entry) id() hostapi.ID { return e.item().ID() }

// versions are the applied item and the one being applied, where they exist.
func (e *entry) versions() []hostapi.Item {
	var v []hostapi.Item
	if e.Item.ID() != (hostapi.ID{}) {
		v = append(v, e.Item)
	}
	if e.Next != nil {
		v = append(v, *e.Next)
	}
	return v
}

// clone copies what an intent changes, so that it can be taken back.
func (e *entry) clone() *entry {
	c := *e
	c.Prior.Paths = cloneMap(e.Prior.Paths)
	c.Digests = cloneMap(e.Digests)
	return &c
}

func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return nil
	}
	c := make(map[string]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func (r *record) find(id hostapi.ID) *entry {
	for _, e := range r.Items {
		if e.id() == id {
			return e
		}
	}
	return nil
}

func (r *record) drop(e *entry) {
	r.Items = slices.DeleteFunc(r.Items, func(x *entry) bool { return x == e })
}

// of returns the entries of a kind, in order.
func (r *record) of(k hostapi.Kind) []*entry {
	var out []*entry
	for _, e := range r.Items {
		if e.id().Kind == k {
			out = append(out, e)
		}
	}
	return out
}

// stale says whether an input of a unit changed after the unit was last started.
func (r *record) stale(e *entry) bool {
	u := e.item().Unit
	if u == nil || !u.Running {
		return false
	}
	for _, id := range u.Inputs {
		if in := r.find(id); in != nil && in.ChangedSeq > e.StartedSeq {
			return true
		}
	}
	return false
}

// public is the record as it may leave the host.
func (r *record) public() *hostapi.Record {
	p := &hostapi.Record{Cluster: r.Cluster, ClusterID: r.ClusterID, Host: r.Host, Epoch: r.Epoch, Generation: r.Generation, Owed: r.Owed}
	for _, e := range r.Items {
		p.Items = append(p.Items, hostapi.RecordedItem{Item: e.item(), Stale: r.stale(e), Pending: e.Pending != "", Unmade: e.Item.ID() == (hostapi.ID{})})
	}
	return p
}

// stripped is an item without what travels in steps only.
func stripped(it hostapi.Item) hostapi.Item {
	if it.File != nil {
		f := *it.File
		f.Content = nil
		if f.Secret {
			f.SHA256 = ""
		}
		it.File = &f
	}
	if it.KeyPair != nil {
		k := *it.KeyPair
		k.Key = nil
		it.KeyPair = &k
	}
	return it
}

// sameItem compares stripped items as JSON shows them: a nil and an empty list are the same.
func sameItem(a, b hostapi.Item) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// sealHeader is the first line of a sealed file. Its digest tells a torn or edited file from a whole one.
type sealHeader struct {
	Format int    `json:"format"`
	SHA256 string `json:"sha256"`
}

// seal makes a file that shows when it is torn: a header line, then the value as JSON.
func seal(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, err
	}
	head, err := json.Marshal(sealHeader{Format: recordFormat, SHA256: hostapi.Digest(body)})
	if err != nil {
		return nil, err
	}
	return append(append(head, '\n'), body...), nil
}

func unseal(b []byte, v any) error {
	head, body, ok := bytes.Cut(b, []byte("\n"))
	var hd sealHeader
	if !ok || json.Unmarshal(head, &hd) != nil {
		return errors.New("it has no header line")
	}
	if hd.Format != recordFormat {
		return &formatError{hd.Format}
	}
	if hostapi.Digest(body) != hd.SHA256 {
		return errors.New("its checksum does not match: it is torn or was edited")
	}
	return json.Unmarshal(body, v)
}

// formatError reports a file of another version of Trivet.
type formatError struct{ format int }

func (e *formatError) Error() string {
	return fmt.Sprintf("it has format %d, this version of trivet reads format %d", e.format, recordFormat)
}

// loadRecord returns nil on a host without one.
func (h *Host) loadRecord() (*record, error) {
	b, err := os.ReadFile(h.path(recordPath))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(h.path(previousPath)); err == nil {
			return nil, fail(hostapi.CodeRecord, fmt.Sprintf("nothing was changed; copy %s to %s if no step was running when it got lost", previousPath, recordPath),
				"the record %s is missing, and its previous version is there", recordPath)
		}
		return nil, nil
	}
	if err != nil {
		return nil, fail(hostapi.CodeRecord, "nothing was changed; look at dmesg on the host for errors of its disk", "the record %s cannot be read: %v", recordPath, err)
	}
	r := &record{}
	err = unseal(b, r)
	var other *formatError
	if errors.As(err, &other) && other.format > recordFormat {
		return nil, fail(hostapi.CodeRecord, "nothing was changed; use the newer version of trivet that wrote it", "the record %s is not for this version: %v", recordPath, err)
	}
	if err != nil {
		return nil, fail(hostapi.CodeRecord, fmt.Sprintf("nothing was changed; compare with %s, the version before, and copy it over if it is whole", previousPath),
			"the record %s is unreadable: %v", recordPath, err)
	}
	return r, nil
}

// saveRecord makes the record durable. The version before stays beside it for a person to compare with.
func (h *Host) saveRecord(r *record) error {
	r.Generation++
	b, err := seal(r)
	if err != nil {
		return err
	}
	tmp := h.path(recordPath + ".new")
	if err := h.writeSynced(tmp, b, 0o600, nil); err != nil {
		return err
	}
	if _, err := os.Lstat(h.path(recordPath)); err == nil {
		// A link, not a rename: there is no moment without a record.
		_ = os.Remove(h.path(previousPath + ".new"))
		if err := os.Link(h.path(recordPath), h.path(previousPath+".new")); err == nil {
			err = os.Rename(h.path(previousPath+".new"), h.path(previousPath))
			if err != nil {
				return err
			}
		}
	}
	if err := os.Rename(tmp, h.path(recordPath)); err != nil {
		return err
	}
	return h.syncDir(path.Dir(recordPath))
}

// ensureState makes the state folder, remembering which parents it had to make.
func (h *Host) ensureState() error {
	if _, err := os.Lstat(h.path(stateDir)); err == nil {
		return nil
	}
	made := h.missingDirs(path.Dir(stateDir))
	if err := h.makeDir(stateDir, 0o700); err != nil {
		return err
	}
	return h.noteParents(made)
}

// makeDir makes one of Trivet's own folders, durably, with its parents.
func (h *Host) makeDir(p string, mode fs.FileMode) error {
	for _, d := range h.missingDirs(p) {
		m := fs.FileMode(0o755)
		if d == p {
			m = mode
		}
		if err := os.Mkdir(h.path(d), m); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := h.syncDir(path.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// ensureStore makes the store, and the state folder, which remembers the parents of both.
func (h *Host) ensureStore() error {
	if _, err := os.Lstat(h.path(storeDir)); err == nil {
		return nil
	}
	if err := h.ensureState(); err != nil {
		return err
	}
	if err := h.noteParents(h.missingDirs(path.Dir(trivetDir))); err != nil {
		return err
	}
	return h.makeDir(storeDir, 0o755)
}

// noteParents adds folders to the list of those made for Trivet's own.
func (h *Host) noteParents(made []string) error {
	if len(made) == 0 {
		return nil
	}
	all := append(h.notedParents(), made...)
	slices.Sort(all)
	b, err := json.Marshal(slices.Compact(all))
	if err != nil {
		return err
	}
	return h.replaceFile(parentsPath, b, 0o600)
}

func (h *Host) notedParents() []string {
	var dirs []string
	if b, err := os.ReadFile(h.path(parentsPath)); err == nil {
		_ = json.Unmarshal(b, &dirs) // best effort: at worst an empty folder stays
	}
	return dirs
}

// missingDirs lists a folder and its parents as far as they are not there, the outermost first.
func (h *Host) missingDirs(dir string) []string {
	var out []string
	for d := path.Clean(dir); d != "/" && d != "."; d = path.Dir(d) {
		if _, err := os.Lstat(h.path(d)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}
