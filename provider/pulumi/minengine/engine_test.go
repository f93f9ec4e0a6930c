package minengine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
)

const typ = "test:index:Thing"

// scripted is a provider that notes what it is asked, and answers as a test wants. What a thing is, is its word.
type scripted struct {
	pulumirpc.UnimplementedResourceProviderServer
	calls []string
	// refresh asks for a read before a change.
	refresh bool
	// fails is the error of the next change, after which there is what was to be. gone has a read find nothing; unwell has it find what was not changed to the end.
	fails, unwell error
	gone          bool
	// replaces has a difference replace the thing, which goes first or last.
	replaces, first bool
	// now is the word that a read finds.
	now string
}

func word(s *structpb.Struct) string { return s.GetFields()["word"].GetStringValue() }

func thing(word string) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{"word": structpb.NewStringValue(word)}}
}

func (p *scripted) note(format string, args ...any) {
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

// half is the error of a change that did not come to its end.
func (p *scripted) half(err error, word string) error {
	if err == nil {
		return nil
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, err.Error()), &pulumirpc.ErrorResourceInitFailed{Id: "id", Properties: thing(word), Reasons: []string{err.Error()}, RefreshBeforeUpdate: p.refresh})
}

func (p *scripted) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{}, nil
}

func (p *scripted) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *scripted) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true}, nil
}

func (p *scripted) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *scripted) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	p.note("diff %s %s", word(req.GetOlds()), word(req.GetNews()))
	out := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, DeleteBeforeReplace: p.first}
	if word(req.GetOlds()) != word(req.GetNews()) {
		if out.Changes = pulumirpc.DiffResponse_DIFF_SOME; p.replaces {
			out.Replaces = []string{"word"}
		}
	}
	return out, nil
}

func (p *scripted) Create(_ context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	if req.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: req.GetProperties()}, nil
	}
	p.note("create %s", word(req.GetProperties()))
	return &pulumirpc.CreateResponse{Id: "id", Properties: req.GetProperties(), RefreshBeforeUpdate: p.refresh}, p.half(p.fails, word(req.GetProperties()))
}

func (p *scripted) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	p.note("read %s", word(req.GetProperties()))
	now := word(req.GetProperties())
	if p.now != "" {
		now = p.now
	}
	if p.gone {
		return &pulumirpc.ReadResponse{}, nil
	}
	return &pulumirpc.ReadResponse{Id: req.GetId(), Inputs: req.GetInputs(), Properties: thing(now), RefreshBeforeUpdate: p.refresh}, p.half(p.unwell, now)
}

func (p *scripted) Update(_ context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	if req.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: req.GetNews()}, nil
	}
	p.note("update %s %s", word(req.GetOlds()), word(req.GetNews()))
	return &pulumirpc.UpdateResponse{Properties: req.GetNews(), RefreshBeforeUpdate: p.refresh}, p.half(p.fails, word(req.GetNews()))
}

func (p *scripted) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	p.note("delete %s", word(req.GetProperties()))
	return &emptypb.Empty{}, nil
}

// bench is an engine over a scripted provider.
type bench struct {
	*minengine.Engine
	*scripted
	t *testing.T
}

func newBench(t *testing.T, refresh bool) *bench {
	t.Helper()
	p := &scripted{refresh: refresh}
	e, err := minengine.New(t.Context(), func(*host.HostClient) pulumirpc.ResourceProviderServer { return p })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &bench{e, p, t}
}

// says declares a thing with a word.
func says(word string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		return ctx.RegisterResource(typ, "a", pulumi.Map{"word": pulumi.String(word)}, &pulumi.CustomResourceState{})
	}
}

// up runs a program, which fails or not, and wants the provider to have been asked for this.
func (b *bench) up(program pulumi.RunFunc, fails bool, calls ...string) {
	b.t.Helper()
	b.calls = nil
	if _, err := b.Up(program); (err != nil) != fails {
		b.t.Fatalf("%v", err)
	}
	b.asked(calls...)
}

func (b *bench) asked(calls ...string) {
	b.t.Helper()
	if !slices.Equal(b.calls, calls) {
		b.t.Errorf("the provider was asked %q, want %q", b.calls, calls)
	}
}

// TestRead: what asks for it is read before a run, and compared as it was found.
func TestRead(t *testing.T) {
	b := newBench(t, true)
	b.up(says("one"), false, "create one")
	b.now = "other"
	b.up(says("one"), false, "read one", "diff other one", "diff other one", "update other one")
	b.now = ""
	b.up(says("one"), false, "read one", "diff one one", "diff one one")
	b = newBench(t, false)
	b.up(says("one"), false, "create one")
	b.up(says("one"), false, "diff one one")
}

// TestHalf: a change that did not come to its end is gone on with, unless a read, which comes before where one is asked for, does not say so again.
func TestHalf(t *testing.T) {
	planted := errors.New("planted")
	for _, begin := range []func(*bench){
		func(b *bench) {
			b.fails = planted
			b.up(says("one"), true, "create one")
		},
		func(b *bench) {
			calls := []string{"diff zero one", "update zero one"}
			if b.refresh {
				calls = slices.Insert(calls, 0, "read zero", "diff zero zero")
			}
			b.up(says("zero"), false, "create zero")
			b.fails = planted
			b.up(says("one"), true, calls...)
		},
	} {
		half := func(refresh bool) *bench {
			b := newBench(t, refresh)
			begin(b)
			if b.fails = nil; len(b.State("a").InitErrors) != 1 {
				t.Errorf("the state has %+v", b.State("a"))
			}
			return b
		}
		b := half(false)
		b.up(says("one"), false, "diff one one", "update one one")
		b.up(says("one"), false, "diff one one")

		b = half(true)
		b.up(says("one"), false, "read one", "diff one one", "diff one one")

		b = half(true)
		b.unwell = planted
		b.up(says("one"), false, "read one", "diff one one", "diff one one", "update one one")
		if !slices.ContainsFunc(b.Messages, func(m minengine.Message) bool {
			return m.Severity == pulumirpc.LogSeverity_WARNING && strings.HasPrefix(m.Text, "Refreshed resource is in an unhealthy state:") && strings.Contains(m.Text, "planted")
		}) {
			t.Errorf("it says %v", b.Messages)
		}
		b.unwell = nil
		b.up(says("one"), false, "read one", "diff one one", "diff one one")
	}
}

// TestGone: what a read finds no more is created again.
func TestGone(t *testing.T) {
	b := newBench(t, true)
	b.up(says("one"), false, "create one")
	b.gone = true
	b.up(says("one"), false, "read one", "create one")
}

// TestPreview: a preview reads and compares, and keeps nothing of it.
func TestPreview(t *testing.T) {
	b := newBench(t, true)
	if err := b.Preview(says("one")); err != nil || b.State("a") != nil {
		t.Fatalf("%v, and the state has %+v", err, b.State("a"))
	}
	b.asked()
	b.up(says("one"), false, "create one")
	b.calls, b.now = nil, "other"
	if err := b.Preview(says("two")); err != nil {
		t.Fatal(err)
	}
	b.asked("read one", "diff other one", "diff other two")
	if r := b.State("a"); word(r.Outputs) != "one" {
		t.Errorf("the state has %+v", r)
	}
	b.now, b.gone = "", true
	if err := b.Preview(says("two")); err != nil || b.State("a") == nil {
		t.Errorf("%v, and the state has %+v", err, b.State("a"))
	}
}

// TestReplace: the provider says which of two goes first.
func TestReplace(t *testing.T) {
	for first, calls := range map[bool][]string{true: {"diff one two", "delete one", "create two"}, false: {"diff one two", "create two", "delete one"}} {
		b := newBench(t, false)
		b.replaces, b.first = true, first
		b.up(says("one"), false, "create one")
		b.up(says("two"), false, calls...)
	}
}

// TestDestroy reads first as well, and deletes what is left. So does a run of a program without the thing.
func TestDestroy(t *testing.T) {
	b := newBench(t, true)
	b.up(says("one"), false, "create one")
	b.calls = nil
	if err := b.Destroy(); err != nil || b.State("a") != nil {
		t.Errorf("%v, and the state has %+v", err, b.State("a"))
	}
	b.asked("read one", "diff one one", "delete one")
	b.up(says("one"), false, "create one")
	b.up(func(*pulumi.Context) error { return nil }, false, "read one", "diff one one", "delete one")
	b.up(says("one"), false, "create one")
	b.calls, b.gone = nil, true
	if err := b.Destroy(); err != nil || b.State("a") != nil {
		t.Errorf("%v, and the state has %+v", err, b.State("a"))
	}
	b.asked("read one")
}
