package plan

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
)

var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func file(path, content string) desired.Item {
	return desired.Item{Part: "part", Item: hostapi.Item{File: &hostapi.File{
		Path: path, Mode: 0o644, Owner: "root", Group: "root", SHA256: hostapi.Digest([]byte(content)), Content: []byte(content),
	}}}
}

func secretFile(path, version string) desired.Item {
	return desired.Item{Part: "part", Secret: desired.SecretServiceAccountKey, Item: hostapi.Item{File: &hostapi.File{
		Path: path, Mode: 0o600, Owner: "root", Group: "root", Secret: true, Version: version,
	}}}
}

func sysctl(key, value string) desired.Item {
	return desired.Item{Part: "part", Item: hostapi.Item{Sysctl: &hostapi.Sysctl{Key: key, Value: value}}}
}

func unit(name string, reload bool, inputs ...desired.Item) desired.Item {
	u := &hostapi.Unit{Name: name, Enabled: true, Running: true, Reload: reload}
	for _, i := range inputs {
		u.Inputs = append(u.Inputs, i.ID())
	}
	return desired.Item{Part: "part", Item: hostapi.Item{Unit: u}}
}

// recorded is an item as a host records it.
func recorded(i desired.Item) hostapi.RecordedItem {
	it := i.Item
	if it.File != nil {
		f := *it.File
		f.Content = nil
		it.File = &f
	}
	return hostapi.RecordedItem{Item: it}
}

func record(items ...desired.Item) *hostapi.Record {
	r := &hostapi.Record{Cluster: "main", ClusterID: "id", Host: "h"}
	for _, i := range items {
		r.Items = append(r.Items, recorded(i))
	}
	return r
}

// line is an action in a few words.
func line(a Action) string {
	s := fmt.Sprintf("%s %s (%s)", a.Verb, a.ID, a.Reason)
	if a.Before != "" || a.After != "" {
		s += fmt.Sprintf(" %s -> %s", a.Before, a.After)
	}
	if a.Disrupts != "" {
		s += " disrupts " + a.Disrupts
	}
	if a.Diff != "" {
		s += " with diff"
	}
	return s
}

func TestDiffHost(t *testing.T) {
	conf, other := file("/etc/a/a.conf", "one\n"), file("/etc/a/b.conf", "two\n")
	changedConf := file("/etc/a/a.conf", "three\n")
	service := unit("a.service", false, conf)
	reloading := unit("a.service", true, conf)
	moded := file("/etc/a/a.conf", "one\n")
	moded.File.Mode = 0o600
	pending, stale := record(conf, service), record(conf, service)
	pending.Items[0].Pending = true
	stale.Items[1].Stale = true
	restarting, starting := record(conf, service), record(conf, service)
	restarting.Items[1].Pending, restarting.Items[1].Stale = true, true
	starting.Items[1].Pending, starting.Items[1].Stale, starting.Items[1].Unmade = true, true, true
	short := func(s string) string { return hostapi.Digest([]byte(s))[:12] }
	drift := func(i desired.Item, what string) []hostapi.Drift { return []hostapi.Drift{{ID: i.ID(), What: what}} }

	for _, c := range []struct {
		name string
		want []desired.Item
		seen hostapi.Observation
		out  []string
	}{
		{"nothing there", []desired.Item{conf, service}, hostapi.Observation{},
			[]string{"create file:/etc/a/a.conf (not there yet)", "start unit:a.service (not there yet)"}},
		{"all there", []desired.Item{conf, service}, hostapi.Observation{Record: record(conf, service)}, nil},
		{"changed file restarts its unit", []desired.Item{changedConf, service},
			hostapi.Observation{Record: record(conf, service), Contents: map[string][]byte{"/etc/a/a.conf": []byte("one\n")}},
			[]string{"update file:/etc/a/a.conf (content changed) " + short("one\n") + " -> " + short("three\n") + " with diff",
				"restart unit:a.service (changed: /etc/a/a.conf) disrupts a.service on this host, while it restarts"}},
		{"a unit that reloads", []desired.Item{changedConf, reloading}, hostapi.Observation{Record: record(conf, reloading)},
			[]string{"update file:/etc/a/a.conf (content changed) " + short("one\n") + " -> " + short("three\n"),
				"restart unit:a.service (changed: /etc/a/a.conf) disrupts nothing (reload)"}},
		{"changed by hand", []desired.Item{conf, service},
			hostapi.Observation{Record: record(conf, service), Drift: drift(conf, "content differs"), Contents: map[string][]byte{"/etc/a/a.conf": []byte("mine\n")}},
			[]string{"mend file:/etc/a/a.conf (content differs) with diff",
				"restart unit:a.service (changed: /etc/a/a.conf) disrupts a.service on this host, while it restarts"}},
		{"a mode changed by hand restarts nothing", []desired.Item{conf, service},
			hostapi.Observation{Record: record(conf, service), Drift: []hostapi.Drift{{ID: conf.ID(), What: "owner ada:ada, recorded root:root", Code: hostapi.DriftAccess}}},
			[]string{"mend file:/etc/a/a.conf (owner ada:ada, recorded root:root)"}},
		{"nor do words decide", []desired.Item{conf, service},
			hostapi.Observation{Record: record(conf, service), Drift: drift(conf, "mode 0644, recorded 0600")},
			[]string{"mend file:/etc/a/a.conf (mode 0644, recorded 0600)",
				"restart unit:a.service (changed: /etc/a/a.conf) disrupts a.service on this host, while it restarts"}},
		{"a mode changed", []desired.Item{moded}, hostapi.Observation{Record: record(conf)}, []string{"update file:/etc/a/a.conf (mode changed)"}},
		{"stopped unit", []desired.Item{conf, service}, hostapi.Observation{Record: record(conf, service), Drift: drift(service, "not running (failed)")},
			[]string{"mend unit:a.service (not running (failed))"}},
		{"restart owed by an interruption", []desired.Item{conf, service}, hostapi.Observation{Record: stale},
			[]string{"restart unit:a.service (an input changed after its last start) disrupts a.service on this host, while it restarts"}},
		{"interrupted item", []desired.Item{conf, service}, hostapi.Observation{Record: pending},
			[]string{"update file:/etc/a/a.conf (an earlier run was interrupted here)",
				"restart unit:a.service (changed: /etc/a/a.conf) disrupts a.service on this host, while it restarts"}},
		{"interrupted restart", []desired.Item{conf, service}, hostapi.Observation{Record: restarting},
			[]string{"restart unit:a.service (an earlier run was interrupted here) disrupts a.service on this host, while it restarts"}},
		{"interrupted first start", []desired.Item{conf, service}, hostapi.Observation{Record: starting}, []string{"update unit:a.service (an earlier run was interrupted here)"}},
		{"an input more", []desired.Item{conf, other, unit("a.service", false, conf, other)}, hostapi.Observation{Record: record(conf, service)},
			[]string{"create file:/etc/a/b.conf (not there yet)",
				"restart unit:a.service (changed: /etc/a/b.conf) disrupts a.service on this host, while it restarts"}},
		{"removals, the last made first", []desired.Item{conf}, hostapi.Observation{Record: record(sysctl("vm.x", "1"), conf, other, service)},
			[]string{"remove unit:a.service (no longer part of the topology)", "remove file:/etc/a/b.conf (no longer part of the topology)",
				"remove sysctl:vm.x (no longer part of the topology)"}},
		{"drift of what is to be removed", nil, hostapi.Observation{Record: record(conf), Drift: drift(conf, "missing")},
			[]string{"remove file:/etc/a/a.conf (no longer part of the topology)"}},
		{"sysctl shows both values", []desired.Item{sysctl("vm.x", "2")}, hostapi.Observation{Record: record(sysctl("vm.x", "1"))},
			[]string{"update sysctl:vm.x (value changed) 1 -> 2"}},
		{"same secret", []desired.Item{secretFile("/etc/a/s", "v1")}, hostapi.Observation{Record: record(secretFile("/etc/a/s", "v1"))}, nil},
		{"secret by its version", []desired.Item{secretFile("/etc/a/s", "v2")},
			hostapi.Observation{Record: record(secretFile("/etc/a/s", "v1")), Contents: map[string][]byte{"/etc/a/s": []byte("planted")}},
			[]string{"update file:/etc/a/s (version changed)"}},
		{"secret changed by hand", []desired.Item{secretFile("/etc/a/s", "v1")},
			hostapi.Observation{Record: record(secretFile("/etc/a/s", "v1")), Drift: drift(secretFile("/etc/a/s", "v1"), "content differs"), Contents: map[string][]byte{"/etc/a/s": []byte("planted")}},
			[]string{"mend file:/etc/a/s (content differs)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			actions, err := diffHost(&desired.Host{Name: "h", Items: c.want}, &c.seen, inventory.Public{}, now, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range actions {
				got = append(got, line(a))
				if strings.Contains(fmt.Sprintf("%+v", a), "planted") {
					t.Errorf("%s shows a secret: %+v", a.ID, a)
				}
				if a.Diff != "" && !strings.HasPrefix(a.Diff, "--- "+a.ID.Name+" (host)\n+++ "+a.ID.Name+" (desired)\n@@") {
					t.Errorf("%s: the diff begins otherwise than a unified one:\n%s", a.ID, a.Diff)
				}
			}
			if d := cmp.Diff(c.out, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestDiffHostTwice(t *testing.T) {
	conf := file("/etc/a/a.conf", "one\n")
	if _, err := diffHost(&desired.Host{Name: "h", Items: []desired.Item{conf, conf}}, &hostapi.Observation{}, inventory.Public{}, now, nil, nil); err == nil || !strings.Contains(err.Error(), "host h") {
		t.Errorf("an item that is desired twice gives %v", err)
	}
}

func newAuthority(t *testing.T, c *topology.Cluster) *pki.Authority {
	t.Helper()
	a, err := certs.NewAuthority(rand.Reader, now, c, certs.Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestDiffKeyPair judges certificates by the authority and the clock, never by their bytes.
func TestDiffKeyPair(t *testing.T) {
	c := &topology.Cluster{Name: "main", Certificates: topology.Certificates{CALifetime: 87600 * time.Hour}}
	spec := certs.Spec{Identity: "kubelet-client", Authority: certs.Kubernetes, CommonName: "system:node:h", Usages: []certs.Usage{certs.Client},
		Lifetime: 8760 * time.Hour, RenewBefore: 720 * time.Hour, CertPath: "/etc/a/k.crt", KeyPath: "/etc/a/k.key", Owner: "root", Group: "root"}
	authority, other := newAuthority(t, c), newAuthority(t, c)
	cert, _, err := certs.Issue(rand.Reader, now, spec, authority)
	if err != nil {
		t.Fatal(err)
	}
	pair := func(s certs.Spec, cert []byte) desired.Item {
		return desired.Item{Certificate: &s, Item: hostapi.Item{KeyPair: &hostapi.KeyPair{CertPath: s.CertPath, KeyPath: s.KeyPath, Owner: s.Owner, Group: s.Group, Certificate: cert}}}
	}
	renamed, regrouped := spec, spec
	renamed.CommonName = "system:node:other"
	regrouped.Group = "etcd"
	of := func(a *pki.Authority) inventory.Public {
		return inventory.Public{Authorities: map[string]string{string(certs.Kubernetes): string(a.CertificatePEM())}}
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		want   certs.Spec
		public inventory.Public
		at     time.Time
		reason string // "" for no action
	}{
		{"good", spec, of(authority), now.Add(day), ""},
		{"due for renewal", spec, of(authority), now.Add(336 * day), "renewal is due"},
		{"expired", spec, of(authority), now.Add(400 * day), "expired"},
		{"other name", renamed, of(authority), now, "common name"},
		{"other owner", regrouped, of(authority), now, "group changed"},
		{"other authority", spec, of(other), now, "not issued by"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := &hostapi.Observation{Record: record(pair(spec, cert))}
			actions, err := diffHost(&desired.Host{Name: "h", Items: []desired.Item{pair(c.want, nil)}}, seen, c.public, c.at, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.reason == "" && len(actions) > 0:
				t.Errorf("not needed: %s", line(actions[0]))
			case c.reason != "" && (len(actions) != 1 || actions[0].Verb != Update || !strings.Contains(actions[0].Reason, c.reason)):
				t.Errorf("want an update because of %q, got %v", c.reason, actions)
			}
		})
	}
}
