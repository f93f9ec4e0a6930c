package bootstrap_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// after has an engine's clock go on from that of the bring-up.
func after(d time.Duration) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) { o.Now = func() time.Time { return fleettest.Now.Add(d) } }
}

const day = 24 * time.Hour

// issued lists, as host/name, the certificates that a plan issues; restarted the units that it starts again, as host/unit.
func issued(p *plan.Plan) (certificates, restarted []string) {
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				switch {
				case a.ID.Kind == hostapi.KindKeyPair:
					certificates = append(certificates, s.Host+"/"+a.Item.Certificate.Identity)
				case a.ID.Kind == hostapi.KindUnit:
					restarted = append(restarted, s.Host+"/"+a.ID.Name)
				}
			}
		}
	}
	return certificates, restarted
}

func TestCertificates(t *testing.T) {
	f := newFleet(t, small)
	_, err := open(t, f).Certificates(t.Context())
	wants(t, err, "does not exist yet")
	apply(t, open(t, f))
	list := func(d time.Duration) *bootstrap.Certificates {
		t.Helper()
		c, err := open(t, f, after(d)).Certificates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := list(0)
	want := 0
	for _, h := range f.Cluster.Hosts {
		want += len(certs.ForHost(f.Cluster, h))
	}
	if len(c.Certificates) != want || len(c.Authorities) != len(certs.Authorities) || c.Expired() || len(c.Unread) > 0 {
		t.Errorf("%d certificates, want %d; %d authorities; expired: %t; unread: %v", len(c.Certificates), want, len(c.Authorities), c.Expired(), c.Unread)
	}
	for _, x := range c.Certificates {
		if x.Due != "" || !x.NotAfter.Equal(fleettest.Now.Add(f.Cluster.Certificates.LeafLifetime)) {
			t.Errorf("%+v", x)
		}
		if strings.HasPrefix(x.Name, "etcd-") != (x.Issuer == "etcd") && x.Name != certs.APIServerEtcdClient {
			t.Errorf("%s is issued by %s", x.Name, x.Issuer)
		}
	}
	f.Unreachable["w1"] = true
	if c = list(340 * day); c.Expired() || !strings.Contains(c.Unread["w1"], "no route to host") || !strings.Contains(c.Certificates[0].Due, "renewal is due 30d before") {
		t.Errorf("near the end: %+v", c)
	}
	if c = list(366 * day); !c.Expired() || !strings.Contains(c.Certificates[0].Due, "expired") {
		t.Errorf("after the end: %+v", c.Certificates[0])
	}
}

// TestRenew renews certificates, those that are due and those that were asked for. No unit restarts for it, and what was done is not done again.
func TestRenew(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	e := open(t, f, after(time.Hour))
	for _, c := range []struct{ host, name, want string }{{"w2", "", `no host "w2"`}, {"", "kubelet", "kubelet-client, kubelet-server"}, {"w1", certs.EtcdPeer, "no host that was asked about"}} {
		var hosts, names []string
		if c.host != "" {
			hosts = []string{c.host}
		}
		if c.name != "" {
			names = []string{c.name}
		}
		_, err := e.Renewal(t.Context(), hosts, names)
		wants(t, err, c.want)
	}
	renew := func(d time.Duration, hosts, names []string, want ...string) {
		t.Helper()
		e := open(t, f, after(d))
		var err error
		if e.Renew, err = e.Renewal(t.Context(), hosts, names); err != nil {
			t.Fatal(err)
		}
		p := planOf(t, e)
		certificates, restarted := issued(p)
		if len(want) > 0 && !slices.Equal(certificates, want) || len(certificates) == 0 || len(restarted) > 0 || p.Actions() != len(certificates) {
			t.Errorf("it issues %v, want %v, restarts %v, and has %d actions", certificates, want, restarted, p.Actions())
		}
		if err := e.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if p := planOf(t, e); !p.Empty() {
			t.Errorf("it would renew again: %d actions", p.Actions())
		}
	}
	renew(time.Hour, []string{"w1"}, []string{certs.KubeletServer, certs.KubeProxy}, "w1/kubelet-server", "w1/kube-proxy")
	renew(2*time.Hour, nil, []string{certs.KubeletServer}, "cp1/kubelet-server", "w1/kubelet-server")
	renew(3*time.Hour, nil, nil)
	if p := planOf(t, open(t, f, after(3*time.Hour))); !p.Empty() {
		t.Errorf("an apply that was not asked to would renew: %d actions", p.Actions())
	}
	p := planOf(t, open(t, f, after(350*day)))
	if certificates, restarted := issued(p); len(certificates) != p.Actions() || len(restarted) > 0 || p.Empty() {
		t.Errorf("near their end %d of %d actions are certificates, and %v restart", len(certificates), p.Actions(), restarted)
	}
}
