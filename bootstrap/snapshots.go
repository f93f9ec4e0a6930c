package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/snapshot"
)

// Snapshots is what the hosts of a cluster keep of etcd.
type Snapshots struct {
	Cluster string          `json:"cluster"`
	Hosts   []SnapshotHost  `json:"hosts"` // by name
	Wrong   []SnapshotWrong `json:"wrong,omitempty"`
	// Due is when the schedule had a snapshot taken last, the time that one may take allowed for; zero when none are scheduled.
	Due time.Time `json:"due"`
}

// SnapshotHost is one host's folder.
type SnapshotHost struct {
	snapshot.Report
	Error string `json:"error,omitempty"` // why the host says nothing
}

// SnapshotWrong is something to look at.
type SnapshotWrong struct {
	Host   string `json:"host,omitempty"`
	Site   string `json:"site"`
	Detail string `json:"detail"`
}

const (
	// snapshotGrace is how long after the scheduled time a snapshot may be missing: the timer's own delay, and the taking.
	snapshotGrace = 15 * time.Minute
	// snapshotTimeout bounds how long a host may take to tell of its folder; snapshotDeepTimeout when it reads all that is in it.
	snapshotTimeout     = 20 * time.Second
	snapshotDeepTimeout = 30 * time.Minute
)

// Snapshots asks every host that keeps some; with verify, each file is read there and compared with its hash.
func (e *Engine) Snapshots(ctx context.Context, verify bool) (*Snapshots, error) {
	settings := e.cluster.Etcd.Snapshots
	if !settings.Wanted {
		return nil, fmt.Errorf("cluster %q takes no snapshots of etcd: write a snapshots block into the etcd block of the cluster (%s), and apply", e.cluster.Name, topology.Place(e.cluster.Range))
	}
	return e.snapshotsOn(ctx, e.cluster.Hosts, time.Time{}, verify)
}

// snapshotsOn asks those of the hosts that keep snapshots. None are due from before a time.
func (e *Engine) snapshotsOn(ctx context.Context, hosts []*topology.Host, since time.Time, verify bool) (*Snapshots, error) {
	out := &Snapshots{Cluster: e.cluster.Name}
	if settings := e.cluster.Etcd.Snapshots; settings.Enabled {
		if due, ok := settings.Schedule.Before(e.Now().Add(-snapshotGrace)); ok && due.After(since) {
			out.Due = due
		}
	}
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h *topology.Host) bool { return !e.cluster.KeepsSnapshots(h) })
	var mu sync.Mutex
	each(ctx, e.parallel(), hosts, func(h *topology.Host) {
		row := e.snapshotsOf(ctx, h, verify)
		mu.Lock()
		defer mu.Unlock()
		out.Hosts = append(out.Hosts, row)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	slices.SortFunc(out.Hosts, func(a, b SnapshotHost) int { return strings.Compare(a.Host, b.Host) })
	out.judge()
	return out, nil
}

func (e *Engine) snapshotsOf(ctx context.Context, h *topology.Host, verify bool) SnapshotHost {
	out := SnapshotHost{Report: snapshot.Report{Host: h.Name, Site: h.Site().Name}}
	conn := e.hosts[h.Name]
	if conn == nil {
		out.Error = e.away(h.Name).Error()
		return out
	}
	bound := snapshotTimeout
	if verify {
		bound = snapshotDeepTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	report, err := askSnapshots(ctx, conn, verify)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Snapshots, out.Last = report.Snapshots, report.Last
	return out
}

// askSnapshots reads a host's report from the socket that starts the program there.
func askSnapshots(ctx context.Context, host remote.Host, verify bool) (*snapshot.Report, error) {
	path := "http://host/snapshots"
	if verify {
		path += "?verify=1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return host.Dial(ctx, hostapi.Endpoint{Network: "unix", Address: desired.SnapshotSocket})
	}}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("its snapshots are not told: %w (look at trivet-snapshot-receive.socket there: trivet status)", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, fmt.Errorf("its snapshots are not told: %s", strings.TrimSpace(string(text)))
	}
	var report snapshot.Report
	if err := json.NewDecoder(resp.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("its snapshots are not told: %w", err)
	}
	return &report, nil
}

// judge finds what is wrong: hosts that say nothing, damaged files, runs that failed, and sites whose newest good snapshot is older than the schedule allows.
func (s *Snapshots) judge() {
	newest := make(map[string]time.Time)
	var sites []string
	for _, h := range s.Hosts {
		if !slices.Contains(sites, h.Site) {
			sites = append(sites, h.Site)
		}
		if h.Error != "" {
			s.wrong(h.Host, h.Site, h.Error)
		}
		for _, x := range h.Snapshots {
			switch {
			case x.Wrong != "":
				s.wrong(h.Host, h.Site, x.Name()+": "+x.Wrong)
			case x.Taken.After(newest[h.Site]):
				newest[h.Site] = x.Taken
			}
		}
		s.judgeRun(h)
	}
	for _, site := range sites {
		switch at := newest[site]; {
		case s.Due.IsZero() || !at.Before(s.Due):
		case at.IsZero():
			s.wrong("", site, fmt.Sprintf("it has no snapshot, and one was due at %s: systemctl start trivet-snapshot.service on a member takes one now", s.Due.Format(time.RFC3339)))
		default:
			s.wrong("", site, fmt.Sprintf("its newest snapshot is of %s, and one was due at %s: look at the journal of trivet-snapshot.service on the members", at.Format(time.RFC3339), s.Due.Format(time.RFC3339)))
		}
	}
}

func (s *Snapshots) judgeRun(h SnapshotHost) {
	if h.Last == nil {
		return
	}
	began := h.Last.Began.Format(time.RFC3339)
	if h.Last.Error != "" {
		s.wrong(h.Host, h.Site, fmt.Sprintf("the run of %s took no snapshot: %s", began, h.Last.Error))
	}
	for _, to := range sortedKeys(h.Last.Copies) {
		if why := h.Last.Copies[to]; why != "" {
			s.wrong(h.Host, h.Site, fmt.Sprintf("the run of %s brought no copy to host %s: %s", began, to, why))
		}
	}
}

func (s *Snapshots) wrong(host, site, detail string) {
	s.Wrong = append(s.Wrong, SnapshotWrong{Host: host, Site: site, Detail: detail})
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
