//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/lab"
)

// probe uses a cluster while a test does something to it: ten times a second each it writes to the API and reads back what it wrote, and it requests a Service with two
// replicas, from a node and from a pod on it.
//
// The API is asked through the node's balancer, the one way by which kubelets, controllers and whatever else runs on a node reach it: what the balancer does not hide counts as
// an outage, and so does what it makes. The Service is asked at its ClusterIP, by kube-proxy's rules.
// Of the requests to the API every other one is made on a connection that is kept, as client-go's are, and the others on new ones; those to the Service are all on new ones, so
// that each may lead to the other replica. Nothing is tried again. A request begins when its time has come, whether those before it were answered or not: one that hangs hides
// no others.
type probe struct {
	o                     *operator
	via                   string
	api, service, fromPod *lane
	end                   func()
	busy                  string // what was amiss before anything was done
}

// place is a network namespace that requests begin in.
type place struct {
	find func() (string, error)

	mu   sync.Mutex
	path string // leads nowhere once the node or the pod is another one
}

// lane is one kind of request. Its answers are all that the probe knows.
type lane struct {
	what    string
	timeout time.Duration
	try     func(ctx context.Context, n int) error

	mu         sync.Mutex
	samples    []sample
	begun, end time.Time
}

type sample struct {
	start, end time.Time
	err        error
}

const (
	probeInterval = 100 * time.Millisecond
	// A client that waits longer than these has a right to complain.
	apiTimeout     = 5 * time.Second
	serviceTimeout = 2 * time.Second
	balancerPort   = "7443"
)

// shop is what the probe requests, made as production services are: it is on two hosts, it says that it is no longer ready when it is told to end, and it goes on serving until
// everybody has heard of it. An eviction has to leave one of the two.
const shop = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: till, namespace: shop }
---
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: shop }
spec:
  selector: { app: shop }
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: shop, namespace: shop }
spec:
  minAvailable: 1
  selector: { matchLabels: { app: shop } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, namespace: shop }
spec:
  replicas: 2
  strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: { matchLabels: { app: shop } }
        matchLabelKeys: [pod-template-hash]
      containers:
      - name: shop
        image: AGNHOST
        imagePullPolicy: IfNotPresent
        args: [netexec, --http-port=8080, --delay-shutdown=5] # it is not ready without its UDP port
        readinessProbe: { httpGet: { path: /readyz, port: 8080 }, periodSeconds: 1, failureThreshold: 2 }
        lifecycle: { preStop: { sleep: { seconds: 5 } } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: customer, namespace: shop }
spec:
  selector: { matchLabels: { app: customer } }
  template:
    metadata: { labels: { app: customer } }
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      containers:
      - name: customer
        image: AGNHOST
        imagePullPolicy: IfNotPresent
        args: [pause]
`

// openShop makes the Service, of the image that verify uses and a node has, and waits until both of its replicas are there.
func (o *operator) openShop(node string) {
	o.t.Helper()
	o.openShopOf(o.agnhost(node))
}

// agnhost is the image of the release that the shop can be made of.
func (o *operator) agnhost(node string) string {
	o.t.Helper()
	for _, ref := range strings.Fields(o.on(node, "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls", "-q")) {
		if strings.Contains(ref, "/agnhost:") {
			return ref
		}
	}
	o.t.Fatalf("%s has no image agnhost, which verify needs", node)
	return ""
}

// openShopBefore makes it where an upgrade follows: each release has its own agnhost, and takes the other's away. The shop's goods are its own.
func (o *operator) openShopBefore(nodes ...string) {
	o.t.Helper()
	for _, n := range nodes {
		o.stock(n)
	}
	o.openShopOf(goods)
}

const goods = "shop.test/goods:1"

// stock gives a node the shop's goods.
func (o *operator) stock(node string) {
	o.t.Helper()
	o.on(node, "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "tag", o.agnhost(node), goods)
	o.on(node, "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "label", goods, "io.cri-containerd.pinned=pinned")
}

func (o *operator) openShopOf(image string) {
	o.t.Helper()
	file := filepath.Join(o.dir, "shop.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(shop, "AGNHOST", image)), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.must("kubectl", "apply", "-f", file)
	o.must("kubectl", "-n", "shop", "rollout", "status", "deployment/shop", "--timeout=120s")
	o.must("kubectl", "-n", "shop", "rollout", "status", "daemonset/customer", "--timeout=120s")
}

// probe begins to use the cluster from a node; the shop has to be open. It ends with stop, or with the test.
func (o *operator) probe(via string) *probe {
	o.t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(o.must("kubeconfig", "--address", "127.0.0.1:"+balancerPort).stdout))
	if err != nil {
		o.t.Fatal(err)
	}
	credentials, err := rest.TLSConfigFor(config)
	if err != nil {
		o.t.Fatal(err)
	}
	node, _ := o.places(via)
	kept, once := node.client(credentials, false), node.client(credentials, true)
	return o.probeBy(via, writer(config.Host, func(n int) (*http.Client, string, error) {
		if n%2 == 1 {
			return once, "new connection", nil
		}
		return kept, "kept connection", nil
	}))
}

// probeAsHost is a probe that reads its credentials from the host for every request, as what runs there does: those of a kubeconfig end with the authority that signed them.
func (o *operator) probeAsHost(via string) *probe {
	o.t.Helper()
	pki := filepath.Join(o.rootOf(via), "etc/kubernetes/pki")
	node, _ := o.places(via)
	return o.probeBy(via, writer("https://127.0.0.1:"+balancerPort, func(int) (*http.Client, string, error) {
		var pair tls.Certificate
		var err error
		for range 3 { // it may be a certificate with the key of the next one
			if pair, err = tls.LoadX509KeyPair(filepath.Join(pki, "operator.crt"), filepath.Join(pki, "operator.key")); err == nil {
				break
			}
		}
		if err != nil {
			return nil, "", err
		}
		authorities, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
		if err != nil {
			return nil, "", err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authorities)
		return node.client(&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}, true), "new connection", nil
	}))
}

func (o *operator) probeBy(via string, write func(context.Context, int) error) *probe {
	o.t.Helper()
	address := o.must("kubectl", "-n", "shop", "get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}").stdout
	node, pod := o.places(via)
	p := &probe{
		o:       o,
		via:     via,
		api:     &lane{what: "API through the balancer of " + via + ", written and read back", timeout: apiTimeout, try: write},
		service: &lane{what: "Service from " + via, timeout: serviceTimeout, try: node.shopper("http://" + address + "/hostname")},
		fromPod: &lane{what: "Service from a pod on " + via, timeout: serviceTimeout, try: pod.shopper("http://" + address + "/hostname")},
	}

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, l := range p.lanes() {
		wg.Go(func() { l.run(ctx) })
	}
	p.end = sync.OnceFunc(func() { cancel(); wg.Wait() })
	o.t.Cleanup(p.end)
	p.settle()
	return p
}

// settle watches the cluster before anything is done to it until it has seen some calm seconds: what befell a host may still be felt. What is slow all the time is slow for
// another reason. The figures begin after it.
func (p *probe) settle() {
	p.o.t.Helper()
	for range 5 {
		p.busy = ""
		<-time.After(5 * time.Second)
		for _, l := range p.lanes() {
			l.mu.Lock()
			l.end = time.Now()
			l.mu.Unlock()
			if f := l.figures(); len(f.failed) > 0 || f.gaps[0].length() > 500*time.Millisecond {
				p.busy = l.String()
				p.o.t.Logf("before anything is done: %s", l)
			}
			l.mu.Lock()
			l.begun, l.samples = time.Now(), nil
			l.mu.Unlock()
		}
		if p.busy == "" {
			return
		}
	}
}

func (p *probe) lanes() []*lane { return []*lane{p.api, p.service, p.fromPod} }

// run begins a request at every tick, and waits for the last of them in the end.
func (l *lane) run(ctx context.Context) {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer func() {
		wg.Wait()
		l.mu.Lock()
		l.end = time.Now()
		l.mu.Unlock()
	}()
	l.mu.Lock()
	l.begun = time.Now()
	l.mu.Unlock()
	for n := 0; ; n++ {
		wg.Go(func() {
			// What has begun may end: a request that the probe's own end cut short would say nothing of the cluster.
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
			defer cancel()
			s := sample{start: time.Now()}
			s.err = l.try(limited, n)
			s.end = time.Now()
			l.mu.Lock()
			l.samples = append(l.samples, s)
			l.mu.Unlock()
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// places are a node and the customer on it.
func (o *operator) places(via string) (node, pod *place) {
	o.t.Helper()
	l, err := lab.Open(o.fleet)
	if err != nil {
		o.t.Fatal(err)
	}
	node = &place{find: func() (string, error) { return l.NetworkNamespace(via) }}
	// The runtime keeps a pod's network namespace as a file, which the spec of the pod's sandbox names.
	const script = `
sandbox=$(/opt/trivet/bin/ctr -n k8s.io containers ls -q 'labels."io.kubernetes.pod.namespace"==shop,labels."app"==customer,labels."io.cri-containerd.kind"==sandbox')
for id in $sandbox; do
  /opt/trivet/bin/ctr -n k8s.io containers info --spec "$id" | sed -n 's/.*"path": "\(\/[a-z\/]*netns\/[^"]*\)".*/\1/p'
done`
	pod = &place{find: func() (string, error) {
		host, err := l.NetworkNamespace(via)
		if err != nil {
			return "", err
		}
		out, err := l.Exec(context.Background(), via, "sh", "-c", script)
		if err != nil {
			return "", err
		}
		root := strings.TrimSuffix(host, "ns/net") + "root/run/netns/" // /var/run would be a link to this machine's /run
		for file := range strings.FieldsSeq(string(out)) {
			if path := root + filepath.Base(file); exists(path) {
				return path, nil
			}
		}
		return "", fmt.Errorf("no pod customer is on %s", via)
	}}
	return node, pod
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// dial connects from the place.
func (p *place) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	var err error
	if !exists(p.path) {
		p.path, err = p.find()
	}
	path := p.path
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return lab.DialInNamespace(ctx, path, network, address)
}

// client asks from the place, on one connection that is kept or on one for each request.
func (p *place) client(credentials *tls.Config, once bool) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: p.dial, TLSClientConfig: credentials.Clone(), ForceAttemptHTTP2: true, DisableKeepAlives: once, MaxIdleConnsPerHost: 20}}
}

// writer writes to a ConfigMap and reads it back, with the client of each request. What is read may be newer, since others write as well, but never older.
func writer(server string, clientOf func(n int) (*http.Client, string, error)) func(context.Context, int) error {
	till := server + "/api/v1/namespaces/shop/configmaps/till"
	return func(ctx context.Context, n int) error {
		client, connection, err := clientOf(n)
		if err != nil {
			return err
		}
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"till","namespace":"shop"},"data":{"n":"%d"}}`, n)
		written, err := revision(request(ctx, client, http.MethodPut, till, body))
		if err != nil {
			return fmt.Errorf("%s: write: %w", connection, err)
		}
		read, err := revision(request(ctx, client, http.MethodGet, till, ""))
		if err != nil {
			return fmt.Errorf("%s: read: %w", connection, err)
		}
		if read < written {
			return fmt.Errorf("%s: revision %d was written and %d is read: the write is lost", connection, written, read)
		}
		return nil
	}
}

func revision(body []byte, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	var object struct {
		Metadata struct {
			ResourceVersion uint64 `json:"resourceVersion,string"`
		}
	}
	return object.Metadata.ResourceVersion, json.Unmarshal(body, &object)
}

// shopper requests the Service and looks whether one of its replicas answers.
func (p *place) shopper(address string) func(context.Context, int) error {
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
	return func(ctx context.Context, _ int) error {
		body, err := request(ctx, client, http.MethodGet, address, "")
		if err == nil && !bytes.HasPrefix(body, []byte("shop-")) {
			err = fmt.Errorf("%.60q answers", body)
		}
		return err
	}
}

func request(ctx context.Context, client *http.Client, method, address, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err // the address is always the same
		}
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, answer)
	}
	return answer, err
}

// bounds are what a test allows one kind of request.
type bounds struct {
	failures int
	gap      time.Duration
}

// gap is the time between two successes that follow each other, or from the probe's beginning to the first, or from the last to its end.
type gap struct{ from, to time.Time }

func (g gap) length() time.Duration { return g.to.Sub(g.from) }

// figures are what a lane has to say.
type figures struct {
	requests int
	failed   []sample // in the order of their beginnings
	gaps     []gap    // the longest first
	slowest  time.Duration
}

func (l *lane) figures() figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := figures{requests: len(l.samples)}
	slices.SortFunc(l.samples, func(a, b sample) int { return a.end.Compare(b.end) })
	last := l.begun
	for _, s := range l.samples {
		if s.err != nil {
			f.failed = append(f.failed, s)
			continue
		}
		f.slowest = max(f.slowest, s.end.Sub(s.start))
		f.gaps = append(f.gaps, gap{last, s.end})
		last = s.end
	}
	f.gaps = append(f.gaps, gap{last, l.end})
	slices.SortStableFunc(f.gaps, func(a, b gap) int { return cmp.Compare(b.length(), a.length()) })
	slices.SortFunc(f.failed, func(a, b sample) int { return a.start.Compare(b.start) })
	return f
}

const clock = "15:04:05.000"

func (l *lane) String() string {
	f := l.figures()
	return fmt.Sprintf("%s: %d requests, %d failed, longest gap %.2f s (%s to %s), slowest answer %.2f s", l.what, f.requests, len(f.failed), f.gaps[0].length().Seconds(),
		f.gaps[0].from.Format(clock), f.gaps[0].to.Format(clock), f.slowest.Seconds())
}

// stop ends the probe and logs what it saw: the figures, the first failures, and what the apply that ran meanwhile did at the longest gaps.
func (p *probe) stop(during ...event.Event) {
	p.o.t.Helper()
	p.end()
	for _, l := range p.lanes() {
		p.o.t.Log(l)
		f := l.figures()
		var told time.Time
		for _, s := range f.failed[:min(len(f.failed), 8)] {
			p.o.t.Logf("  failed from %s to %s: %v", s.start.Format(clock), s.end.Format(clock), s.err)
			if before := s.start.Add(-5 * time.Second); told.Before(before) {
				p.o.t.Logf("  what was done then:%s\n  what %s says of units, and its balancer of servers:\n%s", happened(during, gap{before, s.end}), p.via, p.o.unitsAndServers(p.via, before, s.end))
				if l == p.api {
					p.o.t.Logf("  what members of etcd say of leaders, and of disks and peers that are slow:\n%s", p.o.members(before, s.end))
				}
				told = s.end
			}
		}
		for _, g := range f.gaps[:min(len(f.gaps), 3)] {
			if g.length() > time.Second {
				p.o.t.Logf("  gap of %.2f s, %s to %s:%s", g.length().Seconds(), g.from.Format(clock), g.to.Format(clock), happened(during, g))
			}
		}
	}
}

// unitsAndServers is what a host's journal has of units that began and ended, and of API servers that its balancer took to be up or down.
func (o *operator) unitsAndServers(host string, from, to time.Time) string {
	o.t.Helper()
	return o.run(append([]string{"lab", "exec", host, "--"}, journal(from, to, "-t", "systemd", "-t", "haproxy")...)...).stdout
}

// journal reads a host's journal of a time.
func journal(from, to time.Time, of ...string) []string {
	at := func(t time.Time) string { return fmt.Sprintf("@%.3f", float64(t.UnixMilli())/1000) }
	return append([]string{"journalctl", "--quiet", "--no-pager", "-o", "short-precise", "--since", at(from), "--until", at(to.Add(time.Second))}, of...)
}

// members is what the journals of hosts have of why etcd may not have answered.
func (o *operator) members(from, to time.Time) string {
	l, err := lab.Open(o.fleet)
	if err != nil {
		return err.Error()
	}
	hosts, err := l.Status(o.t.Context())
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, h := range hosts {
		told, err := l.Exec(o.t.Context(), h.Name, journal(from, to, "-u", "etcd", "--lines", "20", "--grep", "leader|elect|slow fdatasync|overloaded|lost the TCP")...)
		if err == nil { // it fails where nothing is found, too
			out.Write(told)
		}
	}
	return out.String()
}

// happened lists what was done in a gap, and the last that was done before it.
func happened(all []event.Event, g gap) string {
	var out []string
	before := ""
	for _, e := range all {
		if e.Time.After(g.to) || e.Kind == event.Progress || e.Kind == event.ActionDone && e.State != "changed" {
			continue
		}
		line := fmt.Sprintf("\n    %s %s", e.Time.Local().Format(clock), strings.Join(slices.DeleteFunc([]string{string(e.Kind), e.Phase, e.Host, e.Item, e.Message},
			func(s string) bool { return s == "" }), " "))
		if e.Time.Before(g.from) {
			before = line
		} else {
			out = append(out, line)
		}
	}
	if more := len(out) - 20; more > 0 {
		out = append(out[:20], fmt.Sprintf("\n    and %d more", more))
	}
	return before + strings.Join(out, "")
}

// crowded is from which load average for each CPU on requests may hang for no other reason than that: a lab of seven hosts that change has three or four.
const crowded = 10

// load says that the machine is crowded, and how much; "" when it is not.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	average, _, _ := strings.Cut(string(text), " ")
	if n, err := strconv.ParseFloat(average, 64); err != nil || n < crowded*float64(runtime.NumCPU()) {
		return ""
	}
	return "a load average of " + average
}

// allow holds what the probe saw against what may be. It judges nothing on a machine that has something else to do.
func (p *probe) allow(api, service bounds) {
	p.o.t.Helper()
	p.end()
	if now := load(); now != "" {
		p.o.t.Logf("not judged, since the machine is crowded: %s", now)
		return
	}
	if p.busy != "" {
		p.o.t.Logf("not judged, since the machine was busy before: %s", p.busy)
		return
	}
	for _, x := range []struct {
		lane  *lane
		bound bounds
	}{{p.api, api}, {p.service, service}, {p.fromPod, service}} {
		f := x.lane.figures()
		if f.requests == len(f.failed) {
			p.o.t.Errorf("%s: no request was answered", x.lane.what)
		}
		if len(f.failed) > x.bound.failures {
			p.o.t.Errorf("%s: %d requests failed, and %d may", x.lane.what, len(f.failed), x.bound.failures)
		}
		if longest := f.gaps[0]; longest.length() > x.bound.gap {
			p.o.t.Errorf("%s: no answer for %.2f s (%s to %s), and %s are allowed", x.lane.what, longest.length().Seconds(), longest.from.Format(clock), longest.to.Format(clock),
				x.bound.gap)
		}
	}
}

// TestProbeFigures holds that the figures are what is said of them: a gap lasts from a success to the next, and nothing that fails shortens it.
func TestProbeFigures(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	l := &lane{what: "lane", begun: at(0), end: at(3000), samples: []sample{
		{at(100), at(2100), errors.New("time-out")}, // ends after requests that began later
		{at(0), at(50), nil},
		{at(200), at(210), errors.New("refused")},
		{at(300), at(1350), nil},
		{at(1400), at(1500), nil},
	}}
	f := l.figures()
	if f.requests != 5 || len(f.failed) != 2 || f.failed[0].start != at(100) || f.slowest != 1050*time.Millisecond {
		t.Errorf("figures: %+v", f)
	}
	var got []int
	for _, g := range f.gaps {
		got = append(got, int(g.length().Milliseconds()))
	}
	if !slices.Equal(got, []int{1500, 1300, 150, 50}) {
		t.Errorf("gaps of %v ms", got)
	}
	said := happened([]event.Event{
		{Time: at(-2500), Kind: event.Message, Message: "long before"},
		{Time: at(100), Kind: event.ActionDone, Phase: "p", Host: "h", Item: "i", State: "unchanged"},
		{Time: at(200), Kind: event.HostStarted, Phase: "p", Host: "h"},
		{Time: at(1400), Kind: event.HostDone, Phase: "p", Host: "h"},
	}, gap{at(50), at(1350)})
	if strings.Count(said, "\n") != 2 || !strings.Contains(said, "message long before\n") || !strings.HasSuffix(said, "host-started p h") {
		t.Errorf("what happened: %q", said)
	}
}
