package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// agent is a pod that does what it is asked, over HTTP from its own host.
type agent struct {
	node string
	pod  string
	ip   netip.Addr
	port int
	host *hostClient
}

// hostClient makes HTTP requests from a host.
type hostClient struct {
	name   string
	client *http.Client
}

// hostClientFor gives a client that fails, and says why, for a host that is not connected.
func hostClientFor(name string, host remote.Host) *hostClient {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		if host == nil {
			return nil, errNotConnected
		}
		return host.Dial(ctx, hostapi.Endpoint{Network: "tcp", Address: address})
	}
	return &hostClient{name: name, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// httpTimeout bounds one request. Above it are the 5 s after which a probe gives up on what it was asked to call.
const httpTimeout = 7 * time.Second

// answers returns nil when something there answers, whatever it says.
func (a *agent) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+address(a.ip, a.port)+"/", nil)
	if err != nil {
		return err
	}
	resp, err := a.host.client.Do(req)
	if err != nil {
		return fmt.Errorf("from host %s: %w", a.host.name, err)
	}
	return resp.Body.Close()
}

// get requests http://to/path from the host.
func (h *hostClient) get(ctx context.Context, to, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	target := "http://" + to + "/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("from host %s: %w", h.name, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("from host %s: reading %s: %w", h.name, target, err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("from host %s: %s answered %s: %s", h.name, target, resp.Status, text)
	}
	return text, nil
}

// address is where a pod's server listens.
func address(ip netip.Addr, port int) string { return netip.AddrPortFrom(ip, uint16(port)).String() }

func (a *agent) get(ctx context.Context, path string) (string, error) {
	return a.host.get(ctx, address(a.ip, a.port), path)
}

// call has the pod request http://host:port/path and gives the answer. The pod resolves the name of the host by its own resolv.conf.
func (a *agent) call(ctx context.Context, host string, port int, path string) (string, error) {
	query := url.Values{"request": {path}, "protocol": {"http"}, "host": {host}, "port": {strconv.Itoa(port)}}
	text, err := a.get(ctx, "dial?"+query.Encode())
	if err != nil {
		return "", err
	}
	var answer struct{ Responses, Errors []string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return "", fmt.Errorf("pod %s on %s answered something that is not from netexec: %.200q", a.pod, a.node, text)
	}
	target := net.JoinHostPort(host, strconv.Itoa(port))
	switch {
	case len(answer.Errors) > 0:
		return "", fmt.Errorf("pod %s on %s requested http://%s/%s: %s", a.pod, a.node, target, path, strings.Join(answer.Errors, "; "))
	case len(answer.Responses) == 0:
		return "", fmt.Errorf("pod %s on %s requested http://%s/%s and got an empty answer", a.pod, a.node, target, path)
	}
	return strings.TrimSpace(answer.Responses[0]), nil
}
