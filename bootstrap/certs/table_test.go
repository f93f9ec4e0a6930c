package certs_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestTable(t *testing.T) {
	for name, c := range map[string]*topology.Cluster{"two-places-three-centres": twoPlaces(), "apart": apart()} {
		t.Run(name, func(t *testing.T) {
			got := render(c)
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the table changed (-want +got); accept it with -update:\n%s", diff)
			}
		})
	}
}

// render lists every certificate of a cluster for a human to read.
func render(c *topology.Cluster) []byte {
	var b bytes.Buffer
	for _, h := range c.Hosts {
		var roles []string
		for _, r := range h.Roles {
			roles = append(roles, string(r))
		}
		fmt.Fprintf(&b, "host %s (%s)\n", h.Name, strings.Join(roles, ", "))
		for _, s := range certs.ForHost(c, h) {
			fmt.Fprintf(&b, "\n  %s\n", s.Identity)
			subject := "CN=" + s.CommonName
			for _, o := range s.Organizations {
				subject += ", O=" + o
			}
			var usages, names []string
			for _, u := range s.Usages {
				usages = append(usages, string(u))
			}
			names = append(names, s.DNSNames...)
			for _, a := range s.Addresses {
				names = append(names, a.String())
			}
			line := func(what, value string) {
				if value != "" {
					fmt.Fprintf(&b, "    %-8s %s\n", what, value)
				}
			}
			line("subject", subject)
			line("issuer", string(s.Authority))
			line("usages", strings.Join(usages, ", "))
			line("names", strings.Join(names, " "))
			line("lasts", fmt.Sprintf("%d days, renewed %d days before", s.Lifetime/day, s.RenewBefore/day))
			line("files", s.CertPath+" "+s.KeyPath)
			line("owner", s.Owner+":"+s.Group)
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

func TestTableIsSound(t *testing.T) {
	for _, c := range []*topology.Cluster{twoPlaces(), apart()} {
		for _, h := range c.Hosts {
			specs := certs.ForHost(c, h)
			if len(specs) == 0 {
				t.Errorf("%s has no certificate", h.Name)
			}
			if diff := cmp.Diff(specs, certs.ForHost(c, h), cmp.Comparer(sameSpec)); diff != "" {
				t.Errorf("%s: the list differs from one call to the next: %s", h.Name, diff)
			}
			paths := map[string]bool{}
			for _, s := range specs {
				if paths[s.CertPath] || paths[s.KeyPath] {
					t.Errorf("%s: two identities share the file %s or %s", h.Name, s.CertPath, s.KeyPath)
				}
				paths[s.CertPath], paths[s.KeyPath] = true, true
				if slices.Contains(s.Organizations, "system:masters") {
					t.Errorf("%s: %s is in system:masters", h.Name, s.Identity)
				}
				if found, ok := certs.Find(specs, s.Identity); !ok || !sameSpec(found, s) {
					t.Errorf("%s: %s is not found", h.Name, s.Identity)
				}
			}
		}
	}
	if _, ok := certs.Find(nil, certs.Operator); ok {
		t.Error("an identity was found in nothing")
	}
}

func TestSpecsShareNothing(t *testing.T) {
	c := twoPlaces()
	h := host(t, c, "bj1-cp1")
	for _, s := range certs.ForHost(c, h) {
		for i := range s.Organizations {
			s.Organizations[i] = "changed"
		}
		for i := range s.Usages {
			s.Usages[i] = "changed"
		}
	}
	if bytes.Contains(render(c), []byte("changed")) {
		t.Error("a change of one spec shows in later ones")
	}
}

func TestBootstrapStaysOffHosts(t *testing.T) {
	s := certs.ForBootstrap()
	if s.CertPath != "" || s.KeyPath != "" {
		t.Errorf("the bootstrap identity has files: %s %s", s.CertPath, s.KeyPath)
	}
	if s.Lifetime <= 0 || s.Lifetime.Hours() > 1 {
		t.Errorf("the bootstrap identity lives for %s", s.Lifetime)
	}
}

func sameSpec(a, b certs.Spec) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// TestDocumented compares the tables of docs/security.md with the code's.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(cells[1], " `") {
			documented[strings.Trim(cells[1], " `")] = line
		}
	}
	c := twoPlaces()
	for _, h := range c.Hosts {
		for _, s := range certs.ForHost(c, h) {
			row := documented[s.Identity]
			subject := strings.Replace(s.CommonName, h.Name, "<name>", 1)
			if subject == "<name>" {
				subject = "the host's name"
			}
			for _, part := range append([]string{subject, "| " + string(s.Authority) + " |"}, s.Organizations...) {
				if !strings.Contains(row, part) {
					t.Errorf("docs/security.md has no row of %s with %q: %q", s.Identity, part, row)
				}
			}
			for _, u := range s.Usages {
				if !strings.Contains(row, string(u)) {
					t.Errorf("docs/security.md does not say that %s is used as a %s", s.Identity, u)
				}
			}
		}
	}
	for _, a := range certs.Authorities {
		if documented[string(a)] == "" {
			t.Errorf("docs/security.md has no row of the %s authority", a)
		}
	}
}
