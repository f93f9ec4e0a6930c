package kube

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrReadOnly is what a read-only client answers to every request that is not a question.
var ErrReadOnly = errors.New("the API is opened for reading only")

// NewReadOnly is New for a client that sends GET requests and no others: what is not one does not leave this process.
func NewReadOnly(endpoints []Endpoint) (*Client, error) {
	return newClient(endpoints, func(t http.RoundTripper) http.RoundTripper { return onlyGet{t} })
}

type onlyGet struct{ http.RoundTripper }

func (o onlyGet) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, ErrReadOnly)
	}
	return o.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections passes on what http.Client asks of a transport.
func (o onlyGet) CloseIdleConnections() {
	if t, ok := o.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
