package release_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValues lists settings of the right type that a component refuses, or silently takes for something else.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, release, component, settings string
		want                               []string // "path: summary: part of the detail"
	}{
		{"kubelet ranges", "1.37.2", "kubelet", `
imageGCHighThresholdPercent: 101
imageGCLowThresholdPercent: -1
healthzPort: 70000
maxPods: 0
oomScoreAdj: 1001
podPidsLimit: -2
containerLogMaxFiles: 1
nodeStatusMaxImages: -1
iptablesDropBit: 32
memoryThrottlingFactor: 0
userNamespaces: {idsPerPod: 65537}
tracing: {samplingRatePerMillion: 1000001}`, []string{
			"containerLogMaxFiles: Wrong value: must be 2 or more; it is 1.",
			"healthzPort: Wrong value: must be from 0 to 65535; it is 70000.",
			"imageGCHighThresholdPercent: Wrong value: imageGCHighThresholdPercent of kubelet must be from 0 to 100; it is 101.",
			"imageGCLowThresholdPercent: Wrong value: must be from 0 to 100; it is -1.",
			"iptablesDropBit: Wrong value: must be from 0 to 31",
			"maxPods: Wrong value: must be 1 or more; it is 0.",
			"memoryThrottlingFactor: Wrong value: must be above 0 and at most 1; it is 0.",
			"oomScoreAdj: Wrong value: must be from -1000 to 1000",
			"podPidsLimit: Wrong value: must be -1 or more",
			"tracing/samplingRatePerMillion: Wrong value: must be from 0 to 1000000",
			"userNamespaces/idsPerPod: Wrong value: must be a multiple of 65536",
		}},
		{"kubelet words", "1.37.2", "kubelet", `
cpuManagerPolicy: Static
hairpinMode: veth
memorySwap: {swapBehavior: UnlimitedSwap}
topologyManagerPolicy: single-numa
topologyManagerScope: pods
tlsMinVersion: TLS1.3
tlsCipherSuites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA255]
showHiddenMetricsForVersion: "1.35"
podLogsDir: /var/log/pods/
reservedSystemCPUs: 3-1
allowedUnsafeSysctls: ["net.*", kernel.msgmax, kernel.panic, "fs.mqueue.*"]`, []string{
			"allowedUnsafeSysctls/2: Wrong value: must be a sysctl of a namespace",
			`cpuManagerPolicy: Wrong value: must be "none" or "static"; it is "Static". Did you mean static?`,
			"hairpinMode: Wrong value: hairpin-veth",
			`memorySwap/swapBehavior: Wrong value: "NoSwap" or "LimitedSwap"`,
			`podLogsDir: Wrong value: absolute path`,
			`reservedSystemCPUs: Wrong value: must be a list of CPUs`,
			`showHiddenMetricsForVersion: Wrong value: must be "1.36"`,
			"tlsCipherSuites/1: Insecure cipher suite: TLS_RSA_WITH_RC4_128_SHA",
			"tlsCipherSuites/2: Wrong value: Did you mean TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256?",
			`tlsMinVersion: Wrong value: "VersionTLS13"`,
			"topologyManagerPolicy: Wrong value: single-numa-node",
			"topologyManagerScope: Wrong value: Did you mean pod?",
		}},
		{"kubelet amounts and durations", "1.37.2", "kubelet", `
evictionHard: {memory.available: 500MB, nodefs.available: "110%", imagefs.free: "5%", pid.available: "10%"}
evictionSoft: {memory.available: 1Gi}
evictionSoftGracePeriod: {memory.available: "90"}
evictionMinimumReclaim: {nodefs.available: "0%"}
systemReserved: {cpu: "-1", memory: lots, hugepages: 1Gi}
containerLogMaxSize: 10Mib
containerLogMonitorInterval: 1s
cpuCFSQuotaPeriod: 2s
imageMinimumGCAge: -2m
syncFrequency: -1s
shutdownGracePeriod: 500ms
reservedMemory: [{numaNode: 0, limits: {memory: "0", cpu: "1"}}]`, []string{
			"containerLogMaxSize: Wrong value: must be a quantity",
			"containerLogMonitorInterval: Wrong value: must be 3s or longer",
			"cpuCFSQuotaPeriod: Wrong value: must be from 1ms to 1s",
			"evictionHard/imagefs.free: Unknown name: knows no signal",
			`evictionHard/memory.available: Wrong value: must be a percentage or a quantity above 0, such as "10%" or "500Mi"; it is "500MB"`,
			`evictionHard/nodefs.available: Wrong value: from "0%" to "100%"`,
			"evictionMinimumReclaim/nodefs.available: Wrong value: above 0",
			`evictionSoftGracePeriod/memory.available: Wrong value: must be a duration`,
			"imageMinimumGCAge: Wrong value: cannot be negative",
			"reservedMemory/0/limits/cpu: Unknown name: hugepages-",
			"reservedMemory/0/limits/memory: Wrong value: above 0",
			"shutdownGracePeriod: Wrong value: must be 1s or longer",
			"syncFrequency: Wrong value: cannot be negative",
			"systemReserved/cpu: Wrong value: must be 0 or more",
			"systemReserved/hugepages: Unknown name: knows no resource",
			"systemReserved/memory: Wrong value: must be a quantity",
		}},
		{"kubelet together", "1.37.2", "kubelet", `
imageGCHighThresholdPercent: 75
evictionSoft: {memory.available: 1Gi, nodefs.available: "0%"}
imageMaximumGCAge: 1m
shutdownGracePeriodCriticalPods: 30s
serializeImagePulls: true
maxParallelImagePulls: 3
systemCgroups: /system
enableSystemLogQuery: true
enableSystemLogHandler: false
enforceNodeAllocatable: [pods, system-reserved, pods]
cpuManagerPolicyOptions: {align-by-socket: "true"}
memoryManagerPolicy: Static
preloadedImagesVerificationAllowlist: [registry.example.com/base]`, []string{
			"imageGCHighThresholdPercent: Fields that do not fit: imageGCLowThresholdPercent of kubelet (80, the default) must be below imageGCHighThresholdPercent (75)",
			"imageMaximumGCAge: Fields that do not fit: imageMinimumGCAge of kubelet (2m, the default) must be shorter than",
			"shutdownGracePeriodCriticalPods: Fields that do not fit: (30s) must be no longer than shutdownGracePeriod (0s, the default)",
			"maxParallelImagePulls: Fields that do not fit: serializeImagePulls = false",
			"systemCgroups: Missing field: cgroupRoot",
			"enableSystemLogQuery: Fields that do not fit: enableSystemLogHandler = true",
			"preloadedImagesVerificationAllowlist: Fields that do not fit: NeverVerifyAllowlistedImages",
			`evictionSoft/memory.available: Missing field: evictionSoftGracePeriod = { "memory.available" = "90s" }`,
			"enforceNodeAllocatable/1: Missing field: needs systemReservedCgroup",
			"enforceNodeAllocatable/2: Duplicate value: twice",
			`cpuManagerPolicyOptions: Fields that do not fit: cpuManagerPolicy = "static"`,
			"cpuManagerPolicyOptions/align-by-socket: Feature gate that is off: CPUManagerPolicyAlphaOptions",
			"memoryManagerPolicy: Missing field: reservedMemory",
		}},
		{"kubelet gates", "1.37.2", "kubelet", `
featureGates: {AllAlpha: true, KubeletCrashLoopBackOffMax: false, MemoryQoS: false}
defaultPodSysctls: {net.core.somaxconn: "1024"}
crashLoopBackOff: {maxContainerRestartPeriod: 60s}
memoryThrottlingFactor: 0.8
memoryReservationPolicy: TieredReservation`, []string{
			"crashLoopBackOff/maxContainerRestartPeriod: Feature gate that is off: Add featureGates = { KubeletCrashLoopBackOffMax = true }",
			"memoryReservationPolicy: Feature gate that is off: MemoryQoS",
			"memoryThrottlingFactor: Feature gate that is off: MemoryQoS",
		}},
		{"kubelet before the gate mattered", "1.36.3", "kubelet", `memoryThrottlingFactor: 0.8`, nil},
		{"kubelet sysctls", "1.37.2", "kubelet", `
featureGates: {DefaultPodSysctls: true}
defaultPodSysctls: {net.core.somaxconn: "1024", vm.swappiness: "1", "net.*": "1"}`, []string{
			"defaultPodSysctls/net.*: Wrong value: must be the name of a sysctl",
			"defaultPodSysctls/vm.swappiness: Wrong value: of a namespace",
		}},
		{"proxy", "1.37.2", "kube-proxy", `
bindAddress: all
metricsBindAddress: "localhost:10249"
healthzBindAddress: "0.0.0.0"
iptables: {masqueradeBit: 40, minSyncPeriod: 1m}
conntrack: {maxPerCore: -1, udpTimeout: -1s}
nodePortAddresses: [primary, localhost, 10.0.0.0/8, lan, primary]
detectLocalMode: BridgeInterface`, []string{
			"bindAddress: Wrong value: must be an IP address",
			"conntrack/maxPerCore: Wrong value: must be 0 or more",
			"conntrack/udpTimeout: Wrong value: cannot be negative",
			"iptables/masqueradeBit: Wrong value: must be from 0 to 31",
			"metricsBindAddress: Wrong value: must be an IP address with a port",
			"nodePortAddresses/3: Wrong value: must be a range",
			"nodePortAddresses/4: Wrong value: must not stand in the list twice",
			"iptables/minSyncPeriod: Fields that do not fit: (1m) must be no longer than iptables.syncPeriod (30s, the default)",
			"detectLocalMode: Missing field: bridgeInterface",
		}},
		{"proxy of old", "1.36.3", "kube-proxy", `nodePortAddresses: [primary, 10.0.0.0/8]`, []string{`nodePortAddresses: Wrong value: must be ["primary"] alone`}},
		{"scheduler", "1.37.2", "kube-scheduler", `
parallelism: 0
percentageOfNodesToScore: 120
podInitialBackoffSeconds: 20
leaderElection: {leaseDuration: 5s, resourceLock: configmaps}
profiles:
- {schedulerName: a, plugins: {score: {enabled: [{name: ImageLocallity}]}}}
- {schedulerName: a, percentageOfNodesToScore: -1}
- {}
extenders:
- {urlPrefix: "https://x", prioritizeVerb: p, bindVerb: b, managedResources: [{name: cpu}]}
- {urlPrefix: "https://y", bindVerb: b}`, []string{
			"extenders/0/managedResources/0/name: Wrong value: example.com/gpu",
			`leaderElection/resourceLock: Wrong value: must be "leases"`,
			"parallelism: Wrong value: must be 1 or more",
			"percentageOfNodesToScore: Wrong value: must be from 0 to 100",
			"profiles/0/plugins/score/enabled/0/name: Unknown scheduler plugin: Did you mean ImageLocality?",
			"profiles/1/percentageOfNodesToScore: Wrong value: must be from 0 to 100",
			"podInitialBackoffSeconds: Fields that do not fit: (20) must be no more than podMaxBackoffSeconds (10, the default)",
			"leaderElection/leaseDuration: Fields that do not fit: leaderElection.renewDeadline of kube-scheduler (10s, the default) must be shorter than",
			"profiles/1/schedulerName: Duplicate profile: already",
			"profiles/2: Missing field: schedulerName",
			"extenders/0/prioritizeVerb: Missing field: weight",
			"extenders/1/bindVerb: Fields that do not fit: one extender",
		}},
		{"apiserver", "1.37.2", "kube-apiserver", `
audit-log-maxage: -1
audit-log-mode: async
goaway-chance: 0.5
enable-admission-plugins: [AlwaysPullImage, EventRateLimit]
disable-admission-plugins: [EventRateLimit, PodGroupWorkloadExists]
service-node-port-range: 30000..32767
kubernetes-service-node-port: 20000
runtime-config: {api/all: "yes", /v1: "true"}
storage-media-type: json
cors-allowed-origins: [example.com]
request-timeout: -1s
max-requests-inflight: 0
max-mutating-requests-inflight: 0
service-account-max-token-expiration: 30m
tls-sni-cert-key: ["/a.crt"]
watch-cache-sizes: [pods]
vmodule: "a=b"
peer-advertise-port: "0"`, []string{
			"audit-log-maxage: Wrong value: must be 0 or more",
			`audit-log-mode: Wrong value: "batch", "blocking" or "blocking-strict"`,
			"cors-allowed-origins/0: Wrong value: regular expression",
			"disable-admission-plugins/1: Unknown admission plugin: does not start",
			"enable-admission-plugins/0: Unknown admission plugin: Did you mean AlwaysPullImages?",
			"goaway-chance: Wrong value: must be from 0 to 0.02; it is 0.5",
			"peer-advertise-port: Wrong value: must be a port",
			"request-timeout: Wrong value: cannot be negative",
			"runtime-config//v1: Wrong name: is not an API",
			"runtime-config/api/all: Wrong value: must be true or false",
			"service-account-max-token-expiration: Wrong value: must be from 1h",
			"service-node-port-range: Wrong value: 30000-32767",
			"storage-media-type: Wrong value: application/json",
			"tls-sni-cert-key/0: Wrong value: <certificate>,<key>",
			"vmodule: Wrong value: <file pattern>=<level>",
			"watch-cache-sizes/0: Wrong value: #<size>",
			"disable-admission-plugins/0: Fields that do not fit: EventRateLimit is in enable-admission-plugins too",
			"max-requests-inflight: Fields that do not fit: cannot both be 0",
			"kubernetes-service-node-port: Fields that do not fit: (20000) must be in service-node-port-range (30000-32767)",
		}},
		{"good apiserver", "1.37.2", "kube-apiserver", `
cors-allowed-origins: ["//example\\.com(:|$)"]
service-node-port-range: 20000+2767
kubernetes-service-node-port: 20001
watch-cache-sizes: ["pods#100", "deployments.apps#10"]
strict-transport-security-directives: [max-age=31536000, includeSubDomains, preload]
vmodule: "a*=3,b=4"
show-hidden-metrics-for-version: "1.36"
tls-curve-preferences: ["29", "4588"]
service-account-max-token-expiration: 24h
runtime-config: {api/beta: true, batch/v2alpha1: "true"}`, nil},
		{"controller manager", "1.37.2", "kube-controller-manager", `
concurrent-deployment-syncs: 0
concurrent-service-endpoint-syncs: 51
max-endpoints-per-slice: 1001
unhealthy-zone-threshold: 1.5
controllers: ["*", -ttl, "-route", bootstrapsigner, tokencleaners]
attach-detach-reconcile-sync-period: 500ms
leader-elect-renew-deadline: 2s
node-monitor-grace-period: 4s
cluster-signing-duration: 0s`, []string{
			"attach-detach-reconcile-sync-period: Wrong value: must be 1s or longer",
			"cluster-signing-duration: Wrong value: longer than 0",
			"concurrent-deployment-syncs: Wrong value: must be 1 or more",
			"concurrent-service-endpoint-syncs: Wrong value: must be from 1 to 50",
			"controllers/2: Unknown controller: no controller \"route\"",
			"controllers/4: Unknown controller: Did you mean tokencleaner?",
			"max-endpoints-per-slice: Wrong value: must be from 1 to 1000",
			"unhealthy-zone-threshold: Wrong value: must be from 0 to 1",
			"leader-elect-renew-deadline: Fields that do not fit: (2s) must be longer than 1.2 times leader-elect-retry-period (2s)",
			"node-monitor-grace-period: Fields that do not fit: node-monitor-period of kube-controller-manager (5s, the default) must be shorter than",
		}},
		{"controller of old", "1.36.3", "kube-controller-manager", `controllers: ["*", "-route"]`, nil},
		{"etcd", "1.37.2", "etcd", `
snapshot-count: 0
log-level: trace
log-format: text
tls-min-version: TLS1.3
tls-max-version: TLS1.2
cipher-suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
max-txn-ops: -5
corrupt-check-time: -1m
feature-gates: {InitialCorruptChecks: true, CompactHashCheck: "on", LeaseCheckpointPersist: true}`, []string{
			"corrupt-check-time: Wrong value: cannot be negative",
			"feature-gates/CompactHashCheck: Wrong value: must be true or false",
			"feature-gates/InitialCorruptChecks: Unknown feature gate: Did you mean InitialCorruptCheck?",
			`log-format: Wrong value: must be "json" or "console"`,
			"log-level: Wrong value: debug",
			"max-txn-ops: Wrong value: must be 1 or more",
			"snapshot-count: Wrong value: must be 1 or more",
			"tls-max-version: Fields that do not fit: must not be below",
			"cipher-suites: Fields that do not fit: Go chooses them",
			"feature-gates/LeaseCheckpointPersist: Fields that do not fit: LeaseCheckpoint = true",
		}},
		{"etcd of old", "1.36.3", "etcd", `feature-gates: {PriorityRequest: true}`, []string{"feature-gates/PriorityRequest: Feature gate of a later release: Kubernetes 1.37"}},
		{"containerd", "1.37.2", "containerd", `{max_concurrent_downloads: 0, log_level: verbose, image_pull_progress_timeout: -1s}`, []string{
			"image_pull_progress_timeout: Wrong value: cannot be negative",
			"log_level: Wrong value: info",
			"max_concurrent_downloads: Wrong type: whole number from 1 to 1000",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			errs := lookup(t, c.release).CheckSettings(c.component, settings(t, c.settings))
			for i, e := range errs {
				line := strings.Join(e.Path, "/") + ": " + e.Summary
				if i < len(c.want) {
					if head, detail := cutLast(c.want[i]); line == head {
						line = c.want[i]
						if !strings.Contains(e.Detail, detail) {
							t.Errorf("%s: detail %q does not say %q", head, e.Detail, detail)
						}
					}
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
