package adopt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/tools/txtar"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/trivet-dev/trivet/bootstrap/adopt"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

// world is a cluster behind the real protocol of the helper: hosts that answer questions and note everything else, an API, a member of etcd.
type world struct {
	t     *testing.T
	hosts map[string]*machine // by address
	found *adopt.Found        // what is there
	api   *httptest.Server
	etcd  net.Listener
	mu    sync.Mutex
	asked []string // of the API and of etcd
}

// machine is a host whose helper notes what changes it, or could.
type machine struct {
	*remotetest.Handler
	world *world
	host  *adopt.Host
	why   error

	changes []string
	dials   []hostapi.Endpoint
}

func (m *machine) note(what string) error {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	m.changes = append(m.changes, what)
	return errors.New("this host is only to be read")
}

func (m *machine) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	m.Files = m.host.Files
	o, err := m.Handler.Observe(ctx, req)
	if err != nil {
		return nil, err
	}
	o.Facts = m.host.Facts
	if m.host.Recorded != "" {
		o.Record = &hostapi.Record{Cluster: m.host.Recorded}
	}
	return o, nil
}

func (m *machine) Step(context.Context, *hostapi.Step, func(hostapi.Event)) error {
	return m.note("step")
}
func (m *machine) Receive(context.Context, *hostapi.Receive) error       { return m.note("receive") }
func (m *machine) RaiseEpoch(context.Context, *hostapi.RaiseEpoch) error { return m.note("epoch") }
func (m *machine) Hold(context.Context, *hostapi.Hold, func()) error     { return m.note("hold") }
func (m *machine) Fetch(context.Context, *hostapi.Fetch, func(hostapi.Event)) error {
	return m.note("fetch")
}
func (m *machine) Serve(context.Context, *hostapi.Serve, func(int)) error { return m.note("serve") }

func (m *machine) Dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	m.world.mu.Lock()
	m.dials = append(m.dials, *to)
	m.world.mu.Unlock()
	address := m.world.api.Listener.Addr().String()
	if strings.HasSuffix(to.Address, ":2379") {
		address = m.world.etcd.Addr().String()
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

func newWorld(t *testing.T, file string) *world {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, found := load(t, archive)
	w := &world{t: t, hosts: map[string]*machine{}, found: found}
	for _, n := range found.Nodes {
		h := found.Hosts[n.Name]
		m := &machine{Handler: new(remotetest.Handler), world: w, host: h}
		if h.Problem != "" {
			m.why = errors.New(h.Problem)
		}
		w.hosts[n.Status.Addresses[0].Address] = m
	}
	w.api = httptest.NewServer(http.HandlerFunc(w.answer))
	t.Cleanup(w.api.Close)
	if w.etcd, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		w.noteAsked(info.FullMethod)
		return next(ctx, req)
	}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		w.noteAsked(method)
		return status.Error(codes.Unimplemented, method)
	}))
	pb.RegisterClusterServer(server, clusterServer{found: found})
	pb.RegisterMaintenanceServer(server, maintenanceServer{found: found})
	go func() { _ = server.Serve(w.etcd) }() // ends with Stop
	t.Cleanup(server.Stop)
	return w
}

func (w *world) noteAsked(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, what)
}

type clusterServer struct {
	pb.UnimplementedClusterServer
	found *adopt.Found
}

func (s clusterServer) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	out := &pb.MemberListResponse{Header: &pb.ResponseHeader{}}
	for _, m := range s.found.Members {
		out.Members = append(out.Members, &pb.Member{ID: m.ID, Name: m.Name})
	}
	return out, nil
}

type maintenanceServer struct {
	pb.UnimplementedMaintenanceServer
	found *adopt.Found
}

func (s maintenanceServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	first := s.found.Statuses[0]
	return &pb.StatusResponse{Header: &pb.ResponseHeader{MemberId: first.ID, Revision: first.Revision}, Leader: first.Leader, Version: first.Version, DbSize: first.DBSize}, nil
}

// answer is the API.
func (w *world) answer(out http.ResponseWriter, r *http.Request) {
	w.noteAsked(r.Method + " " + r.URL.Path)
	f := w.found
	maps := map[string]map[string]string{
		"kube-system/kubeadm-config": {"ClusterConfiguration": f.ClusterConfig}, "kube-system/kubelet-config": {"kubelet": f.KubeletConfig}, "kube-system/kube-proxy": {"config.conf": f.ProxyConfig},
		"kube-system/coredns": {"Corefile": f.Corefile}, "kube-flannel/kube-flannel-cfg": {"net-conf.json": f.FlannelConfig},
	}
	var body any
	switch p := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case r.URL.Path == "/api/v1/nodes":
		body = corev1.NodeList{Items: f.Nodes}
	case len(p) == 6 && p[4] == "configmaps" && maps[p[3]+"/"+p[5]] != nil:
		body = corev1.ConfigMap{Data: maps[p[3]+"/"+p[5]]}
	case r.URL.Path == "/apis/apps/v1/daemonsets":
		var list appsv1.DaemonSetList
		for _, x := range f.Workloads {
			if x.Kind == "DaemonSet" {
				var d appsv1.DaemonSet
				d.Namespace, d.Name = x.Namespace, x.Name
				for _, i := range x.Images {
					d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Image: i})
				}
				list.Items = append(list.Items, d)
			}
		}
		body = list
	default:
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(http.StatusNotFound)
		fmt.Fprint(out, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(body)
}

func (w *world) connect(_ context.Context, name, address string) (remote.Host, error) {
	m := w.hosts[address]
	switch {
	case m == nil:
		return nil, fmt.Errorf("host %s: it cannot be reached", address)
	case m.why != nil:
		return nil, m.why
	}
	return remotetest.NewMemoryHost(name, m), nil
}

// TestReadChangesNothing reads a cluster of five, one of which is away, and holds that hosts were only observed, the API got nothing but GET, and etcd two questions.
func TestReadChangesNothing(t *testing.T) {
	w := newWorld(t, "testdata/ha.txtar")
	got, err := adopt.Read(t.Context(), "10.11.1.11", adopt.Reach{Connect: w.connect, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got.First != "cp-a" || len(got.Hosts) != 5 || got.Hosts["w-c1"].Problem == "" || got.Hosts["cp-c"].Problem != "" || len(got.Members) != 3 || got.MembersWhy != "" {
		t.Errorf("first %s, hosts %v, members %v %s", got.First, got.Hosts, got.Members, got.MembersWhy)
	}
	for what, pair := range map[string][2]string{
		"kubeadm-config": {got.ClusterConfig, w.found.ClusterConfig}, "kubelet-config": {got.KubeletConfig, w.found.KubeletConfig}, "kube-proxy": {got.ProxyConfig, w.found.ProxyConfig},
		"Corefile": {got.Corefile, w.found.Corefile}, "flannel": {got.FlannelConfig, w.found.FlannelConfig},
	} {
		if pair[0] != pair[1] || pair[0] == "" {
			t.Errorf("%s is %q", what, pair[0])
		}
	}
	for address, m := range w.hosts {
		if len(m.changes) > 0 {
			t.Errorf("host %s was asked to change: %v", address, m.changes)
		}
		for _, d := range m.dials {
			if d.TLS == nil || d.TLS.Kubeconfig != "/etc/kubernetes/admin.conf" && d.TLS.Key == "" {
				t.Errorf("host %s: a connection to %s without the keys of the host: %+v", address, d.Address, d.TLS)
			}
		}
	}
	if len(w.asked) == 0 {
		t.Error("neither the API nor etcd was asked")
	}
	for _, a := range w.asked {
		if !strings.HasPrefix(a, "GET ") && a != pb.Cluster_MemberList_FullMethodName && a != pb.Maintenance_Status_FullMethodName || strings.Contains(a, "secrets") {
			t.Errorf("asked: %s", a)
		}
	}
}

// TestReadRefuses: each host that cannot be read through has one message with what to do.
func TestReadRefuses(t *testing.T) {
	remove := func(paths ...string) func(w *world, h *adopt.Host) {
		return func(_ *world, h *adopt.Host) {
			for p := range h.Files {
				if slices.ContainsFunc(paths, func(x string) bool { return strings.HasPrefix(p, x) }) {
					delete(h.Files, p)
				}
			}
		}
	}
	for name, tc := range map[string]struct {
		change func(w *world, h *adopt.Host)
		words  []string
	}{
		"no Kubernetes": {remove("/etc/", "/var/"), []string{"no control plane of a kubeadm cluster", "only clusters that kubeadm made"}},
		"a worker":      {remove("/etc/kubernetes/manifests", "/etc/kubernetes/admin.conf"), []string{"is a node and no control plane", "give the address of a control plane", "https://10.11.1.11:6443"}},
		"no admin.conf": {remove("/etc/kubernetes/admin.conf"), []string{"has no /etc/kubernetes/admin.conf", "kubeadm init phase kubeconfig admin"}},
		"Trivet's own":  {func(_ *world, h *adopt.Host) { h.Recorded = "main" }, []string{`belongs to cluster "main"`, "nothing to adopt"}},
		"not kubeadm's": {func(w *world, _ *adopt.Host) { w.found.ClusterConfig = "" }, []string{"no ConfigMap kubeadm-config"}},
		"API away":      {func(w *world, _ *adopt.Host) { w.api.Close() }, []string{"its API server does not answer", "crictl ps -a"}},
		"another node's": {func(w *world, h *adopt.Host) {
			h.Facts.MachineID, h.Facts.Interfaces = "ff", nil
		}, []string{"no node with its machine id or one of its addresses"}},
		"refused": {func(w *world, _ *adopt.Host) {
			w.api.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
				out.Header().Set("Content-Type", "application/json")
				out.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(out, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401}`)
			})
		}, []string{"does not accept /etc/kubernetes/admin.conf", "kubeadm certs check-expiration"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "testdata/single.txtar")
			tc.change(w, w.hosts["10.11.1.11"].host)
			_, err := adopt.Read(t.Context(), "10.11.1.11", adopt.Reach{Connect: w.connect})
			if err == nil {
				t.Fatal("no error")
			}
			for _, word := range append(tc.words, "10.11.1.11") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not contain %q", err, word)
				}
			}
			if c := w.hosts["10.11.1.11"].changes; len(c) > 0 {
				t.Errorf("the host was asked to change: %v", c)
			}
		})
	}
}
