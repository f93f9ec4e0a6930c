package desired

import (
	"maps"
	"net/netip"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

const etcdCA = certs.EtcdDir + "/ca.crt"

// tls12Suites are the suites of TLS 1.2 that are allowed beside those of 1.3. All certificates have ECDSA keys, so no suite with RSA is of use.
var tls12Suites = []string{
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}

var tls12SuiteList = strings.Join(tls12Suites, ",")

// etcd makes a member.
func (b *builder) etcd() {
	b.part = PartEtcd
	r := b.in.Release
	bin := b.binary("etcd", r.Etcd)
	b.binary("etcdctl", r.Etcd)
	b.binary("etcdutl", r.Etcd)
	b.folder("/etc/etcd")
	b.item(hostapi.Item{Directory: &hostapi.Directory{Path: EtcdData, Mode: 0o700, Owner: "etcd", Group: "etcd", Data: true, Precious: true}})
	ca := b.trust(etcdCA, certs.Etcd)
	server, peer := b.keyPair(certs.EtcdServer), b.keyPair(certs.EtcdPeer)
	b.keyPair(certs.EtcdOperator)
	b.initialCluster()
	e := b.cluster.Etcd
	heartbeat, election := e.HeartbeatInterval, e.ElectionTimeout
	if measured := b.in.Inventory.Etcd; !e.TimingSet && measured.Heartbeat > 0 {
		heartbeat, election = measured.Heartbeat, measured.Election
	}
	b.unit("etcd.service", templates.EtcdUnit{
		Name: b.host.Name, Cluster: b.cluster.Name, Address: b.host.Address, CA: etcdCA, Server: server, Peer: peer, CipherSuites: tls12SuiteList,
		HeartbeatMillis: heartbeat.Milliseconds(), ElectionMillis: election.Milliseconds(),
		QuotaBytes: e.QuotaBytes, CompactionRetention: e.CompactionRetention.String(), Flags: b.etcdFlags(),
	}, start{noWait: true}, bin, ca)
}

// etcdFlags are the user's, with a check of the data at each start unless that is switched off: a member whose data are others than its peers' does not start (ADR 24).
func (b *builder) etcdFlags() *templates.Flags {
	settings, gates := b.settings("etcd"), map[string]any{"InitialCorruptCheck": true}
	if wanted, ok := settings["feature-gates"].(map[string]any); ok {
		maps.Copy(gates, wanted)
	}
	settings["feature-gates"] = gates
	return templates.NewFlags(b.in.Release.Flags("etcd", settings))
}

// PeerURL is where a member listens for the others.
func PeerURL(a netip.Addr) string { return "https://" + netip.AddrPortFrom(a, 2380).String() }

// InitialClusterFile is what a member without data starts from.
const InitialClusterFile = "/etc/etcd/initial-cluster.env"

// initialCluster writes the members as the topology has them: right for those that make the cluster. One that joins it is given those there are then.
func (b *builder) initialCluster() {
	var members []templates.Peer
	for _, h := range b.cluster.HostsWith(topology.RoleEtcd) {
		members = append(members, templates.Peer{Name: h.Name, URL: PeerURL(h.Address)})
	}
	content, err := InitialCluster(members)
	if err != nil {
		b.fail("%w", err)
	}
	b.add(Item{InitialCluster: true, Item: hostapi.Item{File: &hostapi.File{
		Path: InitialClusterFile, Mode: 0o644, Owner: root, Group: root, SHA256: hostapi.Digest(content), Content: content,
	}}})
}

// InitialCluster is the content of InitialClusterFile.
func InitialCluster(members []templates.Peer) ([]byte, error) {
	return templates.Render(templates.InitialCluster{Members: members})
}

// Drop-ins of etcd's unit.
const (
	etcdDropIns     = unitDir + "/etcd.service.d"
	EtcdExisting    = etcdDropIns + "/10-existing.conf"
	EtcdInitialised = etcdDropIns + "/20-initialised.conf"
)

// etcdGuard makes what may be there only once the member has joined. It is read at starts and is no reason for one.
func (b *builder) etcdGuard() {
	b.part = PartEtcdGuard
	b.folder(etcdDropIns)
	b.render(EtcdExisting, templates.EtcdExisting{})
	b.render(EtcdInitialised, templates.EtcdInitialised{})
}

// etcdServers lists the client addresses of the members that an API server asks: the one of its own host alone where there is one, else all. etcd's client spreads requests over
// what it is given, and takes half a minute to give up a member in a site that was cut off; whoever asks an API server goes by its readiness, which its member decides. That of its
// own host is asked over the loopback interface: a host with a new address changes its member first, and its API server goes on as soon as that is done.
func (b *builder) etcdServers() []string {
	url := func(a netip.Addr) string { return "https://" + netip.AddrPortFrom(a, 2379).String() }
	if b.host.Has(topology.RoleEtcd) {
		return []string{url(netip.AddrFrom4([4]byte{127, 0, 0, 1}))}
	}
	var out []string
	for _, h := range b.cluster.HostsWith(topology.RoleEtcd) {
		out = append(out, url(h.Address))
	}
	return out
}

// flags returns the user's flags for a component.
func (b *builder) flags(component string) *templates.Flags {
	return templates.NewFlags(b.in.Release.Flags(component, b.settings(component)))
}
