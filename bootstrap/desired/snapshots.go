package desired

import (
	"encoding/json"
	"net/netip"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/snapshot"
	"github.com/trivet-dev/trivet/templates"
)

// What hosts with snapshots have.
const (
	// SnapshotProgram is Trivet's own, an artifact of no release: it comes with the command.
	SnapshotProgram = "trivet-snapshot"
	SnapshotFolder  = "/var/lib/trivet-snapshots"
	// SnapshotSocket is where the folder's report is read, by root alone.
	SnapshotSocket = "/run/trivet-snapshot.sock"
	// SnapshotReceiver is the unit of the socket: every host that keeps snapshots has it.
	SnapshotReceiver = "trivet-snapshot-receive.socket"

	snapshotConfig = "/etc/trivet/snapshot.json"
)

// snapshots makes the timer and the program that take snapshots of the host's member, and the socket on which copies of others' are received.
func (b *builder) snapshots() {
	b.part = PartSnapshots
	s := b.cluster.Etcd.Snapshots
	b.program(binDir+"/"+SnapshotProgram, SnapshotProgram, "")
	b.item(hostapi.Item{Directory: &hostapi.Directory{Path: SnapshotFolder, Mode: 0o700, Owner: root, Group: root, Data: true}})
	config := snapshot.Config{Host: b.host.Name, Site: b.host.Site().Name, Folder: SnapshotFolder, Keep: s.Keep, KeepFor: int64(s.KeepFor.Seconds())}
	if b.host.Has(topology.RoleEtcd) {
		b.takes(&config)
	}
	socket := templates.SnapshotSocket{Local: SnapshotSocket}
	if sources := b.cluster.SnapshotSources(b.host); len(sources) > 0 {
		b.trust(etcdCA, certs.Etcd)
		config.Receive = &snapshot.Receive{Keys: snapshotKeys(b.keyPair(certs.EtcdSnapshots))}
		for _, m := range sources {
			config.Receive.From = append(config.Receive.From, m.Name)
		}
		socket.Address = snapshotAddress(b.host)
	}
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		b.fail("%w", err)
	}
	b.folder("/etc/trivet")
	b.file(snapshotConfig, append(content, '\n'))
	b.render(unitDir+"/trivet-snapshot-receive.service", templates.SnapshotReceiveUnit{Folder: SnapshotFolder, Config: snapshotConfig})
	b.unit(SnapshotReceiver, socket, start{})
	if b.host.Has(topology.RoleEtcd) && s.Enabled {
		// What systemd remembers of a timer that catches up after a boot.
		b.claim(hostapi.ClaimTree, "/var/lib/systemd/timers/stamp-trivet-snapshot.timer")
		b.render(unitDir+"/trivet-snapshot.service", templates.SnapshotUnit{Folder: SnapshotFolder, Config: snapshotConfig})
		b.unit("trivet-snapshot.timer", templates.SnapshotTimer{Schedule: s.Schedule.String()}, start{})
	}
}

// takes is how snapshots of the host's member are taken, and where copies go.
func (b *builder) takes(config *snapshot.Config) {
	config.Member = &snapshot.Member{
		Endpoint: "https://127.0.0.1:2379", Keys: snapshotKeys(b.keyPair(certs.EtcdOperator)), Database: EtcdData + "/member/snap/db",
		Etcdctl: binDir + "/etcdctl", Etcdutl: binDir + "/etcdutl",
	}
	peer := snapshotKeys(b.keyPair(certs.EtcdPeer))
	for _, h := range b.cluster.SnapshotCopies(b.host) {
		config.Copies = append(config.Copies, snapshot.Copy{Host: h.Name, Address: snapshotAddress(h), Keys: peer})
	}
}

func snapshotKeys(pair templates.KeyPair) snapshot.Keys {
	return snapshot.Keys{Authority: etcdCA, Certificate: pair.Cert, Key: pair.Key}
}

func snapshotAddress(h *topology.Host) string {
	return netip.AddrPortFrom(h.Address, topology.SnapshotPort).String()
}
