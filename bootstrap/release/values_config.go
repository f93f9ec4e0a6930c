package release

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// proxyRules follow pkg/proxy/apis/config/validation; durations of 0 stand for defaults there.
var proxyRules = map[string]rule{
	"bindAddress":                     ipAddress,
	"clientConnection.burst":          atLeast(0),
	"configSyncPeriod":                notNegative,
	"conntrack.maxPerCore":            atLeast(0),
	"conntrack.min":                   atLeast(0),
	"detectLocalMode":                 enum("", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
	"healthzBindAddress":              hostPort,
	"iptables.masqueradeBit":          bitOfMark,
	"ipvs.excludeCIDRs":               each(cidr),
	"logging.flushFrequency":          flushFrequency,
	"logging.format":                  enum("text", "json"),
	"logging.verbosity":               verbosity,
	"metricsBindAddress":              hostPort,
	"nftables.masqueradeBit":          bitOfMark,
	"nodePortAddresses":               nodePortAddresses,
	"oomScoreAdj":                     oomScore,
	"showHiddenMetricsForVersion":     previousMinor,
	"ipvs.scheduler":                  parsed("a word in lower case, such as \"rr\"", isLower),
	"conntrack.tcpEstablishedTimeout": notNegative,
}

func isLower(s string) bool { return s == strings.ToLower(s) && !strings.ContainsAny(s, " \t") }

// nodePortAddresses takes words beside ranges: "primary" alone before 1.37, three of them since.
func nodePortAddresses(c *checker, path []string, v any) {
	list, _ := v.([]any)
	words := []string{"primary", "localhost", "all"}
	if !c.release.atLeast("1.37") {
		words = words[:1]
		if slices.Contains(list, any("primary")) && len(list) > 1 {
			c.wrong(path, v, `must be ["primary"] alone, or ranges`)
			return
		}
	}
	for i, e := range list {
		s, _ := e.(string)
		if !slices.Contains(words, s) && !isCIDR(s) {
			c.wrong(append(slices.Clone(path), strconv.Itoa(i)), e, `must be a range such as "10.0.0.0/8", or %s`, oneOf(words))
		} else if slices.Index(list, e) < i {
			c.wrong(append(slices.Clone(path), strconv.Itoa(i)), e, "must not stand in the list twice")
		}
	}
}

// schedulerRules follow pkg/scheduler/apis/config/validation.
var schedulerRules = map[string]rule{
	"clientConnection.burst":                               atLeast(0),
	"extenders[].managedResources[].name":                  parsed("the name of an extended resource, such as \"example.com/gpu\"", isExtendedResource),
	"extenders[].weight":                                   atLeast(0),
	"leaderElection.leaseDuration":                         longer,
	"leaderElection.renewDeadline":                         longer,
	"leaderElection.resourceLock":                          enum("leases"),
	"leaderElection.retryPeriod":                           longer,
	"parallelism":                                          atLeast(1),
	"percentageOfNodesToScore":                             percentage,
	"podInitialBackoffSeconds":                             atLeast(1),
	"podMaxBackoffSeconds":                                 atLeast(1),
	"profiles[].percentageOfNodesToScore":                  percentage,
	"profiles[].plugins.bind.enabled[].name":               schedulerPlugin,
	"profiles[].plugins.filter.enabled[].name":             schedulerPlugin,
	"profiles[].plugins.multiPoint.enabled[].name":         schedulerPlugin,
	"profiles[].plugins.permit.enabled[].name":             schedulerPlugin,
	"profiles[].plugins.podGroupPostFilter.enabled[].name": schedulerPlugin,
	"profiles[].plugins.postBind.enabled[].name":           schedulerPlugin,
	"profiles[].plugins.postFilter.enabled[].name":         schedulerPlugin,
	"profiles[].plugins.preBind.enabled[].name":            schedulerPlugin,
	"profiles[].plugins.preEnqueue.enabled[].name":         schedulerPlugin,
	"profiles[].plugins.preFilter.enabled[].name":          schedulerPlugin,
	"profiles[].plugins.preScore.enabled[].name":           schedulerPlugin,
	"profiles[].plugins.queueSort.enabled[].name":          schedulerPlugin,
	"profiles[].plugins.reserve.enabled[].name":            schedulerPlugin,
	"profiles[].plugins.score.enabled[].name":              schedulerPlugin,
	"profiles[].plugins.score.enabled[].weight":            atLeast(0),
}

var schedulerPlugin = wordOf("plugin", "scheduler plugin")

// isExtendedResource follows IsExtendedResourceName: a domain that is not Kubernetes' own.
func isExtendedResource(s string) bool {
	domain, _, qualified := strings.Cut(s, "/")
	return qualified && len(validation.IsQualifiedName(s)) == 0 && !strings.HasSuffix(domain, "kubernetes.io") && !strings.HasPrefix(s, "requests.")
}

// leaderElection is how long control plane components wait for one another, with upstream's defaults.
var leaderElection = struct{ lease, renew, retry time.Duration }{15 * time.Second, 10 * time.Second, 2 * time.Second}
