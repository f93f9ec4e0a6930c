//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
)

// level is a cluster of control planes in one rack, each a member of etcd and a node. More is what a test adds to the cluster block.
func level(hosts int, more string) string {
	var b strings.Builder
	for i := 1; i <= hosts; i++ {
		fmt.Fprintf(&b, "        host \"cp%d\" {\n          address = \"10.42.1.1%d\"\n          roles   = [\"etcd\", \"control-plane\", \"worker\"]\n        }\n", i, i)
	}
	return fmt.Sprintf(`
fleet "level" {
}

region "north" {
  site "n1" {
    room "1" {
      rack "a" {
        cidr = "10.42.1.0/24"
%s      }
    }
  }
}

cluster "level" {
  kubernetes     = "1.37.2"
  sites          = ["n1"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = [] # the lab has its own

  network {
    plugin     = "bridge"
    proxy_mode = "iptables"
  }
%s
}
`, b.String(), more)
}

const rotateAll = `
  rotation {
    etcd_ca             = 2
    kubernetes_ca       = 2
    front_proxy_ca      = 2
    online_ca           = 2
    service_account_key = 2
    encryption_key      = 2
    rest                = "%s"
  }`

// request asks the API of a host's balancer as the operator on that host would, from a connection of its own.
func (o *operator) request(host string, args ...string) (string, error) {
	root := o.rootOf(host)
	pki := filepath.Join(root, "etc/kubernetes/pki")
	pid := strings.Split(root, "/")[2]
	const localCertificate = 58 // curl read a certificate and the key of the next one: it has not asked anything yet
	for {
		argv := append([]string{"--target", pid, "--net", "curl", "--silent", "--show-error", "--fail", "--max-time", "20", "--cacert", filepath.Join(pki, "ca.crt"),
			"--cert", filepath.Join(pki, "operator.crt"), "--key", filepath.Join(pki, "operator.key")}, args...)
		cmd := exec.Command("nsenter", argv...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == localCertificate {
			continue
		}
		if err != nil {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
		}
		return stdout.String(), err
	}
}

const configMaps = "https://127.0.0.1:7443/api/v1/namespaces/default/configmaps"

func (o *operator) post(host, url, body string) {
	o.t.Helper()
	if _, err := o.request(host, "--header", "Content-Type: application/json", "--data", body, url); err != nil {
		o.t.Fatal(err)
	}
}

// certificates asks what there is.
func (o *operator) certificates(code int) bootstrap.Certificates {
	o.t.Helper()
	return decode[bootstrap.Certificates](o.t, o.exits(code, "certs", "--json").stdout)
}

// storedUnder counts the Secrets and ConfigMaps of the cluster, by the name of the key that etcd holds them under.
func (o *operator) storedUnder(host string) map[string]int {
	o.t.Helper()
	out := map[string]int{}
	for _, folder := range []string{"/registry/secrets/", "/registry/configmaps/"} {
		text := o.on(host, "/opt/trivet/bin/etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=/etc/etcd/pki/ca.crt", "--cert=/etc/etcd/pki/etcd-operator.crt",
			"--key=/etc/etcd/pki/etcd-operator.key", "get", "--prefix", folder, "--print-value-only")
		for rest := text; ; {
			_, after, ok := strings.Cut(rest, "k8s:enc:secretbox:v1:")
			if !ok {
				break
			}
			name, _, _ := strings.Cut(after, ":")
			out[name]++
			rest = after
		}
	}
	return out
}

// TestRotation replaces every authority and key of a cluster of three control planes, one of the runs being killed, while somebody reads and writes through the API all the time.
func TestRotation(t *testing.T) {
	inFull(t)
	r := newRotation(t)
	p := r.probeAsHost("cp1")
	var events []event.Event
	r.killAt("a roll of control planes", func(e event.Event) bool { return e.Phase == "control-planes" && e.Kind == event.HostDone })
	for try := 0; !r.settled(); try++ { // rests of a second end between one run and the next
		if try == 10 {
			t.Fatal("there is no end to it")
		}
		events = append(events, r.applied()...)
	}
	p.stop(events...)
	p.allow(bounds{0, 3 * time.Second}, bounds{0, 2 * time.Second})
	r.replaced()
	r.must("certs", "renew", "--yes", "--host", "cp2")
	r.unchanged()
}

// TestRotationInterrupted does it with the command killed at every point that has a name of its own, in each of the stages.
func TestRotationInterrupted(t *testing.T) {
	inFull(t)
	r := newRotation(t)
	p := r.probeAsHost("cp1")
	var events []event.Event
	stages := map[string]map[string]bool{} // the points that it was killed at in each
	ended := false
	for try := 0; !ended || !r.settled(); try++ {
		if try == 600 {
			t.Fatal("there is no end to it")
		}
		stage := r.stage()
		if stages[stage] == nil {
			t.Logf("stage %d", len(stages)+1)
			stages[stage] = map[string]bool{}
		}
		var more []event.Event
		more, ended = r.killOnce(stages[stage], never, "apply", "--yes")
		events = append(events, more...)
	}
	for _, points := range stages {
		t.Logf("killed at %d points of a stage", len(points))
	}
	if len(stages) < 3 {
		t.Errorf("there were %d stages", len(stages))
	}
	p.stop(events...)
	p.allow(bounds{leaders, 3 * time.Second}, bounds{0, 2 * time.Second})
	r.replaced()
}

// rotation is a cluster all of whose authorities and keys are to be replaced, with what they were before.
type rotation struct {
	*operator
	before bootstrap.Certificates
	under  map[string]int
}

func newRotation(t *testing.T) rotation {
	o := newOperator(t, "e2e-rotation", level(3, ""))
	o.must("apply", "--yes")
	o.must("verify")
	o.openShop("cp1")
	o.post("cp1", "https://127.0.0.1:7443/api/v1/namespaces/default/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"kept"},"stringData":{"a":"b"}}`)
	r := rotation{o, o.certificates(0), o.storedUnder("cp1")}
	o.write(level(3, fmt.Sprintf(rotateAll, "1s")))
	return r
}

// stage tells how far the authorities are: which there are, and which of them sign. The keys go with them.
func (r rotation) stage() string {
	r.t.Helper()
	var all []string
	for _, a := range r.certificates(0).Authorities {
		all = append(all, fmt.Sprintf("%s %t %s", a.Name, a.Signs, a.Fingerprint))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// settled says that nothing is left to do, now or later.
func (r rotation) settled() bool {
	r.t.Helper()
	plan := r.run("plan")
	return plan.code == 0 && !strings.Contains(plan.stdout, "Next:")
}

// replaced checks that every authority is another one, that nothing is stored under an old key, and that nothing that was stored is lost.
func (r rotation) replaced() {
	r.t.Helper()
	old := map[string]bool{}
	for _, a := range r.before.Authorities {
		old[a.Fingerprint] = true
	}
	now := r.certificates(0)
	if len(now.Authorities) != len(r.before.Authorities) {
		r.t.Errorf("authorities: %+v", now.Authorities)
	}
	for _, a := range now.Authorities {
		if old[a.Fingerprint] {
			r.t.Errorf("the authority %s is the old one", a.Name)
		}
	}
	for name, count := range r.storedUnder("cp1") {
		if r.under[name] > 0 {
			r.t.Errorf("%d objects are still stored under %s", count, name)
		}
	}
	if text, err := r.request("cp1", "https://127.0.0.1:7443/api/v1/namespaces/default/secrets/kept"); err != nil || !strings.Contains(text, `"a": "Yg=="`) {
		r.t.Errorf("a secret from before: %s, %v", text, err)
	}
	r.must("verify")
	r.must("status")
	r.unchanged()
}

// ended waits until no certificate on any host is valid any more.
func (o *operator) ended() {
	o.t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for {
		c := decode[bootstrap.Certificates](o.t, o.run("certs", "--json").stdout)
		last := c.Time
		for _, x := range c.Certificates {
			if x.NotAfter.After(last) {
				last = x.NotAfter
			}
		}
		if last.Equal(c.Time) && c.Expired() {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("they do not end: %+v", c)
		}
		time.Sleep(time.Until(last) + time.Second) // it is the time that is waited for
	}
}

// TestCertificatesEnd has all certificates of a host end, and lets apply bring the cluster back.
func TestCertificatesEnd(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-ends", level(1, ""))
	o.must("apply", "--yes")
	o.write(level(1, "  certificates {\n    leaf_lifetime = \"2m\"\n    renew_before = \"1s\"\n  }"))
	o.must("apply", "--yes")
	o.ended()
	if _, err := o.request("cp1", configMaps); err == nil {
		t.Error("the API answers, although nothing is valid")
	}
	o.write(level(1, ""))
	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
}

// TestAuthoritiesEnd does the same with authorities, and all that they signed.
func TestAuthoritiesEnd(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-authorities", level(1, ""))
	o.must("apply", "--yes")
	short := "  certificates {\n    ca_lifetime = \"8m\"\n    leaf_lifetime = \"7m\"\n    renew_before = \"1s\"\n    admin_lifetime = \"1m\"\n  }"
	o.write(level(1, short+fmt.Sprintf(rotateAll, "0s")))
	o.must("apply", "--yes")
	o.must("verify")
	for _, a := range o.certificates(0).Authorities {
		left := time.Until(a.NotAfter)
		if left > 8*time.Minute {
			t.Fatalf("the authority %s has %s left", a.Name, left)
		}
		time.Sleep(left) // it is the time that is waited for
	}
	o.ended()
	o.write(level(1, fmt.Sprintf(rotateAll, "0s")))
	o.killUntilDone()
	o.must("verify")
	o.unchanged()
}
