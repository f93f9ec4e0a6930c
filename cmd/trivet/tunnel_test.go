package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
)

// TestServeTunnel has a connection carried both ways, one that finds no way to the API closed and told of, and the tunnel end with its context although a connection is open.
func TestServeTunnel(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	troubles, failing := make(chan error, 1), make(chan bool, 1)
	dial := func(context.Context) (net.Conn, error) {
		if <-failing {
			return nil, errors.New("no control plane answers")
		}
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(far, far) }() // an echo, until the tunnel closes it
		return near, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- bootstrap.ServeTunnel(ctx, l, dial, func(err error) { troubles <- err }) }()

	connect := func(fails bool) net.Conn {
		failing <- fails
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := connect(true)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that leads nowhere gave data")
	}
	if err := <-troubles; err.Error() != "no control plane answers" {
		t.Errorf("told of %v", err)
	}

	c = connect(false)
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("came back: %q, %v", line, err)
	}
	start := time.Now()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the tunnel ended with %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the tunnel took %s to end", took)
	}
}
