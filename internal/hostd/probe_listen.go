package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// listenPorts bounds how many ports one request may ask for.
	listenPorts = 32
	// answerPatience bounds a connection to a probe's listener.
	answerPatience = 5 * time.Second
	// answersAtOnce bounds the connections to one listener.
	answersAtOnce = 128
	// Tokens tell a run's listeners from everything else that may answer on a port.
	tokenShortest, tokenLongest = 16, 64
)

func checkToken(token string) error {
	if len(token) < tokenShortest || len(token) > tokenLongest {
		return fail(hostapi.CodeFailed, "", "the token of a probe has %d to %d bytes, not %d", tokenShortest, tokenLongest, len(token))
	}
	return nil
}

// ProbeListen answers probes on ports that are free. Connections get the token, datagrams that begin with it are sent back.
func (h *Host) ProbeListen(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error {
	if err := checkToken(req.Token); err != nil {
		return err
	}
	if len(req.Ports) > listenPorts {
		return fail(hostapi.CodeFailed, "", "%d ports are too many to listen on for a probe", len(req.Ports))
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &probeListener{token: []byte(req.Token)}
	defer l.serving.Wait()
	defer cancel() // before the wait
	answer := hostapi.ProbeListening{}
	for _, p := range req.Ports {
		answer.Ports = append(answer.Ports, l.open(ctx, p))
	}
	answer.Time = h.Clock()
	listening(answer)
	<-ctx.Done()
	return nil
}

type probeListener struct {
	token   []byte
	serving sync.WaitGroup
}

func (l *probeListener) open(ctx context.Context, p hostapi.ProbePort) hostapi.ProbePortState {
	var err error
	if !p.Address.IsValid() || p.Address.Port() == 0 {
		return hostapi.ProbePortState{Error: fmt.Sprintf("%s is no address with a port", p.Address)}
	}
	switch p.Network {
	case hostapi.ProbeTCP:
		err = l.tcp(ctx, p.Address.String())
	case hostapi.ProbeUDP:
		err = l.udp(ctx, p.Address.String())
	default:
		err = fmt.Errorf("a probe listens on tcp or udp, not %q", p.Network)
	}
	switch {
	case err == nil:
		return hostapi.ProbePortState{Listening: true}
	case errors.Is(err, syscall.EADDRINUSE):
		return hostapi.ProbePortState{Taken: true}
	}
	return hostapi.ProbePortState{Error: err.Error()}
}

func (l *probeListener) tcp(ctx context.Context, address string) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	slots := make(chan struct{}, answersAtOnce)
	l.serving.Go(func() {
		for {
			slots <- struct{}{}
			c, err := ln.Accept()
			if err != nil {
				if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
					return
				}
				<-slots
				continue
			}
			l.serving.Go(func() {
				defer func() { <-slots }()
				l.answer(ctx, c)
			})
		}
	})
	return nil
}

// answer lets the other side close first, so that it is not this port that lingers while a component wants it.
func (l *probeListener) answer(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(answerPatience))
	if _, err := c.Write(l.token); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1))
	}
}

func (l *probeListener) udp(ctx context.Context, address string) error {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err == nil {
		err = dontFragment(raw)
	}
	if err != nil {
		conn.Close()
		return err
	}
	l.serving.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
					return
				}
				continue
			}
			if bytes.HasPrefix(buf[:n], l.token) {
				_, _ = conn.WriteTo(buf[:n], from) // too long for the way back is an answer too
			}
		}
	})
	return nil
}
