// Package minengine runs Pulumi programs without Pulumi's command line: a resource monitor and an engine over gRPC, with as much of Pulumi's own engine as a provider sees. A resource is
// checked, compared, created, updated, read or deleted by a provider behind a real connection. It keeps its state in memory, and what was sent, for those who look for secrets in it.
package minengine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	project = "project"
	stack   = "stack"
)

// Op is what is done to a resource.
type Op string

// Operations.
const (
	Same    Op = "same"
	Create  Op = "create"
	Update  Op = "update"
	Replace Op = "replace"
	Delete  Op = "delete"
	Read    Op = "read"
	Import  Op = "import"
)

// Step is one thing that was done, or would be.
type Step struct {
	Op   Op
	URN  resource.URN
	Diff map[string]*pulumirpc.PropertyDiff
	// DeletesFirst says of a replacement that it comes once what it replaces has gone.
	DeletesFirst bool
	// Outputs are what comes of it, as far as that is known.
	Outputs *structpb.Struct
	Err     error
}

// Resource is a resource in the state.
type Resource struct {
	URN             resource.URN
	ID              string
	Inputs, Outputs *structpb.Struct
	// InitErrors say why it was not created or changed to the end: the next run updates it, whether it differs or not.
	InitErrors []string
	// Refresh says that it is read before anything is done.
	Refresh  bool
	provider string // URN of an explicit provider
}

// Message is something that was said about a resource.
type Message struct {
	Severity  pulumirpc.LogSeverity
	URN, Text string
	Ephemeral bool
}

// Engine runs programs with one provider. Nothing else uses it at the same time.
type Engine struct {
	pulumirpc.UnimplementedResourceMonitorServer
	pulumirpc.UnimplementedEngineServer
	// Config are settings of the stack for the default provider, Settings those of the program.
	Config, Settings map[string]string
	// Watch, when set, sees every message as it comes.
	Watch func(Message)
	// Steps and Messages are those of the last run; Sent is all that ever crossed a connection or came to rest in the state, as JSON.
	Steps    []Step
	Messages []Message
	Sent     []string

	said      sync.Mutex // guards Messages and Sent
	mu        sync.Mutex // guards all else; nobody sends while they hold it but who starts a provider
	state     []*Resource
	address   string
	server    *grpc.Server
	providers map[string]*served // by the URN of the resource; "" is the default one
	make      func(*provider.HostClient) pulumirpc.ResourceProviderServer
	run       *run
	ctx       context.Context
}

// run is one run of a program.
type run struct {
	preview  bool
	seen     map[resource.URN]bool
	replaced []*Resource // by others that are there already
	outputs  *structpb.Struct
}

// served is a provider behind a connection.
type served struct {
	pulumirpc.ResourceProviderClient
	close func()
}

// New starts an engine. make makes a provider for the engine's address.
func New(ctx context.Context, makeProvider func(*provider.HostClient) pulumirpc.ResourceProviderServer) (*Engine, error) {
	e := &Engine{make: makeProvider, providers: map[string]*served{}, ctx: ctx}
	address, server, err := serve(func(s *grpc.Server) {
		pulumirpc.RegisterResourceMonitorServer(s, e)
		pulumirpc.RegisterEngineServer(s, e)
	}, e.overheard)
	e.address, e.server = address, server
	return e, err
}

// Close ends the providers and the engine.
func (e *Engine) Close() {
	for _, p := range e.providers {
		p.close()
	}
	e.server.Stop()
}

// overheard keeps what is sent to the engine.
func (e *Engine) overheard(m any) {
	message, ok := m.(proto.Message)
	if !ok {
		return
	}
	b, err := protojson.Marshal(message)
	if err != nil {
		return
	}
	e.said.Lock()
	defer e.said.Unlock()
	e.Sent = append(e.Sent, string(b))
}

// start starts a provider, and configures it.
func (e *Engine) start(urn string, args *structpb.Struct) (*served, error) {
	host, err := provider.NewHostClient(e.address)
	if err != nil {
		return nil, err
	}
	address, server, err := serve(func(s *grpc.Server) { pulumirpc.RegisterResourceProviderServer(s, e.make(host)) }, func(any) {})
	if err != nil {
		return nil, err
	}
	conn, err := dial(address, e.overheard)
	if err != nil {
		return nil, err
	}
	p := &served{pulumirpc.NewResourceProviderClient(conn), func() {
		_ = conn.Close() // it was ours
		server.Stop()
		_ = host.Close()
	}}
	if _, err := p.Handshake(e.ctx, &pulumirpc.ProviderHandshakeRequest{EngineAddress: e.address, SupportsRefreshBeforeUpdate: true}); err != nil {
		return nil, err
	}
	named := urn
	if named == "" {
		named = string(resource.NewURN(stack, project, "", "pulumi:providers:trivet", "default"))
	}
	checked, err := p.CheckConfig(e.ctx, &pulumirpc.CheckRequest{Urn: named, News: args})
	if err != nil {
		return nil, err
	}
	if err := mistakes(checked.GetFailures()); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	e.providers[urn] = p
	_, err = p.Configure(e.ctx, &pulumirpc.ConfigureRequest{Args: checked.GetInputs(), AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true})
	return p, err
}

// providerOf finds the provider of a resource, and starts the default one where there is none yet.
func (e *Engine) providerOf(urn string) (*served, error) {
	if p := e.providers[urn]; p != nil {
		return p, nil
	}
	args, err := structpb.NewStruct(nil)
	if err != nil {
		return nil, err
	}
	for k, v := range e.Config {
		args.Fields[k] = structpb.NewStringValue(v)
	}
	if urn != "" {
		r := e.find(resource.URN(urn))
		if r == nil {
			return nil, fmt.Errorf("there is no provider %s", urn)
		}
		args = r.Inputs
	}
	return e.start(urn, args)
}

// State is the resource with a name; nil where there is none.
func (e *Engine) State(name string) *Resource {
	i := slices.IndexFunc(e.state, func(r *Resource) bool { return r.URN.Name() == name && r.ID != "" })
	if i < 0 {
		return nil
	}
	return e.state[i]
}

// Planned is what comes of a resource by the last run; nil where nothing does.
func (e *Engine) Planned(name string) *structpb.Struct {
	i := slices.IndexFunc(e.Steps, func(s Step) bool { return s.URN.Name() == name && s.Outputs != nil })
	if i < 0 {
		return nil
	}
	return e.Steps[i].Outputs
}

// Properties are the outputs of a resource, in which secrets are marked.
func (r *Resource) Properties() (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(r.Outputs, plugin.MarshalOptions{KeepSecrets: true})
}

func (e *Engine) find(urn resource.URN) *Resource {
	i := slices.IndexFunc(e.state, func(r *Resource) bool { return r.URN == urn })
	if i < 0 {
		return nil
	}
	return e.state[i]
}

// Preview says what a program would do.
func (e *Engine) Preview(program pulumi.RunFunc) error { return e.runs(program, true) }

// Up does what a program says, and gives the stack's outputs.
func (e *Engine) Up(program pulumi.RunFunc) (resource.PropertyMap, error) {
	if err := e.runs(program, false); err != nil {
		return nil, err
	}
	return plugin.UnmarshalProperties(e.run.outputs, plugin.MarshalOptions{KeepSecrets: true})
}

func (e *Engine) runs(program pulumi.RunFunc, preview bool) error {
	e.run = &run{preview: preview, seen: map[resource.URN]bool{}}
	e.begin()
	if preview { // what it reads is not kept
		kept := e.state
		e.state = nil
		for _, r := range kept {
			e.state = append(e.state, new(*r))
		}
		defer func() { e.state = kept }()
	}
	if err := e.reread(); err != nil {
		return err
	}
	settings := map[string]string{}
	for k, v := range e.Settings {
		settings[project+":"+k] = v
	}
	ctx, err := pulumi.NewContext(e.ctx, pulumi.RunInfo{Project: project, Stack: stack, Config: settings, MonitorAddr: e.address, EngineAddr: e.address, DryRun: preview, Parallel: 10})
	if err != nil {
		return err
	}
	if err := errors.Join(pulumi.RunWithContext(ctx, program), e.failed()); err != nil {
		return err
	}
	// What the program has no more goes last, in the order against that in which it came.
	for _, r := range slices.Backward(e.run.replaced) {
		if err := e.remove(r, preview); err != nil {
			return err
		}
	}
	for _, r := range slices.Backward(slices.Clone(e.state)) {
		if !e.run.seen[r.URN] {
			if err := e.remove(r, preview); err != nil {
				return err
			}
		}
	}
	e.rest()
	return nil
}

// begin forgets what the run before said, and ends its providers: each run has its own.
func (e *Engine) begin() {
	for _, p := range e.providers {
		p.close()
	}
	e.Steps, e.Messages, e.providers = nil, nil, map[string]*served{}
}

// failed joins the errors of steps.
func (e *Engine) failed() error {
	var errs []error
	for _, s := range e.Steps {
		errs = append(errs, s.Err)
	}
	return errors.Join(errs...)
}

// rest keeps what the state has, since it is stored.
func (e *Engine) rest() {
	for _, r := range e.state {
		for _, s := range []*structpb.Struct{r.Inputs, r.Outputs} {
			e.overheard(s)
		}
	}
}

// Refresh reads every resource.
func (e *Engine) Refresh() error {
	e.begin()
	for _, r := range slices.Clone(e.state) {
		if r.ID == "" || r.URN.Type().Package() == "pulumi" {
			continue
		}
		if err := e.refresh(r); err != nil {
			return err
		}
	}
	e.rest()
	return nil
}

func (e *Engine) refresh(r *Resource) error {
	if err := e.again(r); err != nil {
		return err
	}
	return e.note(Step{Op: Read, URN: r.URN})
}

// reread reads what asked for it. Pulumi's engine does so before it runs a program, and before it destroys.
func (e *Engine) reread() error {
	for _, r := range slices.Clone(e.state) {
		if !r.Refresh {
			continue
		}
		if err := e.again(r); err != nil {
			return err
		}
	}
	return nil
}

// again reads a resource of the state.
func (e *Engine) again(r *Resource) error {
	p, err := e.providerOf(r.provider)
	if err != nil {
		return err
	}
	now, err := e.read(e.ctx, p, r)
	switch {
	case err != nil:
		return err
	case now == nil:
		e.forget(r)
	default:
		// Pulumi's engine asks how what was given differs from what is there now, to show it. An error of that ends the run.
		if _, err := p.Diff(e.ctx, &pulumirpc.DiffRequest{Id: now.ID, Urn: string(r.URN), Olds: now.Outputs, OldInputs: now.Inputs, News: r.Inputs}); err != nil && r.Inputs != nil {
			return e.note(Step{Op: Read, URN: r.URN, Err: err})
		}
		*r = *now
	}
	return nil
}

// Import reads a resource that no program has declared yet.
func (e *Engine) Import(typ, name, id string) error {
	e.begin()
	r := &Resource{URN: resource.NewURN(stack, project, "", tokens.Type(typ), name), ID: id}
	if err := e.refresh(r); err != nil {
		return err
	}
	if r.Outputs == nil {
		return fmt.Errorf("there is no %s %s", typ, id)
	}
	e.state = append(e.state, r)
	return nil
}

// Destroy deletes every resource.
func (e *Engine) Destroy() error {
	e.begin()
	if err := e.reread(); err != nil {
		return err
	}
	for _, r := range slices.Backward(slices.Clone(e.state)) {
		if err := e.remove(r, false); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) remove(r *Resource, preview bool) error {
	if r.ID == "" || r.URN.Type().Package() == "pulumi" {
		if !preview {
			e.forget(r)
		}
		return nil
	}
	if preview {
		e.Steps = append(e.Steps, Step{Op: Delete, URN: r.URN})
		return nil
	}
	p, err := e.providerOf(r.provider)
	if err == nil {
		_, err = p.Delete(e.ctx, &pulumirpc.DeleteRequest{Id: r.ID, Urn: string(r.URN), Properties: r.Outputs, OldInputs: r.Inputs})
	}
	e.Steps = append(e.Steps, Step{Op: Delete, URN: r.URN, Err: err})
	if err == nil {
		e.forget(r)
	}
	return err
}

func (e *Engine) forget(r *Resource) {
	e.state = slices.DeleteFunc(e.state, func(x *Resource) bool { return x == r })
}

// Cancel asks all providers to end what they do, as Ctrl-C does.
func (e *Engine) Cancel() error {
	var errs []error
	for _, p := range e.providers {
		_, err := p.Cancel(context.WithoutCancel(e.ctx), &emptypb.Empty{})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// partly finds the state that comes with the error of a change that did not come to its end.
func partly(err error) *pulumirpc.ErrorResourceInitFailed {
	e, ok := rpcerror.FromError(err)
	if !ok {
		return nil
	}
	for _, d := range e.Details() {
		if failed, ok := d.(*pulumirpc.ErrorResourceInitFailed); ok {
			return failed
		}
	}
	return nil
}
