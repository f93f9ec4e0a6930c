package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Folders on hosts whose file systems matter.
const (
	storePath      = "/opt/trivet/store"
	etcdPath       = "/var/lib/etcd"
	containerdPath = "/var/lib/containerd"
	kubeletPath    = "/var/lib/kubelet"
	statePath      = "/var/lib/trivet"
	unitPath       = "/etc/systemd/system"
)

// mounts finds file systems that cannot be written, or from which no program may run.
func (c *checker) mounts(h *topology.Host, o *hostapi.Observation, p *hostapi.ProbeResult) {
	told := map[string]bool{}
	for _, at := range []string{storePath, etcdPath, containerdPath, kubeletPath, statePath, unitPath} {
		f, asked := p.Paths[at]
		if !asked || f.Mount == "" || told[f.Mount] {
			continue
		}
		switch {
		case f.ReadOnly:
			told[f.Mount] = true
			c.add(CheckMounts, Error, h.Name, fmt.Sprintf("%s, where %s is to be, is mounted read-only", f.Mount, at), "mount it with rw")
		case f.NoExec && at == storePath:
			told[f.Mount] = true
			c.add(CheckMounts, Error, h.Name, fmt.Sprintf("%s, where programs are to be, is mounted noexec", f.Mount), "mount it with exec, or mount another file system at /opt/trivet")
		case f.NoExec && at == containerdPath:
			told[f.Mount] = true
			c.add(CheckMounts, Warning, h.Name, fmt.Sprintf("%s, where containers are to be, is mounted noexec", f.Mount), "mount it with exec, or mount another file system at "+containerdPath)
		}
	}
}

// Room that a host needs besides artifacts.
const (
	gib              = 1 << 30
	etcdLeastRoom    = 512 * mib
	containersLeast  = gib // images unpacked, logs, what pods write
	containersWell   = 5 * gib
	memberLeast      = 256 * mib // of a host that has everything already
	memberWell       = gib
	spareInodes      = 50_000
	controlArtifacts = 700 * mib // when the artifacts themselves are not known yet
	workerArtifacts  = 400 * mib
	etcdArtifacts    = 100 * mib
)

// room is what something needs of a file system.
type room struct {
	path, what      string
	least, sensible int64
}

// rooms lists what a host needs.
func (c *checker) rooms(h *topology.Host) []room {
	if c.member(h.Name) {
		return []room{
			{statePath, "records", memberLeast, memberWell},
			{storePath, "artifacts", memberLeast, memberWell},
		}
	}
	artifacts := int64(etcdArtifacts)
	switch {
	case c.Needs[h.Name] > 0:
		artifacts = c.Needs[h.Name]
	case h.Has(topology.RoleControlPlane):
		artifacts = controlArtifacts
	case h.IsNode():
		artifacts = workerArtifacts
	}
	// For some time an upgrade has two releases in the store.
	out := []room{{storePath, "artifacts", artifacts + artifacts/10, 2*artifacts + 512*mib}}
	if h.Has(topology.RoleEtcd) {
		out = append(out, room{etcdPath, "etcd, whose quota is " + size(c.Cluster.Etcd.QuotaBytes), etcdLeastRoom, c.Cluster.Etcd.QuotaBytes + etcdLeastRoom})
	}
	if h.IsNode() {
		out = append(out, room{containerdPath, "images and containers", containersLeast, containersWell})
	}
	return out
}

// fileSystemUse is what is to go on one file system.
type fileSystemUse struct {
	hostapi.PathFound
	paths, what     []string
	least, sensible int64
}

func (c *checker) disk(h *topology.Host, o *hostapi.Observation, p *hostapi.ProbeResult) {
	var uses []*fileSystemUse
	for _, r := range c.rooms(h) {
		f, asked := p.Paths[r.path]
		if !asked || f.Total <= 0 {
			continue
		}
		i := slices.IndexFunc(uses, func(u *fileSystemUse) bool { return u.Mount == f.Mount && u.Total == f.Total })
		if i < 0 {
			uses = append(uses, &fileSystemUse{PathFound: f})
			i = len(uses) - 1
		}
		u := uses[i]
		u.paths, u.what = append(u.paths, r.path), append(u.what, r.what)
		u.least, u.sensible = u.least+r.least, u.sensible+r.sensible
	}
	for _, u := range uses {
		place := u.Mount
		if place == "" {
			place = u.paths[0]
		}
		message := fmt.Sprintf("%s are free on %s, for %s", size(u.Free), place, strings.Join(u.what, ", "))
		switch {
		case u.Free < u.least:
			c.add(CheckDisk, Error, h.Name, message, fmt.Sprintf("free space, or mount a larger file system: %s are needed, %s are sensible", size(u.least), size(u.sensible)))
		case u.Free < u.sensible:
			c.add(CheckDisk, Warning, h.Name, message, fmt.Sprintf("free space, or mount a larger file system, before it fills: %s are sensible", size(u.sensible)))
		}
		if u.FreeInodes >= 0 && u.FreeInodes < spareInodes {
			c.add(CheckDisk, Warning, h.Name, fmt.Sprintf("%d inodes are free on %s: images are many small files", u.FreeInodes, place), "free some, or make a file system with more of them")
		}
	}
	if h.IsNode() {
		c.eviction(h, p, uses)
	}
}

// Signals of the kubelet's evictionHard and what they are unless it is set (pkg/kubelet/apis/config/v1beta1 defaults_linux.go, 1.36 and 1.37). Where it is set, signals that it
// does not name are off.
var evictionDefaults = map[string]string{"nodefs.available": "10%", "imagefs.available": "15%"}

// eviction foresees that the kubelet taints the node for want of disk space, so that no pod comes up.
func (c *checker) eviction(h *topology.Host, p *hostapi.ProbeResult, uses []*fileSystemUse) {
	thresholds := map[string]string{}
	if v, set := desired.Settings(c.Cluster, h, "kubelet")["evictionHard"]; set {
		given, _ := v.(map[string]any)
		for signal := range evictionDefaults {
			if x, ok := given[signal]; ok {
				thresholds[signal] = fmt.Sprint(x)
			}
		}
	} else {
		thresholds = evictionDefaults
	}
	told := map[string]bool{}
	for _, s := range []struct{ signal, path string }{{"imagefs.available", containerdPath}, {"nodefs.available", kubeletPath}} {
		f, asked := p.Paths[s.path]
		limit := threshold(thresholds[s.signal], f.Total)
		if !asked || f.Total <= 0 || limit <= 0 || told[f.Mount] {
			continue
		}
		left := f.Free
		for _, u := range uses {
			if !c.member(h.Name) && u.Mount == f.Mount && u.Total == f.Total && slices.Contains(u.paths, storePath) {
				left -= c.rooms(h)[0].least
			}
		}
		if left < limit {
			told[f.Mount] = true
			c.add(CheckDisk, Error, h.Name,
				fmt.Sprintf("%s of %s will be free on %s (%d %%), and below %s the kubelet evicts pods and takes no new ones", size(left), size(f.Total), f.Mount, max(left, 0)*100/f.Total, thresholds[s.signal]),
				fmt.Sprintf("free space, or set evictionHard with another %s in the settings of a kubelet component", s.signal))
		}
	}
}

// threshold reads "15%" or a quantity; 0 when it cannot be read, which is for the topology's own checks to say.
func threshold(s string, total int64) int64 {
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseFloat(percent, 64)
		if err != nil {
			return 0
		}
		return int64(n / 100 * float64(total))
	}
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return 0
	}
	return q.Value()
}

// etcd's own advice: the 99th percentile of synchronous writes below 10 ms. A disk ten times as slow costs leaders.
const (
	latencyWarning = 10 * time.Millisecond
	latencyBad     = 100 * time.Millisecond
)

func (c *checker) latency(h *topology.Host, p *hostapi.ProbeResult) {
	s := p.Sync
	if s.Error != "" {
		c.add(CheckLatency, Warning, h.Name, fmt.Sprintf("the disk below %s could not be measured: %s", s.Path, s.Error), "see whether the file system there can be written")
		return
	}
	if s.Writes == 0 || s.P99 <= latencyWarning {
		return
	}
	message := fmt.Sprintf("a synchronous write below %s took %s at the 99th percentile, %s at the median, of %d", s.Path, short(s.P99), short(s.Median), s.Writes)
	if s.P99 > latencyBad {
		c.add(CheckLatency, Warning, h.Name, message+": etcd will lose its leader again and again", "mount an SSD at "+etcdPath+", alone or with little else on it")
		return
	}
	c.add(CheckLatency, Warning, h.Name, message+"; etcd wants less than 10 ms", "mount a faster disk at "+etcdPath+", or see what else writes to this one")
}
