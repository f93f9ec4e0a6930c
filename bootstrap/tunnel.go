package bootstrap

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// ServeTunnel carries connections that l accepts over those that dial makes, until ctx ends.
func ServeTunnel(ctx context.Context, l net.Listener, dial func(context.Context) (net.Conn, error), trouble func(error)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the tunnel ended: %w", err)
		}
		wg.Go(func() {
			defer conn.Close()
			api, err := dial(ctx)
			if err != nil {
				if ctx.Err() == nil {
					trouble(err)
				}
				return
			}
			carry(ctx, conn, api)
		})
	}
}

// carry copies both ways until one side ends.
func carry(ctx context.Context, a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // either end may break off; both are closed then
			done <- struct{}{}
		}()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	a.Close()
	b.Close()
}
