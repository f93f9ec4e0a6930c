package door

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// described is a cluster of one host in attributes; more goes before them.
func described(more input.Object) input.Object {
	o := input.Object{
		"name": "main", "kubernetes": "1.37.2", "age_recipients": []any{"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"}, "sites": input.Object{"s1": input.Object{"region": "r"}},
		"hosts": input.Object{"cp1": input.Object{"address": "10.11.1.11", "roles": []any{"etcd", "control-plane"}}},
	}
	for name, v := range more {
		o[name] = v
	}
	return o
}

// TestSettled holds configurations against what a cluster is: each difference is told at its attribute, and what is not known is none.
func TestSettled(t *testing.T) {
	settled := Settled{
		Kubernetes: "1.37.2", PodCIDR: netip.MustParsePrefix("10.128.0.0/12"), NodePrefix: 24, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"),
		Issuer: "https://kubernetes.default.svc.cluster.local", Domain: "cluster.local",
	}
	upgrading := settled
	upgrading.From = "1.36.3"
	for name, c := range map[string]struct {
		settled *Settled
		config  input.Object
		want    []string // attributes
	}{
		"nothing":       {&settled, nil, nil},
		"never seen":    {nil, input.Object{"pod_cidr": "10.144.0.0/12"}, nil},
		"ranges":        {&settled, input.Object{"pod_cidr": "10.144.0.0/12", "service_cidr": "10.97.0.0/16"}, []string{"pod_cidr", "service_cidr"}},
		"a prefix":      {&settled, input.Object{"node_prefix": int64(25)}, []string{"node_prefix"}},
		"a domain":      {&settled, input.Object{"dns": input.Object{"domain": "cluster.example"}}, []string{"dns.domain"}},
		"an issuer":     {&settled, input.Object{"api": input.Object{"service_account_issuer": "https://issuer.example"}}, []string{"api.service_account_issuer"}},
		"older":         {&settled, input.Object{"kubernetes": "1.36.3"}, []string{"kubernetes"}},
		"the way back":  {&upgrading, input.Object{"kubernetes": "1.36.3"}, nil},
		"unknown":       {&settled, input.Object{"pod_cidr": input.Unknown{}, "kubernetes": input.Unknown{}, "service_cidr": input.Unknown{}, "node_prefix": input.Unknown{}}, nil},
		"unknown block": {&settled, input.Object{"dns": input.Object{"domain": input.Unknown{}}, "api": input.Object{"service_account_issuer": input.Unknown{}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			config := described(c.config)
			f, problems := (*Client)(nil).Fleet(config)
			if f.Cluster == nil {
				t.Fatal(problems)
			}
			var got []string
			for _, p := range c.settled.Refuse(f, config) {
				got = append(got, p.Path.String())
				if strings.Contains(p.Detail, input.FileName) || !strings.Contains(p.Detail, "Nothing was changed.") {
					t.Errorf("it says %q", p.Detail)
				}
			}
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("refused: %v, want %v", got, c.want)
			}
		})
	}
}

// TestTell: an error of the engine names attributes in place of lines, and is still what it was.
func TestTell(t *testing.T) {
	f, problems := (*Client)(nil).Fleet(described(nil))
	if f.Cluster == nil {
		t.Fatal(problems)
	}
	h := f.Cluster.Hosts[0]
	engine := errors.New("correct the address (" + h.AddressRange.String() + ") or the host (" + h.Range.String() + ")")
	err := f.tell(engine)
	if want := `correct the address (hosts["cp1"].address) or the host (hosts["cp1"])`; err.Error() != want || At(err).String() != `hosts["cp1"].address` || !errors.Is(err, engine) {
		t.Errorf("%v, at %s", err, At(err))
	}
	text := &Fleet{}
	if err := text.tell(errors.New("topology:12: wrong")); At(err).String() != "topology" {
		t.Errorf("of a topology in its own language: at %s", At(err))
	}
	if err := text.tell(errors.New("host w1: no route to host")); len(At(err)) > 0 || text.tell(nil) != nil {
		t.Errorf("of none: at %s", At(err))
	}
}

// TestDescribedTwice: beside a topology nothing describes the cluster, and variables are those of a topology.
func TestDescribedTwice(t *testing.T) {
	_, problems := (*Client)(nil).Fleet(input.Object{"name": "main", "topology": "", "upgrade": input.Object{"max_unavailable": "1"}, "pod_cidr": input.Unknown{}, "adopt": true})
	var got []string
	for _, p := range problems {
		if p.Summary == "Described twice" {
			got = append(got, p.Path.String())
		}
	}
	if strings.Join(got, " ") != "pod_cidr upgrade" {
		t.Errorf("described twice: %v", got)
	}
	_, problems = (*Client)(nil).Fleet(described(input.Object{"variables": input.Object{"a": "b"}}))
	if len(problems) != 1 || problems[0].Path.String() != "variables" {
		t.Errorf("variables of nothing: %v", problems)
	}
}

// TestFile: what attributes describe is a topology that the command reads, with the user that the provider logs in as.
func TestFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	attributes := described(input.Object{"manifests": []any{}, "adopt": true, "etcd": input.Object{"quota": "4Gi"}})
	c := &Client{SSH: topology.DefaultSSH()}
	c.SSH.User, c.SSH.Port = "ops", 2222
	f, problems := c.Fleet(attributes)
	if f.Cluster == nil {
		t.Fatal(problems)
	}
	file, err := c.File(f, attributes)
	if err != nil {
		t.Fatal(err)
	}
	top, _, diags := topology.Load(file, topology.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if s := top.Fleet.SSH; s.User != "ops" || s.Port != 2222 || top.Clusters[0].Name != "main" || top.Clusters[0].Hosts[0].Address.String() != "10.11.1.11" {
		t.Errorf("%s says %+v, %+v", file, s, top.Clusters[0])
	}
	if file, err := c.File(&Fleet{}, attributes); file != "" || err != nil {
		t.Errorf("of a topology in its own language: %q, %v", file, err)
	}
}
