package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// DrainTimeout bounds a drain that is given no time-out of its own.
	DrainTimeout = 10 * time.Minute
	// patience is how long a pod may take to end on a node whose kubelet does not say that it did.
	patience = 30 * time.Second
	// settle is how long pods may still come that were on their way when the node was cordoned.
	settle = 10 * time.Second
	// evictFirst and evictMost bound the wait before an eviction is tried again where the server names none.
	evictFirst, evictMost = time.Second, 5 * time.Second
)

// DrainOptions says how a node is drained.
type DrainOptions struct {
	Timeout time.Duration // for all of it; DrainTimeout where it is 0
	Force   bool          // evict pods without a controller, too: nothing makes them anew
}

// Drain cordons a node, evicts its pods, and returns when they are gone. PodDisruptionBudgets are respected: evictions that they do not allow now are tried again
// until the time-out, or ctx, ends. Pods of DaemonSets, mirror pods and finished ones stay; what is in an emptyDir goes with its pod. A pod that is ending on a node
// that is not Ready is waited for as long as its grace period is, 30 s at most: nobody would say that it ended. Pods that come back in spite of the cordon, since they tolerate
// it or name the node, stay.
//
// report is called with how far it is, whenever that changes. A drain that was interrupted is resumed by another; a node that is not there has nothing to drain.
// Pods that nothing would make anew are refused with an UnmanagedError, before anything is changed, unless forced. At the time-out the error is a DrainError, which says
// of each pod what holds it, and the node stays cordoned. Pods are evicted once a kube-controller-manager leads, for which a drain waits as long as a lease lasts.
func (c *Client) Drain(ctx context.Context, node string, o DrainOptions, report func(string)) error {
	if report == nil {
		report = func(string) {}
	}
	if o.Timeout == 0 {
		o.Timeout = DrainTimeout
	}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if !o.Force {
		if err := c.unmanaged(limited, node); err != nil {
			return err
		}
	}
	if err := c.Cordon(limited, node); err != nil {
		if apierrors.IsNotFound(err) {
			report("there is no such node any more")
			return nil
		}
		return err
	}
	d := &drain{client: c, node: node, force: o.Force, report: report, pods: make(map[types.UID]*leaving), wake: make(chan struct{}, 1)}
	err := d.run(limited)
	if err == nil || limited.Err() == nil {
		return err
	}
	return d.blocked(ctx, time.Since(began), err)
}

// unmanaged refuses pods that nothing would make anew.
func (c *Client) unmanaged(ctx context.Context, node string) error {
	var items map[string]*unstructured.Unstructured
	err := c.again(ctx, func(ctx context.Context) (err error) {
		if items, _, err = c.snapshot(ctx, must("v1", "Pod"), "", onNode(node)); errors.Is(err, errBroken) {
			return apierrors.NewServerTimeout(corev1.Resource("pods"), "list", 0)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list the pods of node %s: %w", node, err)
	}
	var refused UnmanagedError
	for key, u := range items {
		pod, err := Convert[corev1.Pod](u)
		if err != nil {
			return err
		}
		if isUnmanaged(pod) {
			refused.Node, refused.Pods = node, append(refused.Pods, key)
		}
	}
	if refused.Pods == nil {
		return nil
	}
	return refused.sorted()
}

func onNode(node string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}
}

// drain is one that runs. Its pods, by the UID that tells a pod from its successor of the same name, and what is known of the node are guarded by mu; whoever changes
// them wakes the loop in run.
type drain struct {
	client *Client
	node   string
	force  bool
	report func(string)
	wake   chan struct{}
	calls  sync.WaitGroup // evictions and followers

	mu      sync.Mutex
	pods    map[types.UID]*leaving
	listed  time.Time // when the pods were listed first
	led     bool      // a leader was seen, or is not waited for any more: pods may be evicted
	unready string    // why the node is not Ready; "" when it is
	since   time.Time // when that was noticed
	running int       // evictions that have been sent and not answered
	err     error     // what makes waiting pointless
}

// leaving is a pod that has to go.
type leaving struct {
	pod     *corev1.Pod // as it was seen last
	sent    bool        // an eviction is under way
	evicted bool
	gone    bool
	next    time.Time     // when to try again
	wait    time.Duration // after the next refusal that names no time
	refused error         // the last refusal
	ending  time.Time     // when it was first seen to end
}

func (d *drain) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer d.calls.Wait()
	defer cancel()
	d.calls.Go(func() { d.fail(ctx, d.followPods(ctx)) })
	d.calls.Go(func() { d.fail(ctx, d.followNode(ctx)) })
	d.calls.Go(func() { d.awaitLeader(ctx) })
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	said := ""
	for {
		due, done, err := d.step(ctx, time.Now())
		if now := d.progress(); now != said && err == nil {
			d.report(now)
			said = now
		}
		if done || err != nil {
			return err
		}
		wait := time.Hour
		if !due.IsZero() {
			wait = max(time.Until(due), 0)
		}
		timer.Reset(wait)
		select {
		case <-d.wake:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (d *drain) changed() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// fail ends the drain for a reason other than the end of its time.
func (d *drain) fail(ctx context.Context, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil && err != nil && ctx.Err() == nil {
		d.err = err
		d.changed()
	}
}

func (d *drain) followPods(ctx context.Context) error {
	var known Converter[corev1.Pod]
	err := d.client.follow(ctx, must("v1", "Pod"), "", onNode(d.node), func(items map[string]*unstructured.Unstructured) (bool, error) {
		pods := make([]*corev1.Pod, 0, len(items))
		for _, u := range items {
			pod, err := known.Convert(u)
			if err != nil {
				return false, err
			}
			pods = append(pods, pod)
		}
		return false, d.see(pods, time.Now())
	})
	if _, ours := errors.AsType[*UnmanagedError](err); ours {
		return err
	}
	return fmt.Errorf("follow the pods of node %s: %w", d.node, err)
}

// see takes in which pods are on the node now.
func (d *drain) see(pods []*corev1.Pod, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.changed()
	if d.listed.IsZero() {
		d.listed = now
	}
	for _, l := range d.pods {
		l.gone = true
	}
	unmanaged := UnmanagedError{Node: d.node}
	for _, pod := range pods {
		l := d.pods[pod.UID]
		if l == nil {
			if stays(pod) || now.Sub(d.listed) > settle || now.After(d.listed) && toleratesCordon(pod) {
				continue
			}
			l = &leaving{wait: evictFirst, next: now}
			d.pods[pod.UID] = l
		}
		l.pod, l.gone = pod, finished(pod)
		if !d.force && isUnmanaged(pod) {
			unmanaged.Pods = append(unmanaged.Pods, pod.Namespace+"/"+pod.Name)
		}
		if pod.DeletionTimestamp != nil && l.ending.IsZero() {
			l.ending = now
		}
	}
	if len(unmanaged.Pods) > 0 {
		return unmanaged.sorted()
	}
	return nil
}

func (d *drain) followNode(ctx context.Context) error {
	err := d.client.follow(ctx, must("v1", nodeKind), "", metav1.ListOptions{FieldSelector: "metadata.name=" + d.node}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		why := "its Node object is gone"
		if u := items[d.node]; u != nil {
			node, err := Convert[corev1.Node](u)
			if err != nil {
				return false, err
			}
			why = NotReady(node)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if (why == "") != (d.unready == "") {
			d.since = time.Now()
		}
		d.unready = why
		d.changed()
		return false, nil
	})
	return fmt.Errorf("follow node %s: %w", d.node, err)
}

// step sends the evictions that are due and tells when the next will be; done when nothing is left to wait for.
func (d *drain) step(ctx context.Context, now time.Time) (due time.Time, done bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil || d.listed.IsZero() {
		return time.Time{}, false, d.err
	}
	done = true
	for _, l := range d.pods {
		at, over := d.settled(l, now)
		if over {
			continue
		}
		done = false
		if at.IsZero() && d.led && d.running < parallel {
			d.send(ctx, l)
		}
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due, done, nil
}

// settled reports whether a pod needs nothing more; else at what time to look at it again: zero when it is to be evicted, far away when only events tell.
func (d *drain) settled(l *leaving, now time.Time) (at time.Time, over bool) {
	never := now.Add(time.Hour)
	switch {
	case l.gone:
		return never, true
	case !l.ending.IsZero():
		if d.unready == "" {
			return never, false
		}
		limit := patience
		if grace := l.pod.DeletionGracePeriodSeconds; grace != nil {
			limit = min(limit, time.Duration(*grace)*time.Second)
		}
		from := l.ending
		if d.since.After(from) {
			from = d.since
		}
		at = from.Add(limit)
		return at, !now.Before(at)
	case l.sent, l.evicted:
		return never, false
	case now.Before(l.next):
		return l.next, false
	}
	return time.Time{}, false
}

// send evicts one pod; that very one, and not its successor of the same name.
func (d *drain) send(ctx context.Context, l *leaving) {
	pod := l.pod
	l.sent = true
	d.running++
	d.calls.Go(func() {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}}
		// The client's own retries would keep one of the few evictions that run at once busy with waiting.
		err := d.client.typed.CoreV1().RESTClient().Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("eviction").
			Body(eviction).MaxRetries(0).Do(ctx).Error()
		d.answered(ctx, l, unwrapURL(err), time.Now())
	})
}

// answered takes in what the server said to an eviction.
func (d *drain) answered(ctx context.Context, l *leaving, err error, now time.Time) {
	d.mu.Lock()
	l.sent = false
	d.running--
	l.refused = err
	switch {
	case err == nil, apierrors.IsNotFound(err):
		l.evicted = true
	case passes(err):
		delay := l.wait
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
			delay = time.Duration(seconds) * time.Second
		} else {
			l.wait = min(l.wait*3/2, evictMost)
		}
		l.next = now.Add(delay)
	}
	d.mu.Unlock()
	d.changed()
	if err != nil && !apierrors.IsNotFound(err) && !passes(err) {
		d.fail(ctx, d.client.hopeless(ctx, l.pod, err))
	}
}

// passes reports whether an eviction that was refused may be allowed later: the budget may, the namespace may be on its way out with all that is in it, or the pod be another by now.
func passes(err error) bool {
	return temporary(err) && !severalBudgets(err) || apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// severalBudgets reports whether an eviction was refused because the pod is under more than one budget. The server calls that an error of its own.
func severalBudgets(err error) bool {
	return strings.Contains(err.Error(), "more than one PodDisruptionBudget")
}
