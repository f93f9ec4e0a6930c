// Package kube is the engine's client of a cluster's API. It reaches the control planes through connections that somebody else made and secured, moves
// to the next control plane when one does not connect, and knows the few kinds of objects that Trivet applies without asking the server for them.
//
// It drains nodes itself: kubectl's library for that (k8s.io/kubectl/pkg/drain, 0.37.2) brings 130 packages more, kustomize among them, asks for each pod every
// second from a goroutine of its own, and its errors do not tell which budget holds a pod.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Dial connects to one API server. What it gives back carries plain HTTP/1.1: the TLS handshake is done by whoever dials.
type Dial func(ctx context.Context) (net.Conn, error)

// Endpoint is one API server.
type Endpoint struct {
	Name string // of the control plane's host, for messages
	Dial Dial
	// Any, where there is one, connects to whichever API server is ready, by way of that host. It is tried before Dial.
	Any Dial
}

// Away makes an endpoint of a control plane that cannot be reached, so that messages name it with the reason.
func Away(name string, why error) Endpoint {
	return Endpoint{Name: name, Dial: func(context.Context) (net.Conn, error) { return nil, why }}
}

// Through makes an endpoint of a host from which its own API server is reached at own, and any that is ready at any. The host ends TLS with key files that stay there.
func Through(host remote.Host, own, any hostapi.Endpoint) Endpoint {
	dial := func(to hostapi.Endpoint) Dial {
		return func(ctx context.Context) (net.Conn, error) { return host.Dial(ctx, to) }
	}
	return Endpoint{Name: host.Name(), Dial: dial(own), Any: dial(any)}
}

const (
	// connectTimeout bounds one attempt to connect, so that a control plane that swallows packets does not hide the others.
	connectTimeout = 10 * time.Second
	// parallel bounds requests in flight of one operation: each costs a channel to a control plane.
	parallel = 8
	// address is what requests name as their host. Nothing resolves it.
	address = "kubernetes.default.svc"
)

// Client talks to the API of one cluster.
type Client struct {
	endpoints []Endpoint
	current   atomic.Int64 // index of the endpoint that connected last
	transport *http.Transport
	single    map[string]*http.Client // one that stays with its endpoint, by name
	config    *rest.Config
	dynamic   dynamic.Interface
	typed     kubernetes.Interface

	identityMu sync.Mutex
	identity   *identity // who the server takes the client for, once it was asked
}

// New makes a client of the API behind endpoints. It connects to nothing.
func New(endpoints []Endpoint) (*Client, error) {
	return newClient(endpoints, func(t http.RoundTripper) http.RoundTripper { return t })
}

func newClient(endpoints []Endpoint, guard func(http.RoundTripper) http.RoundTripper) (*Client, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("no control plane to talk to: the cluster has no reachable host with the role control-plane")
	}
	c := &Client{endpoints: endpoints, single: make(map[string]*http.Client)}
	for _, e := range endpoints {
		if e.Dial == nil {
			return nil, fmt.Errorf("control plane %s has no way to be reached", e.Name)
		}
		if c.single[e.Name] != nil {
			return nil, fmt.Errorf("control plane %s is named twice", e.Name)
		}
		c.single[e.Name] = &http.Client{Transport: guard(asTrivet{newTransport(func(ctx context.Context) (net.Conn, error) { return e.Dial(ctx) })})}
	}
	c.transport = newTransport(c.dial)
	c.config = &rest.Config{
		Host:           "http://" + address,
		QPS:            -1, // the server's fairness rules, and the bound on requests in flight, are enough
		WarningHandler: rest.NoWarnings{},
	}
	client := &http.Client{Transport: guard(asTrivet{c.transport})}
	var err error
	if c.dynamic, err = dynamic.NewForConfigAndClient(c.config, client); err != nil {
		return nil, fmt.Errorf("API client: %w", err)
	}
	if c.typed, err = kubernetes.NewForConfigAndClient(c.config, client); err != nil {
		return nil, fmt.Errorf("API client: %w", err)
	}
	return c, nil
}

// agent is what audit logs call this client.
const agent = "trivet"

// asTrivet says who asks: client-go does it only in transports of its own making.
type asTrivet struct{ *http.Transport }

func (n asTrivet) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", agent)
	return n.Transport.RoundTrip(r)
}

// newTransport has no proxy: connections are made by dial alone.
func newTransport(dial Dial) *http.Transport {
	return &http.Transport{
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       60 * time.Second,
		ResponseHeaderTimeout: 75 * time.Second, // above the server's own limit of 60 s for a request
	}
}

// Typed gives the ordinary client-go interface over the same connections.
func (c *Client) Typed() kubernetes.Interface { return c.typed }

// Endpoints names the control planes, in the order in which they are tried.
func (c *Client) Endpoints() []string {
	var names []string
	for _, e := range c.endpoints {
		names = append(names, e.Name)
	}
	return names
}

// Close lets go of idle connections.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	for _, s := range c.single {
		s.CloseIdleConnections()
	}
	return nil
}

// dial connects to the control plane that answered last, else to the first of the others that does.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	start := int(c.current.Load())
	var failed []string
	for n := range c.endpoints {
		i := (start + n) % len(c.endpoints)
		conn, err := dialOne(ctx, c.endpoints[i])
		if err == nil {
			c.current.Store(int64(i))
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		failed = append(failed, err.Error())
	}
	return nil, &UnreachableError{Attempts: failed}
}

func dialOne(ctx context.Context, e Endpoint) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if e.Any != nil {
		if conn, err := e.Any(ctx); err == nil || remote.IsLost(err) {
			return conn, named(e.Name, err)
		}
	}
	conn, err := e.Dial(ctx)
	return conn, named(e.Name, err)
}

func named(host string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", host, err)
}

// UnreachableError says that no control plane could be connected to.
type UnreachableError struct {
	Attempts []string // one line a control plane
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no control plane answers: %s (look at the unit kube-apiserver on these hosts: trivet status)", strings.Join(e.Attempts, "; "))
}
