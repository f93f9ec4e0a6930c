package minengine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// serve serves on an address of this machine. seen is given every request, and what came of it.
func serve(register func(*grpc.Server), seen func(any)) (string, *grpc.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		seen(req)
		reply, err := handle(ctx, req)
		seen(outcome(reply, err))
		return reply, err
	}))
	register(s)
	go func() { _ = s.Serve(l) }() // it ends with Stop
	return l.Addr().String(), s, nil
}

// dial connects. seen is given every request, and what came of it.
func dial(address string, seen func(any)) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions(),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			seen(req)
			err := invoke(ctx, method, req, reply, conn, opts...)
			seen(outcome(reply, err))
			return err
		}))
}

// outcome is what crosses a connection as the answer to a call: the reply, or the error with its details.
func outcome(reply any, err error) any {
	if err != nil {
		return status.Convert(err).Proto()
	}
	return reply
}

// SupportsFeature implements pulumirpc.ResourceMonitorServer.
func (e *Engine) SupportsFeature(_ context.Context, req *pulumirpc.SupportsFeatureRequest) (*pulumirpc.SupportsFeatureResponse, error) {
	id := req.GetId()
	return &pulumirpc.SupportsFeatureResponse{HasSupport: id == "secrets" || id == "outputValues" || id == "resourceReferences"}, nil
}

// SignalAndWaitForShutdown implements pulumirpc.ResourceMonitorServer.
func (e *Engine) SignalAndWaitForShutdown(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Log implements pulumirpc.EngineServer.
func (e *Engine) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.heard(Message{req.GetSeverity(), req.GetUrn(), req.GetMessage(), req.GetEphemeral()})
	return &emptypb.Empty{}, nil
}

func (e *Engine) heard(m Message) {
	e.said.Lock()
	e.Messages = append(e.Messages, m)
	e.said.Unlock()
	if e.Watch != nil {
		e.Watch(m)
	}
}

// GetRootResource implements pulumirpc.EngineServer.
func (e *Engine) GetRootResource(context.Context, *pulumirpc.GetRootResourceRequest) (*pulumirpc.GetRootResourceResponse, error) {
	return &pulumirpc.GetRootResourceResponse{}, nil
}

// SetRootResource implements pulumirpc.EngineServer.
func (e *Engine) SetRootResource(context.Context, *pulumirpc.SetRootResourceRequest) (*pulumirpc.SetRootResourceResponse, error) {
	return &pulumirpc.SetRootResourceResponse{}, nil
}

// RequirePulumiVersion implements pulumirpc.EngineServer.
func (e *Engine) RequirePulumiVersion(context.Context, *pulumirpc.RequirePulumiVersionRequest) (*pulumirpc.RequirePulumiVersionResponse, error) {
	return &pulumirpc.RequirePulumiVersionResponse{}, nil
}

// RegisterResourceOutputs implements pulumirpc.ResourceMonitorServer.
func (e *Engine) RegisterResourceOutputs(_ context.Context, req *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if resource.URN(req.GetUrn()).Type() == resource.RootStackType {
		e.run.outputs = req.GetOutputs()
	}
	return &emptypb.Empty{}, nil
}

// Invoke implements pulumirpc.ResourceMonitorServer.
func (e *Engine) Invoke(ctx context.Context, req *pulumirpc.ResourceInvokeRequest) (*pulumirpc.ResourceInvokeResponse, error) {
	p, err := e.locked(req.GetProvider())
	if err != nil {
		return nil, err
	}
	got, err := p.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: req.GetTok(), Args: req.GetArgs()})
	return &pulumirpc.ResourceInvokeResponse{Return: got.GetReturn(), Failures: got.GetFailures()}, err
}

// locked is providerOf for a reference, URN::ID.
func (e *Engine) locked(reference string) (*served, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.providerOf(urnOf(reference))
}

// urnOf takes the id away from a reference to a provider.
func urnOf(reference string) string {
	const id = "::" + providerID
	if len(reference) > len(id) && reference[len(reference)-len(id):] == id {
		return reference[:len(reference)-len(id)]
	}
	return reference
}

// providerID is that of every explicit provider.
const providerID = "provider"

// ReadResource implements pulumirpc.ResourceMonitorServer: a resource that there is already, and that the program does not own.
func (e *Engine) ReadResource(ctx context.Context, req *pulumirpc.ReadResourceRequest) (*pulumirpc.ReadResourceResponse, error) {
	urn := urnIn(req.GetParent(), req.GetType(), req.GetName())
	p, err := e.locked(req.GetProvider())
	if err != nil {
		return nil, err
	}
	properties, err := plain(req.GetProperties())
	if err != nil {
		return nil, err
	}
	got, err := p.Read(ctx, &pulumirpc.ReadRequest{Id: req.GetId(), Urn: string(urn), Properties: properties})
	if err == nil && got.GetId() == "" {
		err = fmt.Errorf("there is no %s %s", req.GetType(), req.GetId())
	}
	if err := e.note(Step{Op: Read, URN: urn, Err: err}); err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResourceResponse{Urn: string(urn), Properties: got.GetProperties()}, nil
}

// urnIn names a resource.
func urnIn(parent, typ, name string) resource.URN {
	var qualified tokens.Type
	if parent != "" {
		qualified = resource.URN(parent).QualifiedType()
	}
	return resource.NewURN(stack, project, qualified, tokens.Type(typ), name)
}

// RegisterResource implements pulumirpc.ResourceMonitorServer.
func (e *Engine) RegisterResource(ctx context.Context, req *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	urn := urnIn(req.GetParent(), req.GetType(), req.GetName())
	switch {
	case req.GetRemote():
		return e.construct(ctx, req)
	case !req.GetCustom():
		e.mu.Lock()
		defer e.mu.Unlock()
		e.keep(&Resource{URN: urn, Inputs: req.GetObject()})
		return &pulumirpc.RegisterResourceResponse{Urn: string(urn), Object: req.GetObject()}, nil
	}
	inputs, err := plain(req.GetObject())
	if err != nil {
		return nil, err
	}
	if urn.Type().Package() == "pulumi" {
		return e.explicit(urn, inputs)
	}
	return e.custom(ctx, urn, urnOf(providerIn(req)), req.GetImportId(), inputs)
}

// providerIn is the provider that a resource names, itself or by its package.
func providerIn(req *pulumirpc.RegisterResourceRequest) string {
	if p := req.GetProvider(); p != "" {
		return p
	}
	return req.GetProviders()[string(tokens.Type(req.GetType()).Package())]
}

// plain takes dependencies away from values, and leaves secrets and unknown values marked.
func plain(s *structpb.Struct) (*structpb.Struct, error) {
	how := plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true}
	m, err := plugin.UnmarshalProperties(s, how)
	if err != nil {
		return nil, err
	}
	return plugin.MarshalProperties(m, how)
}

// keep puts a resource into the state, in the place of what it was.
func (e *Engine) keep(r *Resource) {
	e.run.seen[r.URN] = true
	if e.run.preview {
		return
	}
	if was := e.find(r.URN); was != nil {
		*was = *r
		return
	}
	e.state = append(e.state, r)
}

// explicit starts a provider that a program declares.
func (e *Engine) explicit(urn resource.URN, inputs *structpb.Struct) (*pulumirpc.RegisterResourceResponse, error) {
	e.mu.Lock()
	if old := e.providers[string(urn)]; old != nil {
		old.close()
		delete(e.providers, string(urn))
	}
	e.mu.Unlock() // a provider says something while it is configured
	if _, err := e.start(string(urn), inputs); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run.seen[urn] = true
	r := &Resource{URN: urn, ID: providerID, Inputs: inputs, Outputs: inputs}
	if was := e.find(urn); was != nil {
		*was = *r
	} else {
		e.state = append(e.state, r)
	}
	return &pulumirpc.RegisterResourceResponse{Urn: string(urn), Id: providerID, Object: inputs}, nil
}

// construct has the provider declare what a component is made of.
func (e *Engine) construct(ctx context.Context, req *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	p, err := e.locked(providerIn(req))
	if err != nil {
		return nil, err
	}
	dependencies := map[string]*pulumirpc.ConstructRequest_PropertyDependencies{}
	for name, d := range req.GetPropertyDependencies() {
		dependencies[name] = &pulumirpc.ConstructRequest_PropertyDependencies{Urns: d.GetUrns()}
	}
	got, err := p.Construct(ctx, &pulumirpc.ConstructRequest{
		Project: project, Stack: stack, DryRun: e.run.preview, Parallel: 10, MonitorEndpoint: e.address, Type: req.GetType(), Name: req.GetName(), Parent: req.GetParent(),
		Inputs: req.GetObject(), InputDependencies: dependencies, Providers: req.GetProviders(), AcceptsOutputValues: true,
	})
	if err != nil {
		return nil, err
	}
	return &pulumirpc.RegisterResourceResponse{Urn: got.GetUrn(), Object: got.GetState()}, nil
}

// custom does what is to be done to a resource. One with imported is there already, by that id.
func (e *Engine) custom(ctx context.Context, urn resource.URN, provider, imported string, inputs *structpb.Struct) (*pulumirpc.RegisterResourceResponse, error) {
	e.mu.Lock()
	p, err := e.providerOf(provider)
	was := e.find(urn)
	e.run.seen[urn] = true
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	switch {
	case was == nil && imported != "":
		was, err = e.read(ctx, p, &Resource{URN: urn, ID: imported})
		if err == nil && was == nil {
			err = e.note(Step{Op: Import, URN: urn, Err: fmt.Errorf("there is no %s %s", urn.Type(), imported)})
		}
	default:
		imported = ""
	}
	if err != nil {
		return nil, err
	}
	if inputs, err = e.check(ctx, p, urn, was, inputs); err != nil {
		return nil, err
	}
	if was == nil {
		return e.create(ctx, p, provider, inputs, Step{Op: Create, URN: urn})
	}
	diff, err := p.Diff(ctx, &pulumirpc.DiffRequest{Id: was.ID, Urn: string(urn), Olds: was.Outputs, OldInputs: was.Inputs, News: inputs})
	same := diff.GetChanges() == pulumirpc.DiffResponse_DIFF_NONE && len(was.InitErrors) == 0
	switch {
	case err != nil:
		return nil, e.note(Step{Op: Same, URN: urn, Err: err})
	case len(diff.GetReplaces()) > 0 && imported != "":
		return nil, e.note(Step{Op: Import, URN: urn, Diff: diff.GetDetailedDiff(), Err: fmt.Errorf("previously-imported resources that still specify an ID may not be replaced: %v", diff.GetReplaces())})
	case len(diff.GetReplaces()) > 0:
		return e.replace(ctx, p, was, provider, inputs, diff)
	case same:
		r := *was
		r.Inputs, r.provider = inputs, provider
		op := Same
		if imported != "" {
			op = Import
		}
		return e.changed(Step{Op: op, URN: urn}, &r)
	}
	if imported != "" { // it is taken over, and then changed as the program says
		r := *was
		r.provider = provider
		if _, err := e.changed(Step{Op: Import, URN: urn}, &r); err != nil {
			return nil, err
		}
	}
	got, err := p.Update(ctx, &pulumirpc.UpdateRequest{Id: was.ID, Urn: string(urn), Olds: was.Outputs, OldInputs: was.Inputs, News: inputs, Preview: e.run.preview})
	r := &Resource{URN: urn, ID: was.ID, Inputs: inputs, Outputs: got.GetProperties(), Refresh: got.GetRefreshBeforeUpdate(), provider: provider}
	return e.changed(Step{Op: Update, URN: urn, Diff: diff.GetDetailedDiff(), Err: err}, r)
}

// read is a resource as it is now; nil where it is no more. That it is not changed to the end is for the answer to say: what was known of that is forgotten.
func (e *Engine) read(ctx context.Context, p *served, r *Resource) (*Resource, error) {
	got, err := p.Read(ctx, &pulumirpc.ReadRequest{Id: r.ID, Urn: string(r.URN), Inputs: r.Inputs, Properties: r.Outputs})
	now := *r
	if half := partly(err); half != nil {
		got = &pulumirpc.ReadResponse{Id: half.GetId(), Inputs: half.GetInputs(), Properties: half.GetProperties(), RefreshBeforeUpdate: half.GetRefreshBeforeUpdate()}
		e.heard(Message{pulumirpc.LogSeverity_WARNING, string(r.URN), "Refreshed resource is in an unhealthy state:\n* " + strings.Join(half.GetReasons(), "\n* "), false})
		now.InitErrors = half.GetReasons()
	} else if now.InitErrors = nil; err != nil {
		return nil, e.note(Step{Op: Read, URN: r.URN, Err: err})
	}
	if got.GetId() == "" {
		return nil, nil
	}
	now.ID, now.Outputs, now.Refresh = got.GetId(), got.GetProperties(), got.GetRefreshBeforeUpdate()
	if got.GetInputs() != nil {
		now.Inputs = got.GetInputs()
	}
	return &now, nil
}

// check has inputs checked, and gives them with what holds where the program says nothing.
func (e *Engine) check(ctx context.Context, p *served, urn resource.URN, was *Resource, inputs *structpb.Struct) (*structpb.Struct, error) {
	var olds *structpb.Struct
	if was != nil {
		olds = was.Inputs
	}
	checked, err := p.Check(ctx, &pulumirpc.CheckRequest{Urn: string(urn), Name: urn.Name(), Type: string(urn.Type()), Olds: olds, News: inputs})
	if err == nil {
		err = mistakes(checked.GetFailures())
	}
	if err != nil {
		return nil, e.note(Step{Op: Same, URN: urn, Err: err})
	}
	return checked.GetInputs(), nil
}

// mistakes are failures of a check, one a line.
func mistakes(failures []*pulumirpc.CheckFailure) error {
	var errs []error
	for _, f := range failures {
		errs = append(errs, fmt.Errorf("%s: %s", f.GetProperty(), f.GetReason()))
	}
	return errors.Join(errs...)
}

func (e *Engine) create(ctx context.Context, p *served, provider string, inputs *structpb.Struct, s Step) (*pulumirpc.RegisterResourceResponse, error) {
	got, err := p.Create(ctx, &pulumirpc.CreateRequest{Urn: string(s.URN), Properties: inputs, Preview: e.run.preview})
	s.Err = err
	return e.changed(s, &Resource{URN: s.URN, ID: got.GetId(), Inputs: inputs, Outputs: got.GetProperties(), Refresh: got.GetRefreshBeforeUpdate(), provider: provider})
}

// replace puts another resource in the place of one, which goes at the end of the run unless the provider wants it to go first.
func (e *Engine) replace(ctx context.Context, p *served, was *Resource, provider string, inputs *structpb.Struct, diff *pulumirpc.DiffResponse) (*pulumirpc.RegisterResourceResponse, error) {
	switch old := *was; {
	case e.run.preview:
	case diff.GetDeleteBeforeReplace():
		if _, err := p.Delete(ctx, &pulumirpc.DeleteRequest{Id: old.ID, Urn: string(old.URN), Properties: old.Outputs, OldInputs: old.Inputs}); err != nil {
			return nil, e.note(Step{Op: Replace, URN: old.URN, Diff: diff.GetDetailedDiff(), Err: err})
		}
	default:
		e.mu.Lock()
		e.run.replaced = append(e.run.replaced, &old)
		e.mu.Unlock()
	}
	return e.create(ctx, p, provider, inputs, Step{Op: Replace, URN: was.URN, Diff: diff.GetDetailedDiff(), DeletesFirst: diff.GetDeleteBeforeReplace()})
}

// changed keeps what came of a change, also of one that did not come to its end.
func (e *Engine) changed(s Step, r *Resource) (*pulumirpc.RegisterResourceResponse, error) {
	if s.Err != nil {
		if half := partly(s.Err); half != nil && !e.run.preview {
			r.ID, r.Outputs, r.InitErrors, r.Refresh = half.GetId(), half.GetProperties(), half.GetReasons(), half.GetRefreshBeforeUpdate()
			e.mu.Lock()
			e.keep(r)
			e.mu.Unlock()
		}
		return nil, e.note(s)
	}
	s.Outputs = r.Outputs
	_ = e.note(s) // it has no error
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keep(r)
	return &pulumirpc.RegisterResourceResponse{Urn: string(r.URN), Id: r.ID, Object: r.Outputs}, nil
}

// note notes a step, and gives its error.
func (e *Engine) note(s Step) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.Steps = append(e.Steps, s)
	return s.Err
}
