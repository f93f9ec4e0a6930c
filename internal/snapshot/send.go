package snapshot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// sendAll copies a snapshot to all hosts that are to have it, at once, and tells by host why one has not got it.
func sendAll(ctx context.Context, c *Config, path string, s Snapshot) map[string]string {
	if len(c.Copies) == 0 {
		return nil
	}
	out := make(map[string]string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, to := range c.Copies {
		wg.Go(func() {
			err := send(ctx, to, path, s)
			mu.Lock()
			defer mu.Unlock()
			if out[to.Host] = ""; err != nil {
				out[to.Host] = err.Error()
			}
		})
	}
	wg.Wait()
	return out
}

// send uploads a snapshot. The receiver answers after it has verified and stored it.
func send(ctx context.Context, to Copy, path string, s Snapshot) error {
	tlsConfig, err := to.Keys.client(to.Host)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it is only read
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(stalled, func() { cancel(fmt.Errorf("nothing moved for %s", stalled)) })
	defer timer.Stop()
	// After the last byte only the answer is waited for.
	body := io.MultiReader(moving{f, timer}, atEnd(func() { timer.Stop() }))
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+to.Address+"/snapshots/"+s.Name(), body)
	if err != nil {
		return err
	}
	req.ContentLength = s.Size
	transport := &http.Transport{
		TLSClientConfig: tlsConfig, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 10 * time.Minute, // it reads all of it again
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // its content is short
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("it answers %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// atEnd is an empty reader that does something when it is reached.
type atEnd func()

// Read implements io.Reader.
func (f atEnd) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// client is for connecting to a host by its name.
func (k Keys) client(name string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(k.Certificate, k.Key)
	if err != nil {
		return nil, err
	}
	roots, err := k.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: name, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}

func (k Keys) roots() (*x509.CertPool, error) {
	pem, err := os.ReadFile(k.Authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", k.Authority)
	}
	return pool, nil
}
