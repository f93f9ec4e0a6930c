package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

func TestStatusReport(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ends := func(d time.Duration) *bootstrap.Expiry {
		return &bootstrap.Expiry{Certificate: "/etc/kubernetes/pki/kubelet.crt", NotAfter: now.Add(d)}
	}
	host := func(region, site, name string, expiry *bootstrap.Expiry) bootstrap.HostStatus {
		return bootstrap.HostStatus{Name: name, Region: region, Site: site, Address: "10.0.0.1", Roles: []string{"worker"}, Managed: true, Node: "Ready", NextExpiry: expiry,
			Units: []bootstrap.UnitStatus{{Name: "kubelet.service", OK: true, State: "running"}, {Name: "containerd.service", OK: true, State: "running"}}}
	}
	const year = 365 * 24 * time.Hour
	well := &bootstrap.Status{Cluster: "main", ClusterID: "c1", Kubernetes: "1.37.2", Initialised: true,
		Hosts: []bootstrap.HostStatus{host("north", "n1", "a", ends(year)), host("north", "n1", "b", ends(year)), host("north", "n2", "c", ends(year)), host("south", "s1", "d", ends(year))},
		Etcd:  []etcd.Status{{Name: "a", ID: 7, Leader: 7, Version: "3.7.3", DBSize: 3 << 20, DBQuota: 8 << 30, RaftIndex: 5}},
	}
	ill := &bootstrap.Status{Cluster: "main", ClusterID: "c1", Kubernetes: "1.37.2", Initialised: true, APIError: "no control plane answers",
		Holder: &hostapi.Holder{Actor: "ops@desk[7]", Purpose: "apply", Since: now.Add(-90 * time.Second).Local()},
		Hosts:  []bootstrap.HostStatus{host("north", "n1", "a", ends(10*24*time.Hour)), host("north", "n1", "b", ends(-time.Hour)), {Name: "c", Region: "north", Site: "n2", Address: "10.0.0.3", Roles: []string{"worker"}, Error: "host c (10.0.0.3:22): connection refused; check that sshd listens on that port"}, {Name: "d", Region: "south", Site: "s1", Address: "10.0.0.4", Roles: []string{"worker"}}},
		Etcd:   []etcd.Status{{Name: "a", ID: 7, Leader: 7, Version: "3.7.3", DBSize: 3 << 20, RaftIndex: 5, Alarms: []string{"NOSPACE"}}, {Name: "b", Error: "time-out"}, {Name: "c", ID: 9, Version: "3.7.3", RaftIndex: 4}},
	}
	unit := hostapi.ID{Kind: hostapi.KindUnit, Name: "kubelet.service"}
	ill.Hosts[0].Units[0] = bootstrap.UnitStatus{Name: "kubelet.service", State: "not running (failed)"}
	ill.Hosts[0].Drift = []hostapi.Drift{{ID: unit, What: "not running (failed)"}, {ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/x"}, What: "missing"}}
	ill.Objects = []bootstrap.ObjectDrift{{Kind: "Deployment", Namespace: "kube-system", Name: "coredns", Fields: []string{"spec.replicas", "spec.template"}}, {Kind: "Node", Name: "d", Missing: true}}
	ill.Hosts[0].Node = "NodeStatusUnknown: Kubelet stopped posting node status."

	ill.EtcdError = "2 members are asked through hosts: " + ill.Hosts[2].Error
	overridden := *well
	overridden.Hosts = slices.Clone(well.Hosts)
	overridden.Hosts[1].Overrides = []hostapi.Drift{{ID: unit, What: "drop-in /etc/systemd/system/kubelet.service.d/mine.conf is not Trivet's"}}

	whole := *well
	whole.Hosts = slices.Clone(well.Hosts)[:2]
	whole.Hosts[0].Cordoned, whole.Hosts[1].Cordoned, whole.Hosts[1].NoNetwork = "others", "trivet", true
	whole.Hosts[1].Owed = []hostapi.Owed{{Hook: "balancer-in", Step: "upgrade"}}
	whole.Etcd = append(slices.Clone(well.Etcd), etcd.Status{Name: "gone", ID: 8, Unknown: true, Error: "it is in the member list"}, etcd.Status{Name: "intruder", ID: 9, Unknown: true, Error: "it is in the member list"})
	whole.Progress = &bootstrap.Progress{Workers: 3, OfWorkers: 40, ControlPlanes: 1, OfControlPlanes: 1}
	whole.From, whole.Wanted, whole.Leaving, whole.UnknownNodes = "1.36.3", "1.38.0", []string{"gone"}, []string{"guest"}
	whole.Rotations = []plan.RotationState{{Name: "etcd_ca", Text: "etcd_ca 2, stage \"trust\": both are accepted"}}
	whole.Authorities = []string{"the authority \"online\" ends soon"}
	whole.Snapshots = &bootstrap.SnapshotState{Count: 12, Newest: now.Add(-62 * time.Minute), Wrong: []bootstrap.SnapshotWrong{{Host: "a", Site: "n1", Detail: "the run brought no copy"}, {Site: "s1", Detail: "it has no snapshot"}}}

	paused := *well
	paused.Hosts, paused.From, paused.Paused, paused.Progress = []bootstrap.HostStatus{host("north", "n1", "a", ends(year))}, "1.36.3", true, whole.Progress

	for _, c := range []struct {
		name   string
		status *bootstrap.Status
		want   string
	}{
		{"well", well, `Cluster "main", Kubernetes 1.37.2, id c1

REGION  SITE  HOST  ADDRESS   ROLES   UNITS  NODE   CERTIFICATES  DRIFT
north   n1    a     10.0.0.1  worker  2/2    Ready  365 d left    none
              b     10.0.0.1  worker  2/2    Ready  365 d left    none
        n2    c     10.0.0.1  worker  2/2    Ready  365 d left    none
south   s1    d     10.0.0.1  worker  2/2    Ready  365 d left    none

ETCD MEMBER  VERSION  ROLE    DATABASE  QUOTA    RAFT INDEX  ALARMS
a            3.7.3    leader  3.0 MiB   8.0 GiB  5           -

✓ All is well: 4 hosts as recorded, 4 nodes Ready, 1 etcd member healthy.
`},
		{"ill", ill, `Cluster "main", Kubernetes 1.37.2, id c1
A run is under way: apply by ops@desk[7] since ` + ill.Holder.Since.Format(time.DateTime) + ` (1 min 30 s); see trivet lock

REGION  SITE  HOST  ADDRESS   ROLES   UNITS       NODE               CERTIFICATES        DRIFT
north   n1    a     10.0.0.1  worker  1/2         NodeStatusUnknown  10 d left           2 items
              b     10.0.0.1  worker  2/2         Ready              expired 2026-03-01  none
        n2    c     10.0.0.3  worker  no answer   -                  -                   -
south   s1    d     10.0.0.4  worker  not set up  -                  -                   -

ETCD MEMBER  VERSION    ROLE       DATABASE  QUOTA  RAFT INDEX  ALARMS
a            3.7.3      leader     3.0 MiB   -      5           NOSPACE
b            no answer  -          -         -      -           -
c            3.7.3      no leader  -         -      4           -

✗ host c (10.0.0.3:22): connection refused; check that sshd listens on that port
✗ host a: unit kubelet.service: not running (failed) (trivet apply mends it)
✗ host a: /etc/x: missing (trivet apply mends it)
✗ node a: NodeStatusUnknown: Kubelet stopped posting node status.
! host a: /etc/kubernetes/pki/kubelet.crt ends on 2026-03-11, 10 d left (trivet apply renews it)
✗ host b: /etc/kubernetes/pki/kubelet.crt expired on 2026-03-01 (trivet apply renews it)
! host d is not set up yet (trivet apply sets it up)
✗ etcd member a: NOSPACE
✗ etcd member b: time-out
✗ etcd member c follows no leader: too few members reach each other for a quorum, or an election is under way
✗ API: Deployment kube-system/coredns: differs in spec.replicas, spec.template (trivet apply mends it)
✗ API: Node d: missing (trivet apply mends it)
✗ etcd: 2 members are asked through hosts: host c does not answer, see above
✗ API: no control plane answers
`},
		{"cluster", &whole, `Cluster "main", Kubernetes 1.37.2, id c1

REGION  SITE  HOST  ADDRESS   ROLES   UNITS  NODE   CERTIFICATES  DRIFT
north   n1    a     10.0.0.1  worker  2/2    Ready  365 d left    none
              b     10.0.0.1  worker  2/2    Ready  365 d left    none

ETCD MEMBER  VERSION    ROLE    DATABASE  QUOTA    RAFT INDEX  ALARMS
a            3.7.3      leader  3.0 MiB   8.0 GiB  5           -
gone         no answer  -       -         -        -           -
intruder     no answer  -       -         -        -           -

Snapshots of etcd: 12, the newest taken 62 min 00 s ago.

! node a takes no new pods, and not by Trivet: kubectl uncordon a ends it
✗ host b: the hook balancer-in after "upgrade" has not run (trivet apply runs it)
✗ node b: its pod network has not been said to be up (trivet apply restarts flanneld there)
✗ node b takes no new pods: a run took them off and has not ended (trivet apply goes on)
✗ etcd member intruder: it is in the member list (trivet apply removes it, or goes on with it where an apply added it)
✗ snapshots of etcd: host a: the run brought no copy (see trivet snapshots)
✗ snapshots of etcd: site s1: it has no snapshot (see trivet snapshots)
✗ the upgrade from Kubernetes 1.36.3 to 1.37.2 is not finished: 3 of 40 workers and 1 of 1 control plane have its kubelet (trivet apply goes on)
! the topology has Kubernetes 1.38.0, the cluster 1.37.2 (trivet plan shows the upgrade)
! host gone is still in the cluster, and not to be any more (trivet apply takes it out)
! node guest is no host of the topology, and not Trivet's: kubectl delete node guest, unless somebody wants it
! etcd_ca 2, stage "trust": both are accepted
! the authority "online" ends soon
`},
		{"paused", &paused, `Cluster "main", Kubernetes 1.37.2, id c1

REGION  SITE  HOST  ADDRESS   ROLES   UNITS  NODE   CERTIFICATES  DRIFT
north   n1    a     10.0.0.1  worker  2/2    Ready  365 d left    none

ETCD MEMBER  VERSION  ROLE    DATABASE  QUOTA    RAFT INDEX  ALARMS
a            3.7.3    leader  3.0 MiB   8.0 GiB  5           -

! the upgrade from Kubernetes 1.36.3 to 1.37.2 is paused: 3 of 40 workers and 1 of 1 control plane have its kubelet (without paused = true in the upgrade block trivet apply goes on)

✓ All is well: 1 host as recorded, 1 node Ready, 1 etcd member healthy.
`},
		{"overridden", &overridden, `Cluster "main", Kubernetes 1.37.2, id c1

REGION  SITE  HOST  ADDRESS   ROLES   UNITS  NODE   CERTIFICATES  DRIFT
north   n1    a     10.0.0.1  worker  2/2    Ready  365 d left    none
              b     10.0.0.1  worker  2/2    Ready  365 d left    none
        n2    c     10.0.0.1  worker  2/2    Ready  365 d left    none
south   s1    d     10.0.0.1  worker  2/2    Ready  365 d left    none

ETCD MEMBER  VERSION  ROLE    DATABASE  QUOTA    RAFT INDEX  ALARMS
a            3.7.3    leader  3.0 MiB   8.0 GiB  5           -

! host b: unit kubelet.service: drop-in /etc/systemd/system/kubelet.service.d/mine.conf is not Trivet's; it changes what the unit does and stays

✓ All is well: 4 hosts as recorded, 4 nodes Ready, 1 etcd member healthy; 1 unit changed by foreign drop-ins, see above.
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			r := statusReport{Status: c.status, global: &global{}, out: &out, now: now, renew: 30 * 24 * time.Hour}
			if err := r.write(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSameReason(t *testing.T) {
	long := "bastion b (10.0.0.9:22): HOST KEY CHANGED\n" + strings.Repeat("find out why before anything else; ", 4)
	got := sameReason([]string{
		"host a (10.0.0.1:22): " + long, "host c (10.0.0.3:22): connection refused", "host d (10.0.0.4:22): " + long, "host f (10.0.0.6:22): connection refused",
		"the lock was lost", "host e: not connected",
	})
	want := []string{"hosts a, d: " + long, "host c (10.0.0.3:22): connection refused", "host f (10.0.0.6:22): connection refused", "the lock was lost", "host e: not connected"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSameScan: a known hosts file that is not there is told once, with one command for all hosts.
func TestSameScan(t *testing.T) {
	message := func(host, scan string) string {
		return host + "the known hosts file /f/known_hosts does not exist; make it with `ssh-keyscan -p 2 " + scan + " >> /f/known_hosts` and compare the keys on the host's console"
	}
	got := sameReason([]string{message("host a (10.0.0.1:2): ", "10.0.0.1"), message("host b (10.0.0.2:2): ", "10.0.0.2")})
	if diff := cmp.Diff([]string{message("hosts a, b: ", "10.0.0.1 10.0.0.2")}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	alone := message("host a (10.0.0.1:2): ", "10.0.0.1")
	if got := sameReason([]string{alone}); len(got) != 1 || got[0] != alone {
		t.Errorf("one host: %q", got)
	}
}
