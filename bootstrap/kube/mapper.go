package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
)

// Ranks of kinds that are not in the table: objects of kinds that somebody defined come after what may serve them, and what may refuse others comes last.
const (
	rankDefinition = 0
	rankOther      = 4
	rankWebhook    = 5
)

// otherRanks are those of kinds that the API server has of itself.
var otherRanks = map[schema.GroupKind]int{
	{Group: "apiextensions.k8s.io", Kind: definitionKind}:                           rankDefinition,
	{Kind: "PersistentVolume"}:                                                      1,
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:                           3,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}: rankWebhook,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:   rankWebhook,
}

const definitionKind = "CustomResourceDefinition"

func rankOf(gk schema.GroupKind) int {
	if rank, ok := otherRanks[gk]; ok {
		return rank
	}
	for i := range kinds {
		if kinds[i].GroupKind() == gk { // in another version
			return kinds[i].rank
		}
	}
	return rankOther
}

// mapper finds out about kinds: from the table, and from the server for others, which is asked once.
type mapper struct {
	client *Client
	rest   meta.RESTMapper
	silent map[string]bool // groups that an extension API server should serve, which does not answer
}

func (c *Client) mapper() *mapper { return &mapper{client: c} }

// notServedError says that the API server has no such kind.
type notServedError struct {
	apiVersion, kind string
	instead          []string // versions in which it has the kind
}

// Error implements error.
func (e *notServedError) Error() string {
	if len(e.instead) > 0 {
		return fmt.Sprintf("the API serves %s as %s, not as %s: change its apiVersion", e.kind, strings.Join(e.instead, " or "), e.apiVersion)
	}
	return fmt.Sprintf("the API serves no kind %s of %s: correct the two, or add the CustomResourceDefinition to the manifests", e.kind, e.apiVersion)
}

func notServed(err error) bool {
	var e *notServedError
	return errors.As(err, &e)
}

// silentError says that nobody knows the kinds of a group now.
type silentError struct{ group string }

// Error implements error.
func (e *silentError) Error() string {
	return fmt.Sprintf("the extension API server of %s does not answer, so its kinds are not known: look at kubectl get apiservices, and apply again", e.group)
}

func silent(err error) bool {
	var e *silentError
	return errors.As(err, &e)
}

// kind finds a kind that the server serves in a version.
func (m *mapper) kind(ctx context.Context, apiVersion, name string) (*kind, error) {
	if k, err := lookup(apiVersion, name); err == nil {
		return k, nil
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	if err := m.discover(ctx); err != nil {
		return nil, err
	}
	found, err := m.rest.RESTMapping(gv.WithKind(name).GroupKind(), gv.Version)
	if err == nil {
		return asKind(found), nil
	}
	if m.silent[gv.Group] {
		return nil, &silentError{gv.Group}
	}
	missing := &notServedError{apiVersion: apiVersion, kind: name}
	others, _ := m.rest.RESTMappings(gv.WithKind(name).GroupKind())
	for _, o := range others {
		missing.instead = append(missing.instead, o.GroupVersionKind.GroupVersion().String())
	}
	return nil, missing
}

// anyVersion finds a kind in the version that the server prefers.
func (m *mapper) anyVersion(ctx context.Context, gk schema.GroupKind) (*kind, error) {
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.GroupKind() == gk }); i >= 0 {
		return &kinds[i], nil
	}
	if err := m.discover(ctx); err != nil {
		return nil, err
	}
	found, err := m.rest.RESTMapping(gk)
	if err != nil && m.silent[gk.Group] {
		return nil, &silentError{gk.Group}
	}
	if err != nil {
		return nil, &notServedError{apiVersion: gk.Group, kind: gk.Kind}
	}
	return asKind(found), nil
}

func asKind(found *meta.RESTMapping) *kind {
	return &kind{GroupVersionKind: found.GroupVersionKind, resource: found.Resource.Resource, namespaced: found.Scope.Name() == meta.RESTScopeNameNamespace, rank: rankOf(found.GroupVersionKind.GroupKind())}
}

// askedGroups keeps which groups could not be looked at, which restmapper drops.
type askedGroups struct {
	discovery.DiscoveryInterfaceWithContext
	failed error
}

// ServerGroupsAndResourcesWithContext implements discovery.ServerResourcesInterfaceWithContext.
func (d *askedGroups) ServerGroupsAndResourcesWithContext(ctx context.Context) (groups []*metav1.APIGroup, resources []*metav1.APIResourceList, err error) {
	groups, resources, d.failed = d.DiscoveryInterfaceWithContext.ServerGroupsAndResourcesWithContext(ctx)
	return groups, resources, d.failed
}

// discover asks the server for its kinds.
func (m *mapper) discover(ctx context.Context) error {
	if m.rest != nil {
		return nil
	}
	asked := &askedGroups{DiscoveryInterfaceWithContext: m.client.typed.Discovery()}
	var groups []*restmapper.APIGroupResources
	err := m.client.soon(ctx, func(ctx context.Context) (err error) {
		groups, err = restmapper.GetAPIGroupResourcesWithContext(ctx, asked)
		return err
	})
	if err != nil {
		return fmt.Errorf("asking the API for its kinds: %w", err)
	}
	m.rest, m.silent = restmapper.NewDiscoveryRESTMapper(groups), map[string]bool{}
	if failed := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(asked.failed, &failed) {
		for gv := range failed.Groups {
			m.silent[gv.Group] = true
		}
	}
	return nil
}
