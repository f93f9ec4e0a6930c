package wire

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	"github.com/hashicorp/yamux"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Serve answers requests on rw with h until the other side ends the connection, which is no error, or ctx ends. It returns when every handler has
// returned, so that a step in progress finishes its operation and records it. A panic of a handler is answered, printed on standard error, and
// ends Serve with an error.
func Serve(ctx context.Context, rw io.ReadWriteCloser, h hostapi.Handler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	closer := sync.OnceValue(rw.Close)
	defer closer()
	// Closing standard input does not always end a read from it: cancellation must not depend on that.
	stop := context.AfterFunc(ctx, func() { closer() })
	defer stop()

	greeted := make(chan error, 1)
	go func() { greeted <- greet(rw) }()
	select {
	case err := <-greeted:
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("greeting the engine: %w", err)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	session, err := yamux.Server(newTransport(rw), sessionConfig())
	if err != nil {
		return err
	}
	s := &server{handler: h, fail: cancel}
	ended := context.AfterFunc(ctx, func() { _ = session.Close() })
	defer ended()
	for {
		stream, err := session.AcceptStreamWithContext(ctx)
		if err != nil {
			break
		}
		s.running.Go(func() { s.handle(ctx, stream) })
	}
	outer := context.Cause(ctx) // before our own cancel
	cancel(nil)
	s.running.Wait()
	if cause := context.Cause(ctx); errors.As(cause, new(*panicError)) {
		return cause
	}
	return outer
}

func greet(rw io.ReadWriter) error {
	if err := writePreamble(rw); err != nil {
		return err
	}
	version, _, err := readPreamble(rw)
	if err != nil {
		return err
	}
	if version != Version {
		return &VersionError{Ours: Version, Theirs: version}
	}
	return nil
}

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the helper panicked: %v", e.value) }

type server struct {
	handler hostapi.Handler
	running sync.WaitGroup
	fail    context.CancelCauseFunc
}

// handle answers one stream.
func (s *server) handle(ctx context.Context, stream *yamux.Stream) {
	defer stream.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &exchange{ctx: ctx, cancel: cancel, stream: stream, r: bufio.NewReader(stream)}
	f, err := readFrame(x.r)
	if err != nil {
		x.fail(fmt.Errorf("reading the request: %w", err))
		return
	}
	var req request
	if f.kind != kindRequest {
		x.fail(fmt.Errorf("a request was expected, frame %q came", string(rune(f.kind))))
		return
	}
	if err := json.Unmarshal(f.payload, &req); err != nil {
		x.fail(fmt.Errorf("decoding the request: %w", err))
		return
	}
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", v, debug.Stack())
			x.fail(&panicError{v})
			s.fail(&panicError{v})
		}
	}()
	if req.Method == methodDial {
		x.dial(s.handler, req.Body)
		return
	}
	// The engine sends nothing after its request: whatever comes, or the end, cancels.
	go func() {
		_, _ = x.r.ReadByte()
		cancel()
	}()
	result, err := x.dispatch(s.handler, req)
	if err != nil {
		x.fail(err)
		return
	}
	x.answer(result)
}

// exchange is one request being answered.
type exchange struct {
	ctx    context.Context
	cancel context.CancelFunc
	stream *yamux.Stream
	r      *bufio.Reader
	write  sync.Mutex
}

func (x *exchange) send(k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.write.Lock()
	defer x.write.Unlock()
	return writeFrame(x.stream, k, payload)
}

func (x *exchange) answer(result any) {
	if err := x.send(kindResult, result); err != nil {
		x.fail(fmt.Errorf("sending the answer: %w", err))
	}
}

func (x *exchange) fail(err error) {
	_ = x.send(kindError, toError(x.ctx, err))
}

// toError turns any error into one that survives the wire.
func toError(ctx context.Context, err error) *hostapi.Error {
	var e *hostapi.Error
	if errors.As(err, &e) {
		if e.Error() == err.Error() {
			return e
		}
		// Keep the words that were wrapped around it, which have the item and the remedy in them.
		return &hostapi.Error{Code: e.Code, Op: e.Op, Message: err.Error()}
	}
	code := hostapi.CodeFailed
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		code = hostapi.CodeCancelled
	}
	return &hostapi.Error{Code: code, Op: -1, Message: err.Error()}
}

func decode[T any](body json.RawMessage) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("decoding the request: %w", err)
	}
	return v, nil
}

// call decodes the request and hands it to f.
func call[T any](body json.RawMessage, f func(*T) (any, error)) (any, error) {
	v, err := decode[T](body)
	if err != nil {
		return nil, err
	}
	return f(v)
}

func (x *exchange) dispatch(h hostapi.Handler, req request) (any, error) {
	emit := func(e hostapi.Event) { _ = x.send(kindEvent, e) }
	switch req.Method {
	case methodObserve:
		return call(req.Body, func(v *hostapi.ObserveRequest) (any, error) { return h.Observe(x.ctx, *v) })
	case methodStep:
		return call(req.Body, func(v *hostapi.Step) (any, error) { return nil, h.Step(x.ctx, v, emit) })
	case methodReceive:
		return call(req.Body, func(v *hostapi.Receive) (any, error) { return nil, h.Receive(x.ctx, v) })
	case methodFetch:
		return call(req.Body, func(v *hostapi.Fetch) (any, error) { return nil, h.Fetch(x.ctx, v, emit) })
	case methodServe:
		return call(req.Body, func(v *hostapi.Serve) (any, error) {
			return nil, h.Serve(x.ctx, v, func(port int) { _ = x.send(kindEvent, ready{Port: port}) })
		})
	case methodHold:
		return call(req.Body, func(v *hostapi.Hold) (any, error) {
			return nil, h.Hold(x.ctx, v, func() { _ = x.send(kindEvent, ready{}) })
		})
	case methodRaiseEpoch:
		return call(req.Body, func(v *hostapi.RaiseEpoch) (any, error) { return nil, h.RaiseEpoch(x.ctx, v) })
	case methodLogs:
		return call(req.Body, func(v *hostapi.Logs) (any, error) { return h.Logs(x.ctx, v) })
	case methodProbe:
		return call(req.Body, func(v *hostapi.ProbeRequest) (any, error) { return h.Probe(x.ctx, v) })
	case methodListen:
		return call(req.Body, func(v *hostapi.ProbeListen) (any, error) {
			return nil, h.ProbeListen(x.ctx, v, func(l hostapi.ProbeListening) { _ = x.send(kindEvent, ready{Listening: l}) })
		})
	}
	return nil, fmt.Errorf("unknown method %q", req.Method)
}
