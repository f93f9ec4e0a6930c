package hostd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// reachPatience bounds an attempt that the request does not bound.
	reachPatience = 3 * time.Second
	// reachAtOnce bounds the targets tried at the same time, reachCount the attempts at one.
	reachAtOnce, reachCount = 32, 20
	// resend is how long a datagram is waited for before it is sent again.
	resend = 150 * time.Millisecond
)

// reachAll tries every target.
func reachAll(ctx context.Context, req *hostapi.ProbeRequest) []hostapi.Reached {
	if len(req.Targets) == 0 {
		return nil
	}
	out := make([]hostapi.Reached, len(req.Targets))
	p := &prober{token: []byte(req.Token), patience: cmp.Or(req.Timeout, reachPatience)}
	slots := make(chan struct{}, reachAtOnce)
	var wg sync.WaitGroup
	for i, t := range req.Targets {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = p.reach(ctx, t)
		})
	}
	wg.Wait()
	return out
}

type prober struct {
	token    []byte
	patience time.Duration
}

func (p *prober) reach(ctx context.Context, t hostapi.ProbeTarget) hostapi.Reached {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	var r hostapi.Reached
	var trips []time.Duration
	var err error
	count := min(max(t.Count, 1), reachCount)
	switch {
	case !t.Address.IsValid():
		err = fmt.Errorf("%s is no address", t.Address)
	case t.Network == hostapi.ProbeTCP:
		trips, err = p.tcp(ctx, t, count)
	case t.Network == hostapi.ProbeUDP:
		trips, r.PacketSize, err = p.udp(ctx, t, count)
	default:
		err = fmt.Errorf("a probe goes over tcp or udp, not %q", t.Network)
	}
	if len(trips) == 0 {
		r.State, r.Error = reachState(err), err.Error()
		return r
	}
	slices.Sort(trips)
	r.State, r.RTT, r.Worst = hostapi.ReachOK, trips[len(trips)/2], trips[len(trips)-1]
	return r
}

// errForeign says that somebody else than this run's listener answered.
var errForeign = errors.New("something else than the probe answered there")

func reachState(err error) hostapi.ReachState {
	var timeout net.Error
	switch {
	case errors.Is(err, errForeign):
		return hostapi.ReachForeign
	case errors.Is(err, syscall.ECONNREFUSED):
		return hostapi.ReachRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return hostapi.ReachUnreachable
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return hostapi.ReachTimeout
	}
	return hostapi.ReachFailed
}

// tcp connects count times; a connection is one round trip.
func (p *prober) tcp(ctx context.Context, t hostapi.ProbeTarget, count int) (trips []time.Duration, err error) {
	for range count {
		start := time.Now()
		c, derr := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address.String())
		if derr != nil {
			return trips, derr
		}
		trip := time.Since(start)
		if t.Echo {
			derr = p.greeted(ctx, c)
		}
		c.Close()
		if derr != nil {
			return trips, derr
		}
		trips = append(trips, trip)
	}
	return trips, nil
}

func (p *prober) greeted(ctx context.Context, c net.Conn) error {
	if d, ok := ctx.Deadline(); ok {
		_ = c.SetReadDeadline(d)
	}
	got := make([]byte, len(p.token))
	_, err := io.ReadFull(c, got)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && !bytes.Equal(got, p.token) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errForeign
	}
	return err
}

// echo sends datagrams that come back.
type echo struct {
	conn  *net.UDPConn
	token []byte
	next  uint64
	// sent remembers size and time of each datagram.
	sent  map[uint64]datagram
	trips []time.Duration
	// whole is the size of the largest IP packet that came back.
	whole int
	buf   []byte
}

type datagram struct {
	packet int
	at     time.Time
}

func (p *prober) udp(ctx context.Context, t hostapi.ProbeTarget, count int) (trips []time.Duration, packet int, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", t.Address.String())
	if err != nil {
		return nil, 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	e := &echo{conn: c.(*net.UDPConn), token: p.token, sent: map[uint64]datagram{}, buf: make([]byte, 64<<10)}
	overhead := 28 // IPv4 and UDP
	if t.Address.Addr().Is6() {
		overhead = 48
	}
	if err := e.ping(ctx, count, overhead); err != nil {
		return nil, 0, err
	}
	trips = e.trips
	if t.PacketSize == 0 {
		return trips, 0, nil
	}
	raw, err := e.conn.SyscallConn()
	if err == nil {
		err = dontFragment(raw)
	}
	if err != nil {
		return trips, 0, nil // reached all the same
	}
	e.whole = 0
	e.widest(ctx, t.PacketSize, overhead)
	return trips, e.whole, nil
}

// ping wants count answers, or at least one by the end of ctx.
func (e *echo) ping(ctx context.Context, count, overhead int) error {
	var last error
	for ctx.Err() == nil {
		if err := e.send(overhead+len(e.token)+8, overhead); err != nil {
			last = err
		}
		before := len(e.trips)
		err := e.receive(ctx, resend, func() bool { return len(e.trips) > before })
		if err != nil {
			last = err
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) {
				break // somebody on the way said so
			}
		}
		if len(e.trips) >= count {
			return nil
		}
	}
	if len(e.trips) > 0 {
		return nil
	}
	return cmp.Or(last, context.DeadlineExceeded)
}

func (e *echo) send(packet, overhead int) error {
	b := make([]byte, max(packet-overhead, len(e.token)+8))
	copy(b, e.token)
	e.next++
	binary.BigEndian.PutUint64(b[len(e.token):], e.next)
	e.sent[e.next] = datagram{len(b) + overhead, time.Now()}
	_, err := e.conn.Write(b)
	return err
}

// receive takes what comes back until enough has come or the time is up; that is no error. An error is what the network answered instead.
func (e *echo) receive(ctx context.Context, wait time.Duration, enough func() bool) error {
	_ = e.conn.SetReadDeadline(time.Now().Add(wait))
	if ctx.Err() != nil {
		return nil
	}
	for !enough() {
		n, err := e.conn.Read(e.buf)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
		if n < len(e.token)+8 || !bytes.HasPrefix(e.buf[:n], e.token) {
			continue
		}
		number := binary.BigEndian.Uint64(e.buf[len(e.token):])
		if d, ok := e.sent[number]; ok {
			delete(e.sent, number)
			e.trips = append(e.trips, time.Since(d.at))
			e.whole = max(e.whole, d.packet)
		}
	}
	return nil
}

// Sizes of packets that are tried when the wanted one does not arrive: every way carries the smallest.
const (
	smallestPacket = 576
	sizesAtOnce    = 16
	sizeRounds     = 4
)

// widest finds the largest packet up to a size that comes back whole: many sizes at once, then those between the largest that did and the next.
func (e *echo) widest(ctx context.Context, wanted, overhead int) {
	wait := max(resend, 4*slices.Max(e.trips))
	for range 3 {
		e.try(ctx, wait, overhead, wanted)
		if e.whole >= wanted {
			return
		}
	}
	low, high := smallestPacket, wanted
	for range sizeRounds {
		step := max((high-low)/sizesAtOnce, 1)
		var sizes []int
		for s := low; s < high; s += step {
			sizes = append(sizes, s)
		}
		e.try(ctx, wait, overhead, sizes...)
		if e.whole < low || ctx.Err() != nil {
			return
		}
		low, high = e.whole, min(e.whole+step, high)
		if high-low <= 1 {
			return
		}
	}
}

// try sends each size twice, against loss, and waits for the answers.
func (e *echo) try(ctx context.Context, wait time.Duration, overhead int, sizes ...int) {
	for range 2 {
		for _, s := range sizes {
			_ = e.send(s, overhead) // too long for this host's own interface is an answer too
		}
	}
	largest := slices.Max(sizes)
	end := time.Now().Add(wait)
	for time.Now().Before(end) && ctx.Err() == nil {
		// A router that says "too big" makes a read fail; the answers to smaller packets come all the same.
		if err := e.receive(ctx, time.Until(end), func() bool { return e.whole >= largest }); err == nil {
			return
		}
	}
}
