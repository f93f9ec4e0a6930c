// Package pulumi is the Pulumi provider: its schema, the way from properties to the engine and back, and the component that makes clusters of what stands where. What it knows of
// clusters it has from the engine, and what it knows of the language from the topology's own tables.
package pulumi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// Provider is the provider's server.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	version string
	adapt   func(*bootstrap.Options)

	mu      sync.Mutex
	host    *provider.HostClient // nil until the engine is known
	client  *door.Client
	secrets []string // of the settings
	// run is the context of what is under way, which Cancel ends. A configuration begins another one.
	run    context.Context
	cancel context.CancelCauseFunc
}

// New makes the provider. adapt, which may be nil, has the last word on what the engine works with, so that tests can give it hosts of their own.
func New(host *provider.HostClient, version string, adapt func(*bootstrap.Options)) *Provider {
	p := &Provider{version: version, adapt: adapt, host: host}
	p.begin()
	return p
}

// begin has operations begin that the Cancel before does not end.
func (p *Provider) begin() {
	p.run, p.cancel = context.WithCancelCause(context.Background())
}

// GetPluginInfo implements pulumirpc.ResourceProviderServer.
func (p *Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: p.version}, nil
}

// Attach implements pulumirpc.ResourceProviderServer.
func (p *Provider) Attach(_ context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	host, err := provider.NewHostClient(req.GetAddress())
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host = host
	return &emptypb.Empty{}, nil
}

// Handshake implements pulumirpc.ResourceProviderServer.
func (p *Provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true}, nil
}

// GetSchema implements pulumirpc.ResourceProviderServer.
func (p *Provider) GetSchema(_ context.Context, req *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	if v := req.GetVersion(); v != 0 {
		return nil, status.Errorf(codes.InvalidArgument, "there is no schema of version %d", v)
	}
	schema, err := versionedSchema(p.version)
	return &pulumirpc.GetSchemaResponse{Schema: string(schema)}, err
}

// GetMapping implements pulumirpc.ResourceProviderServer. The provider is none of Terraform's that was wrapped.
func (p *Provider) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// Cancel implements pulumirpc.ResourceProviderServer: what is under way ends after the operation at hand. At the end of a run nothing is, and it does nothing.
func (p *Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel(context.Canceled)
	return &emptypb.Empty{}, nil
}

// CheckConfig implements pulumirpc.ResourceProviderServer.
func (p *Provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	settings, err := read(req.GetNews())
	if err != nil {
		return nil, err
	}
	_, _, failures := p.configured(settings)
	// What is secret stays so in the state, whoever wrote the program.
	return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: failed(failures)}, p.markSecrets(settings, req.GetNews())
}

// markSecrets marks the settings that are secret, in properties as they are sent.
func (p *Provider) markSecrets(settings resource.PropertyMap, sent *structpb.Struct) error {
	marked, err := write(secretly(input.Provider(words), decoded(input.Provider(words), settings)))
	if err == nil && sent != nil {
		sent.Fields = marked.GetFields()
	}
	return err
}

// secretly marks what its description says is secret.
func secretly(attributes []input.Attribute, properties resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(properties)
	for _, a := range attributes {
		key := resource.PropertyKey(camel(a.Name))
		v, ok := out[key]
		switch inner, _ := plain(v); {
		case !ok || v.IsSecret():
		case a.Secret:
			out[key] = resource.MakeSecret(v)
		case a.Kind == input.KindFields && inner.IsObject():
			out[key] = resource.NewProperty(secretly(a.Attributes, inner.ObjectValue()))
		}
	}
	return out
}

// decoded reads settings that came as texts: the configuration of a stack has nothing else, and what is no text is JSON there.
func decoded(attributes []input.Attribute, settings resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(settings)
	for _, a := range attributes {
		key := resource.PropertyKey(camel(a.Name))
		v, ok := out[key]
		text, unknown := plain(v)
		if !ok || unknown || a.Kind == input.KindText || !text.IsString() {
			continue
		}
		var value any
		if json.Unmarshal([]byte(text.StringValue()), &value) != nil {
			continue // what it should be is told when it is read
		}
		if out[key] = resource.NewPropertyValue(value); v.ContainsSecrets() {
			out[key] = resource.MakeSecret(out[key])
		}
	}
	return out
}

// configured makes a client of settings, and names those that are secret.
func (p *Provider) configured(settings resource.PropertyMap) (*door.Client, []string, []failure) {
	c := &door.Client{Adapt: p.adapt, Words: words, Log: p}
	o, failures := objectOf(input.Provider(words), decoded(input.Provider(words), settings))
	if len(failures) > 0 {
		return nil, nil, failures
	}
	for _, problem := range c.Configure(o) {
		failures = append(failures, failure{pathOf(problem.Path), reword(problem.Detail)})
	}
	return c, append(strings.Split(c.PrivateKey, "\n"), c.SudoPassword, c.AgeIdentity), failures
}

// DiffConfig implements pulumirpc.ResourceProviderServer. No setting has a cluster replaced: how hosts are reached says nothing of what they are.
func (p *Provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := read(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	if req.GetOldInputs() == nil {
		if olds, err = read(req.GetOlds()); err != nil {
			return nil, err
		}
	}
	news, err := read(req.GetNews())
	if err != nil {
		return nil, err
	}
	d := differences{}
	d.fields(input.Provider(words), decoded(input.Provider(words), olds), decoded(input.Provider(words), news), nil)
	return d.response(nil), nil
}

// Configure implements pulumirpc.ResourceProviderServer.
func (p *Provider) Configure(_ context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	settings, err := read(req.GetArgs())
	if err != nil {
		return nil, err
	}
	c, secrets, failures := p.configured(settings)
	if len(failures) > 0 {
		return nil, status.Errorf(codes.InvalidArgument, "%s: %s", failures[0].property, failures[0].reason)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client, p.secrets = c, secrets
	p.begin()
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true, AcceptResources: true, AcceptOutputs: true}, nil
}

// how properties travel: unknown values and secrets are kept.
var how = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true}

func read(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, how)
}

func write(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, how)
}

// failed are mistakes as the engine wants them.
func failed(failures []failure) []*pulumirpc.CheckFailure {
	var out []*pulumirpc.CheckFailure
	for _, f := range failures {
		out = append(out, &pulumirpc.CheckFailure{Property: f.property, Reason: f.reason})
	}
	return out
}

// operation is one call of the engine's about one resource.
type operation struct {
	context.Context
	p      *Provider
	client *door.Client
	urn    resource.URN
	hide   *strings.Replacer // secrets, in what is said
	saying progress
	// inLanguage: a topology in its own language describes what it is about, with that one's names.
	inLanguage bool
}

// operate begins an operation; end ends it. seconds bounds it, unless it is zero. Secrets among its properties are not said.
func (p *Provider) operate(ctx context.Context, urn string, seconds float64, properties ...resource.PropertyMap) (op *operation, end func()) {
	p.mu.Lock()
	run, client := p.run, p.client
	hidden := slices.Clone(p.secrets) // operations run side by side
	p.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(run, func() { cancel(context.Cause(run)) })
	giveUp := func() {}
	if seconds > 0 {
		ctx, giveUp = context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	}
	for _, m := range properties {
		hidden = append(hidden, hiddenIn(m)...)
	}
	op = &operation{p: p, client: client, urn: resource.URN(urn), hide: hiding(hidden)}
	op.Context = context.WithValue(ctx, operationKey{}, op)
	return op, func() {
		stop()
		giveUp()
		cancel(nil)
	}
}

type operationKey struct{}

// derived are properties that follow from others. Where one of the others is a secret they are marked as a whole, and in messages the names and words in them are none: they would hide
// which host it is about.
var derived = []string{"nodes", "objects", "access", "cluster", "clusterId", "kubeconfig", "leftOut", "drift"}

// hiddenIn lists the texts of the secrets of a resource that messages must not have. Of what follows from others these are where machines are.
func hiddenIn(properties resource.PropertyMap) []string {
	var out []string
	for key, v := range properties {
		if slices.Contains(derived, string(key)) {
			out = append(out, addressesIn(v, v.ContainsSecrets())...)
			continue
		}
		out = append(out, secretsIn(v, false)...)
	}
	return out
}

// addressesIn lists the addresses in a value.
func addressesIn(v resource.PropertyValue, secret bool) []string {
	var out []string
	v, unknown := plain(v)
	switch {
	case unknown || !secret:
	case v.IsArray():
		for _, e := range v.ArrayValue() {
			out = append(out, addressesIn(e, secret)...)
		}
	case v.IsObject():
		for key, e := range v.ObjectValue() {
			if inner, _ := plain(e); key == "address" && inner.IsString() {
				out = append(out, inner.StringValue())
			}
			out = append(out, addressesIn(e, secret)...)
		}
	}
	return out
}

// secretsIn lists the texts of secrets in a value.
func secretsIn(v resource.PropertyValue, secret bool) []string {
	var out []string
	switch {
	case v.IsSecret():
		return secretsIn(v.SecretValue().Element, true)
	case v.IsOutput():
		return secretsIn(v.OutputValue().Element, secret || v.OutputValue().Secret)
	case v.IsArray():
		for _, e := range v.ArrayValue() {
			out = append(out, secretsIn(e, secret)...)
		}
	case v.IsObject():
		for _, e := range v.ObjectValue() {
			out = append(out, secretsIn(e, secret)...)
		}
	case v.IsString() && secret:
		return strings.Split(v.StringValue(), "\n")
	}
	return out
}

// hiding replaces texts in what is said. What is shorter than four letters would hide the message rather than the secret.
func hiding(texts []string) *strings.Replacer {
	var pairs []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); len(t) > 3 {
			pairs = append(pairs, t, "[secret]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// warn tells a warning that stays.
func (op *operation) warn(format string, args ...any) {
	op.say(diag.Warning, fmt.Sprintf(format, args...))
}

// say tells something that stays.
func (op *operation) say(severity diag.Severity, text string) {
	if host := op.p.engine(); host != nil {
		_ = host.Log(context.WithoutCancel(op), severity, op.urn, op.hide.Replace(text)) // who does not listen is not told
	}
}

func (p *Provider) engine() *provider.HostClient {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host
}

// fail is an error as the engine shows it.
func (op *operation) fail(summary string, err error) error {
	text := err.Error()
	if !op.inLanguage {
		text = reword(text)
	}
	return status.Error(codes.Unknown, op.hide.Replace(summary+": "+text))
}

// handler handles what the engine asks about one kind of resource.
type handler interface {
	check(op *operation, name string, olds, news resource.PropertyMap) (resource.PropertyMap, []failure)
	diff(op *operation, was, old, news resource.PropertyMap) (*pulumirpc.DiffResponse, error)
	create(op *operation, news resource.PropertyMap, preview bool) (id string, state resource.PropertyMap, err error)
	read(op *operation, id string, inputs, state resource.PropertyMap) (newID string, in, out resource.PropertyMap, err error)
	update(op *operation, id string, was, old, news resource.PropertyMap, preview bool) (resource.PropertyMap, error)
	remove(op *operation, was resource.PropertyMap) error
}

// handlerOf finds who handles a resource.
func handlerOf(urn string) (handler, error) {
	switch token := string(resource.URN(urn).Type()); token {
	case clusterToken:
		return cluster{}, nil
	case workerToken:
		return worker{}, nil
	default:
		return nil, status.Errorf(codes.InvalidArgument, "the provider has no resource %s", token)
	}
}

// request is a call of the engine's about one resource.
type request interface{ GetUrn() string }

// serve finds who handles what a call is about, reads the properties that came with it, and begins an operation; end ends it.
func (p *Provider) serve(ctx context.Context, req request, seconds float64, properties ...*structpb.Struct) (h handler, op *operation, sets []resource.PropertyMap, end func(), err error) {
	if h, err = handlerOf(req.GetUrn()); err != nil {
		return nil, nil, nil, nil, err
	}
	for _, s := range properties {
		set, err := read(s)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		sets = append(sets, set)
	}
	op, end = p.operate(ctx, req.GetUrn(), seconds, sets...)
	return h, op, sets, end, nil
}

// Check implements pulumirpc.ResourceProviderServer.
func (p *Provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	h, op, sets, end, err := p.serve(ctx, req, 0, req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	defer end()
	checked, failures := h.check(op, resource.URN(req.GetUrn()).Name(), sets[1], sets[0])
	for i := range failures {
		failures[i].reason = op.hide.Replace(failures[i].reason)
	}
	inputs, err := write(checked)
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failed(failures)}, err
}

// Diff implements pulumirpc.ResourceProviderServer.
func (p *Provider) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	h, op, sets, end, err := p.serve(ctx, req, 0, req.GetOlds(), req.GetOldInputs(), req.GetNews())
	if err != nil {
		return nil, err
	}
	defer end()
	return h.diff(op, sets[0], sets[1], sets[2])
}

// Create implements pulumirpc.ResourceProviderServer.
func (p *Provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	h, op, sets, end, err := p.serve(ctx, req, req.GetTimeout(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	defer end()
	id, state, err := h.create(op, sets[0], req.GetPreview())
	if err != nil {
		return nil, leftUnfinished(id, state, err)
	}
	properties, err := write(state)
	return &pulumirpc.CreateResponse{Id: id, Properties: properties, RefreshBeforeUpdate: true}, err
}

// Read implements pulumirpc.ResourceProviderServer.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	h, op, sets, end, err := p.serve(ctx, req, req.GetTimeout(), req.GetInputs(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	defer end()
	id, in, out, err := h.read(op, req.GetId(), sets[0], sets[1])
	if err != nil || id == "" {
		return &pulumirpc.ReadResponse{}, err
	}
	if isUnfinished(out) {
		return nil, stillUnfinished(id, in, out)
	}
	inputs, err := write(in)
	if err != nil {
		return nil, err
	}
	properties, err := write(out)
	return &pulumirpc.ReadResponse{Id: id, Inputs: inputs, Properties: properties, RefreshBeforeUpdate: true}, err
}

// Update implements pulumirpc.ResourceProviderServer.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	h, op, sets, end, err := p.serve(ctx, req, req.GetTimeout(), req.GetOlds(), req.GetOldInputs(), req.GetNews())
	if err != nil {
		return nil, err
	}
	defer end()
	state, err := h.update(op, req.GetId(), sets[0], sets[1], sets[2], req.GetPreview())
	if err != nil {
		return nil, leftUnfinished(req.GetId(), state, err)
	}
	properties, err := write(state)
	return &pulumirpc.UpdateResponse{Properties: properties, RefreshBeforeUpdate: true}, err
}

// Delete implements pulumirpc.ResourceProviderServer.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	h, op, sets, end, err := p.serve(ctx, req, req.GetTimeout(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	defer end()
	return &emptypb.Empty{}, h.remove(op, sets[0])
}
