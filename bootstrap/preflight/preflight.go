// Package preflight finds what on hosts and between them stands in the way of a cluster, before anything is changed: everything at once, each finding with its numbers and what to do.
//
// Look does the I/O, with at most two requests for each host besides the observation that a plan makes anyway; Check judges what came of it and is pure. A host that has a
// record is part of a cluster already: its components' ports are its own, its disks are not measured, and ways between two such hosts are taken as proved.
package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Severity says whether a finding keeps a cluster from coming up.
type Severity string

// Severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Names of checks, as --skip-preflight takes them.
const (
	CheckConnect   = "connect"      // the host answers
	CheckClock     = "clock"        // clocks agree, and something keeps them so
	CheckIdentity  = "identity"     // machine ids and host names are there and differ
	CheckAddress   = "address"      // the host has the address of the topology
	CheckSystem    = "system"       // architecture, systemd
	CheckResources = "resources"    // processors and memory
	CheckSwap      = "swap"         // none, where the kubelet wants none
	CheckKernel    = "kernel"       // version and features
	CheckResolver  = "resolver"     // name servers that CoreDNS can ask
	CheckForeign   = "foreign"      // another Kubernetes, etcd or container runtime
	CheckPorts     = "ports"        // the ports of the host's roles are free
	CheckFirewall  = "firewall"     // firewalld, ufw
	CheckSELinux   = "selinux"      // not enforcing
	CheckMounts    = "mounts"       // writable, programs may run
	CheckDisk      = "disk"         // room
	CheckLatency   = "disk-latency" // of synchronous writes, where etcd has its data
	CheckHooks     = "hooks"        // the programs of hooks are there
	CheckNetwork   = "network"      // ports between hosts
	CheckMTU       = "mtu"          // packets of the pod network arrive whole
	CheckRTT       = "etcd-rtt"     // round trips between etcd's members
)

// Checks lists the names in the order in which findings are shown.
var Checks = []string{
	CheckConnect, CheckClock, CheckIdentity, CheckAddress, CheckSystem, CheckResources, CheckSwap, CheckKernel, CheckResolver, CheckForeign, CheckPorts,
	CheckFirewall, CheckSELinux, CheckMounts, CheckDisk, CheckLatency, CheckHooks, CheckNetwork, CheckMTU, CheckRTT,
}

// Finding is something that is in the way of a cluster, or may come to be.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Host, with Peer where it is about two; both are empty where it is about more.
	Host string `json:"host,omitempty"`
	Peer string `json:"peer,omitempty"`
	// Message is what was found, Remedy what to do about it.
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// Place names what the finding is about, "" when that is the fleet.
func (f Finding) Place() string {
	if f.Peer != "" {
		return f.Host + " → " + f.Peer
	}
	return f.Host
}

// String is the finding on one line.
func (f Finding) String() string {
	place := ""
	if p := f.Place(); p != "" {
		place = p + ": "
	}
	return fmt.Sprintf("%s%s (%s): %s", place, f.Message, f.Check, f.Remedy)
}

// EtcdTiming is what the round trips between etcd's members suggest.
type EtcdTiming struct {
	// RTT is the longest of the median round trips between two members, From and To.
	RTT       time.Duration `json:"rtt"`
	From      string        `json:"from"`
	To        string        `json:"to"`
	Heartbeat time.Duration `json:"heartbeat"`
	Election  time.Duration `json:"election"`
}

// Report is the outcome of a run.
type Report struct {
	Cluster  string        `json:"cluster"`
	Hosts    []string      `json:"hosts"` // that were looked at
	Ways     int           `json:"ways"`  // between hosts that were tried
	Findings []Finding     `json:"findings"`
	Etcd     *EtcdTiming   `json:"etcd,omitempty"` // nil when no way between members was tried
	Elapsed  time.Duration `json:"elapsed"`
}

// OK reports whether nothing keeps a cluster from coming up.
func (r Report) OK() bool { return len(r.Errors()) == 0 }

// Errors lists the findings that keep a cluster from coming up.
func (r Report) Errors() []Finding { return r.of(Error) }

// Warnings lists the other findings.
func (r Report) Warnings() []Finding { return r.of(Warning) }

func (r Report) of(s Severity) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

// All stands for every check where checks are skipped.
const All = "all"

// Known fails where a name is not that of a check, and not All.
func Known(checks []string) error {
	for _, name := range checks {
		if name != All && !slices.Contains(Checks, name) {
			return fmt.Errorf("there is no preflight check %q: they are %s, or %s for every one", name, strings.Join(Checks, ", "), All)
		}
	}
	return nil
}

// Skip makes warnings of the errors of checks that the user wants to go on in spite of.
func (r Report) Skip(checks []string) Report {
	r.Findings = slices.Clone(r.Findings)
	for i, f := range r.Findings {
		if slices.Contains(checks, f.Check) || slices.Contains(checks, All) {
			r.Findings[i].Severity = Warning
		}
	}
	sortFindings(r.Findings)
	return r
}

// Errors says that preflight found what keeps a cluster from coming up.
type Errors struct{ Findings []Finding }

// Error implements error.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Findings))
	checks := map[string]bool{}
	for i, f := range e.Findings {
		lines[i] = "\n  ✗ " + f.String()
		checks[f.Check] = true
	}
	return fmt.Sprintf("preflight found %s in the way, nothing was changed:%s\nMend them and apply again, or go on in spite of them with --skip-preflight=%s",
		topology.Count(len(e.Findings), "thing"), strings.Join(lines, ""), strings.Join(slices.Sorted(maps.Keys(checks)), ","))
}

// Err is an *Errors when there are errors, else nil.
func (r Report) Err() error {
	if errs := r.Errors(); len(errs) > 0 {
		return &Errors{errs}
	}
	return nil
}

// Input is everything that a judgement rests on.
type Input struct {
	Cluster *topology.Cluster
	// OnlyNew leaves out what concerns only hosts that are part of a cluster already.
	OnlyNew bool
	// Seen, Listening and Probes are by host, as far as it answered; Failed has the reason of those that did not.
	Seen      map[string]*hostapi.Observation
	Listening map[string]Listening
	Probes    map[string]*hostapi.ProbeResult
	Failed    map[string]error
	// Needs are the bytes of artifacts that a host will get, where that is known.
	Needs map[string]int64
	// Elapsed is how long it took to look.
	Elapsed time.Duration
}

// Listening is what a host answered when it was asked to listen, and when, by the operator's clock.
type Listening struct {
	hostapi.ProbeListening
	Asked, Answered time.Time
}

// checker collects the findings.
type checker struct {
	*Input
	byName map[string]*topology.Host
	report Report
}

// Check judges.
func Check(in Input) Report {
	c := &checker{Input: &in, byName: map[string]*topology.Host{}}
	c.report = Report{Cluster: in.Cluster.Name, Hosts: []string{}, Findings: []Finding{}, Elapsed: in.Elapsed}
	for _, h := range in.Cluster.Hosts {
		c.byName[h.Name] = h
		if err := in.Failed[h.Name]; err != nil {
			c.failed(h, err)
		}
		if in.Seen[h.Name] != nil && in.concerns(h.Name) {
			c.report.Hosts = append(c.report.Hosts, h.Name)
			c.host(h, in.Seen[h.Name], in.Probes[h.Name])
		}
	}
	c.clocks()
	c.identities()
	if !in.OnlyNew { // a host with a record is not new, and a plan refuses those of other clusters
		c.clusters()
	}
	c.resolvers()
	c.linkMTUs()
	c.ways()
	sortFindings(c.report.Findings)
	return c.report
}

// failed tells of a host that could not be looked at. A surge host is no part of the cluster most of the time, and may be switched off.
func (c *checker) failed(h *topology.Host, err error) {
	message := "it could not be looked at: " + strings.TrimPrefix(err.Error(), "host "+h.Name+": ")
	if h.Surge && !c.member(h.Name) {
		c.add(CheckConnect, Warning, h.Name, message, "have it run before the next upgrade, which goes on without it; what else is wrong with the host is not known yet")
		return
	}
	c.add(CheckConnect, Error, h.Name, message, "see to it that SSH and the helper work there; what else is wrong with the host is not known yet")
}

// host makes the checks that concern one host alone.
func (c *checker) host(h *topology.Host, o *hostapi.Observation, p *hostapi.ProbeResult) {
	c.address(h, o)
	c.system(h, o)
	c.resources(h, o)
	c.swap(h, o)
	c.ports(h, o)
	if p == nil {
		p = &hostapi.ProbeResult{}
	}
	c.kernel(h, o, p)
	c.foreign(h, o, p)
	c.protection(h, p)
	c.mounts(h, o, p)
	c.disk(h, o, p)
	c.latency(h, p)
	c.programs(h, p)
	if p.Clock == hostapi.ClockUnsynchronised {
		c.add(CheckClock, Warning, h.Name, "nothing keeps its clock right: the kernel calls it unsynchronised",
			"run a time service there, such as systemd-timesyncd or chrony (a service that has just been started needs a minute)")
	}
}

func (c *checker) add(check string, s Severity, host, message, remedy string) {
	c.report.Findings = append(c.report.Findings, Finding{Check: check, Severity: s, Host: host, Message: message, Remedy: remedy})
}

// member reports whether a host is part of a cluster already, as far as it is known.
func (in *Input) member(host string) bool {
	o := in.Seen[host]
	return o != nil && o.Record != nil && len(o.Record.Items) > 0
}

// concerns reports whether findings about a host are wanted.
func (in *Input) concerns(host string) bool { return !in.OnlyNew || !in.member(host) }

// recorded reports whether Trivet made an item of a host.
func recorded(o *hostapi.Observation, kind hostapi.Kind, name string) bool {
	return o.Record.Has(hostapi.ID{Kind: kind, Name: name})
}

// sortFindings puts errors first, then what is about the fleet, then host by host.
func sortFindings(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Host, b.Host), cmp.Compare(slices.Index(Checks, a.Check), slices.Index(Checks, b.Check)),
			cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Message, b.Message))
	})
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", max(n, 0)>>10)
}

// short rounds a duration to what matters.
func short(d time.Duration) string {
	switch {
	case d.Abs() >= 10*time.Second:
		return d.Round(time.Second).String()
	case d.Abs() >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d.Abs() >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
