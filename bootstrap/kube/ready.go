package kube

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Ready asks the named control plane's own /readyz. The error holds what the server said.
func (c *Client) Ready(ctx context.Context, name string) error {
	client := c.single[name]
	if client == nil {
		return fmt.Errorf("no control plane is called %s: there are %s", name, strings.Join(c.Endpoints(), ", "))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz?verbose", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("kube-apiserver on %s does not answer: %w", name, unwrapURL(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("kube-apiserver on %s: reading /readyz: %w", name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-apiserver on %s is not ready: /readyz says %s: %s", name, resp.Status, failedChecks(string(body)))
	}
	return nil
}

// failedChecks keeps the lines of a verbose /readyz that tell of a failure.
func failedChecks(body string) string {
	var out []string
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "[+]") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "; ")
}

// HostsReady returns when every named control plane is ready, all of them when none is named. Once ctx ends it says what was still wrong. report, which may be nil, is called at first and after each change, with "" for a control plane that is ready and otherwise why it is not.
func (c *Client) HostsReady(ctx context.Context, names []string, report func(ready map[string]string)) error {
	if len(names) == 0 {
		names = c.Endpoints()
	}
	var mu sync.Mutex
	state := make(map[string]string, len(names))
	note := func(ctx context.Context, name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		why := ""
		if err != nil {
			why = err.Error()
		}
		if old, known := state[name]; known && old == why || ctx.Err() != nil {
			return
		}
		state[name] = why
		if report != nil && len(state) == len(names) { // once each has been asked
			report(maps.Clone(state))
		}
	}
	return each(ctx, names, func(ctx context.Context, name string) error {
		if c.single[name] == nil {
			return c.Ready(ctx, name)
		}
		return poll(ctx, 100*time.Millisecond, 250*time.Millisecond, func(ctx context.Context) error {
			try, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			err := c.Ready(try, name)
			note(ctx, name, err)
			return err
		})
	})
}

// ReadyHosts asks every control plane's /readyz once, all at the same time and each within a bound. The answer has every control plane by name: nil for one that
// is ready, otherwise why it is not.
func (c *Client) ReadyHosts(ctx context.Context) map[string]error {
	out := make(map[string]error, len(c.endpoints))
	var mu sync.Mutex
	_ = each(ctx, c.Endpoints(), func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, fmt.Errorf("no answer in %s", connectTimeout))
		defer cancel()
		err := c.Ready(ctx, name)
		mu.Lock()
		defer mu.Unlock()
		out[name] = err
		return nil
	})
	for _, name := range c.Endpoints() {
		if _, asked := out[name]; !asked { // ctx ended first
			out[name] = fmt.Errorf("kube-apiserver on %s was not asked: %w", name, context.Cause(ctx))
		}
	}
	return out
}
