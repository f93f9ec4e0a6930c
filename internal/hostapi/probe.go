package hostapi

import (
	"net/netip"
	"time"
)

// ProbeRequest asks a host for more about itself than Observe tells, and to try its way to other hosts. It changes nothing: the file that the disk is measured with has no name.
type ProbeRequest struct {
	// Units whose state is asked.
	Units []string `json:"units,omitempty"`
	// Paths whose file system, and entries when they are folders, are asked.
	Paths []string `json:"paths,omitempty"`
	// Features of the kernel that are asked: a module ("vxlan"), or a controller of control groups ("cgroup:memory").
	Features []string `json:"features,omitempty"`
	// SyncPath is where, or below whose nearest folder, small synchronous writes are timed.
	SyncPath string `json:"syncPath,omitempty"`
	// Token is what listeners of this run answer with.
	Token   string        `json:"token,omitempty"`
	Targets []ProbeTarget `json:"targets,omitempty"`
	// Timeout bounds each attempt; 3 s when zero.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Networks of a probe.
const (
	ProbeTCP = "tcp"
	ProbeUDP = "udp"
)

// ProbeTarget is an address to try.
type ProbeTarget struct {
	Network string         `json:"network"` // tcp, udp
	Address netip.AddrPort `json:"address"`
	// Echo wants the token of this run's listener as the answer; without it, a connection suffices. Over UDP it is always wanted.
	Echo bool `json:"echo,omitempty"`
	// Count is how many round trips are timed; 1 when zero.
	Count int `json:"count,omitempty"`
	// PacketSize is the size of an IP packet that has to arrive in one piece, and back, over UDP; 0 asks for none.
	PacketSize int `json:"packetSize,omitempty"`
}

// ProbeResult is what a host answers to a ProbeRequest. What could not be found out is left at its zero value.
type ProbeResult struct {
	Clock ClockState           `json:"clock"`
	Units map[string]UnitFound `json:"units,omitempty"` // those that exist
	Paths map[string]PathFound `json:"paths,omitempty"` // all that were asked
	// Features tells of those that are known to be there or not to be.
	Features map[string]bool `json:"features,omitempty"`
	// Container is the kind of container that the host is, empty for a machine.
	Container string `json:"container,omitempty"`
	// SELinux is "enforcing" or "permissive", empty without SELinux.
	SELinux string      `json:"selinux,omitempty"`
	Sync    SyncLatency `json:"sync,omitzero"`
	// Reached answers for each target, in order.
	Reached []Reached `json:"reached,omitempty"`
}

// ClockState says whether something keeps a host's clock right.
type ClockState string

// States of a clock.
const (
	ClockUnknown        ClockState = ""
	ClockSynchronised   ClockState = "synchronised"
	ClockUnsynchronised ClockState = "unsynchronised"
)

// UnitFound is a unit that exists on a host.
type UnitFound struct {
	Active string `json:"active"` // active, inactive, failed, …
	Load   string `json:"load"`   // loaded, masked, …
	// Failing is true of a unit that systemd starts again since it failed, and Restarts is how often it has since somebody started the unit.
	Failing  bool   `json:"failing,omitempty"`
	Restarts uint32 `json:"restarts,omitempty"`
	// Started is when the main process of a service that runs began, by the host's clock; zero when that is not known. Of one that does not run it is the time of the answer: what
	// it may say later, it has not said before.
	Started time.Time `json:"started,omitzero"`
}

// PathFound is what a path is, and the file system that it is on or would be on.
type PathFound struct {
	Exists bool `json:"exists,omitempty"`
	// Program is true of a file that somebody may execute, links followed.
	Program bool `json:"program,omitempty"`
	// Entries is how many entries the folder has, counted up to a few.
	Entries  int    `json:"entries,omitempty"`
	Mount    string `json:"mount,omitempty"`  // mount point
	FSType   string `json:"fsType,omitempty"` // ext4, overlay, …
	ReadOnly bool   `json:"readOnly,omitempty"`
	NoExec   bool   `json:"noExec,omitempty"`
	Free     int64  `json:"free"` // bytes
	// Total bytes of the file system; 0 when unknown.
	Total int64 `json:"total"`
	// FreeInodes is -1 where the file system has no fixed number of them.
	FreeInodes int64 `json:"freeInodes"`
}

// SyncLatency is how long small writes took to be safe on disk.
type SyncLatency struct {
	Path   string        `json:"path,omitempty"` // the folder that was written in
	Writes int           `json:"writes,omitempty"`
	Median time.Duration `json:"median,omitempty"`
	P99    time.Duration `json:"p99,omitempty"`
	Max    time.Duration `json:"max,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// ReachState says how an attempt ended.
type ReachState string

// Ends of attempts.
const (
	ReachOK          ReachState = "ok"
	ReachRefused     ReachState = "refused"     // something answered that nobody listens, or that it is forbidden
	ReachTimeout     ReachState = "timeout"     // no answer at all
	ReachUnreachable ReachState = "unreachable" // there is no way there
	ReachForeign     ReachState = "foreign"     // somebody else answered
	ReachFailed      ReachState = "failed"      // the attempt could not be made
)

// Reached is how the attempts at one target ended.
type Reached struct {
	State ReachState `json:"state"`
	Error string     `json:"error,omitempty"`
	// RTT is the median round trip, Worst the longest of those that were timed.
	RTT   time.Duration `json:"rtt,omitempty"`
	Worst time.Duration `json:"worst,omitempty"`
	// PacketSize is the size of the largest IP packet that arrived in one piece, of those tried; 0 when none did or none was asked for.
	PacketSize int `json:"packetSize,omitempty"`
}

// ProbeListen asks a host to answer on ports that it will use later, until the request ends.
type ProbeListen struct {
	Ports []ProbePort `json:"ports"`
	// Token is what is answered with: on each connection, and to datagrams that begin with it.
	Token string `json:"token"`
}

// ProbePort is a port of a host.
type ProbePort struct {
	Network string         `json:"network"` // tcp, udp
	Address netip.AddrPort `json:"address"`
}

// ProbeListening says what a host listens on now.
type ProbeListening struct {
	// Time is the host's clock.
	Time time.Time `json:"time"`
	// Ports answers for each port, in order.
	Ports []ProbePortState `json:"ports,omitempty"`
}

// ProbePortState is what became of a port.
type ProbePortState struct {
	Listening bool `json:"listening,omitempty"`
	// Taken is true when somebody listens there already.
	Taken bool   `json:"taken,omitempty"`
	Error string `json:"error,omitempty"`
}
