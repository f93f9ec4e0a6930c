package release

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// apiserverRules follow the Validate functions of k8s.io/apiserver/pkg/server/options, pkg/controlplane/apiserver/options and cmd/kube-apiserver.
var apiserverRules = map[string]rule{
	"audit-log-batch-buffer-size":            atLeast(1),
	"audit-log-batch-max-size":               atLeast(1),
	"audit-log-batch-throttle-burst":         atLeast(1),
	"audit-log-batch-throttle-qps":           fraction(0, false, 1e9),
	"audit-log-format":                       enum("legacy", "json"),
	"audit-log-maxage":                       atLeast(0),
	"audit-log-maxbackup":                    atLeast(0),
	"audit-log-maxsize":                      atLeast(0),
	"audit-log-mode":                         auditMode,
	"audit-log-truncate-max-batch-size":      atLeast(1),
	"audit-log-truncate-max-event-size":      atLeast(1),
	"audit-log-version":                      auditVersion,
	"audit-webhook-batch-buffer-size":        atLeast(1),
	"audit-webhook-batch-max-size":           atLeast(1),
	"audit-webhook-batch-throttle-burst":     atLeast(1),
	"audit-webhook-batch-throttle-qps":       fraction(0, false, 1e9),
	"audit-webhook-mode":                     auditMode,
	"audit-webhook-truncate-max-batch-size":  atLeast(1),
	"audit-webhook-truncate-max-event-size":  atLeast(1),
	"audit-webhook-version":                  auditVersion,
	"authentication-token-webhook-version":   enum("v1", "v1beta1"),
	"authorization-webhook-version":          enum("v1", "v1beta1"),
	"coordinated-leadership-lease-duration":  longer,
	"coordinated-leadership-renew-deadline":  longer,
	"coordinated-leadership-retry-period":    longer,
	"cors-allowed-origins":                   each(parsed(`a regular expression that fixes both ends of the host, such as "//example\\.com(:|$)"`, isOrigin)),
	"default-not-ready-toleration-seconds":   atLeast(0),
	"default-unreachable-toleration-seconds": atLeast(0),
	"delete-collection-workers":              atLeast(1),
	"disable-admission-plugins":              each(admissionPlugin),
	"enable-admission-plugins":               each(admissionPlugin),
	"endpoint-reconciler-type":               enum("lease", "none"),
	"external-hostname":                      parsed("a host name", func(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 }),
	"goaway-chance":                          fraction(0, true, 0.02),
	"http2-max-streams-per-connection":       atLeast(0),
	"kubernetes-service-node-port":           portOrOff,
	"lease-reuse-duration-seconds":           atLeast(0),
	"log-flush-frequency":                    longer,
	"logging-format":                         enum("text", "json"),
	"max-connection-bytes-per-sec":           atLeast(0),
	"max-mutating-requests-inflight":         atLeast(0),
	"max-requests-inflight":                  atLeast(0),
	"min-request-timeout":                    atLeast(0),
	"peer-advertise-ip":                      ipAddress,
	"peer-advertise-port":                    parsed("a port, 1 to 65535", isPort),
	"runtime-config":                         runtimeConfig,
	"service-account-jwks-uri":               parsed("an https:// address", isHTTPS),
	"service-account-max-token-expiration":   lasting(time.Hour, 1<<32*time.Second, true),
	"service-node-port-range":                parsed(`a range of ports, such as "30000-32767"`, isPortRange),
	"show-hidden-metrics-for-version":        previousMinor,
	"storage-backend":                        enum("etcd3"),
	"storage-media-type":                     enum("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"),
	"strict-transport-security-directives":   each(parsed(`"max-age=<seconds>", "includeSubDomains" or "preload"`, isHSTS)),
	"tls-cipher-suites":                      cipherSuites,
	"tls-curve-preferences":                  each(parsed("the number of a curve of Go's crypto/tls, such as \"29\"", isWhole)),
	"tls-min-version":                        tlsVersion,
	"tls-sni-cert-key":                       each(parsed(`"<certificate>,<key>", or with ":<domain>,…" behind`, isCertKey)),
	"v":                                      verbosity,
	"vmodule":                                parsed(`"<file pattern>=<level>", several with commas between them`, isVModule),
	"watch-cache-sizes":                      each(parsed(`"<resource>[.<group>]#<size>"`, isWatchCacheSize)),
}

var (
	admissionPlugin = wordOf("admission", "admission plugin")
	auditMode       = enum("batch", "blocking", "blocking-strict")
	auditVersion    = enum("audit.k8s.io/v1")
)

// controllerManagerRules follow cmd/kube-controller-manager/app/options and k8s.io/controller-manager/options.
var controllerManagerRules = map[string]rule{
	"attach-detach-reconcile-sync-period":                 lasting(time.Second, 0, false),
	"cluster-signing-duration":                            longer,
	"concurrent-cron-job-syncs":                           atLeast(1),
	"concurrent-daemonset-syncs":                          atLeast(1),
	"concurrent-deployment-syncs":                         atLeast(1),
	"concurrent-device-taint-eviction-syncs":              atLeast(1),
	"concurrent-disruption-syncs":                         atLeast(1),
	"concurrent-endpoint-syncs":                           atLeast(1),
	"concurrent-ephemeralvolume-syncs":                    atLeast(1),
	"concurrent-gc-syncs":                                 atLeast(1),
	"concurrent-horizontal-pod-autoscaler-syncs":          atLeast(1),
	"concurrent-job-syncs":                                atLeast(1),
	"concurrent-namespace-syncs":                          atLeast(1),
	"concurrent-rc-syncs":                                 atLeast(1),
	"concurrent-replicaset-syncs":                         atLeast(1),
	"concurrent-resource-quota-syncs":                     atLeast(1),
	"concurrent-resourceclaim-syncs":                      atLeast(1),
	"concurrent-service-endpoint-syncs":                   whole(1, 50),
	"concurrent-serviceaccount-token-syncs":               atLeast(1),
	"concurrent-statefulset-syncs":                        atLeast(1),
	"concurrent-ttl-after-finished-syncs":                 atLeast(1),
	"concurrent-validating-admission-policy-status-syncs": atLeast(1),
	"controllers":                                         each(controller),
	"horizontal-pod-autoscaler-tolerance":                 fraction(0, true, 1e9),
	"http2-max-streams-per-connection":                    atLeast(0),
	"kube-api-burst":                                      atLeast(0),
	"large-cluster-size-threshold":                        atLeast(0),
	"leader-elect-lease-duration":                         longer,
	"leader-elect-renew-deadline":                         longer,
	"leader-elect-resource-lock":                          enum("leases"),
	"leader-elect-retry-period":                           longer,
	"log-flush-frequency":                                 longer,
	"logging-format":                                      enum("text", "json"),
	"max-endpoints-per-slice":                             whole(1, 1000),
	"mirroring-concurrent-service-endpoint-syncs":         whole(1, 50),
	"mirroring-max-endpoints-per-subset":                  whole(1, 1000),
	"node-eviction-rate":                                  fraction(0, true, 1e9),
	"node-monitor-grace-period":                           longer,
	"node-monitor-period":                                 longer,
	"node-startup-grace-period":                           longer,
	"secondary-node-eviction-rate":                        fraction(0, true, 1e9),
	"show-hidden-metrics-for-version":                     previousMinor,
	"tls-cipher-suites":                                   cipherSuites,
	"tls-curve-preferences":                               each(parsed("the number of a curve of Go's crypto/tls, such as \"29\"", isWhole)),
	"tls-min-version":                                     tlsVersion,
	"tls-sni-cert-key":                                    each(parsed(`"<certificate>,<key>", or with ":<domain>,…" behind`, isCertKey)),
	"unhealthy-zone-threshold":                            fraction(0, true, 1),
	"v":                                                   verbosity,
	"vmodule":                                             parsed(`"<file pattern>=<level>", several with commas between them`, isVModule),
}

// etcdRules follow Config.Validate of server/embed; its numbers are unsigned.
var etcdRules = map[string]rule{
	"auth-token-ttl":                       atLeast(1),
	"backend-batch-limit":                  atLeast(0),
	"backend-bbolt-freelist-type":          enum("array", "map"),
	"bcrypt-cost":                          whole(4, 31),
	"bootstrap-defrag-threshold-megabytes": atLeast(0),
	"cipher-suites":                        cipherSuites,
	"compact-hash-check-time":              longer,
	"compaction-batch-limit":               atLeast(1),
	"distributed-tracing-sampling-rate":    whole(0, 1_000_000),
	"feature-gates":                        etcdGates,
	"log-format":                           enum("json", "console"),
	"log-level":                            enum("debug", "info", "warn", "error", "panic", "fatal"),
	"max-concurrent-streams":               whole(1, 1<<32-1),
	"max-learners":                         atLeast(1), // members join as learners
	"max-request-bytes":                    atLeast(1),
	"max-snapshots":                        atLeast(0),
	"max-txn-ops":                          atLeast(1),
	"max-wals":                             atLeast(0),
	"metrics":                              enum("basic", "extensive"),
	"snapshot-catchup-entries":             atLeast(1),
	"snapshot-count":                       atLeast(1),
	"tls-max-version":                      enum("", "TLS1.2", "TLS1.3"),
	"tls-min-version":                      enum("TLS1.2", "TLS1.3"),
}

// etcdGatesSince are the feature gates of etcd (server/features) with the release of Kubernetes whose etcd brought them.
var etcdGatesSince = map[string]string{
	"AllAlpha": "", "AllBeta": "", "CompactHashCheck": "", "InitialCorruptCheck": "", "LeaseCheckpoint": "", "LeaseCheckpointPersist": "", "SetMemberLocalAddr": "",
	"StopGRPCServiceOnDefrag": "", "TxnModeWriteWithSharedBuffer": "", "FastLeaseKeepAlive": "1.37", "PriorityRequest": "1.37",
}

func etcdGates(c *checker, path []string, v any) {
	m, _ := v.(map[string]any)
	known := slices.Collect(maps.Keys(etcdGatesSince))
	for _, name := range sortedKeys(m) {
		at := append(slices.Clone(path), name)
		since, ok := etcdGatesSince[name]
		switch {
		case !ok:
			c.report(at, "Unknown feature gate", "etcd %s has no feature gate %s, and does not start when it is named.%s", c.release.Etcd, name, didYouMean(name, known))
		case since != "" && !c.release.atLeast(since):
			c.report(at, "Feature gate of a later release", "%s came with the etcd of Kubernetes %s, and etcd %s does not start when it is named. Leave it out.", name, since, c.release.Etcd)
		default:
			truth(c, at, m[name])
		}
	}
}

// controller takes "*", a name, or a name that is switched off.
func controller(c *checker, path []string, v any) {
	s, _ := v.(string)
	if name := strings.TrimPrefix(s, "-"); s != "*" {
		wordOf("controller", "controller")(c, path, name)
	}
}

func runtimeConfig(c *checker, path []string, v any) {
	m, _ := v.(map[string]any)
	for _, name := range sortedKeys(m) {
		at := append(slices.Clone(path), name)
		parts := strings.Split(name, "/")
		if len(parts) > 3 || slices.Contains(parts, "") {
			c.report(at, "Wrong name", `%q is not an API: write "<group>/<version>", "<group>/<version>/<resource>", "api/all", "api/ga", "api/beta" or "api/alpha".`, name)
			continue
		}
		truth(c, at, m[name])
	}
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// portRange reads "30000-32767" and "30000+2767".
func portRange(s string) (first, last uint64, ok bool) {
	a, b, isRange := strings.Cut(s, "-")
	size, isSize := "", false
	if !isRange {
		a, size, isSize = strings.Cut(s, "+")
	}
	first, err := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	if err != nil {
		return 0, 0, false
	}
	last = first
	switch {
	case isRange:
		last, err = strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	case isSize:
		last, err = strconv.ParseUint(strings.TrimSpace(size), 10, 16)
		last += first
	}
	return first, last, err == nil && first <= last && last <= 65535
}

func isPortRange(s string) bool { _, _, ok := portRange(s); return ok }

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func isWhole(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

// isOrigin follows validateCorsAllowedOriginList.
func isOrigin(s string) bool {
	_, err := regexp.Compile(s)
	return s != "" && err == nil && (strings.Contains(s, "^") || strings.Contains(s, "//")) && strings.ContainsAny(s, "$:")
}

func isHSTS(s string) bool {
	age, ok := strings.CutPrefix(s, "max-age=")
	return s == "includeSubDomains" || s == "preload" || ok && isWhole(age)
}

// isCertKey follows NamedCertKey.Set of component-base.
func isCertKey(s string) bool {
	files, _, _ := strings.Cut(s, ":")
	cert, key, ok := strings.Cut(files, ",")
	return ok && strings.TrimSpace(cert) != "" && strings.TrimSpace(key) != "" && !strings.Contains(key, ",")
}

func isVModule(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		pattern, level, ok := strings.Cut(part, "=")
		if part != "" && (!ok || pattern == "" || !isWhole(level) || strings.HasPrefix(level, "-")) {
			return false
		}
	}
	return true
}

func isWatchCacheSize(s string) bool {
	name, size, ok := strings.Cut(s, "#")
	return ok && name != "" && isWhole(size) && !strings.HasPrefix(size, "-")
}
