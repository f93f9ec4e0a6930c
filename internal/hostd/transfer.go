package hostd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Serve offers the store to peers of the same run.
func (h *Host) Serve(ctx context.Context, req *hostapi.Serve, ready func(port int)) error {
	conf, err := runTLS(req.Certificate, req.Key, req.Authority)
	if err != nil {
		return h.wrap(err, hostapi.ID{})
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	conf.NextProtos = []string{"http/1.1"}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listenAddress(req.Address))
	if err != nil {
		return h.wrap(fmt.Errorf("the store cannot be served: %w", err), hostapi.ID{})
	}
	srv := &http.Server{
		Handler:           http.HandlerFunc(h.serveBlob),
		TLSConfig:         conf,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          quietLog(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}

	ready(ln.Addr().(*net.TCPAddr).Port)
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ServeTLS(ln, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return h.wrap(err, hostapi.ID{})
	}
	return nil
}

// listenAddress adds port 0 to an address without one.
func listenAddress(a string) string {
	if _, _, err := net.SplitHostPort(a); err == nil {
		return a
	}
	return net.JoinHostPort(strings.Trim(a, "[]"), "0")
}

// runTLS is the configuration of both ends: keys and authority of the run, which exist in memory only.
func runTLS(cert, key, authority []byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New("the run's certificate and key do not fit together")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("the run's authority is not a PEM certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots}, nil
}

const blobURL = "/sha256/"

func (h *Host) serveBlob(w http.ResponseWriter, r *http.Request) {
	digest, ok := strings.CutPrefix(r.URL.Path, blobURL)
	if r.Method != http.MethodGet || !ok || !hexDigest.MatchString(digest) {
		http.NotFound(w, r)
		return
	}
	f, err := os.OpenFile(h.path(blobPath(digest)), os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	if !untouched(fi) && !h.digestRight(r.Context(), digest) {
		http.Error(w, "damaged", http.StatusGone)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(fi.Size()))
	_, _ = io.Copy(w, f)
}

// progressEvery is how many bytes pass between two events of progress.
const progressEvery = 4 << 20

// Fetch takes blobs from a serving peer. Event.Op counts blobs.
func (h *Host) Fetch(ctx context.Context, req *hostapi.Fetch, emit func(hostapi.Event)) error {
	if emit == nil {
		emit = func(hostapi.Event) {}
	}
	conf, err := runTLS(req.Certificate, req.Key, req.Authority)
	if err != nil {
		return h.wrap(err, hostapi.ID{})
	}
	conf.ServerName = req.ServerName
	tr := &http.Transport{
		TLSClientConfig: conf, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, DisableCompression: true,
	}
	defer tr.CloseIdleConnections()
	for i, b := range req.Blobs {
		// Whoever asks for a blob misses it: that a file of its name and size is there says nothing.
		if hexDigest.MatchString(b.SHA256) && h.digestRight(ctx, b.SHA256) {
			emit(hostapi.Event{Op: i, State: "unchanged"})
			continue
		}
		start := time.Now()
		emit(hostapi.Event{Op: i, State: "started", Message: "fetch " + b.SHA256})
		n, err := h.fetchBlob(ctx, tr, req.From, b, func(n int64) { emit(hostapi.Event{Op: i, State: "progress", Bytes: n}) })
		if err != nil {
			e := h.wrap(err, hostapi.ID{Kind: "blob", Name: b.SHA256})
			e.Op = i
			emit(hostapi.Event{Op: i, State: "failed", Message: e.Error()})
			return e
		}
		emit(hostapi.Event{Op: i, State: "done", Bytes: n, Elapsed: time.Since(start)})
	}
	return nil
}

func (h *Host) fetchBlob(ctx context.Context, tr http.RoundTripper, from string, b hostapi.Blob, progress func(int64)) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+from+blobURL+b.SHA256, nil)
	if err != nil {
		return 0, err
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("%s cannot be reached from this host: %w", from, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusGone {
		return 0, fail(hostapi.CodeDigest, "plan and apply again: it is transferred anew", "the copy of the blob in the store of %s was changed in place", from)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s does not give the blob: %s", from, resp.Status)
	}
	w, err := h.newBlob(b)
	if err != nil {
		return 0, err
	}
	if err := copyProgress(w, resp.Body, progress); err != nil {
		w.abort()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, err
	}
	return w.n, w.commit()
}

func copyProgress(w io.Writer, r io.Reader, progress func(int64)) error {
	buf := make([]byte, 256<<10)
	var n, told int64
	for {
		k, err := r.Read(buf)
		if k > 0 {
			if _, werr := w.Write(buf[:k]); werr != nil {
				return werr
			}
			if n += int64(k); n-told >= progressEvery {
				progress(n)
				told = n
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
