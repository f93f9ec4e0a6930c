package bootstrap_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

// rotating is a fleet with more than one of everything, and a rotation block.
func rotating(block string) fleettest.Settings {
	s := fleettest.Settings{Hosts: append(slices.Clone(three.Hosts), fleettest.Host{Name: "w1", Site: "s1", Roles: []string{"worker"}})}
	if block != "" {
		s.Cluster = "  rotation {\n" + block + "\n  }\n"
	}
	return s
}

// everything asks for a new one of all that can be replaced.
func everything(n int, rest string) string {
	var b strings.Builder
	for _, name := range topology.RotationNames {
		fmt.Fprintf(&b, "    %s = %d\n", name, n)
	}
	return b.String() + "    rest = \"" + rest + "\""
}

// walk applies until no plan goes on from the last one, as the command does, and tells the turns of each plan.
func walk(t testing.TB, f *fleettest.Fleet, change ...func(*bootstrap.Options)) (turns []string, last *plan.Plan) {
	t.Helper()
	for range 20 {
		e := open(t, f, change...)
		p := planOf(t, e)
		for _, turn := range p.Turns {
			turns = append(turns, fmt.Sprintf("%s %d %s", turn.Name, turn.Generation, turn.Stage))
		}
		if p.Empty() {
			if err := e.Settle(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			return turns, p
		}
		if err := e.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		_ = e.Close()
		if !p.GoesOn {
			return turns, p
		}
	}
	t.Fatalf("there is no end to it: %q", turns)
	return nil, nil
}

// held is what one host holds, as its components read it.
func held(t testing.TB, f *fleettest.Fleet, host, path string) []byte {
	b, err := os.ReadFile(f.Machines[host].Path(path))
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return b
}

func pool(t testing.TB, b []byte) []*x509.Certificate {
	list, err := pki.DecodeCertificates(b)
	if err != nil {
		t.Error(err)
	}
	return list
}

// refusals lists what hosts hold that other hosts would not accept.
func refusals(t testing.TB, f *fleettest.Fleet) []string {
	var out []string
	accepts := func(at, path string, c *x509.Certificate, of string) {
		b := held(t, f, at, path)
		if len(b) > 0 && !slices.ContainsFunc(pool(t, b), func(a *x509.Certificate) bool { return c.CheckSignatureFrom(a) == nil }) {
			out = append(out, fmt.Sprintf("%s on %s does not accept %s", path, at, of))
		}
	}
	trusted := map[certs.Authority][]string{
		certs.Etcd:       {"/etc/etcd/pki/ca.crt", "/etc/kubernetes/pki/etcd-ca.crt"},
		certs.Kubernetes: {"/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/client-ca.crt"},
		certs.FrontProxy: {"/etc/kubernetes/pki/front-proxy-ca.crt"},
	}
	for _, from := range f.Cluster.Hosts {
		for _, spec := range certs.ForHost(f.Cluster, from) {
			b := held(t, f, from.Name, spec.CertPath)
			if len(b) == 0 {
				continue
			}
			for _, at := range f.Cluster.Hosts {
				for _, path := range trusted[spec.Authority] {
					accepts(at.Name, path, pool(t, b)[0], spec.Identity+" of "+from.Name)
				}
			}
		}
	}
	for _, from := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		for _, at := range f.Cluster.Hosts {
			if b := held(t, f, from.Name, "/etc/kubernetes/pki/online-ca.crt"); len(b) > 0 {
				if len(pool(t, b)) != 1 {
					out = append(out, "the controller manager on "+from.Name+" takes one certificate to sign with")
				}
				accepts(at.Name, "/etc/kubernetes/pki/client-ca.crt", pool(t, b)[0], "what "+from.Name+" signs")
			}
			out = append(out, secretRefusals(t, f, from.Name, at.Name)...)
		}
	}
	return out
}

// secretRefusals looks at tokens, and at what is stored, by keys of one control plane and read by another.
func secretRefusals(t testing.TB, f *fleettest.Fleet, from, at string) []string {
	var out []string
	if key, public := held(t, f, from, "/etc/kubernetes/pki/sa.key"), held(t, f, at, "/etc/kubernetes/pki/sa.pub"); len(key) > 0 && len(public) > 0 {
		k, err := pki.DecodeKey(key)
		if err != nil {
			t.Error(err)
		}
		block, err := pki.EncodePublicKey(&k.PublicKey)
		if err != nil || !bytes.Contains(public, block) {
			out = append(out, fmt.Sprintf("%s does not accept tokens of %s", at, from))
		}
	}
	if writes, reads := held(t, f, from, "/etc/kubernetes/encryption.yaml"), held(t, f, at, "/etc/kubernetes/encryption.yaml"); len(writes) > 0 && len(reads) > 0 {
		if first := keyNames(writes)[0]; !slices.Contains(keyNames(reads), first) {
			out = append(out, fmt.Sprintf("%s cannot read what %s stores under %s", at, from, first))
		}
	}
	return out
}

func keyNames(config []byte) []string {
	var out []string
	for line := range strings.Lines(string(config)) {
		if _, name, ok := strings.Cut(line, "- name: "); ok {
			out = append(out, strings.TrimSpace(name))
		}
	}
	return out
}

func inventoryOf(t testing.TB, f *fleettest.Fleet, host string) *inventory.Inventory {
	t.Helper()
	o, err := f.Observe(host)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse(o.Documents[inventory.Document].Content)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// replaced wants every authority and key to be another one than before, and the only one, on hosts, in the inventory and in the sealed identity.
func replaced(t testing.TB, f *fleettest.Fleet, before inventory.Public, generation int) {
	t.Helper()
	for _, h := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		inv := inventoryOf(t, f, h.Name)
		for name, old := range before.Authorities {
			if is := inv.Public.Authorities[name]; is == old || strings.Count(is, "BEGIN") != 1 {
				t.Errorf("%s: the authority %s: %s", h.Name, name, is)
			}
		}
		if is := inv.Public.ServiceAccountKeys; is == before.ServiceAccountKeys || strings.Count(is, "BEGIN") != 1 {
			t.Errorf("%s: the service account keys: %s", h.Name, is)
		}
		for kind, old := range before.Versions {
			if is := inv.Public.Versions[kind]; is == old || strings.Count(is, "+") > 1 {
				t.Errorf("%s: the version of %s: %s", h.Name, kind, is)
			}
		}
		for _, name := range topology.RotationNames {
			if r := inv.Rotation(name); r != (inventory.Rotation{Generation: generation}) {
				t.Errorf("%s: %s: %+v", h.Name, name, r)
			}
		}
		o, err := f.Observe(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		ids, _ := f.Identities()
		id, err := identity.Open(o.Documents[identity.Document].Content, ids)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(inv.Public, id.Public()); d != "" {
			t.Errorf("%s: the sealed identity holds something else (-inventory +identity):\n%s", h.Name, d)
		}
	}
	if r := refusals(t, f); len(r) > 0 {
		t.Errorf("at the end: %q", r)
	}
}

// TestRotateEverything replaces all authorities and keys at once. After each step of each stage every host accepts what every other one holds.
func TestRotateEverything(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	before := inventoryOf(t, f, "cp1").Public
	if err := f.Change(rotating(everything(2, "0s"))); err != nil {
		t.Fatal(err)
	}
	f.OnPoint = func(host, point string) {
		if point != "stepped" || t.Failed() {
			return
		}
		if r := refusals(t, f); len(r) > 0 {
			t.Errorf("after a step on %s: %q", host, r)
		}
	}
	turns, _ := walk(t, f)
	f.OnPoint = nil
	want := []string{
		"etcd_ca 2 trust", "kubernetes_ca 2 trust", "front_proxy_ca 2 trust", "online_ca 2 trust", "service_account_key 2 trust", "encryption_key 2 trust",
		"etcd_ca 2 sign", "kubernetes_ca 2 sign", "front_proxy_ca 2 sign", "online_ca 2 sign", "service_account_key 2 sign", "encryption_key 2 sign",
		"etcd_ca 2 drop", "kubernetes_ca 2 drop", "front_proxy_ca 2 drop", "online_ca 2 renew", "service_account_key 2 drop", "encryption_key 2 drop",
		"etcd_ca 2 ", "kubernetes_ca 2 ", "front_proxy_ca 2 ", "online_ca 2 drop", "service_account_key 2 ", "encryption_key 2 ",
		"online_ca 2 ",
	}
	if d := cmp.Diff(want, turns); d != "" {
		t.Errorf("turns (-want +got):\n%s", d)
	}
	replaced(t, f, before, 2)
	if under := f.StoredUnder(); under == "" || !strings.HasSuffix(inventoryOf(t, f, "cp1").Public.Versions["encryption"], "+"+under) {
		t.Errorf("objects are stored under %q", under)
	}
	if unit := held(t, f, "w1", "/etc/systemd/system/kubelet.service"); !bytes.Contains(unit, []byte("--cert-dir=/var/lib/kubelet/pki-2")) {
		t.Errorf("the kubelet goes on with certificates of the old authority:\n%s", unit)
	}
	if p := planOf(t, open(t, f)); !p.Empty() || len(p.Notes) > 0 || p.GoesOn {
		t.Errorf("after it: %d actions, notes %q", p.Actions(), p.Notes)
	}
}

// TestRotationRests waits before the stages that end the use of what was handed out, says until when and what for, and goes on by a later apply.
func TestRotationRests(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	if err := f.Change(rotating("    kubernetes_ca = 7\n    service_account_key = 2")); err != nil {
		t.Fatal(err)
	}
	turns, last := walk(t, f)
	if want := []string{"kubernetes_ca 7 trust", "service_account_key 2 trust", "kubernetes_ca 7 spread", "service_account_key 2 sign", "service_account_key 2 retire"}; !slices.Equal(turns, want) {
		t.Errorf("turns %q, want %q", turns, want)
	}
	text := strings.Join(planOf(t, open(t, f, after(23*time.Hour))).Notes, "\n")
	until := fleettest.Now.Add(day).Format(time.RFC3339)
	for _, w := range []string{`kubernetes_ca 7, stage "spread" of trust, spread, sign, retire, drop`, "by an apply after " + until, "client-go before 1.36", `service_account_key 2, stage "retire"`, "kubernetes.io/service-account-token"} {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in the notes: %s", w, text)
		}
	}
	if last.GoesOn {
		t.Error("the last plan says that another one follows at once")
	}
	turns, _ = walk(t, f, after(25*time.Hour))
	if want := []string{"kubernetes_ca 7 sign", "service_account_key 2 drop", "kubernetes_ca 7 retire", "service_account_key 2 "}; !slices.Equal(turns, want) {
		t.Errorf("a day later %q, want %q", turns, want)
	}
	turns, _ = walk(t, f, after(25*time.Hour+6*time.Minute))
	if want := []string{"kubernetes_ca 7 drop", "kubernetes_ca 7 "}; !slices.Equal(turns, want) {
		t.Errorf("minutes later %q, want %q", turns, want)
	}
	if err := f.Change(rotating("    kubernetes_ca = 2")); err != nil {
		t.Fatal(err)
	}
	if p := planOf(t, open(t, f, after(26*time.Hour))); !p.Empty() || !strings.Contains(strings.Join(p.Notes, " "), "an old one does not come back") {
		t.Errorf("back to an old one: %d actions, notes %q", p.Actions(), p.Notes)
	}
}

// TestRotationRollsCoreDNS makes CoreDNS's pods anew after the API servers sign with a new service account key, and before the old key goes: a kubelet gives a running pod a token of
// the new key only when most of the old one's time is over.
func TestRotationRollsCoreDNS(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	if err := f.Change(rotating("    service_account_key = 2\n    rest = \"0s\"")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the key is made, and accepted
		apply(t, open(t, f))
	}
	p := planOf(t, open(t, f))
	if len(p.Turns) != 1 || p.Turns[0].Stage != inventory.StageSign {
		t.Fatalf("the third plan turns %v", p.Turns)
	}
	var order []string
	for _, phase := range p.Phases {
		for _, step := range phase.Steps {
			for _, a := range step.Actions {
				switch {
				case a.Verb == plan.Restart && a.ID.Name == "kube-apiserver.service":
					order = append(order, step.Host)
				case a.Object != nil && a.Object.Name == desired.DNSName && a.Object.Kind == "Deployment":
					order = append(order, "CoreDNS")
				}
			}
		}
	}
	if want := []string{"cp1", "cp2", "cp3", "CoreDNS"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

// TestRotationWaitsForHosts comes to no other stage while a host is away, which would not be accepted when it comes back.
func TestRotationWaitsForHosts(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	before := inventoryOf(t, f, "cp1").Public
	if err := f.Change(rotating(everything(2, "0s"))); err != nil {
		t.Fatal(err)
	}
	f.Unreachable["w1"] = true
	if p := planOf(t, open(t, f)); len(p.Turns) > 0 || p.GoesOn {
		t.Errorf("it begins while a host is away: %v", p.Turns)
	}
	f.Unreachable["w1"] = false
	e := open(t, f)
	if p := planOf(t, e); len(p.Turns) != len(topology.RotationNames) || e.Apply(t.Context(), p) != nil {
		t.Fatalf("it does not begin: %v", p.Turns)
	}
	f.Unreachable["w1"] = true
	e = open(t, f)
	p := planOf(t, e)
	wants(t, e.Apply(t.Context(), p), "host w1")
	if p = planOf(t, open(t, f)); len(p.Turns) > 0 || !p.Empty() {
		t.Errorf("it goes on while a host is away: %v, %d actions", p.Turns, p.Actions())
	}
	f.Unreachable["w1"] = false
	walk(t, f)
	replaced(t, f, before, 2)
}

// TestExpired has every certificate of hosts end, and the authorities' too: an apply brings the cluster back, without asking etcd or the API before.
func TestExpired(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	before := inventoryOf(t, f, "cp1").Public
	year := 366 * day
	down := func(e *bootstrap.Options) { // whoever asks before the certificates are there asks in vain
		f.OnPoint = func(_, point string) {
			if !strings.HasPrefix(point, "gate ") {
				return
			}
			for _, h := range f.Cluster.Hosts {
				if b := held(t, f, h.Name, "/etc/kubernetes/pki/operator.crt"); len(b) > 0 && !e.Now().Before(pool(t, b)[0].NotAfter) {
					t.Errorf("%s, and the operator's certificate on %s has ended", point, h.Name)
				}
			}
		}
	}
	turns, p := walk(t, f, after(year), down)
	certificates, restarted := issued(p)
	if len(turns) > 0 || len(restarted) > 0 || len(certificates) == 0 {
		t.Errorf("leaves: turns %q, restarts %v", turns, restarted)
	}
	if q := planOf(t, open(t, f, after(year))); !q.Empty() {
		t.Errorf("after it %d actions are left", q.Actions())
	}
	over := 3651 * day
	turns, _ = walk(t, f, after(over), down)
	f.OnPoint = nil
	want := []string{"etcd_ca 2 drop", "kubernetes_ca 2 drop", "front_proxy_ca 2 drop", "online_ca 2 drop", "etcd_ca 2 ", "kubernetes_ca 2 ", "front_proxy_ca 2 ", "online_ca 2 "}
	if !slices.Equal(turns, want) {
		t.Errorf("authorities: turns %q, want %q", turns, want)
	}
	inv := inventoryOf(t, f, "cp2")
	for name, old := range before.Authorities {
		if is := inv.Public.Authorities[name]; is == old || strings.Count(is, "BEGIN") != 1 {
			t.Errorf("the authority %s: %s", name, is)
		}
	}
	if r := refusals(t, f); len(r) > 0 {
		t.Errorf("%q", r)
	}
	if p := planOf(t, open(t, f, after(over))); !p.Empty() {
		t.Errorf("after it %d actions are left", p.Actions())
	}
}

// TestExpiredWithAMemberAway replaces authorities that have ended although a member of etcd is away: those that are there do not accept each other, so that nothing is lost.
func TestExpiredWithAMemberAway(t *testing.T) {
	f := newFleet(t, rotating(""))
	apply(t, open(t, f))
	f.Unreachable["cp3"] = true
	over := after(3651 * day)
	for range 3 {
		e := open(t, f, over)
		p := planOf(t, e)
		if err := e.Apply(t.Context(), p); err == nil {
			t.Fatal("nobody was skipped")
		}
	}
	f.Unreachable["cp3"] = false
	if turns, _ := walk(t, f, over); len(turns) != 4 {
		t.Errorf("turns when it is back: %q", turns)
	}
	if r := refusals(t, f); len(r) > 0 {
		t.Errorf("%q", r)
	}
}
