package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/lab"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

// applyItems does on a lab's hosts what an apply does, with plain items in place of a cluster's: it connects, observes, plans and executes.
func applyItems(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("apply-items", flag.ContinueOnError)
	folder := f.String("folder", "", "")
	helper := f.String("helper", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	t, access, err := openTopology(*folder)
	if err != nil {
		return err
	}
	pool := sshhost.NewPool(sshhost.Options{})
	defer pool.Close()
	hosts, err := connectAll(ctx, pool, t, access, *helper)
	if err != nil {
		return err
	}
	defer closeAll(hosts)
	seen, failed := observe.Hosts(ctx, hosts, hostapi.ObserveRequest{}, len(hosts))
	for _, err := range failed {
		return err
	}
	// Nothing here is a cluster: all hosts count as workers of one that runs, so that they are worked on at once.
	c := &topology.Cluster{Name: "bench", Hosts: t.AllHosts()}
	inv := &inventory.Inventory{Format: inventory.Format, Cluster: c.Name, ClusterID: "bench", Initialised: true}
	want := &desired.Cluster{}
	for _, h := range c.Hosts {
		want.Hosts = append(want.Hosts, &desired.Host{Name: h.Name, Items: benchItems()})
	}
	p, err := plan.Make(plan.Input{Cluster: c, Current: inv, Target: inv, Desired: want, Seen: seen, Now: time.Now()})
	if err != nil || p.Empty() {
		return err
	}
	return execute.Run(ctx, execute.Config{
		Topology: c, Hosts: hosts, Cluster: noCluster{}, Open: func(context.Context, hostapi.Blob) (io.ReadCloser, error) {
			return nil, errors.New("there are no artifacts")
		},
		Epoch: 1, Actor: bootstrap.Actor(), Parallel: len(hosts), GateTimeout: time.Minute, Now: time.Now, Rand: rand.Reader, Events: event.Discard,
	}, p)
}

func openTopology(folder string) (*topology.Topology, lab.Access, error) {
	// The topology's own name is the lab's: what the lab replaces in it does not matter to find it.
	t, err := kubeadm.LabTopology(folder, lab.Access{User: lab.User})
	if err != nil {
		return nil, lab.Access{}, err
	}
	l, err := lab.Open(t.Fleet.Name)
	if err != nil {
		return nil, lab.Access{}, err
	}
	t, err = kubeadm.LabTopology(folder, l.Access())
	return t, l.Access(), err
}

func connectAll(ctx context.Context, pool *sshhost.Pool, t *topology.Topology, a lab.Access, helper string) (map[string]remote.Host, error) {
	hosts := map[string]remote.Host{}
	var mu sync.Mutex
	var names []string
	byName := map[string]*topology.Host{}
	for _, h := range t.AllHosts() {
		names = append(names, h.Name)
		byName[h.Name] = h
	}
	err := kubeadm.Each(names, func(name string) error {
		conn, err := pool.Connect(ctx, sshhost.Config{
			Name: name, Address: byName[name].Address.String(), User: a.User, PrivateKeys: []string{a.PrivateKey}, KnownHosts: []string{a.KnownHosts},
			NetworkNamespace: a.NetworkNamespace, Helper: func(string) (string, error) { return helper, nil },
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		hosts[name] = conn
		return nil
	})
	if err != nil {
		closeAll(hosts)
		return nil, err
	}
	return hosts, nil
}

func closeAll(hosts map[string]remote.Host) {
	for _, h := range hosts {
		_ = h.Close()
	}
}

// benchItems are the same as the playbook's.
func benchItems() []desired.Item {
	const folder, unit = "/etc/bench-trivet", "bench-trivet.service"
	items := []hostapi.Item{{Directory: &hostapi.Directory{Path: folder, Mode: 0o755, Owner: "root", Group: "root"}}}
	add := func(path, content string) hostapi.ID {
		i := hostapi.Item{File: &hostapi.File{Path: path, Mode: 0o644, Owner: "root", Group: "root", SHA256: hostapi.Digest([]byte(content)), Content: []byte(content)}}
		items = append(items, i)
		return i.ID()
	}
	for i := range smallFiles {
		add(fmt.Sprintf("%s/small-%02d", folder, i), smallFile(i))
	}
	id := add("/etc/systemd/system/"+unit, unitFile("trivet"))
	items = append(items, hostapi.Item{Unit: &hostapi.Unit{Name: unit, Enabled: true, Running: true, Inputs: []hostapi.ID{id}}})
	out := make([]desired.Item, len(items))
	for i := range items {
		out[i] = desired.Item{Item: items[i], Part: desired.PartHost}
	}
	return out
}

// noCluster has nothing to wait for.
type noCluster struct{ execute.Cluster }

func (noCluster) EtcdHealthy(context.Context, []string, func(string)) error           { return nil }
func (noCluster) APIReady(context.Context, []string, func(string)) error              { return nil }
func (noCluster) NodesReady(context.Context, []string, func(string)) error            { return nil }
func (noCluster) NetworksReady(context.Context, []string, func(string)) error         { return nil }
func (noCluster) DNSAvailable(context.Context, int, func(string)) error               { return nil }
func (noCluster) EtcdSpare(context.Context, string, func(string)) error               { return nil }
func (noCluster) APISpare(context.Context, string, func(string)) error                { return nil }
func (noCluster) AuthoritiesPublished(context.Context, string, func(string)) error    { return nil }
func (noCluster) RewriteStored(context.Context, string, func(string)) error           { return nil }
func (noCluster) ApplyObjects(context.Context, []desired.Object) error                { return nil }
func (noCluster) DeleteObjects(context.Context, []desired.Object, func(string)) error { return nil }
func (noCluster) ApplyManifests(context.Context, []desired.Object, func(string), func(*desired.Object)) error {
	return nil
}
func (noCluster) DeleteManifests(context.Context, []desired.Object, func(string), func(*desired.Object)) error {
	return nil
}
func (noCluster) RecordKinds(context.Context, []string) error { return nil }
func (noCluster) ForgetKinds(context.Context, []string) error { return nil }
