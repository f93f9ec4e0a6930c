package release

import (
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// kubeletRules follow ValidateKubeletConfiguration (pkg/kubelet/apis/config/validation of Kubernetes 1.36 and 1.37), and what the kubelet's managers refuse
// when it starts (pkg/kubelet/cm, eviction, logs, sysctl).
var kubeletRules = map[string]rule{
	"allowedUnsafeSysctls":                       each(namespacedSysctl(sysctlPattern, "a sysctl of a namespace, or a group of them such as \"net.*\"")),
	"configMapAndSecretChangeDetectionStrategy":  enum("Get", "Cache", "Watch"),
	"containerLogMaxFiles":                       atLeast(2),
	"containerLogMaxSize":                        quantity(math.MinInt64),
	"containerLogMaxWorkers":                     atLeast(1),
	"containerLogMonitorInterval":                lasting(3*time.Second, 0, false),
	"cpuCFSQuotaPeriod":                          lasting(time.Millisecond, time.Second, false),
	"cpuManagerPolicy":                           enum("none", "static"),
	"cpuManagerPolicyOptions":                    keyed("option", truth, "align-by-socket", "distribute-cpus-across-cores", "distribute-cpus-across-numa", "full-pcpus-only", "prefer-align-cpus-by-uncorecache", "strict-cpu-reservation"),
	"cpuManagerReconcilePeriod":                  lasting(0, 0, false),
	"crashLoopBackOff.maxContainerRestartPeriod": lasting(time.Second, 300*time.Second, false),
	"defaultPodSysctls":                          sysctls,
	"enforceNodeAllocatable":                     each(enum("none", "pods", "system-reserved", "system-reserved-compressible", "kube-reserved", "kube-reserved-compressible")),
	"eventBurst":                                 atLeast(0),
	"eventRecordQPS":                             atLeast(0),
	"evictionHard":                               keyed("signal", threshold, signals...),
	"evictionMinimumReclaim":                     keyed("signal", reclaim, signals...),
	"evictionSoft":                               keyed("signal", threshold, signals...),
	"evictionSoftGracePeriod":                    keyed("signal", gracePeriod, signals...),
	"hairpinMode":                                enum("promiscuous-bridge", "hairpin-veth", "none"),
	"healthzBindAddress":                         ipAddress,
	"healthzPort":                                portOrOff,
	"imageGCHighThresholdPercent":                percentage,
	"imageGCLowThresholdPercent":                 percentage,
	"imagePullCredentialsVerificationPolicy":     enum("NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"),
	"iptablesDropBit":                            bitOfMark,
	"iptablesMasqueradeBit":                      bitOfMark,
	"kubeAPIBurst":                               atLeast(0),
	"kubeAPIQPS":                                 atLeast(0),
	"kubeReserved":                               keyed("resource", quantity(0), reservable...),
	"logging.flushFrequency":                     flushFrequency,
	"logging.format":                             enum("text", "json"),
	"logging.verbosity":                          verbosity,
	"maxOpenFiles":                               atLeast(0),
	"maxParallelImagePulls":                      atLeast(1),
	"maxPods":                                    atLeast(1), // the kubelet takes 0 for its default of 110
	"memoryManagerPolicy":                        enum("None", "Static"),
	"memoryReservationPolicy":                    enum("None", "TieredReservation"),
	"memorySwap.swapBehavior":                    enum("", "NoSwap", "LimitedSwap"),
	"memoryThrottlingFactor":                     fraction(0, false, 1),
	"nodeLeaseDurationSeconds":                   atLeast(1),
	"nodeStatusMaxImages":                        atLeast(-1),
	"oomScoreAdj":                                oomScore,
	"podLogsDir":                                 parsed("an absolute path without \"..\", doubled or trailing slashes, in ASCII", cleanPath),
	"podPidsLimit":                               atLeast(-1),
	"podsPerCore":                                atLeast(0),
	"preloadedImagesVerificationAllowlist":       each(parsed("an image without tag and digest, or a registry or a path in it with \"/*\"", imagePattern)),
	"qosReserved":                                keyed("resource", parsed(`a percentage, such as "50%"`, isPercentage), "memory"),
	"registryBurst":                              atLeast(0),
	"registryPullQPS":                            atLeast(0),
	"reservedMemory[].limits":                    reservedLimits,
	"reservedMemory[].numaNode":                  atLeast(0),
	"reservedSystemCPUs":                         parsed(`a list of CPUs, such as "0-3,8"`, isCPUSet),
	"runOnce": func(c *checker, path []string, v any) {
		if v == true {
			c.wrong(path, v, "must be false: the kubelet no longer knows this mode")
		}
	},
	"showHiddenMetricsForVersion":     previousMinor,
	"shutdownGracePeriod":             lasting(time.Second, 0, true),
	"shutdownGracePeriodCriticalPods": lasting(time.Second, 0, true),
	"systemReserved":                  keyed("resource", quantity(0), reservable...),
	"tlsCipherSuites":                 cipherSuites,
	"tlsMinVersion":                   tlsVersion,
	"topologyManagerPolicy":           enum("none", "best-effort", "restricted", "single-numa-node"),
	"topologyManagerPolicyOptions":    topologyOptions,
	"topologyManagerScope":            enum("container", "pod"),
	"tracing.samplingRatePerMillion":  whole(0, 1_000_000),
	"userNamespaces.idsPerPod":        idsPerPod,
}

// signals that pods are evicted for, as the kubelet documents them (pkg/kubelet/eviction/api).
var signals = []string{"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree",
	"allocatableMemory.available", "pid.available"}

var reservable = []string{"cpu", "memory", "ephemeral-storage", "pid"}

// flushFrequency is the one duration that may also be a number, of nanoseconds.
func flushFrequency(c *checker, path []string, v any) {
	if n, ok := number(v); ok {
		if n <= 0 || n != math.Trunc(n) {
			c.wrong(path, v, "must be a duration, such as \"5s\", or a whole number of nanoseconds")
		}
		return
	}
	if d, ok := asDuration(v); !ok {
		c.wrong(path, v, `must be a duration, such as "5s"`)
	} else if d <= 0 {
		c.wrong(path, v, "must be longer than 0")
	}
}

// threshold is an amount or a share of what there is (parseThresholdStatement).
func threshold(c *checker, path []string, v any) {
	s, _ := v.(string)
	if share, ok := strings.CutSuffix(s, "%"); ok {
		if n, err := strconv.ParseFloat(share, 32); err != nil || n < 0 || n > 100 {
			c.wrong(path, v, `must be a percentage from "0%%" to "100%%"`)
		}
		return
	}
	if q, err := resource.ParseQuantity(s); err != nil || q.Sign() <= 0 {
		c.wrong(path, v, `must be a percentage or a quantity above 0, such as "10%%" or "500Mi"`)
	}
}

// reclaim is how much is freed at least (parseMinimumReclaims).
func reclaim(c *checker, path []string, v any) {
	s, _ := v.(string)
	if share, ok := strings.CutSuffix(s, "%"); ok {
		if n, err := strconv.ParseFloat(share, 32); err != nil || n <= 0 {
			c.wrong(path, v, `must be a percentage above 0, such as "5%%"`)
		}
		return
	}
	quantity(0)(c, path, v)
}

// gracePeriod is a duration in a map of strings, so that its type is not checked elsewhere.
func gracePeriod(c *checker, path []string, v any) {
	if d, ok := asDuration(v); !ok || d < 0 {
		c.wrong(path, v, `must be a duration, such as "90s" or "1m30s"`)
	}
}

func cleanPath(s string) bool {
	return path.IsAbs(s) && path.Clean(s) == s && strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// imagePattern follows getAllowlistImagePattern of pkg/kubelet/images/pullmanager.
func imagePattern(s string) bool {
	base, wild := strings.CutSuffix(s, "/*")
	if base == "" || strings.ContainsAny(base, "* \t@") {
		return false
	}
	return wild || !strings.Contains(base[strings.LastIndexByte(base, '/')+1:], ":")
}

func isPercentage(s string) bool {
	share, ok := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(share)
	return ok && err == nil && n >= 0 && n <= 100
}

// isCPUSet reads the kernel's lists of CPUs.
func isCPUSet(s string) bool {
	if s == "" {
		return true
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 31)
		if err != nil {
			return false
		}
		if !isRange {
			continue
		}
		if b, err := strconv.ParseUint(last, 10, 31); err != nil || b < a {
			return false
		}
	}
	return true
}

// reservedLimits follows validateReservedMemoryConfiguration.
func reservedLimits(c *checker, at []string, v any) {
	m, _ := v.(map[string]any)
	for _, name := range sortedKeys(m) {
		where := append(slices.Clone(at), name)
		if name != "memory" && !strings.HasPrefix(name, "hugepages-") {
			c.report(where, "Unknown name", `Only "memory" and "hugepages-<size>" can be reserved on a NUMA node.`)
			continue
		}
		s, ok := m[name].(string)
		if q, err := resource.ParseQuantity(s); ok && (err != nil || q.Sign() <= 0) {
			c.wrong(where, m[name], `must be a quantity above 0, such as "1Gi"`)
		}
	}
}

func topologyOptions(c *checker, at []string, v any) {
	keyed("option", func(c *checker, at []string, v any) {
		if at[len(at)-1] == "prefer-closest-numa-nodes" {
			truth(c, at, v)
			return
		}
		s, _ := v.(string)
		if n, err := strconv.Atoi(s); err != nil || n < 8 {
			c.wrong(at, v, `must be a number of 8 or more, in quotes`)
		}
	}, "max-allowable-numa-nodes", "prefer-closest-numa-nodes")(c, at, v)
}

// idsPerPod follows validateKubeletOSConfiguration.
func idsPerPod(c *checker, at []string, v any) {
	const unit = 65536
	if n, ok := number(v); ok && (n < unit || n > math.MaxUint32 || math.Mod(n, unit) != 0) {
		c.wrong(at, v, "must be a multiple of %d below 4294967296", unit)
	}
}

const sysctlSegment = `[a-z0-9]([-_a-z0-9]*[a-z0-9])?`

var (
	sysctlName    = regexp.MustCompile(`^(` + sysctlSegment + `[./])*` + sysctlSegment + `$`)
	sysctlPattern = regexp.MustCompile(`^(` + sysctlSegment + `[./])*(` + sysctlSegment + `)?\*?$`)
)

// namespacedSysctl wants a sysctl that the kernel keeps for each container (component-helpers/node/util/sysctl).
func namespacedSysctl(syntax *regexp.Regexp, what string) rule {
	return parsed(what, func(s string) bool {
		name := strings.ReplaceAll(s, "/", ".")
		if s == "" || len(s) > 253 || !syntax.MatchString(s) {
			return false
		}
		if base, ok := strings.CutSuffix(name, "*"); ok {
			name = strings.TrimSuffix(base, ".")
		}
		for _, prefix := range []string{"net", "fs.mqueue", "user"} {
			if name == prefix || strings.HasPrefix(name, prefix+".") {
				return true
			}
		}
		return slices.Contains([]string{"kernel.domainname", "kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
			"kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni"}, name)
	})
}

// sysctls checks the names of defaultPodSysctls.
func sysctls(c *checker, at []string, v any) {
	m, _ := v.(map[string]any)
	check := namespacedSysctl(sysctlName, "the name of a sysctl of a namespace, such as \"net.core.somaxconn\"")
	for _, name := range sortedKeys(m) {
		check(c, append(slices.Clone(at), name), name)
	}
}
