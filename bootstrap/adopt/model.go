package adopt

import "time"

// Level says how much a finding is in the way.
type Level string

// Levels.
const (
	Blocked Level = "blocked" // the cluster cannot be taken over as it is
	Risk    Level = "risk"    // something would be lost or interrupted, or is not known
	Note    Level = "note"
)

// Finding is something to know before a takeover.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"`
	What    string `json:"what"`
	Remedy  string `json:"remedy,omitempty"`
}

// Description is a cluster as a topology, with what taking it over would change.
type Description struct {
	Topology string `json:"topology"` // text of the file
	// Incomplete lists what the topology lacks, or has wrong, for `trivet validate` to accept it.
	Incomplete []string `json:"incomplete,omitempty"`
	Report     Report   `json:"report"`
}

// Report is what there is, and what would change.
type Report struct {
	Cluster string `json:"cluster"`
	Version string `json:"version"`
	// Release is the one that the topology names and that was compared with.
	Release      string        `json:"release"`
	Asked        string        `json:"asked"`
	Endpoint     string        `json:"endpoint,omitempty"`
	Hosts        []HostReport  `json:"hosts"`
	Settings     []Setting     `json:"settings,omitempty"` // of components, that the topology carries over
	Kept         []Kept        `json:"kept"`
	Replaced     []Replaced    `json:"replaced"`
	Findings     []Finding     `json:"findings,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Members      []Member      `json:"members,omitempty"`
}

// Member is a member of etcd.
type Member struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Version  string `json:"version,omitempty"`
	Leader   bool   `json:"leader,omitempty"`
	Learner  bool   `json:"learner,omitempty"`
	DBSize   int64  `json:"dbSize,omitempty"`
	Revision int64  `json:"revision,omitempty"`
	Error    string `json:"error,omitempty"`
}

// HostReport is one host, with what runs on it and what Trivet would run.
type HostReport struct {
	Name       string      `json:"name"`
	Node       string      `json:"node"`
	Address    string      `json:"address"`
	Roles      []string    `json:"roles"`
	Kubelet    string      `json:"kubelet"` // version
	Runtime    string      `json:"runtime"`
	OS         string      `json:"os"`
	Kernel     string      `json:"kernel"`
	PodCIDR    string      `json:"podCIDR,omitempty"`
	MachineID  string      `json:"machineID,omitempty"`
	Problem    string      `json:"problem,omitempty"` // why it was not read
	Components []Component `json:"components,omitempty"`
}

// Component is a program on a host, now and then.
type Component struct {
	Name string `json:"name"`
	Now  string `json:"now"`
	Then string `json:"then"`
	// Differences are flags and fields with another value.
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is a flag or a field of a configuration file.
type Difference struct {
	Name string `json:"name"` // "--flag" or "field.of.file"
	Now  string `json:"now"`  // "" where it is not set
	Then string `json:"then"`
	// Default is what holds where one of the two is not set, as far as it is known.
	Default string `json:"default,omitempty"`
	// Place is set where both name files: only where they lie differs.
	Place bool `json:"place,omitempty"`
}

// Setting is one that the topology carries over.
type Setting struct {
	Component string `json:"component"`
	Name      string `json:"name"`
	Value     any    `json:"value"`
}

// Kept is what a takeover leaves as it is.
type Kept struct {
	What string `json:"what"`
	Is   string `json:"is"`
}

// Replaced is what another thing takes the place of.
type Replaced struct {
	What string `json:"what"`
	Now  string `json:"now"`
	Then string `json:"then"`
}

// worst is the level of the gravest finding; "" without any.
func (r *Report) worst() Level {
	for _, l := range []Level{Blocked, Risk, Note} {
		for _, f := range r.Findings {
			if f.Level == l {
				return l
			}
		}
	}
	return ""
}

// soon is how near the end of a certificate is worth a word.
const soon = 30 * 24 * time.Hour
