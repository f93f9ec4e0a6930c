package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// poll calls try until it succeeds or ctx ends, waiting from first to most between calls.
func poll(ctx context.Context, first, most time.Duration, try func(context.Context) error) error {
	return retry(ctx, first, most, func(error) bool { return true }, try)
}

// retry calls try until it succeeds, fails for good, or ctx ends. The error is then the last one that try gave for a reason of its own.
func retry(ctx context.Context, first, most time.Duration, again func(error) bool, try func(context.Context) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	var last error
	for wait := first; ; wait = min(wait*3/2, most) {
		err := unwrapURL(try(ctx))
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if ctx.Err() != nil {
			return ended(ctx, last)
		}
		if !again(err) {
			return err
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ended(ctx, last)
		}
	}
}

// ended joins the end of the context with what was wrong when it came.
func ended(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil || errors.Is(last, cause) {
		return cause
	}
	return fmt.Errorf("%w (%w)", last, cause)
}

// each calls do for all items, a bounded number at once, and joins the errors of all in the order of items.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	errs := make([]error, len(items))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, item := range items {
		if ctx.Err() != nil {
			errs[i] = context.Cause(ctx)
			break
		}
		group.Go(func() error {
			errs[i] = do(ctx, item)
			return nil
		})
	}
	_ = group.Wait() // errors are in errs
	return errors.Join(errs...)
}

// temporary reports whether the same request may succeed a moment later: the server is starting, stopping or busy, or somebody else was faster.
func temporary(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled), malformed(err), fieldConflict(err):
		return false
	case apierrors.IsConflict(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err), apierrors.IsUnexpectedServerError(err):
		return true
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "code = Unavailable"):
		return true // a field that the server fills in from etcd, such as a Service's address, while etcd has no leader
	}
	return disconnected(err)
}

// fieldConflict reports whether another manager has a field that an apply names, which no repetition changes. Other conflicts are about versions, and pass.
func fieldConflict(err error) bool {
	return apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}

// malformed reports whether the server could not make sense of an apply. It calls that an internal error of its own.
func malformed(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "typed patch object")
}

// disconnected reports whether err tells of a connection, not of an answer.
func disconnected(err error) bool {
	var unreachable *UnreachableError
	var netErr net.Error
	return errors.As(err, &unreachable) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &netErr)
}

// unwrapURL drops the made-up address that net/http puts before an error.
func unwrapURL(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // what wraps one has something to say
		return u.Err
	}
	return err
}

// Again repeats a request while its failure is one that passes, until ctx ends.
func (c *Client) Again(ctx context.Context, try func(context.Context) error) error {
	return c.again(ctx, try)
}

// again repeats a request while its failure is temporary.
func (c *Client) again(ctx context.Context, try func(context.Context) error) error {
	return c.refusal(ctx, retry(ctx, 100*time.Millisecond, 2*time.Second, temporary, try))
}

// soon repeats a read for a short while: it is for questions whose asker would rather hear of an outage than wait for its end.
func (c *Client) soon(ctx context.Context, try func(context.Context) error) error {
	deadline := time.Now().Add(5 * time.Second)
	may := func(err error) bool {
		return (temporary(err) || errors.Is(err, errBroken)) && time.Now().Before(deadline)
	}
	return c.refusal(ctx, retry(ctx, 100*time.Millisecond, time.Second, may, try))
}
