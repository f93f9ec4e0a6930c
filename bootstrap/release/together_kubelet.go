package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kubeletTogether follows ValidateKubeletConfiguration too.
func (c *checker) kubeletTogether() {
	low, high := c.whole(80, "imageGCLowThresholdPercent"), c.whole(85, "imageGCHighThresholdPercent")
	c.order("imageGCLowThresholdPercent", "imageGCHighThresholdPercent", low, high, low < high, "below")
	young, old := c.duration(0, "imageMinimumGCAge"), c.duration(0, "imageMaximumGCAge")
	if young == 0 {
		young = 2 * time.Minute
	}
	c.order("imageMinimumGCAge", "imageMaximumGCAge", brief(young), brief(old), old == 0 || young < old, "shorter than")
	critical, all := c.duration(0, "shutdownGracePeriodCriticalPods"), c.duration(0, "shutdownGracePeriod")
	c.order("shutdownGracePeriodCriticalPods", "shutdownGracePeriod", brief(critical), brief(all), critical <= all, "no longer than")
	if list, _ := c.field("shutdownGracePeriodByPodPriority"); all > 0 || critical > 0 {
		if l, _ := list.([]any); len(l) > 0 {
			c.conflict(at("shutdownGracePeriodByPodPriority"), "Fields that do not fit", "shutdownGracePeriodByPodPriority cannot stand beside shutdownGracePeriod and shutdownGracePeriodCriticalPods. Leave one out.")
		}
	}
	if serial, _ := c.field("serializeImagePulls"); serial == true && c.whole(1, "maxParallelImagePulls") > 1 {
		c.conflict(at("maxParallelImagePulls"), "Fields that do not fit", "maxParallelImagePulls above 1 needs serializeImagePulls = false.")
	}
	system, _ := c.field("systemCgroups")
	if root, _ := c.field("cgroupRoot"); system != nil && system != "" && (root == nil || root == "") {
		c.conflict(at("systemCgroups"), "Missing field", "systemCgroups needs cgroupRoot beside it.")
	}
	handler, set := c.field("enableSystemLogHandler")
	if query, _ := c.field("enableSystemLogQuery"); query == true && set && handler == false {
		c.conflict(at("enableSystemLogQuery"), "Fields that do not fit", "enableSystemLogQuery needs enableSystemLogHandler = true.")
	}
	if len(c.texts("preloadedImagesVerificationAllowlist")) > 0 {
		if policy, _ := c.field("imagePullCredentialsVerificationPolicy"); policy != "NeverVerifyAllowlistedImages" {
			c.conflict(at("preloadedImagesVerificationAllowlist"), "Fields that do not fit", "preloadedImagesVerificationAllowlist has a meaning with imagePullCredentialsVerificationPolicy = \"NeverVerifyAllowlistedImages\" only.")
		}
	}
	c.softEviction()
	c.reservations()
	c.managers()
}

// softEviction wants a grace period for each soft threshold (ParseThresholdConfig).
func (c *checker) softEviction() {
	v, _ := c.field("evictionSoft")
	soft, _ := v.(map[string]any)
	for _, signal := range sortedKeys(soft) {
		if value := soft[signal]; !c.isSet("evictionSoftGracePeriod", signal) && value != "0%" && value != "100%" {
			c.report([]string{"evictionSoft", signal}, "Missing field", "The soft threshold of %s needs a grace period: evictionSoftGracePeriod = { %q = \"90s\" }.", signal, signal)
		}
	}
}

// reservations checks what is enforced of the reserved resources.
func (c *checker) reservations() {
	list := c.texts("enforceNodeAllocatable")
	report := func(i int, summary, detail string, args ...any) {
		c.report([]string{"enforceNodeAllocatable", strconv.Itoa(i)}, summary, detail, args...)
	}
	perQOS, _ := c.field("cgroupsPerQOS")
	if perQOS == false && len(list) == 0 {
		c.conflict(at("cgroupsPerQOS"), "Fields that do not fit", `cgroupsPerQOS = false needs enforceNodeAllocatable = ["none"].`)
	}
	for i, name := range list {
		base, compressible := strings.CutSuffix(name, "-compressible")
		cgroup := map[string]string{"system-reserved": "systemReservedCgroup", "kube-reserved": "kubeReservedCgroup"}[base]
		path, _ := c.field(cgroup)
		switch {
		case slices.Index(list, name) < i:
			report(i, "Duplicate value", "%q stands in enforceNodeAllocatable twice.", name)
		case name == "none" && len(list) > 1:
			report(i, "Fields that do not fit", `"none" stands in enforceNodeAllocatable alone.`)
		case compressible && slices.Contains(list, base):
			report(i, "Fields that do not fit", "%q and %q cannot both stand in enforceNodeAllocatable.", name, base)
		case cgroup != "" && (path == nil || path == ""):
			report(i, "Missing field", "%q in enforceNodeAllocatable needs %s beside it.", name, cgroup)
		case perQOS == false && name != "none":
			report(i, "Fields that do not fit", "%q in enforceNodeAllocatable needs cgroupsPerQOS = true.", name)
		}
	}
	if cpus, _ := c.field("reservedSystemCPUs"); cpus != nil && cpus != "" {
		for _, cgroup := range []string{"systemReservedCgroup", "kubeReservedCgroup"} {
			if path, _ := c.field(cgroup); path != nil && path != "" {
				c.conflict(at("reservedSystemCPUs"), "Fields that do not fit", "reservedSystemCPUs cannot stand beside %s. Leave one out.", cgroup)
			}
		}
	}
	v, _ := c.field("reservedMemory")
	nodes, _ := v.([]any)
	seen := map[string]bool{}
	for i, e := range nodes {
		node, _ := e.(map[string]any)
		limits, _ := node["limits"].(map[string]any)
		for _, name := range sortedKeys(limits) {
			if key := fmt.Sprint(node["numaNode"], name); seen[key] {
				c.report([]string{"reservedMemory", strconv.Itoa(i), "limits", name}, "Duplicate value", "%s of NUMA node %v is reserved twice.", name, node["numaNode"])
			} else {
				seen[key] = true
			}
		}
	}
}

// managers checks the policies of the CPU, memory and topology managers (pkg/kubelet/cm).
func (c *checker) managers() {
	v, _ := c.field("cpuManagerPolicyOptions")
	options, _ := v.(map[string]any)
	if policy, _ := c.field("cpuManagerPolicy"); len(options) > 0 && policy != "static" {
		c.conflict(at("cpuManagerPolicyOptions"), "Fields that do not fit", `cpuManagerPolicyOptions needs cpuManagerPolicy = "static".`)
	}
	gates := map[string]string{"align-by-socket": "CPUManagerPolicyAlphaOptions", "distribute-cpus-across-cores": "CPUManagerPolicyAlphaOptions", "distribute-cpus-across-numa": "CPUManagerPolicyBetaOptions"}
	for _, name := range sortedKeys(options) {
		if gate := gates[name]; gate != "" && !c.gateOn(gate) {
			c.needGate([]string{"cpuManagerPolicyOptions", name}, gate)
		}
	}
	v, _ = c.field("reservedMemory")
	nodes, _ := v.([]any)
	if policy, _ := c.field("memoryManagerPolicy"); policy == "Static" && len(nodes) == 0 {
		c.conflict(at("memoryManagerPolicy"), "Missing field", `memoryManagerPolicy = "Static" needs reservedMemory for the NUMA nodes, together as much as kubeReserved, systemReserved and the hard eviction threshold of memory.`)
	}
}
