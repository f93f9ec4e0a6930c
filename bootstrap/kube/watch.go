package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// watchFor bounds one watch: a connection that died without a word is noticed then, at the latest.
const watchFor = 60 * time.Second

// errDone ends follow.
var errDone = errors.New("done")

// Follow lists objects of a known kind, keeps the list up to date by a watch, and calls visit with it, by name, at first and after every change, until visit is
// done or fails, or ctx ends. Keys are namespace/name where objects of all namespaces are asked for.
func (c *Client) Follow(ctx context.Context, apiVersion, kindName, namespace string, options metav1.ListOptions,
	visit func(map[string]*unstructured.Unstructured) (done bool, err error)) error {
	k, err := lookup(apiVersion, kindName)
	if err != nil {
		return err
	}
	return c.follow(ctx, k, namespace, options, visit)
}

// follow lists objects, keeps the list up to date by a watch, and calls visit at first and after every change until visit is done, fails, or ctx ends. Names
// are keys, with their namespaces where these are many. A watch that breaks is made anew from a fresh list, on another control plane if need be.
func (c *Client) follow(ctx context.Context, k *kind, namespace string, options metav1.ListOptions, visit func(map[string]*unstructured.Unstructured) (bool, error)) error {
	step := func(items map[string]*unstructured.Unstructured) error {
		done, err := visit(items)
		if err == nil && done {
			return errDone
		}
		return err
	}
	err := retry(ctx, 100*time.Millisecond, 2*time.Second, broken, func(ctx context.Context) error {
		items, version, err := c.snapshot(ctx, k, namespace, options)
		if err != nil {
			return err
		}
		if err := step(items); err != nil {
			return err
		}
		return c.track(ctx, k, namespace, options, version, items, step)
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return c.refusal(ctx, err)
}

// broken reports whether to list and watch anew.
func broken(err error) bool {
	return errors.Is(err, errBroken) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || temporary(err)
}

// errBroken is a watch that ended and is to be made anew.
var errBroken = errors.New("the watch ended")

func (c *Client) snapshot(ctx context.Context, k *kind, namespace string, options metav1.ListOptions) (map[string]*unstructured.Unstructured, string, error) {
	items := make(map[string]*unstructured.Unstructured)
	options.Limit = pageSize
	for {
		page, err := c.resource(k, namespace).List(ctx, options)
		if err != nil {
			if apierrors.IsResourceExpired(err) {
				return nil, "", errBroken
			}
			return nil, "", unwrapURL(err)
		}
		for i := range page.Items {
			items[entry(k, namespace, &page.Items[i])] = &page.Items[i]
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return items, page.GetResourceVersion(), nil
		}
	}
}

func (c *Client) track(ctx context.Context, k *kind, namespace string, options metav1.ListOptions, version string,
	items map[string]*unstructured.Unstructured, step func(map[string]*unstructured.Unstructured) error) error {
	ctx, cancel := context.WithTimeout(ctx, watchFor+5*time.Second)
	defer cancel()
	seconds := int64(watchFor / time.Second)
	options.ResourceVersion, options.TimeoutSeconds, options.AllowWatchBookmarks = version, &seconds, true
	w, err := c.resource(k, namespace).Watch(ctx, options)
	if err != nil {
		return unwrapURL(err)
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		u, ok := event.Object.(*unstructured.Unstructured)
		switch {
		case event.Type == watch.Error:
			return fmt.Errorf("%w: %w", errBroken, apierrors.FromObject(event.Object))
		case event.Type == watch.Bookmark, !ok:
			continue
		case event.Type == watch.Deleted:
			delete(items, entry(k, namespace, u))
		default:
			items[entry(k, namespace, u)] = u
		}
		if err := step(items); err != nil {
			return err
		}
	}
	return errBroken
}

// entry is an object's key in a list of the objects of a namespace; "" for all namespaces.
func entry(k *kind, namespace string, u *unstructured.Unstructured) string {
	if k.namespaced && namespace == "" {
		return u.GetNamespace() + "/" + u.GetName()
	}
	return u.GetName()
}

// Convert reads an object into its typed form.
func Convert[T any](u *unstructured.Unstructured) (*T, error) {
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &out); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", describe(u.GetKind(), u.GetNamespace(), u.GetName()), err)
	}
	return &out, nil
}

// Converter converts as Convert does and remembers the results: where one of a thousand followed objects changes, one is converted. The zero value is ready.
type Converter[T any] struct {
	known map[types.UID]conversion[T]
}

type conversion[T any] struct {
	from *unstructured.Unstructured
	to   *T
}

// Convert reads an object into its typed form, which must not be changed.
func (c *Converter[T]) Convert(u *unstructured.Unstructured) (*T, error) {
	if old, ok := c.known[u.GetUID()]; ok && old.from == u {
		return old.to, nil
	}
	to, err := Convert[T](u)
	if err != nil {
		return nil, err
	}
	if c.known == nil {
		c.known = make(map[types.UID]conversion[T])
	}
	c.known[u.GetUID()] = conversion[T]{u, to}
	return to, nil
}

// must finds the row of a kind that this package names itself.
func must(apiVersion, name string) *kind {
	k, err := lookup(apiVersion, name)
	if err != nil {
		panic(err)
	}
	return k
}
