package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// world stands in for what only a kubelet and a network can do: it starts the pods that the API server has for its nodes, and carries requests between them.
type world struct {
	t      *testing.T
	client *kube.Client

	mu       sync.Mutex
	pods     map[netip.Addr]*fakePod
	services map[string]service // by address
	next     int

	translate string          // a node whose pods are seen under another address
	noHairpin string          // a node whose pods do not reach themselves by a Service
	unset     map[string]bool // nodes whose next pod starts without the variables of Services
	ownUTS    bool            // containers have host names of their own
	execFails string          // a node that refuses exec
	unrouted  string          // a node without routes to the pods of others, and they have none to it
	dead      map[string]bool // nodes that start no pods
}

// service is a Service, which leads to pods of its own namespace.
type service struct{ space, name string }

type fakePod struct {
	space      string
	name, node string
	ip         netip.Addr
	hostname   string
	// secondHostname is what the second container took for itself, where that has a host name of its own.
	secondHostname string
	env            map[string]string
	files          map[string]string
	sharesPIDs     bool
}

// fakeHost knows how to dial, and panics on everything else.
type fakeHost struct {
	remote.Host
	name  string
	world *world
}

func (h *fakeHost) Name() string { return h.name }

func (h *fakeHost) Dial(ctx context.Context, to hostapi.Endpoint) (net.Conn, error) {
	if to.Network != "tcp" || to.TLS != nil {
		return nil, fmt.Errorf("unexpected endpoint %+v", to)
	}
	return h.world.dial(h.name, netip.MustParseAddr("192.0.2.1"), to.Address)
}

// dial connects a client on a node with a pod, or a Service's pod.
func (w *world) dial(node string, from netip.Addr, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	pod, err := w.route(node, to)
	if err != nil {
		return nil, err
	}
	if w.translate == node {
		from = netip.MustParseAddr("198.51.100.9")
	}
	ours, theirs := net.Pipe()
	go w.answer(theirs, pod, to.Port(), netip.AddrPortFrom(from, 40000).String())
	return ours, nil
}

func (w *world) route(node string, to netip.AddrPort) (*fakePod, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.services[to.Addr().String()]
	if !ok {
		pod := w.pods[to.Addr()]
		if pod == nil || pod.node != node && (pod.node == w.unrouted || node == w.unrouted) {
			return nil, errors.New("connect: no route to host")
		}
		return pod, nil
	}
	if to.Port() != servicePort {
		return nil, errors.New("connect: connection refused")
	}
	for _, pod := range w.pods {
		if pod.space == s.space && strings.HasPrefix(pod.name, probeName+"-") && (s.name != localName || pod.node == node && w.noHairpin != node) {
			return pod, nil
		}
	}
	return nil, errors.New("connect: connection timed out")
}

// answer is what agnhost's netexec and test-webserver say.
func (w *world) answer(conn net.Conn, pod *fakePod, port uint16, from string) {
	defer conn.Close() //nolint:errcheck // the end of the conversation
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	recorder := httptest.NewRecorder()
	switch req.URL.Path {
	case "/hostname":
		w.mu.Lock()
		name := pod.hostname
		if port == secondPort && pod.secondHostname != "" {
			name = pod.secondHostname
		}
		w.mu.Unlock()
		_, _ = fmt.Fprint(recorder, name)
	case "/clientip":
		_, _ = fmt.Fprint(recorder, from)
	case "/envvar":
		value, ok := pod.env[req.URL.Query().Get("var")]
		if !ok {
			http.Error(recorder, fmt.Sprintf("env var %q is not set", req.URL.Query().Get("var")), http.StatusInternalServerError)
			break
		}
		_, _ = fmt.Fprint(recorder, value)
	case "/proc/":
		_, _ = fmt.Fprint(recorder, `<a href="1/">1/</a> <a href="7/">7/</a> <a href="13/">13/</a> <a href="self/">self/</a>`)
	case "/dial":
		w.relay(recorder, pod, req.URL.Query())
	default:
		http.NotFound(recorder, req)
	}
	result := recorder.Result()
	result.Header.Set("Connection", "close")
	_ = result.Write(conn)
}

func (w *world) relay(out *httptest.ResponseRecorder, pod *fakePod, query url.Values) {
	host := query.Get("host")
	w.mu.Lock()
	for address, s := range w.services {
		if s.space == pod.space && (host == s.name || host == s.name+"."+s.space+".svc.cluster.test") {
			host = address
			break
		}
	}
	w.mu.Unlock()
	reply := make(map[string][]string)
	h := &hostClient{name: "pod " + pod.name, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		return w.dial(pod.node, pod.ip, address)
	}}}}
	if host == "127.0.0.1" {
		host = pod.ip.String() // the pod's own loopback address
	}
	text, err := h.get(w.t.Context(), net.JoinHostPort(host, query.Get("port")), query.Get("request"))
	if err != nil {
		reply["errors"] = []string{err.Error()}
	} else {
		reply["responses"] = []string{text}
	}
	_ = json.NewEncoder(out).Encode(reply)
}

// exec does what the subcommands of agnhost do.
func (w *world) exec(_ context.Context, space, podName, container string, command ...string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var pod *fakePod
	for _, p := range w.pods {
		if p.space == space && p.name == podName {
			pod = p
		}
	}
	if pod == nil || command[0] != agnhost {
		return "", fmt.Errorf("no pod %s, or no %s", podName, command[0])
	}
	if w.execFails == pod.node {
		return "", errors.New("tls: failed to verify certificate")
	}
	switch command[1] {
	case "entrypoint-tester":
		return fmt.Sprintf("%v\n", command), nil
	case "mounttest":
		var out strings.Builder
		for _, arg := range command[2:] {
			text, err := pod.mounttest(container, w.ownUTS, arg)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
		}
		return out.String(), nil
	}
	return "", fmt.Errorf("agnhost has no %s", command[1])
}

func (p *fakePod) mounttest(container string, ownUTS bool, arg string) (string, error) {
	flag, path, _ := strings.Cut(arg, "=")
	if flag == "--new_file_0644" {
		switch {
		case path != "/proc/sys/kernel/hostname":
			p.files[path] = written + "\n"
		case ownUTS:
			p.secondHostname = written
		default:
			p.hostname = written
		}
	}
	content, ok := p.files[path]
	switch {
	case path == "/proc/1/cmdline" && !p.sharesPIDs:
		content, ok = "/agnhost\x00netexec\x00--http-port="+map[string]string{"first": "8080", "second": "8081"}[container]+"\x00", true
	case path == "/proc/sys/kernel/hostname":
		content, ok = p.hostname+"\n", true
	}
	if !ok {
		return "", fmt.Errorf("open %s: no such file or directory", path)
	}
	return fmt.Sprintf("content of file %q: %v\n", path, content), nil
}

// kubelets start the pods of all nodes until the test ends.
func (w *world) kubelets(ctx context.Context) {
	for ctx.Err() == nil {
		watcher, err := w.client.Typed().CoreV1().Pods("").Watch(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for event := range watcher.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			switch {
			case !ok || pod.Spec.NodeName == "":
			case event.Type == watch.Deleted:
				w.stop(pod)
			case pod.Status.PodIP == "" && pod.DeletionTimestamp == nil && !w.isDead(pod.Spec.NodeName):
				w.start(ctx, pod)
			}
		}
	}
}

func (w *world) isDead(node string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead[node]
}

func (w *world) stop(pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ip, p := range w.pods {
		if p.space == pod.Namespace && p.name == pod.Name {
			delete(w.pods, ip)
		}
	}
}

func (w *world) start(ctx context.Context, pod *corev1.Pod) {
	services, err := w.client.Typed().CoreV1().Services(pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	w.mu.Lock()
	w.next++
	p := &fakePod{space: pod.Namespace, name: pod.Name, node: pod.Spec.NodeName, hostname: pod.Name, ip: netip.AddrFrom4([4]byte{10, 128, 0, byte(w.next)}), env: make(map[string]string)}
	for _, s := range services.Items {
		w.services[s.Spec.ClusterIP] = service{s.Namespace, s.Name}
		if !w.unset[p.node] {
			p.env[strings.ToUpper(s.Name)+"_SERVICE_HOST"] = s.Spec.ClusterIP
			p.env[strings.ToUpper(s.Name)+"_SERVICE_PORT"] = strconv.Itoa(int(s.Spec.Ports[0].Port))
		}
	}
	delete(w.unset, p.node)
	if pod.Spec.Hostname != "" {
		p.hostname = pod.Spec.Hostname
	}
	p.files = map[string]string{"/proc/sys/kernel/shm_rmid_forced": "0\n"}
	if sc := pod.Spec.SecurityContext; sc != nil {
		for _, s := range sc.Sysctls {
			p.files["/proc/sys/"+strings.ReplaceAll(s.Name, ".", "/")] = s.Value + "\n"
		}
	}
	if share := pod.Spec.ShareProcessNamespace; share != nil && *share {
		p.sharesPIDs = true
		p.files["/proc/1/cmdline"] = "/pause\x00"
		for i, c := range pod.Spec.Containers {
			p.files[fmt.Sprintf("/proc/%d/cmdline", 7+6*i)] = agnhost + "\x00" + strings.Join(c.Args, "\x00") + "\x00"
		}
	}
	w.pods[p.ip] = p
	w.mu.Unlock()
	live := pod.DeepCopy()
	live.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: p.ip.String(), PodIPs: []corev1.PodIP{{IP: p.ip.String()}},
		Conditions: append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})}
	_, _ = w.client.Typed().CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, live, metav1.UpdateOptions{}) // the next event tries again
}

// kubeletServer answers the API server's request for logs, on every node.
func kubeletServer(t *testing.T) int {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/containerLogs/trivet-verify-") {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintln(w, "2026/01/01 00:00:00 Started HTTP server on port 8080")
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}
