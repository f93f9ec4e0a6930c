package main

import (
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// after has the command run when some time has gone by since the bring-up.
func after(d time.Duration) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) { o.Now = func() time.Time { return fleettest.Now.Add(d) } }
}

func TestCertsCommand(t *testing.T) {
	const day = 24 * time.Hour
	f := newMemoryFleet(t, threeSites)
	_, errOut := f.trivet(1, "certs")
	matches(t, errOut, `does not exist yet: apply first`)
	f.trivet(0, "apply", "--yes")
	out, _ := f.trivet(0, "certs")
	matches(t, out, `^AUTHORITY +SIGNS +EXPIRES +LEFT +FINGERPRINT$`, `^front-proxy +yes +20.*3650 d +[0-9a-f]{16}$`, `^HOST +CERTIFICATE +SUBJECT +ISSUER +EXPIRES +LEFT +NEXT APPLY$`,
		`^cp1 +etcd-server +CN=cp1 +etcd +20.* 365 d +-$`, `^w2 +kubelet-client +CN=system:node:w2,O=system:nodes +kubernetes `)
	out, _ = f.trivetWith(after(340*day), 0, "certs")
	matches(t, out, `^w1 +kube-proxy .* 25 d +issues it anew: expires .*, renewal is due 30d before$`)
	out, _ = f.trivetWith(after(366*day), 1, "certs", "--json")
	matches(t, out, `^\{"type":"certificates","cluster":"main",.*"due":"expired `)
	f.Unreachable["w2"] = true
	out, _ = f.trivet(1, "certs")
	matches(t, out, `^w2 not read: host w2: connect to .*: no route to host$`)
	f.Unreachable["w2"] = false

	_, errOut = f.trivet(1, "certs", "renew", "--yes", "kubelet")
	matches(t, errOut, `no host that was asked about has a certificate "kubelet": there are .*kubelet-client, kubelet-server`)
	out, _ = f.trivetWith(after(day), 0, "certs", "renew", "--yes", "kubelet-server", "kube-proxy", "--host", "w1", "--host", "w2")
	matches(t, out, `^Plan: 0 to create, 4 to change, 0 to restart, 0 to remove\.$`, `its renewal was asked for`)
}

// TestRotationCommand walks through the stages in one command, and through one a command where the plan was saved.
func TestRotationCommand(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	asked := threeSites
	asked.Cluster = "  rotation {\n    etcd_ca = 2\n    service_account_key = 2\n  }"
	f.write(asked)
	out, _ := f.trivet(2, "plan", "--out", f.dir+"/plan.json")
	matches(t, out, `^ += document identity\.age +\(store: etcd_ca 2: the new one is made; service_account_key 2: the new one is made\)$`, `^Another plan follows on this one`,
		`^Note: etcd_ca 2, stage "trust" of trust, sign, drop: both are accepted, the old one signs\. Next: both are accepted, the new one signs$`)
	f.trivet(0, "apply", "--plan", f.dir+"/plan.json")
	out, _ = f.trivet(0, "certs")
	matches(t, out, `^etcd +yes `, `^etcd +no, trusted `)
	out, _ = f.trivet(0, "apply", "--yes")
	matches(t, out, `etcd\.service +\(restart: changed: /etc/etcd/pki/ca\.crt`, `issued by the etcd authority that is being replaced`,
		`^Note: service_account_key 2, stage "retire" of trust, sign, retire, drop: .* by an apply after `)
	if n := strings.Count(out, "Applied in"); n != 1 {
		t.Errorf("it says %d times that it is done", n)
	}
	out, _ = f.trivetWith(after(25*time.Hour), 0, "apply", "--yes")
	matches(t, out, `service_account_key 2: the new one alone is accepted`)
	out, _ = f.trivetWith(after(25*time.Hour), 0, "apply", "--yes")
	matches(t, out, `No changes`)
	out, _ = f.trivet(0, "certs")
	if strings.Contains(out, "no, trusted") {
		t.Errorf("the old authority is still trusted:\n%s", out)
	}
}
