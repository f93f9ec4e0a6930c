// Package hostapi is the vocabulary between the engine and the helper on a host: facts, items, steps, observations. It holds types only and
// imports nothing but the standard library.
package hostapi

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Handler is what the helper does on its host. The engine meets the same operations through remote.Host.
type Handler interface {
	// Observe reads facts, the record and what differs from it. It changes nothing.
	Observe(ctx context.Context, req ObserveRequest) (*Observation, error)
	// Step carries out operations in order under the host's lock and stops at the first that fails. A cancelled ctx ends it after the current operation.
	Step(ctx context.Context, step *Step, emit func(Event)) error
	// Receive takes a staged upload into the store after checking its digest; the staged file is gone afterwards either way.
	Receive(ctx context.Context, req *Receive) error
	// Fetch takes blobs from another host's Serve into the store, checking digests.
	Fetch(ctx context.Context, req *Fetch, emit func(Event)) error
	// Serve offers blobs of the store to peers of the same run until ctx ends; ready is called once with the port.
	Serve(ctx context.Context, req *Serve, ready func(port int)) error
	// Hold takes the run lock and keeps it until ctx ends; held is called once it is taken. A lock held by someone else gives an Error with CodeHeld.
	Hold(ctx context.Context, req *Hold, held func()) error
	// RaiseEpoch sets the host's epoch, which must be above the present one; it waits for a running step.
	RaiseEpoch(ctx context.Context, req *RaiseEpoch) error
	// Dial connects from the host.
	Dial(ctx context.Context, to *Endpoint) (net.Conn, error)
	// Logs returns the last lines of a unit's journal.
	Logs(ctx context.Context, req *Logs) (string, error)
	// Probe looks closer at the host than Observe, and tries its way to others. It changes nothing.
	Probe(ctx context.Context, req *ProbeRequest) (*ProbeResult, error)
	// ProbeListen answers probes until ctx ends; listening is called once, when all ports have been tried.
	ProbeListen(ctx context.Context, req *ProbeListen, listening func(ProbeListening)) error
}

// ObserveRequest says what to look at besides facts and record.
type ObserveRequest struct {
	// Packages whose presence is asked, by name.
	Packages []string `json:"packages,omitempty"`
	// Paths whose file system's free space is asked.
	Paths []string `json:"paths,omitempty"`
	// Contents asks for the present content of recorded files that are not secret, for diffs.
	Contents bool `json:"contents,omitempty"`
	// Verify reads every blob of the store and compares digests; otherwise only those that were written to since they came.
	Verify bool `json:"verify,omitempty"`
	// Files are patterns of path.Match for files, recorded or not, whose content is asked.
	Files []string `json:"files,omitempty"`
}

// Observation is what a host looks like now.
type Observation struct {
	Facts Facts `json:"facts"`
	// Record is nil on a host that Trivet never touched.
	Record *Record `json:"record,omitempty"`
	// Drift lists recorded items that differ on the host, sorted by ID.
	Drift []Drift `json:"drift,omitempty"`
	// Overrides lists foreign files that change what a recorded item does, by the item. They are shown and never mended: who put them there removes them.
	Overrides []Drift `json:"overrides,omitempty"`
	// LastWords has, by unit, the end of what a recorded unit that should run and fails again and again wrote in the last of its runs that has ended.
	LastWords map[string]string `json:"lastWords,omitempty"`
	// Started tells by unit, of those that are recorded, when its main process began, by the host's clock. What has none is left out.
	Started map[string]time.Time `json:"started,omitempty"`
	// Blobs lists what the store holds; those that are not what they are called are left out.
	Blobs []Blob `json:"blobs,omitempty"`
	// Documents are the cluster's documents kept on this host, by name.
	Documents map[string]Document `json:"documents,omitempty"`
	// Contents holds, by path, what was asked for with ObserveRequest.Contents.
	Contents map[string][]byte `json:"contents,omitempty"`
	// Files answers for what ObserveRequest.Files matches, by path. What is not there is left out.
	Files map[string]FileFound `json:"files,omitempty"`
	// Holder is who holds the run lock, nil when nobody does.
	Holder *Holder `json:"holder,omitempty"`
}

// Blank reports whether there is nothing of Trivet's on the host but the helper, which came with the connection.
func (o *Observation) Blank() bool {
	return o.Record == nil && len(o.Blobs) == 0 && len(o.Documents) == 0
}

// FileFound is a file that was asked for.
type FileFound struct {
	Content []byte `json:"content,omitempty"`
	// Withheld says why there is no content: keys do not leave their host, and what is no regular file of a sensible size is not read.
	Withheld string `json:"withheld,omitempty"`
}

// Facts are properties of the host that Trivet reads and never sets.
type Facts struct {
	Hostname       string            `json:"hostname"`
	MachineID      string            `json:"machineID"`
	BootID         string            `json:"bootID"`
	Architecture   string            `json:"architecture"` // as Go spells it: amd64, arm64
	Kernel         string            `json:"kernel"`       // uname -r
	OS             OSRelease         `json:"os"`
	Init           string            `json:"init"`           // "systemd" or what PID 1 is called
	SystemdVersion int               `json:"systemdVersion"` // 0 when unknown
	CgroupVersion  int               `json:"cgroupVersion"`  // 1 or 2
	CPUs           int               `json:"cpus"`
	MemoryBytes    int64             `json:"memoryBytes"`
	SwapBytes      int64             `json:"swapBytes"`
	Interfaces     []Interface       `json:"interfaces"`
	Nameservers    []string          `json:"nameservers"`
	ResolvConf     string            `json:"resolvConf"` // path of the resolv.conf that holds real upstream servers
	Listeners      []Listener        `json:"listeners"`
	Packages       map[string]string `json:"packages,omitempty"` // name to version, of those asked for that are installed
	FreeBytes      map[string]int64  `json:"freeBytes,omitempty"`
	Time           time.Time         `json:"time"` // the host's clock
	// SysctlsReadOnly is true where /proc/sys cannot be written in part (a container's network namespace aside).
	ConntrackWritable bool `json:"conntrackWritable"`
}

// OSRelease is from os-release(5).
type OSRelease struct {
	ID        string `json:"id"`        // debian
	VersionID string `json:"versionID"` // 12
	Name      string `json:"name"`      // PRETTY_NAME
}

// Interface is a network interface.
type Interface struct {
	Name      string         `json:"name"`
	MTU       int            `json:"mtu"`
	Addresses []netip.Prefix `json:"addresses"`
}

// Listener is a listening TCP or UDP socket.
type Listener struct {
	Protocol string     `json:"protocol"` // tcp, udp
	Address  netip.Addr `json:"address"`
	Port     int        `json:"port"`
	Process  string     `json:"process,omitempty"`
}

// Record is what was applied to the host, as the host keeps it, less what is secret.
type Record struct {
	Cluster    string         `json:"cluster"`   // cluster name
	ClusterID  string         `json:"clusterID"` // made at first bring-up, never reused
	Host       string         `json:"host"`      // the host's name in the topology
	Epoch      uint64         `json:"epoch"`
	Generation uint64         `json:"generation"` // counts changes of this record
	Items      []RecordedItem `json:"items"`      // in the order in which they were made
	Owed       []Owed         `json:"owed,omitempty"`
}

// Has reports whether the record has an item, be it made or begun. A host without a record has none.
func (r *Record) Has(id ID) bool { return r.has(id, func(RecordedItem) bool { return true }) }

// Made reports whether the record has an item, and the end of its last operation.
func (r *Record) Made(id ID) bool { return r.has(id, func(i RecordedItem) bool { return !i.Pending }) }

func (r *Record) has(id ID, wanted func(RecordedItem) bool) bool {
	return r != nil && slices.ContainsFunc(r.Items, func(i RecordedItem) bool { return i.Item.ID() == id && wanted(i) })
}

// RecordedItem is an item as it was applied, without content.
type RecordedItem struct {
	Item Item `json:"item"`
	// Stale is true for a unit that has to be restarted because an input changed after it was last started.
	Stale bool `json:"stale,omitempty"`
	// Pending is true when the item's operation began and its end was not recorded: it must be done again.
	Pending bool `json:"pending,omitempty"`
	// Unmade is true for what is pending and never was applied to its end before.
	Unmade bool `json:"unmade,omitempty"`
}

// Drift is a recorded item that is not on the host as recorded.
type Drift struct {
	ID   ID     `json:"id"`
	What string `json:"what"` // for people: "missing", "content differs", "mode 0644, recorded 0600", "not running (failed)", …
	// Code says what it amounts to where more follows from that than to mend it.
	Code DriftCode `json:"code,omitempty"`
}

// String names the item and what is so with it.
func (d Drift) String() string { return d.ID.String() + ": " + d.What }

// DriftCode classifies a Drift.
type DriftCode string

// Codes of drift that the engine acts on.
const (
	// DriftAccess: no more than the mode or owner of a file or folder. Whoever has opened it does not notice.
	DriftAccess DriftCode = "access"
	// DriftDown: a unit that should run does not, or fails again and again. More may be wrong with it.
	DriftDown DriftCode = "down"
	// DriftDataGone: a folder that kept what cannot be made again is empty or missing.
	DriftDataGone DriftCode = "data-gone"
	// DriftNoRoute: a link that should lead to other nodes has no route, as it also has before another node is up.
	DriftNoRoute DriftCode = "no-route"
)

// Document is a small cluster-wide file kept beside the record (inventory, sealed identity).
type Document struct {
	Name       string `json:"name"`
	Generation uint64 `json:"generation"`
	Content    []byte `json:"content"`
}

// Step is a batch of operations on one host.
type Step struct {
	// Epoch must not be below the host's; a higher one raises it.
	Epoch uint64 `json:"epoch"`
	// Cluster, ClusterID and Host head the record. A host recorded for another ClusterID refuses the step.
	Cluster   string      `json:"cluster"`
	ClusterID string      `json:"clusterID"`
	Host      string      `json:"host"`
	Actor     string      `json:"actor"` // who runs this: user@machine, for messages
	Ops       []Operation `json:"ops"`
}

// Operation is one change. Exactly one field is set.
type Operation struct {
	Ensure   *Item       `json:"ensure,omitempty"`
	Remove   *ID         `json:"remove,omitempty"` // by the record, bringing back what was there before
	Unit     *UnitAction `json:"unit,omitempty"`
	Document *Document   `json:"document,omitempty"`
	// Discard names a document to be kept here no more.
	Discard string `json:"discard,omitempty"`
	// Forget removes record, documents, store and every trace, the helper's own file too; allowed when the record holds no items, and where there is none.
	Forget bool `json:"forget,omitempty"`
	// Prune removes blobs that no recorded item refers to.
	Prune bool `json:"prune,omitempty"`
	// Owe records hooks that have to run before the host is done with.
	Owe []Owed `json:"owe,omitempty"`
	// Waive names a hook that need not run any more.
	Waive string `json:"waive,omitempty"`
	// Hook runs a command of the user's.
	Hook *Hook `json:"hook,omitempty"`
}

// Owed is a hook that has to run on the host once what it belongs to is done.
type Owed struct {
	Hook string `json:"hook"`
	Step string `json:"step"` // that it belongs to
}

// Hook is a command of the user's. It is ended with all that it started in its process group when its time is over, or the step is cancelled.
type Hook struct {
	Name        string        `json:"name"`
	Command     []string      `json:"command"`     // a program by its path, and its arguments
	Environment []string      `json:"environment"` // "NAME=value", in addition to a minimal one
	Timeout     time.Duration `json:"timeout"`
	// Pays is true for a hook that is owed: once it has run, it is not.
	Pays bool `json:"pays,omitempty"`
}

// UnitAction acts on a recorded unit.
type UnitAction struct {
	Name string `json:"name"`
	Verb string `json:"verb"` // start, stop, restart, reload
	Wait bool   `json:"wait,omitempty"`
}

// Event reports progress of a step or a transfer.
type Event struct {
	Op      int    `json:"op"`    // index into Step.Ops
	State   string `json:"state"` // "started", "done", "unchanged", "failed", "progress"
	Message string `json:"message,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	// Elapsed time of the operation, with "done".
	Elapsed time.Duration `json:"elapsed,omitempty"`
}

// Receive names a staged upload.
type Receive struct {
	Path string `json:"path"`
	Blob Blob   `json:"blob"`
}

// Serve offers blobs over TLS to holders of certificates signed by the run's authority. The key lives in memory only.
type Serve struct {
	Address     string `json:"address"` // address to listen on; the port is chosen by the host
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
	Authority   []byte `json:"authority"`
}

// Fetch takes blobs from a serving peer.
type Fetch struct {
	From        string `json:"from"` // "address:port"
	ServerName  string `json:"serverName"`
	Certificate []byte `json:"certificate"`
	Key         []byte `json:"key"`
	Authority   []byte `json:"authority"`
	Blobs       []Blob `json:"blobs"`
}

// Hold asks for the run lock.
type Hold struct {
	Holder Holder `json:"holder"`
	// From, where it is set, is whose hold to end first; that of anybody else is left alone. What its helper is at is waited for within Patience, or as long as it takes where that is 0.
	From     *Holder       `json:"from,omitempty"`
	Patience time.Duration `json:"patience,omitempty"` // nanoseconds
}

// Holder says who holds the run lock.
type Holder struct {
	Actor   string    `json:"actor"`
	Purpose string    `json:"purpose"` // "apply", "destroy"
	Since   time.Time `json:"since"`
	Epoch   uint64    `json:"epoch"`
}

// Same compares all that tells one hold from another.
func (h Holder) Same(other Holder) bool {
	return h.Actor == other.Actor && h.Purpose == other.Purpose && h.Since.Equal(other.Since) && h.Epoch == other.Epoch
}

// RaiseEpoch sets the epoch.
type RaiseEpoch struct {
	Epoch     uint64 `json:"epoch"`
	ClusterID string `json:"clusterID"`
	// Patience bounds the wait for a running step, after which the answer is CodeBusy; 0 waits as long as it takes.
	Patience time.Duration `json:"patience,omitempty"` // nanoseconds
}

// Endpoint is something to connect to from the host. With TLS the helper does the handshake, with keys that stay on the host, and the
// connection given back carries plain bytes.
type Endpoint struct {
	Network string `json:"network"` // tcp, unix
	Address string `json:"address"`
	TLS     *TLS   `json:"tls,omitempty"`
}

// TLS names files on the host.
type TLS struct {
	Authority   string   `json:"authority"`
	Certificate string   `json:"certificate,omitempty"`
	Key         string   `json:"key,omitempty"`
	ServerName  string   `json:"serverName"`
	Protocols   []string `json:"protocols,omitempty"` // ALPN
	// Kubeconfig, where it is set, takes the place of the three files: what its current context names, or holds.
	Kubeconfig string `json:"kubeconfig,omitempty"`
}

// Logs asks for a unit's journal.
type Logs struct {
	Unit  string `json:"unit"`
	Lines int    `json:"lines"`
}

// Code classifies an Error.
type Code string

// Codes of errors that the engine acts on.
const (
	CodeFailed       Code = "failed"
	CodeHeld         Code = "held"          // somebody else holds the lock
	CodeStaleEpoch   Code = "stale-epoch"   // somebody took the lock over
	CodeOtherCluster Code = "other-cluster" // the host belongs to another cluster
	CodeRecord       Code = "record"        // the record cannot be read; never a reason to wipe
	CodeDigest       Code = "digest"        // bytes do not match their digest
	CodeDiskFull     Code = "disk-full"
	CodeForeign      Code = "foreign" // the thing exists and is not ours
	CodeCancelled    Code = "cancelled"
	CodeBusy         Code = "busy" // what is under way there does not end
)

// Error is a failure on a host.
type Error struct {
	Code    Code   `json:"code"`
	Op      int    `json:"op"` // index into Step.Ops, -1 when it is not about one
	Item    string `json:"item,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Message
	if e.Item != "" {
		s = e.Item + ": " + s
	}
	if e.Remedy != "" {
		s = fmt.Sprintf("%s (%s)", s, e.Remedy)
	}
	return s
}
