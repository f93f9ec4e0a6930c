package fleettest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
	"github.com/trivet-dev/trivet/internal/pki"
)

// Canonical is the state of a fleet without what is random and without counters: two fleets with the same one are the same to everybody.
type Canonical struct {
	Hosts   map[string]HostState
	Objects map[string]string
}

// HostState is one host.
type HostState struct {
	Files     map[string]string // type, mode, owner and content, or what stands for it
	Active    map[string]string // units
	Images    map[string]hostdtest.Image
	Record    string
	Drift     []hostapi.Drift
	Documents map[string]string
}

// Canonical looks at the whole fleet.
func (f *Fleet) Canonical() (*Canonical, error) {
	c := &Canonical{Hosts: map[string]HostState{}, Objects: map[string]string{}}
	for name, manifest := range f.Objects() {
		c.Objects[name] = string(manifest)
	}
	for _, h := range f.everyHost() {
		s, err := f.hostState(h.Name)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", h.Name, err)
		}
		c.Hosts[h.Name] = *s
	}
	return c, nil
}

func (f *Fleet) hostState(name string) (*HostState, error) {
	o, err := f.Observe(name)
	if err != nil {
		return nil, err
	}
	m := f.Machines[name]
	s := &HostState{Active: maps.Clone(m.Units.Active), Images: maps.Clone(m.Commands.Images), Drift: o.Drift, Documents: map[string]string{}}
	standIn := map[string]string{}
	if o.Record != nil {
		if s.Record, err = canonicalRecord(o.Record, m, standIn); err != nil {
			return nil, err
		}
	}
	for n, d := range o.Documents {
		s.Documents[n] = "sealed"
		if n == inventory.Document {
			if s.Documents[n], err = canonicalInventory(d.Content); err != nil {
				return nil, err
			}
		}
	}
	s.Files, err = Tree(m.Root, func(path string) (string, bool) {
		what, ok := standIn[path]
		return what, ok
	}, "/var/lib/trivet", staging)
	for p := range s.Files {
		if strings.Contains(p, "/.incoming-") { // left by a cut transfer; a prune takes it
			delete(s.Files, p)
		}
	}
	return s, err
}

// canonicalRecord writes the record without counters and random content, and collects what stands for the content of files.
func canonicalRecord(r *hostapi.Record, m *hostdtest.Machine, standIn map[string]string) (string, error) {
	r.Epoch, r.Generation, r.ClusterID = 0, 0, ""
	for i := range r.Items {
		it := &r.Items[i].Item
		switch {
		case it.KeyPair != nil:
			what, err := describePair(m, it.KeyPair)
			if err != nil {
				return "", err
			}
			standIn[it.KeyPair.CertPath], standIn[it.KeyPair.KeyPath] = what, "its key"
			it.KeyPair.Certificate = []byte(what)
		case it.File != nil && it.File.Secret:
			standIn[it.File.Path], it.File.Version = "secret", "a version"
		case it.File != nil:
			b, err := os.ReadFile(m.Path(it.File.Path))
			if err == nil && (bytes.HasPrefix(b, []byte("-----BEGIN CERTIFICATE")) || bytes.HasPrefix(b, []byte("-----BEGIN PUBLIC KEY"))) {
				standIn[it.File.Path], it.File.SHA256 = fmt.Sprintf("%d PEM blocks", bytes.Count(b, []byte("-----BEGIN "))), "of the cluster"
			}
		}
	}
	b, err := json.MarshalIndent(r, "", " ")
	return string(b), err
}

// describePair wants the key on the host to be that of the certificate.
func describePair(m *hostdtest.Machine, kp *hostapi.KeyPair) (string, error) {
	if len(kp.Certificate) == 0 {
		return "", nil // pending
	}
	cert, err := os.ReadFile(m.Path(kp.CertPath))
	if err != nil {
		return "", err
	}
	key, err := os.ReadFile(m.Path(kp.KeyPath))
	if err != nil {
		return "", err
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return "", fmt.Errorf("%s: %w", kp.CertPath, err)
	}
	if !bytes.Equal(cert, kp.Certificate) {
		return "", fmt.Errorf("%s is not the certificate that the record has", kp.CertPath)
	}
	list, err := pki.DecodeCertificates(cert)
	if err != nil {
		return "", err
	}
	x := list[0]
	return fmt.Sprintf("%s by %s, for %v %v, usages %v, until %s", x.Subject, x.Issuer, x.DNSNames, x.IPAddresses, x.ExtKeyUsage, x.NotAfter.UTC()), nil
}

func canonicalInventory(content []byte) (string, error) {
	inv, err := inventory.Parse(content)
	if err != nil {
		return "", err
	}
	inv.Generation, inv.Epoch, inv.ClusterID, inv.Public, inv.Recipients = 0, 0, "", inventory.Public{}, nil
	b, err := inv.Marshal()
	return string(b), err
}

// Tree describes everything below a root: type, mode, owner, and content, link target, or what stands in for it. Folders in skip are left out.
func Tree(root string, standIn func(path string) (string, bool), skip ...string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(p, root)
		if slices.Contains(skip, rel) {
			return filepath.SkipDir
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		what := fmt.Sprintf("%s %d:%d", fi.Mode(), st.Uid, st.Gid)
		content, known := standIn(rel)
		switch {
		case known:
			what += " " + content
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			what += " " + string(b)
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			what += " -> " + target
		}
		out[rel] = what
		return nil
	})
	return out, err
}

// Whole is the tree of a host, with nothing left out but the helper, which every connection brings along: Stray tells of it.
func (f *Fleet) Whole(host string) (map[string]string, error) {
	return Tree(f.Machines[host].Root, func(string) (string, bool) { return "", false }, staging)
}

// Coherent wants one identity on the whole fleet: control planes with the same inventory and a sealed identity that is the inventory's, the same secrets everywhere, and every
// certificate signed by an authority of the inventory.
func (f *Fleet) Coherent() error {
	var first *inventory.Inventory
	var raw []byte
	for _, h := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		o, err := f.Observe(h.Name)
		if err != nil {
			return err
		}
		inv, err := inventory.Parse(o.Documents[inventory.Document].Content)
		if err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		if first == nil {
			first, raw = inv, o.Documents[inventory.Document].Content
		} else if !bytes.Equal(raw, o.Documents[inventory.Document].Content) {
			return fmt.Errorf("host %s has another inventory", h.Name)
		}
		id, err := identity.Open(o.Documents[identity.Document].Content, []age.Identity{f.Key})
		if err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		if err := id.CheckAgainst(inv.Public); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		if id.ClusterID != inv.ClusterID {
			return fmt.Errorf("host %s: the identity is of %s, the inventory of %s", h.Name, id.ClusterID, inv.ClusterID)
		}
	}
	for _, h := range f.Cluster.Hosts {
		if err := f.coherentHost(h.Name, first); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

func (f *Fleet) coherentHost(name string, inv *inventory.Inventory) error {
	o, err := f.Observe(name)
	if err != nil {
		return err
	}
	if o.Record == nil || o.Record.ClusterID != inv.ClusterID {
		return fmt.Errorf("its record is not of cluster %s", inv.ClusterID)
	}
	roots := x509.NewCertPool()
	for _, pem := range inv.Public.Authorities {
		roots.AppendCertsFromPEM([]byte(pem))
	}
	for _, r := range o.Record.Items {
		switch it := r.Item; {
		case it.KeyPair != nil:
			list, err := pki.DecodeCertificates(it.KeyPair.Certificate)
			if err != nil {
				return err
			}
			if _, ok := list[0].PublicKey.(*ecdsa.PublicKey); !ok {
				return fmt.Errorf("%s has no ECDSA key", it.KeyPair.CertPath)
			}
			if _, err := list[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				return fmt.Errorf("%s: %w", it.KeyPair.CertPath, err)
			}
		case it.File != nil && it.File.Secret:
			if !slices.Contains(slices.Collect(maps.Values(inv.Public.Versions)), it.File.Version) {
				return fmt.Errorf("%s is version %q, which the inventory does not know", it.File.Path, it.File.Version)
			}
		}
	}
	return nil
}

// Fingerprint sums up what a kill at this moment would leave on a host and in the API. Of a host that is none it is the API alone.
func (f *Fleet) Fingerprint(host string) (string, error) {
	all := []any{f.Objects()}
	if m := f.Machines[host]; m != nil {
		tree, err := f.Whole(host)
		if err != nil {
			return "", err
		}
		delete(tree, "/var/lib/trivet/step.lock") // what it says counts only while the step goes on
		all = append(all, tree, m.Units.Active, m.Commands.Images)
	}
	b, err := json.Marshal(all)
	return hostapi.Digest(b), err
}
