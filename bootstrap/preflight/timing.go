package preflight

import (
	"fmt"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// etcd's tuning advice: the heartbeat about one round trip, 0.5 to 1.5; the election time-out ten times that and at most 50 s. 66 ms is the most that OpenShift's documentation
// has members apart.
const (
	heartbeatLeast = 100 * time.Millisecond
	electionLeast  = time.Second
	electionMost   = 50 * time.Second
	farApart       = 66 * time.Millisecond
)

// timing derives etcd's intervals from the longest round trip.
func (c *checker) timing(all []tried) {
	var t *EtcdTiming
	for _, x := range all {
		if x.use == useEtcdPeers && x.State == hostapi.ReachOK && (t == nil || x.RTT > t.RTT) {
			t = &EtcdTiming{RTT: x.RTT, From: x.from.Name, To: x.to.Name}
		}
	}
	if t == nil {
		return
	}
	t.Heartbeat, t.Election = Timing(t.RTT)
	c.report.Etcd = t
	pair := func(s Severity, message, remedy string) {
		c.report.Findings = append(c.report.Findings, Finding{Check: CheckRTT, Severity: s, Host: t.From, Peer: t.To, Message: message, Remedy: remedy})
	}
	if t.RTT > farApart {
		pair(Warning, fmt.Sprintf("a round trip takes %s: every write waits for one, and etcd's members are best within %s", short(t.RTT), short(farApart)),
			"put the members closer together, with a cluster of its own for what is far")
	}
	e := c.Cluster.Etcd
	if !e.TimingSet {
		return
	}
	where := fmt.Sprintf("set heartbeat_interval = %q and election_timeout = %q%s, or leave both out to have them derived", t.Heartbeat, t.Election, topology.Aside(e.Range))
	if e.HeartbeatInterval < t.RTT/2 {
		pair(Warning, fmt.Sprintf("heartbeat_interval is %s, and a round trip takes %s: half of that is the least", e.HeartbeatInterval, short(t.RTT)), where)
	}
	if e.ElectionTimeout < 10*t.RTT {
		pair(Warning, fmt.Sprintf("election_timeout is %s, and a round trip takes %s: ten times that is the least", e.ElectionTimeout, short(t.RTT)), where)
	}
}

// Timing is the heartbeat and the election time-out for a round trip, in tens of milliseconds.
func Timing(rtt time.Duration) (heartbeat, election time.Duration) {
	heartbeat = max(heartbeatLeast, tens(rtt))
	election = min(max(electionLeast, 10*heartbeat), electionMost)
	// Beyond five seconds the longest election time-out that etcd takes bounds the heartbeat.
	return min(heartbeat, electionMost/10), election
}

// tens rounds up.
func tens(d time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return (d + step - 1) / step * step
}
