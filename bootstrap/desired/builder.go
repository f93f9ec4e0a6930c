package desired

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

// Places on hosts.
const (
	binDir  = "/opt/trivet/bin"
	cniDir  = "/opt/trivet/cni/bin"
	unitDir = "/etc/systemd/system"
)

const root = "root"

// builder collects the items of one host.
type builder struct {
	in       *Input
	cluster  *topology.Cluster
	host     *topology.Host
	facts    hostapi.Facts
	record   *inventory.Host
	store    store
	shared   overlays
	specs    []certs.Spec
	items    []Item
	made     map[hostapi.ID]bool
	part     string
	problems []error
}

func newBuilder(in *Input, s store, shared overlays, h *topology.Host, facts hostapi.Facts) *builder {
	return &builder{
		in: in, cluster: in.Cluster, host: h, facts: facts, record: in.Inventory.Host(h.Name), store: s, shared: shared,
		specs: certs.ForHost(in.Cluster, h), made: map[hostapi.ID]bool{},
	}
}

// build makes everything the host should hold, in the order in which it is to be made: etcd and the control plane first, since they take
// the longest to come up and everything else waits for them.
func (b *builder) build() {
	b.system()
	if b.host.Has(topology.RoleEtcd) {
		b.etcd()
	}
	if b.host.Has(topology.RoleControlPlane) {
		b.controlPlane()
	}
	if b.host.IsNode() {
		b.balancer()
		b.containerd()
		b.images()
		b.kubelet()
		b.proxy()
		b.network()
	}
	if b.host.Has(topology.RoleEtcd) {
		b.etcdGuard()
	}
	if b.cluster.KeepsSnapshots(b.host) {
		b.snapshots()
	}
	for _, spec := range b.specs {
		if !b.made[hostapi.ID{Kind: hostapi.KindKeyPair, Name: spec.CertPath}] {
			b.fail("nothing on the host uses its certificate %s", spec.Identity)
		}
	}
}

func (b *builder) fail(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("host "+b.host.Name+": "+format, args...))
}

func (b *builder) err() error { return errors.Join(b.problems...) }

// add appends an item; one that is there already, as a folder that two parts share, is left as it is.
func (b *builder) add(i Item) hostapi.ID {
	id := i.ID()
	if !b.made[id] {
		b.made[id] = true
		if i.Part == "" {
			i.Part = b.part
		}
		b.items = append(b.items, i)
	}
	return id
}

func (b *builder) item(i hostapi.Item) hostapi.ID { return b.add(Item{Item: i}) }

// folder makes a folder of root's that goes when it is empty.
func (b *builder) folder(paths ...string) {
	for _, p := range paths {
		b.item(hostapi.Item{Directory: &hostapi.Directory{Path: p, Mode: 0o755, Owner: root, Group: root}})
	}
}

// data makes a folder that goes with what is in it.
func (b *builder) data(p string, owner string) {
	b.item(hostapi.Item{Directory: &hostapi.Directory{Path: p, Mode: 0o700, Owner: owner, Group: owner, Data: true}})
}

// file writes a configuration file of root's that everyone may read.
func (b *builder) file(p string, content []byte) hostapi.ID {
	return b.item(hostapi.Item{File: &hostapi.File{
		Path: p, Mode: 0o644, Owner: root, Group: root, SHA256: hostapi.Digest(content), Content: content,
	}})
}

// render writes a file from a template.
func (b *builder) render(p string, params templates.Template) hostapi.ID {
	content, err := templates.Render(params)
	if err != nil {
		b.fail("%w", err)
	}
	return b.file(p, content)
}

// binary links a program from the store.
func (b *builder) binary(name, version string) hostapi.ID {
	return b.program(path.Join(binDir, name), name, version)
}

func (b *builder) program(at, name, version string) hostapi.ID {
	b.folder(path.Dir(at))
	e, err := b.store.one(artifact.Want{Name: name, Version: version, Arch: b.facts.Architecture, Kind: artifact.Binary})
	if err != nil {
		b.fail("%w", err)
	}
	return b.item(hostapi.Item{Artifact: &hostapi.Artifact{Path: at, Blob: blob(e)}})
}

// keyPair makes a row of the certificate table and returns its paths. No unit has one among its inputs: every component reads its certificates again by
// itself when the files change (etcd at each handshake, Kubernetes' servers and clients by watching them).
func (b *builder) keyPair(id string) templates.KeyPair {
	spec, ok := certs.Find(b.specs, id)
	if !ok {
		b.fail("the certificate table has no %s for it", id)
		return templates.KeyPair{}
	}
	b.folder(path.Dir(spec.CertPath))
	b.add(Item{
		Item:        hostapi.Item{KeyPair: &hostapi.KeyPair{CertPath: spec.CertPath, KeyPath: spec.KeyPath, Owner: spec.Owner, Group: spec.Group}},
		Certificate: &spec,
	})
	return templates.KeyPair{Cert: spec.CertPath, Key: spec.KeyPath}
}

// trust writes the certificates of authorities.
func (b *builder) trust(p string, authorities ...certs.Authority) hostapi.ID {
	return b.public(p, Item{Trust: authorities})
}

// public writes a file whose content is the public half of the identity, when that is known; else it is made during the apply.
func (b *builder) public(p string, i Item) hostapi.ID {
	b.folder(path.Dir(path.Dir(p)), path.Dir(p))
	f := &hostapi.File{Path: p, Mode: 0o644, Owner: root, Group: root}
	if known := b.in.Inventory.Public; known.Known() {
		content, err := TrustContent(known, &i)
		if err != nil {
			b.fail("%w", err)
		}
		f.Content, f.SHA256 = content, hostapi.Digest(content)
	}
	i.Item = hostapi.Item{File: f}
	return b.add(i)
}

// secret writes secret content, of which only the name and, when known, the public version are here.
func (b *builder) secret(p string, s Secret) hostapi.ID {
	return b.add(Item{
		Item: hostapi.Item{File: &hostapi.File{
			Path: p, Mode: 0o600, Owner: root, Group: root, Secret: true, Version: identity.Version(b.in.Inventory.Public, string(s)),
		}},
		Secret: s,
	})
}

// start is how a unit is started.
type start struct{ noWait, reload bool }

// unit writes a unit's file and has the unit run; the inputs besides its own file are what it must be restarted for.
func (b *builder) unit(name string, params templates.Template, how start, inputs ...hostapi.ID) {
	file := b.render(path.Join(unitDir, name), params)
	b.item(hostapi.Item{Unit: &hostapi.Unit{
		Name: name, Enabled: true, Running: true, Inputs: append([]hostapi.ID{file}, inputs...), NoWait: how.noWait, Reload: how.reload,
	}})
}

// kubeconfig writes how a component reaches the API: it names key files and holds none.
func (b *builder) kubeconfig(name, server, user string, pair templates.KeyPair) hostapi.ID {
	content, err := templates.Render(templates.Kubeconfig{Cluster: b.cluster.Name, Server: server, CA: kubernetesCA, User: user, Pair: pair})
	if err != nil {
		b.fail("%w", err)
	}
	b.folder("/etc/kubernetes")
	return b.item(hostapi.Item{File: &hostapi.File{
		Path: "/etc/kubernetes/" + name + ".kubeconfig", Mode: 0o600, Owner: root, Group: root, SHA256: hostapi.Digest(content), Content: content,
	}})
}

// TrustContent returns the content of an item with Trust or TrustServiceAccount.
func TrustContent(public inventory.Public, i *Item) ([]byte, error) {
	if i.TrustServiceAccount {
		if public.ServiceAccountKeys == "" {
			return nil, errors.New("the cluster's identity has no public keys of service accounts: it was made by another version of trivet")
		}
		return []byte(lines(public.ServiceAccountKeys)), nil
	}
	var out strings.Builder
	for _, a := range i.Trust {
		pem := public.Authorities[string(a)]
		if pem == "" {
			return nil, fmt.Errorf("the cluster's identity has no authority %q: it was made by another version of trivet", a)
		}
		if i.Signing {
			const end = "-----END CERTIFICATE-----"
			first, _, _ := strings.Cut(pem, end)
			pem = first + end
		}
		out.WriteString(lines(pem))
	}
	return []byte(out.String()), nil
}

// lines ends a text with a newline, so that PEM blocks can follow each other.
func lines(s string) string { return strings.TrimRight(s, "\n") + "\n" }

func blob(e artifact.Entry) hostapi.Blob { return hostapi.Blob{SHA256: e.SHA256, Size: e.Size} }

// store is the artifacts by what was wanted.
type store map[artifact.Want][]artifact.Entry

func index(entries []artifact.Entry) store {
	s := store{}
	for _, e := range entries {
		s[e.Want] = append(s[e.Want], e)
	}
	return s
}

func (s store) one(w artifact.Want) (artifact.Entry, error) {
	if found := s[w]; len(found) > 0 {
		return found[0], nil
	}
	return artifact.Entry{}, fmt.Errorf("artifact %s is missing: fill the artifact folder with `trivet mirror`", w)
}
