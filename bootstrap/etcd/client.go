// Package etcd is the engine's client of a cluster's etcd members: who they are, how they are, and the arithmetic of what may be taken from them. It reaches
// each member on its own, over connections that somebody else made and secured.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Dial connects to one member. What it gives back carries plain HTTP/2: the TLS handshake, with h2 agreed by ALPN, is done by whoever dials.
type Dial func(ctx context.Context) (net.Conn, error)

// Endpoint is one member.
type Endpoint struct {
	Name string // of the member, which is that of its host
	Dial Dial
}

// Through makes an endpoint of a host from which the member at to is reached. The host ends TLS with key files that stay there.
func Through(host remote.Host, to hostapi.Endpoint) Endpoint {
	if to.TLS != nil && len(to.TLS.Protocols) == 0 {
		tls := *to.TLS
		tls.Protocols = []string{"h2"}
		to.TLS = &tls
	}
	return Endpoint{Name: host.Name(), Dial: func(ctx context.Context) (net.Conn, error) { return host.Dial(ctx, to) }}
}

// Away makes an endpoint of a member whose host cannot be reached: it counts as not healthy, for that reason.
func Away(name string, why error) Endpoint {
	return Endpoint{Name: name, Dial: func(context.Context) (net.Conn, error) { return nil, why }}
}

// tryFor bounds one question to one member. It is above the 7 s after which a member gives up on a linearizable read at the default election timeout.
const tryFor = 8 * time.Second

// Client talks to the members of one cluster.
type Client struct {
	members []*member
}

// member is the connection to one member, made when it is first asked something.
type member struct {
	name   string
	client *clientv3.Client

	mu      sync.Mutex
	dialErr error // of the last attempt; gRPC hides it behind a deadline
}

// New makes a client of the members behind endpoints. It connects to nothing.
func New(endpoints []Endpoint) (*Client, error) { return newClient(endpoints) }

func newClient(endpoints []Endpoint, options ...grpc.DialOption) (*Client, error) {
	if len(endpoints) == 0 {
		return nil, errors.New("no etcd member to talk to: the cluster has no reachable host with the role etcd")
	}
	c := &Client{}
	for _, e := range endpoints {
		if c.member(e.Name) != nil {
			_ = c.Close()
			return nil, fmt.Errorf("etcd member %s is named twice", e.Name)
		}
		m, err := newMember(e, options)
		if err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("etcd member %s: %w", e.Name, err)
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

func newMember(e Endpoint, options []grpc.DialOption) (*member, error) {
	if e.Dial == nil {
		return nil, errors.New("there is no way to reach it")
	}
	m := &member{name: e.Name}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := e.Dial(ctx)
		m.mu.Lock()
		m.dialErr = err
		m.mu.Unlock()
		return conn, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:       []string{"http://" + e.Name},
		Logger:          zap.NewNop(),
		MaxUnaryRetries: 1,
		DialOptions: append([]grpc.DialOption{
			grpc.WithContextDialer(dial),
			grpc.WithNoProxy(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
				MinConnectTimeout: tryFor,
			}),
		}, options...),
	})
	if err != nil {
		return nil, err
	}
	m.client = client
	return m, nil
}

// Close ends the connections.
func (c *Client) Close() error {
	var errs []error
	for _, m := range c.members {
		errs = append(errs, m.client.Close())
	}
	return errors.Join(errs...)
}

func (c *Client) member(name string) *member {
	for _, m := range c.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// names lists the members the client was made for.
func (c *Client) names() []string {
	var out []string
	for _, m := range c.members {
		out = append(out, m.name)
	}
	return out
}

// ask puts a question to the member within its own bound of time.
func (m *member) ask(ctx context.Context, question func(context.Context) error) error {
	return m.askFor(ctx, tryFor, question)
}

// askFor is ask with another bound, for what takes a member longer.
func (m *member) askFor(ctx context.Context, bound time.Duration, question func(context.Context) error) error {
	tryCtx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	err := question(tryCtx)
	if err == nil {
		return nil
	}
	m.mu.Lock()
	dialErr := m.dialErr
	m.mu.Unlock()
	switch {
	case ctx.Err() != nil && dialErr == nil:
		return context.Cause(ctx)
	case dialErr != nil:
		return fmt.Errorf("it does not answer: %w", dialErr)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("it gave no answer in %s: is there a leader?", bound)
	case status.Code(err) == codes.Unavailable:
		return fmt.Errorf("it does not answer: %s", status.Convert(err).Message())
	}
	return err
}

// all asks every member at once.
func (c *Client) all(do func(i int, m *member)) {
	var wg sync.WaitGroup
	for i, m := range c.members {
		wg.Go(func() { do(i, m) })
	}
	wg.Wait()
}

// Member is an entry of the cluster's member list.
type Member struct {
	ID         uint64   `json:"id"`
	Name       string   `json:"name"` // "" until the member has started
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs,omitempty"`
	Learner    bool     `json:"learner,omitempty"`
}

// Voters counts those that vote.
func Voters(members []Member) int {
	n := 0
	for _, m := range members {
		if !m.Learner {
			n++
		}
	}
	return n
}

// Members reads the member list, sorted by name. Without a quorum it is what one member remembers of it.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	return c.listAmong(ctx, c.ask(ctx))
}

// listAmong reads the member list from one of the members that gave these statuses.
func (c *Client) listAmong(ctx context.Context, statuses []Status) ([]Member, error) {
	var tried []string
	for _, linearizable := range []bool{true, false} {
		for i, m := range c.members {
			switch {
			case statuses[i].Error != "" && linearizable:
				tried = append(tried, m.name+": "+statuses[i].Error)
				continue
			case statuses[i].Error != "", linearizable && statuses[i].Leader == 0:
				continue
			}
			members, err := m.list(ctx, linearizable)
			if err == nil {
				return members, nil
			}
			tried = append(tried, m.name+": "+err.Error())
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading the etcd member list: %w", context.Cause(ctx))
	}
	return nil, fmt.Errorf("no etcd member gives the member list: %s (look at the unit etcd on these hosts: trivet status)", strings.Join(tried, "; "))
}

// list reads the member list from this member. A linearizable one takes a quorum, and is what the cluster agrees on now.
func (m *member) list(ctx context.Context, linearizable bool) ([]Member, error) {
	var resp *pb.MemberListResponse
	err := m.ask(ctx, func(ctx context.Context) (err error) {
		resp, err = pb.NewClusterClient(m.client.ActiveConnection()).MemberList(ctx, &pb.MemberListRequest{Linearizable: linearizable})
		return err
	})
	if err != nil {
		return nil, err
	}
	return readMembers(resp), nil
}

func readMembers(resp *pb.MemberListResponse) []Member {
	var out []Member
	for _, m := range resp.Members {
		out = append(out, Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner})
	}
	slices.SortFunc(out, func(a, b Member) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(strings.Join(a.PeerURLs, ","), strings.Join(b.PeerURLs, ","))
	})
	return out
}
