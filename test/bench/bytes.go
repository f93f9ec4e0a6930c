package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/test/kubeadm"
)

// copiesAim allows for the headers of packets and of SSH, and for what the clusters say to each other meanwhile.
const copiesAim = 1.1

// runBytes brings the example topology up on empty hosts and counts what crosses the boundary of each site, from the operator's machine and from other sites.
func runBytes(ctx context.Context, e *env, r *Result) (err error) {
	s, err := kubeadm.OpenStore()
	if err != nil {
		return err
	}
	source, err := example(fiveTopology)
	if err != nil {
		return err
	}
	l, err := e.bringUp(ctx, "bench-bytes", source)
	if err != nil {
		return err
	}
	defer l.cleanUp(&err)
	unique, hosts, err := l.artifactBytes(ctx, s)
	if err != nil {
		return err
	}
	before, err := l.siteBytes(ctx)
	if err != nil {
		return err
	}
	a, err := l.apply(ctx)
	if err != nil {
		return err
	}
	after, err := l.siteBytes(ctx)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, a.phases...)
	for _, site := range l.Topology.AllSites() {
		in, one := float64(after[site.Name]-before[site.Name]), float64(unique[site.Name])
		r.value(fmt.Sprintf("into site %s, of %d hosts", site.Name, len(siteHosts(l, site.Name))), "MB", in/1e6)
		r.atMost("  as copies of its artifacts", "", in/one, copiesAim)
		r.note("%s: its hosts use %.1f MB of different artifacts; a copy for every host would be %.1f MB.", site.Name, one/1e6, float64(hosts[site.Name])/1e6)
	}
	r.note("Counted on the lab router's interface to each site during a whole apply: SSH, packet headers and the cluster's own traffic between sites are in it.")
	return nil
}

func siteHosts(l *labHosts, site string) (out []string) {
	for _, h := range l.Topology.AllHosts() {
		if h.Site().Name == site {
			out = append(out, h.Name)
		}
	}
	return out
}

// artifactBytes sums up, by site, the different artifacts that an apply on empty hosts transfers, and one copy for each host.
func (l *labHosts) artifactBytes(ctx context.Context, s *kubeadm.Store) (unique, hosts map[string]int64, err error) {
	e, err := l.engine(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	p, err := e.Plan(ctx)
	if err != nil {
		return nil, nil, err
	}
	unique, hosts = map[string]int64{}, map[string]int64{}
	seen := map[string]bool{}
	for _, t := range transfers(p) {
		hosts[t.site] += t.Blob.Size
		if key := t.site + " " + t.Blob.SHA256; !seen[key] {
			seen[key] = true
			unique[t.site] += t.Blob.Size
		}
	}
	return unique, hosts, nil
}

// siteBytes reads, by site, the bytes that the lab's router has sent into it. What hosts of a site say to each other passes the bridge without being sent by the router.
func (l *labHosts) siteBytes(ctx context.Context) (map[string]int64, error) {
	router := strings.TrimSuffix(l.Access.NetworkNamespace, "operator") + "router"
	out, err := kubeadm.Output(exec.CommandContext(ctx, "nsenter", "--net="+router, "--", "ip", "-json", "-stats", "address", "show"))
	if err != nil {
		return nil, err
	}
	var links []link
	if err := json.Unmarshal(out, &links); err != nil {
		return nil, err
	}
	sent := map[string]int64{}
	for _, rack := range l.Topology.AllRacks() {
		site := rack.Hosts[0].Site().Name
		i := slices.IndexFunc(links, func(x link) bool { return x.isIn(rack.CIDR) })
		if i < 0 {
			return nil, fmt.Errorf("the lab's router has no interface in %s, of site %s", rack.CIDR, site)
		}
		sent[site] = links[i].Stats.Sent.Bytes // a site's racks share its bridge
	}
	return sent, nil
}

// link is an interface as ip(8) describes it.
type link struct {
	Addresses []struct {
		Local netip.Addr `json:"local"`
	} `json:"addr_info"`
	Stats struct {
		Sent struct {
			Bytes int64 `json:"bytes"`
		} `json:"tx"`
	} `json:"stats64"`
}

func (x link) isIn(network netip.Prefix) bool {
	for _, a := range x.Addresses {
		if network.Contains(a.Local) {
			return true
		}
	}
	return false
}
