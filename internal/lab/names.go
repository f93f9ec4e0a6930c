//go:build linux

package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
)

// namespaceFolder holds the lab's named network namespaces. It is not /run/netns: ip-netns(8) mounts that folder over itself when it is first used, and names that were
// there before can then no longer be reached.
const namespaceFolder = "/run/trivet-lab"

// A lab's name has no dot, so no two labs, and no host and fixed namespace, share a name.
func operatorNamespace(lab string) string   { return "trivet-" + lab + "-operator" }
func routerNamespace(lab string) string     { return "trivet-" + lab + "-router" }
func hostNamespace(lab, host string) string { return "trivet-" + lab + "." + host }

func namespacePath(name string) string { return filepath.Join(namespaceFolder, name) }

// cgroupFolder is the lab's folder in every control group hierarchy.
const cgroupFolder = "trivet-lab"

func hostGroup(lab, host string) string { return filepath.Join(cgroupFolder, lab, host) }

// shortName is prefix+name if it fits into limit, else a stable abbreviation.
func shortName(prefix, name string, limit int) string {
	if len(prefix)+len(name) <= limit {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "-" + hex.EncodeToString(sum[:3])
	return prefix + name[:limit-len(prefix)-len(tail)] + tail
}

// The kernel limits the name of an interface to 15 characters.
const maxInterfaceName = 15

func bridgeName(site string) string { return shortName("b-", site, maxInterfaceName) }
func portName(host string) string   { return shortName("h-", host, maxInterfaceName) }

// operatorPort is the router's end of the operator's link; no bridge or port is named so.
const operatorPort = "operator"

// machineName names the host to systemd-nspawn, which keeps folders by that name: unlike
// the host name it must differ between labs.
func machineName(lab, host string) string { return shortName("trivet-"+lab+"-", host, 64) }

// hardwareAddress is stable, so that neighbours' caches stay right when a host restarts.
func hardwareAddress(lab, host string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(lab + "\x00" + host))
	mac := net.HardwareAddr(append([]byte(nil), sum[:6]...))
	mac[0] = mac[0]&^1 | 2 // unicast, locally administered
	return mac
}
