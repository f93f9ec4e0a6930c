package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// together checks fields against each other and against feature gates. Values of the wrong type or range are reported already, and skipped here.
func (c *checker) together(settings map[string]any) {
	c.settings = settings
	before := len(c.errors)
	c.needGates()
	switch c.component {
	case "kubelet":
		c.kubeletTogether()
	case "kube-proxy":
		c.proxyTogether()
	case "kube-scheduler":
		c.schedulerTogether()
	case "kube-apiserver":
		c.apiserverTogether()
	case "kube-controller-manager":
		c.controllerManagerTogether()
	case "etcd":
		c.etcdTogether()
	}
	for i := before; i < len(c.errors); i++ {
		c.errors[i].Together, c.errors[i].Value = true, true
	}
}

// field finds a setting by its path.
func (c *checker) field(path ...string) (any, bool) {
	var v any = c.settings
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func (c *checker) whole(otherwise float64, path ...string) float64 {
	v, _ := c.field(path...)
	if n, ok := number(v); ok {
		return n
	}
	return otherwise
}

func (c *checker) duration(otherwise time.Duration, path ...string) time.Duration {
	v, _ := c.field(path...)
	if d, ok := asDuration(v); ok {
		return d
	}
	return otherwise
}

func (c *checker) isSet(path ...string) bool { _, ok := c.field(path...); return ok }

// texts are the strings of a list.
func (c *checker) texts(path ...string) []string {
	v, _ := c.field(path...)
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// conflict reports fields that do not fit each other, at the first that is set: a default is not to blame. When none is, nothing is said.
func (c *checker) conflict(paths [][]string, summary, detail string, args ...any) {
	set := slices.DeleteFunc(paths, func(path []string) bool { return !c.isSet(path...) })
	if len(set) > 0 {
		c.report(set[0], summary, detail, args...)
		c.errors[len(c.errors)-1].Also = set[1:]
	}
}

func at(names ...string) [][]string {
	out := make([][]string, len(names))
	for i, n := range names {
		out[i] = strings.Split(n, ".")
	}
	return out
}

// gateOn tells whether a feature gate of the release is on with these settings.
func (c *checker) gateOn(name string) bool {
	g, known := gateTable(c.release.Minor())[name]
	gates := "featureGates"
	if flagTables[c.component] != nil {
		gates = "feature-gates"
	}
	if v, ok := c.field(gates, name); ok {
		on, _ := v.(bool)
		return on
	}
	for _, all := range []struct{ gate, stage string }{{"AllAlpha", "alpha"}, {"AllBeta", "beta"}} {
		if v, ok := c.field(gates, all.gate); ok && known && !g.locked && g.stage == all.stage {
			on, _ := v.(bool)
			return on
		}
	}
	return known && g.on
}

// gatedField is a field that a component refuses without a feature gate; harmless is the value that it takes nevertheless.
type gatedField struct {
	component, path, gate string
	since                 string
	harmless              func(v any) bool
}

var gatedFields = []gatedField{
	{component: "kubelet", path: "cpuCFSQuotaPeriod", gate: "CustomCPUCFSQuotaPeriod", harmless: lasts(100 * time.Millisecond)},
	{component: "kubelet", path: "crashLoopBackOff.maxContainerRestartPeriod", gate: "KubeletCrashLoopBackOffMax"},
	{component: "kubelet", path: "defaultPodSysctls", gate: "DefaultPodSysctls"},
	{component: "kubelet", path: "imagePullCredentialsVerificationPolicy", gate: "KubeletEnsureSecretPulledImages"},
	{component: "kubelet", path: "logging.options.json.infoBufferSize", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kubelet", path: "logging.options.json.splitStream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kubelet", path: "logging.options.text.infoBufferSize", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kubelet", path: "logging.options.text.splitStream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kubelet", path: "memoryReservationPolicy", gate: "MemoryQoS", harmless: func(v any) bool { return v != "TieredReservation" }},
	// Before 1.37 the kubelet ignored it.
	{component: "kubelet", path: "memoryThrottlingFactor", gate: "MemoryQoS", since: "1.37", harmless: func(v any) bool { return v == 0.9 }},
	{component: "kubelet", path: "preloadedImagesVerificationAllowlist", gate: "KubeletEnsureSecretPulledImages"},
	{component: "kubelet", path: "qosReserved", gate: "QOSReserved"},
	{component: "kubelet", path: "shutdownGracePeriod", gate: "GracefulNodeShutdown", harmless: lasts(0)},
	{component: "kubelet", path: "shutdownGracePeriodByPodPriority", gate: "GracefulNodeShutdownBasedOnPodPriority"},
	{component: "kubelet", path: "shutdownGracePeriodCriticalPods", gate: "GracefulNodeShutdown", harmless: lasts(0)},
	{component: "kube-apiserver", path: "peer-advertise-ip", gate: "UnknownVersionInteroperabilityProxy"},
	{component: "kube-apiserver", path: "peer-advertise-port", gate: "UnknownVersionInteroperabilityProxy"},
	{component: "kube-apiserver", path: "peer-ca-file", gate: "UnknownVersionInteroperabilityProxy"},
	{component: "kube-proxy", path: "logging.options.json.splitStream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kube-proxy", path: "logging.options.text.splitStream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kube-apiserver", path: "log-json-split-stream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kube-apiserver", path: "log-text-split-stream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kube-controller-manager", path: "log-json-split-stream", gate: "LoggingAlphaOptions", harmless: isNothing},
	{component: "kube-controller-manager", path: "log-text-split-stream", gate: "LoggingAlphaOptions", harmless: isNothing},
}

// lasts recognises a duration.
func lasts(d time.Duration) func(v any) bool {
	return func(v any) bool { x, ok := asDuration(v); return ok && x == d }
}

// isNothing recognises false, zero and emptiness.
func isNothing(v any) bool {
	n, isNumber := number(v)
	return v == false || v == "" || v == "0" || isNumber && n == 0
}

func (c *checker) needGates() {
	for _, g := range gatedFields {
		path := strings.Split(g.path, ".")
		v, ok := c.field(path...)
		if !ok || g.component != c.component || g.since != "" && !c.release.atLeast(g.since) || g.harmless != nil && g.harmless(v) || c.gateOn(g.gate) {
			continue
		}
		if m, isMap := v.(map[string]any); isMap && len(m) == 0 {
			continue
		}
		if list, isList := v.([]any); isList && len(list) == 0 {
			continue
		}
		c.needGate(path, g.gate)
	}
}

func (c *checker) needGate(path []string, gate string) {
	name := "featureGates"
	if flagTables[c.component] != nil {
		name = "feature-gates"
	}
	if _, ok := gateTable(c.release.Minor())[gate]; !ok {
		return // the field came with the gate, and is reported as one of another release
	}
	c.report(path, "Feature gate that is off", "%s of %s takes effect with the feature gate %s only, which is off in Kubernetes %s unless it is set, and %s does not start without it. Add %s = { %s = true }, or leave the field out.",
		fieldName(path), c.component, gate, c.release.Minor(), c.component, name, gate)
}

// order reports when a value is not below, or at least not above, another. Paths of the low one come first.
func (c *checker) order(low, high string, lowIs, highIs any, right bool, relation string) {
	if !right {
		said := func(name string, v any) string {
			if !c.isSet(strings.Split(name, ".")...) {
				return fmt.Sprintf("%v, the default", v)
			}
			return fmt.Sprint(v)
		}
		c.conflict(at(low, high), "Fields that do not fit", "%s of %s (%s) must be %s %s (%s).", low, c.component, said(low, lowIs), relation, high, said(high, highIs))
	}
}

func (c *checker) proxyTogether() {
	for _, mode := range []string{"iptables", "ipvs", "nftables"} {
		// 0 stands for the default.
		low, high := c.duration(0, mode, "minSyncPeriod"), c.duration(0, mode, "syncPeriod")
		if low == 0 && mode != "ipvs" {
			low = time.Second
		}
		if high == 0 {
			high = 30 * time.Second
		}
		c.order(mode+".minSyncPeriod", mode+".syncPeriod", brief(low), brief(high), low <= high, "no longer than")
	}
	mode, _ := c.field("detectLocalMode")
	for _, need := range []struct{ mode, field string }{{"BridgeInterface", "bridgeInterface"}, {"InterfaceNamePrefix", "interfaceNamePrefix"}} {
		if v, _ := c.field("detectLocal", need.field); mode == need.mode && (v == nil || v == "") {
			c.report([]string{"detectLocalMode"}, "Missing field", "detectLocalMode = %q needs detectLocal = { %s = \"…\" } beside it.", need.mode, need.field)
		}
	}
}

func (c *checker) schedulerTogether() {
	first, most := c.whole(1, "podInitialBackoffSeconds"), c.whole(10, "podMaxBackoffSeconds")
	c.order("podInitialBackoffSeconds", "podMaxBackoffSeconds", first, most, first <= most, "no more than")
	c.election("leaderElection.leaseDuration", "leaderElection.renewDeadline", "leaderElection.retryPeriod")
	list, _ := c.field("profiles")
	profiles, _ := list.([]any)
	names := map[string]bool{}
	for i, e := range profiles {
		p, _ := e.(map[string]any)
		name, _ := p["schedulerName"].(string)
		here := []string{"profiles", strconv.Itoa(i)}
		switch {
		case name == "" && len(profiles) > 1:
			c.report(here, "Missing field", "Each of several profiles needs a schedulerName of its own, which pods choose it by.")
		case name != "" && names[name]:
			c.report(append(here, "schedulerName"), "Duplicate profile", "There is a profile with the schedulerName %q already.", name)
		}
		names[name] = true
	}
	list, _ = c.field("extenders")
	extenders, _ := list.([]any)
	binders := 0
	for i, e := range extenders {
		x, _ := e.(map[string]any)
		here := []string{"extenders", strconv.Itoa(i)}
		weight, _ := number(x["weight"])
		if verb, _ := x["prioritizeVerb"].(string); verb != "" && weight <= 0 {
			c.report(append(here, "prioritizeVerb"), "Missing field", "An extender with a prioritizeVerb needs a weight above 0.")
		}
		if verb, _ := x["bindVerb"].(string); verb != "" {
			if binders++; binders == 2 {
				c.report(append(here, "bindVerb"), "Fields that do not fit", "Only one extender can have a bindVerb.")
			}
		}
	}
}

// election checks how long the leader's lease lasts (client-go/tools/leaderelection): a retry may be up to a fifth longer than asked for.
func (c *checker) election(lease, renew, retry string) {
	field := func(otherwise time.Duration, name string) time.Duration {
		if d := c.duration(otherwise, strings.Split(name, ".")...); d > 0 {
			return d
		}
		return otherwise
	}
	l, d, r := field(leaderElection.lease, lease), field(leaderElection.renew, renew), field(leaderElection.retry, retry)
	c.order(renew, lease, brief(d), brief(l), d < l, "shorter than")
	if d <= r+r/5 {
		c.conflict(at(retry, renew), "Fields that do not fit", "%s of %s (%s) must be longer than 1.2 times %s (%s).", renew, c.component, brief(d), retry, brief(r))
	}
}

func (c *checker) apiserverTogether() {
	on := c.texts("enable-admission-plugins")
	for i, name := range c.texts("disable-admission-plugins") {
		if slices.Contains(on, name) {
			c.report([]string{"disable-admission-plugins", strconv.Itoa(i)}, "Fields that do not fit", "%s is in enable-admission-plugins too, and kube-apiserver does not start with both.", name)
		}
	}
	for _, kind := range []string{"audit-log", "audit-webhook"} {
		event, batch := c.whole(100<<10, kind+"-truncate-max-event-size"), c.whole(10<<20, kind+"-truncate-max-batch-size")
		c.order(kind+"-truncate-max-event-size", kind+"-truncate-max-batch-size", flagValue(event), flagValue(batch), event <= batch, "no more than")
	}
	if read, write := c.whole(400, "max-requests-inflight"), c.whole(200, "max-mutating-requests-inflight"); read+write == 0 {
		c.conflict(at("max-requests-inflight"), "Fields that do not fit", "max-requests-inflight and max-mutating-requests-inflight cannot both be 0: kube-apiserver shares them out between requests.")
	}
	const lease, renew, retry = "coordinated-leadership-lease-duration", "coordinated-leadership-renew-deadline", "coordinated-leadership-retry-period"
	l, d, r := c.duration(leaderElection.lease, lease), c.duration(leaderElection.renew, renew), c.duration(leaderElection.retry, retry)
	c.order(renew, lease, brief(d), brief(l), d < l, "shorter than")
	c.order(retry, renew, brief(r), brief(d), r < d, "shorter than")
	text, _ := c.field("service-node-port-range")
	s, isText := text.(string)
	first, last, ok := portRange(s)
	if !isText || !ok {
		first, last = 30000, 32767
	}
	if p := c.whole(0, "kubernetes-service-node-port"); p > 0 && (p < float64(first) || p > float64(last)) {
		c.conflict(at("kubernetes-service-node-port"), "Fields that do not fit", "kubernetes-service-node-port (%v) must be in service-node-port-range (%d-%d).", p, first, last)
	}
	if c.isSet("allow-metric-labels") && c.isSet("allow-metric-labels-manifest") {
		c.conflict(at("allow-metric-labels"), "Fields that do not fit", "allow-metric-labels and allow-metric-labels-manifest cannot both be set. Leave one out.")
	}
}

func (c *checker) controllerManagerTogether() {
	c.election("leader-elect-lease-duration", "leader-elect-renew-deadline", "leader-elect-retry-period")
	period, grace := c.duration(5*time.Second, "node-monitor-period"), c.duration(50*time.Second, "node-monitor-grace-period")
	c.order("node-monitor-period", "node-monitor-grace-period", brief(period), brief(grace), period < grace, "shorter than")
}

func (c *checker) etcdTogether() {
	low, _ := c.field("tls-min-version")
	high, _ := c.field("tls-max-version")
	if low == "TLS1.3" && high == "TLS1.2" {
		c.conflict(at("tls-max-version"), "Fields that do not fit", "tls-max-version of etcd (TLS1.2) must not be below tls-min-version (TLS1.3).")
	}
	if low == "TLS1.3" && len(c.texts("cipher-suites")) > 0 {
		c.conflict(at("cipher-suites"), "Fields that do not fit", "etcd takes no cipher-suites when tls-min-version is TLS1.3: Go chooses them. Leave them out.")
	}
	persist, _ := c.field("feature-gates", "LeaseCheckpointPersist")
	if point, _ := c.field("feature-gates", "LeaseCheckpoint"); persist == true && point != true {
		c.conflict(at("feature-gates.LeaseCheckpointPersist"), "Fields that do not fit", "LeaseCheckpointPersist needs LeaseCheckpoint = true beside it.")
	}
}
