// Package download fetches one file over http(s) into a path, resuming what an
// interrupted run left and keeping only bytes that have the promised digest.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/artifact/flock"
)

// Limits of one download. They are variables of a Client so that a test need not wait.
const (
	defaultStall    = 60 * time.Second // no byte for so long: the connection is given up
	defaultPause    = time.Second      // before the second attempt; doubled for each further one
	defaultAttempts = 4
	maxText         = 4 << 20 // checksum files and indexes are small
)

// Client downloads. Its zero value is ready.
type Client struct {
	HTTP     *http.Client  // nil: a client with time-outs for dialling and for the answer's head
	Stall    time.Duration // 0: 60 s
	Pause    time.Duration // 0: 1 s
	Attempts int           // 0: 4
}

var standard = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	TLSHandshakeTimeout:   15 * time.Second,
	ResponseHeaderTimeout: 60 * time.Second,
	ForceAttemptHTTP2:     true,
	MaxIdleConnsPerHost:   4,
}}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return standard
}

func or[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

// StatusError is an answer other than the one hoped for.
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: the server answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
}

// DigestError is a file that is not what it was promised to be.
type DigestError struct {
	URL, Want, Got string
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: the file has sha256 %s, but %s was promised: it was changed on the way or at its source", e.URL, e.Got, e.Want)
}

// Text gives a small file whole.
func (c *Client) Text(ctx context.Context, address string) ([]byte, error) {
	var text []byte
	err := c.retry(ctx, func() error {
		resp, err := c.get(ctx, address, 0)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body := c.watch(resp.Body)
		defer body.stop()
		text, err = io.ReadAll(io.LimitReader(body, maxText+1))
		if err == nil && len(text) > maxText {
			return permanent{fmt.Errorf("%s: larger than %d bytes: this is not the small file it should be", redact(address), maxText)}
		}
		return wrap(address, err)
	})
	return text, err
}

// File fetches address into path. The file appears there only whole and with the
// digest want (64 hexadecimal digits); until then the bytes wait in path+".partial",
// which a later call takes up again. size is checked too unless it is negative.
func (c *Client) File(ctx context.Context, address, path, want string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	unlock, err := flock.Lock(ctx, partial+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	// Another process may have finished while this one waited for the lock.
	if got, _, err := hashFile(path); err == nil && got == want {
		return nil
	}

	for {
		resumed, err := c.fetch(ctx, address, partial, size)
		if err != nil {
			return err
		}
		got, n, err := hashFile(partial)
		if err != nil {
			return err
		}
		if got == want && (size < 0 || n == size) {
			break
		}
		if err := os.Remove(partial); err != nil {
			return err
		}
		if !resumed {
			return &DigestError{URL: redact(address), Want: want, Got: got}
		}
		// What was left from an earlier run was of another file: once more from the start.
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	return os.Remove(partial + ".lock")
}

// fetch brings partial to its full length, over as many connections as allowed,
// and says whether it went on from bytes of an earlier run.
func (c *Client) fetch(ctx context.Context, address, partial string, size int64) (resumed bool, err error) {
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	resumed = end > 0
	if size >= 0 && end == size {
		return resumed, nil
	}
	err = c.retry(ctx, func() error { return c.append(ctx, address, f, size) })
	if err != nil {
		return resumed, err
	}
	return resumed, f.Sync()
}

// append asks for what f lacks and writes it at its end.
func (c *Client) append(ctx context.Context, address string, f *os.File, size int64) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size >= 0 && have > size {
		if have, err = 0, f.Truncate(0); err != nil {
			return err
		}
	}
	resp, err := c.get(ctx, address, have)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusRequestedRangeNotSatisfiable && have > 0 {
		// Nothing lies beyond what is here: the digest will tell whether it is the file.
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
		if resp.StatusCode == http.StatusPartialContent && have > 0 {
			return permanent{fmt.Errorf("%s: the server answered with the range %q instead of the one asked for", redact(address), resp.Header.Get("Content-Range"))}
		}
		have = 0
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	body := c.watch(resp.Body)
	defer body.stop()
	_, err = io.Copy(f, body)
	return wrap(address, err)
}

func (c *Client) get(ctx context.Context, address string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, permanent{fmt.Errorf("not a URL to download from: %w", err)}
	}
	req.Header.Set("User-Agent", "trivet")
	// A transport that unpacks by itself would break ranges and lengths.
	req.Header.Set("Accept-Encoding", "identity")
	want := http.StatusOK
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		want = http.StatusPartialContent
	}
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, wrap(address, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == want {
		return resp, nil
	}
	resp.Body.Close()
	failed := &StatusError{URL: redact(address), Status: resp.StatusCode}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return nil, failed
	}
	return nil, permanent{failed}
}

// permanent marks an error that asking again does not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func (c *Client) retry(ctx context.Context, try func() error) error {
	pause := or(c.Pause, defaultPause)
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var p permanent
		if errors.As(err, &p) {
			return p.error
		}
		if attempt == or(c.Attempts, defaultAttempts) {
			return fmt.Errorf("%w (given up after %d attempts)", err, attempt)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// watched is a body that is closed when no byte has come for a while: a read blocked
// on a dead connection ends no other way.
type watched struct {
	io.Reader
	timer   *time.Timer
	stall   time.Duration
	stalled chan struct{}
}

func (c *Client) watch(body io.ReadCloser) *watched {
	w := &watched{Reader: body, stall: or(c.Stall, defaultStall), stalled: make(chan struct{})}
	w.timer = time.AfterFunc(w.stall, func() { close(w.stalled); body.Close() })
	return w
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	select {
	case <-w.stalled:
		return n, fmt.Errorf("no data came for %s", w.stall)
	default:
	}
	w.timer.Reset(w.stall)
	return n, err
}

func (w *watched) stop() { w.timer.Stop() }

func wrap(address string, err error) error {
	if err == nil {
		return nil
	}
	var u *url.Error // its text repeats the address, with a password where there is one
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", redact(address), err)
}

// redact hides the password of an address.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the download address"
	}
	return u.Redacted()
}

func hashFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
