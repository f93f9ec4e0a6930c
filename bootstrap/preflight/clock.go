package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Certificates are made by the operator's clock and judged by each host's; leases are judged by the API servers'.
const (
	skewWarning = time.Second
	skewError   = 30 * time.Second
)

// skew is how far a host's clock is ahead of the operator's, by the middle of the request that asked, and how much of that may be the way.
type skew struct {
	host    string
	ahead   time.Duration
	unsure  time.Duration
	concern bool
}

// least is the part of a difference that is sure.
func (s skew) least(from time.Duration) time.Duration { return max((s.ahead-from).Abs()-s.unsure, 0) }

func (c *checker) skews() []skew {
	var out []skew
	for _, h := range c.Cluster.Hosts {
		l, ok := c.Listening[h.Name]
		if !ok || l.Time.IsZero() {
			continue
		}
		half := l.Answered.Sub(l.Asked) / 2
		out = append(out, skew{h.Name, l.Time.Sub(l.Asked.Add(half)), half, c.concerns(h.Name)})
	}
	slices.SortStableFunc(out, func(a, b skew) int { return cmp.Compare(a.ahead, b.ahead) })
	return out
}

const clockRemedy = "set the clock, and run a time service there, such as systemd-timesyncd or chrony"

// clocks compares every host's clock with the operator's, and the hosts' with one another.
func (c *checker) clocks() {
	all := c.skews()
	if len(all) == 0 {
		return
	}
	middle := all[len(all)/2].ahead
	alike := len(all) > 1
	for _, s := range all {
		alike = alike && s.least(middle) <= skewWarning
	}
	if severity, off := skewSeverity(all[len(all)/2].least(0)); off && alike {
		c.add(CheckClock, severity, "", fmt.Sprintf("the clocks of all hosts agree, and are %s those of this machine", aheadOf(middle)), "set the clock of this machine: certificates are made by it")
		return
	}
	var worst Severity
	for _, s := range all {
		severity, off := skewSeverity(s.least(0))
		if !off || !s.concern {
			continue
		}
		if worst != Error {
			worst = severity
		}
		c.add(CheckClock, severity, s.host, fmt.Sprintf("its clock is %s this machine's (±%s): certificates and leases suffer", aheadOf(s.ahead), short(s.unsure)), clockRemedy)
	}
	first, last := all[0], all[len(all)-1]
	apart := last.ahead - first.ahead - first.unsure - last.unsure
	severity, off := skewSeverity(apart)
	// Hosts on either side of this machine's clock may be well with it, and not with one another.
	if off && (first.concern || last.concern) && (worst == "" || worst == Warning && severity == Error) {
		c.report.Findings = append(c.report.Findings, Finding{Check: CheckClock, Severity: severity, Host: first.host, Peer: last.host,
			Message: fmt.Sprintf("their clocks are %s apart: certificates and leases suffer", short(apart)), Remedy: clockRemedy})
	}
}

func skewSeverity(d time.Duration) (s Severity, off bool) {
	switch {
	case d > skewError:
		return Error, true
	case d > skewWarning:
		return Warning, true
	}
	return "", false
}

func aheadOf(d time.Duration) string {
	if d < 0 {
		return short(-d) + " behind"
	}
	return short(d) + " ahead of"
}
