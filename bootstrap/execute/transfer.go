package execute

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
	"github.com/trivet-dev/trivet/internal/remote"
)

// progressEvery bounds how often the progress of one transfer is reported.
const progressEvery = 250 * time.Millisecond

// upload sends a blob from the operator's machine to a host.
func (r *run) upload(ctx context.Context, host remote.Host, a plan.Action) error {
	t, start := a.Transfer, r.Now()
	content, err := r.Open(ctx, t.Blob)
	if err != nil {
		return fmt.Errorf("host %s: %s: %w", host.Name(), t.Name, err)
	}
	defer content.Close()
	var last time.Time
	err = host.Upload(ctx, content, t.Blob, func(n int64) {
		if now := r.Now(); now.Sub(last) >= progressEvery {
			last = now
			r.emit(event.Event{Kind: event.Progress, Host: host.Name(), Item: t.Name, Bytes: n, Total: t.Blob.Size})
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	r.emit(event.Event{Kind: event.ActionDone, Host: host.Name(), Item: t.Name, State: "changed", Bytes: t.Blob.Size, Elapsed: r.Now().Sub(start)})
	return nil
}

// peer is a host that serves blobs to its site for the time of a phase.
type peer struct {
	address string
	stop    io.Closer
	err     error
}

// spread lets hosts fetch blobs from a host of their own site, over TLS with keys that exist for this run only. Where the port between them is blocked the blob is sent
// from the operator's machine instead, and that is reported.
func (r *run) spread(ctx context.Context, ph plan.Phase) error {
	run, err := newPeers(r.Now())
	if err != nil {
		return err
	}
	servers := map[string]*peer{}
	defer func() {
		for _, p := range servers {
			if p.stop != nil {
				p.stop.Close()
			}
		}
	}()
	for _, s := range ph.Steps {
		for _, a := range s.Actions {
			if from := a.Transfer.From; servers[from] == nil {
				servers[from] = r.serve(ctx, from, run)
			}
		}
	}
	return r.parallel(ctx, ph.Steps, nil, func(ctx context.Context, s plan.Step) error {
		start := r.Now()
		r.emit(event.Event{Kind: event.HostStarted, Host: s.Host, Total: int64(len(s.Actions))})
		if err := goOn(r.fetch(ctx, s, servers, run)); err != nil {
			r.emit(event.Event{Kind: event.HostFailed, Host: s.Host, Message: err.Error()})
			return err
		}
		r.emit(event.Event{Kind: event.HostDone, Host: s.Host, Elapsed: r.Now().Sub(start)})
		return nil
	})
}

func (r *run) serve(ctx context.Context, name string, run *peers) *peer {
	host := r.Hosts[name]
	address := ""
	for _, h := range r.Topology.Hosts {
		if h.Name == name {
			address = h.Address.String()
		}
	}
	if host == nil || address == "" {
		return &peer{err: fmt.Errorf("host %s is not connected", name)}
	}
	cert, key, err := run.issue(name, r.Now())
	if err != nil {
		return &peer{err: err}
	}
	port, stop, err := host.Serve(ctx, &hostapi.Serve{Address: address, Certificate: cert, Key: key, Authority: run.authority.CertificatePEM()})
	if err != nil {
		return &peer{err: err}
	}
	return &peer{address: net.JoinHostPort(address, strconv.Itoa(port)), stop: stop}
}

// fetch gets a step's blobs from the peers that the plan names.
func (r *run) fetch(ctx context.Context, s plan.Step, servers map[string]*peer, run *peers) error {
	host := r.Hosts[s.Host]
	if host == nil {
		return fmt.Errorf("host %s: not connected", s.Host)
	}
	byPeer := map[string][]plan.Action{}
	var order []string
	for _, a := range s.Actions {
		if byPeer[a.Transfer.From] == nil {
			order = append(order, a.Transfer.From)
		}
		byPeer[a.Transfer.From] = append(byPeer[a.Transfer.From], a)
	}
	for _, from := range order {
		err := r.fetchFrom(ctx, host, from, servers[from], byPeer[from], run)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.emit(event.Event{Kind: event.Warning, Host: s.Host, Message: fmt.Sprintf("cannot take artifacts from %s (%v): sending them from here instead", from, err)})
		for _, a := range byPeer[from] {
			if err := r.upload(ctx, host, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) fetchFrom(ctx context.Context, host remote.Host, from string, p *peer, actions []plan.Action, run *peers) error {
	if p.err != nil {
		return p.err
	}
	cert, key, err := run.issue(host.Name(), r.Now())
	if err != nil {
		return err
	}
	req := &hostapi.Fetch{From: p.address, ServerName: from, Certificate: cert, Key: key, Authority: run.authority.CertificatePEM()}
	for _, a := range actions {
		req.Blobs = append(req.Blobs, a.Transfer.Blob)
	}
	return host.Fetch(ctx, req, func(e hostapi.Event) {
		if e.Op < 0 || e.Op >= len(actions) || e.State != "done" {
			return
		}
		t := actions[e.Op].Transfer
		r.emit(event.Event{Kind: event.ActionDone, Host: host.Name(), Item: t.Name, State: "changed", Message: "from " + from, Bytes: t.Blob.Size, Elapsed: e.Elapsed})
	})
}

// peers is the authority of one run's transfers.
type peers struct{ authority *pki.Authority }

func newPeers(now time.Time) (*peers, error) {
	ca, err := pki.NewAuthority(rand.Reader, now, "trivet transfers of one run", nil, 24*time.Hour)
	if err != nil {
		return nil, fmt.Errorf("make keys for transfers between hosts: %w", err)
	}
	return &peers{ca}, nil
}

func (p *peers) issue(name string, now time.Time) (cert, key []byte, err error) {
	private, err := pki.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signed, err := p.authority.Sign(rand.Reader, now, pki.Leaf{CommonName: name, DNSNames: []string{name}, Client: true, Server: true, Lifetime: 24 * time.Hour}, &private.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	if key, err = pki.EncodeKey(private); err != nil {
		return nil, nil, err
	}
	return pki.EncodeCertificate(signed), key, nil
}
