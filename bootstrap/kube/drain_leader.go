package kube

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// leases are read, and never applied.
var leases = row(0, true, "coordination.k8s.io", "v1", "Lease", "leases")

const (
	controllerManager = "kube-controller-manager"
	leaseDuration     = 15 * time.Second // where the lease has none
	// leaseMargin is how long after the end of a lease another controller manager may take to lead (client-go/tools/leaderelection: a retry of 2 s, and a fifth more), and to read what it works on.
	leaseMargin = 5 * time.Second
)

// awaitLeader lets evictions begin once a kube-controller-manager is seen to lead. One that was restarted leaves its lease to end, 15 s by default (it does not give it up: kubernetes
// v1.37.2, cmd/kube-controller-manager/app/controllermanager.go), and until another one has it nobody takes a pod that ends out of the endpoints of its Services: requests would still go to it
// after it is gone. Where there is no lease nobody elects a leader; where nobody takes it in time, the drain goes on all the same, since the controller managers may be what is to be mended.
func (d *drain) awaitLeader(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(leaseDuration+leaseMargin, cancel)
	defer late.Stop()
	var first *coordinationv1.LeaseSpec
	// What hinders it is no reason not to drain.
	_ = d.client.follow(ctx, &leases, metav1.NamespaceSystem, metav1.ListOptions{FieldSelector: "metadata.name=" + controllerManager}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		for _, u := range items {
			lease, err := Convert[coordinationv1.Lease](u)
			if err != nil {
				return false, err
			}
			if first == nil {
				if first = &lease.Spec; first.LeaseDurationSeconds != nil {
					late.Reset(time.Duration(*first.LeaseDurationSeconds)*time.Second + leaseMargin)
				}
			}
			return renewed(first, &lease.Spec), nil
		}
		return true, nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.led = true
	d.changed()
}

// renewed says whether a lease was renewed since it was first seen, by whoever had taken it before: with the renewal, a new leader has had its first seconds.
func renewed(first, now *coordinationv1.LeaseSpec) bool {
	return now.RenewTime != nil && !now.RenewTime.Equal(first.RenewTime) && !now.RenewTime.Equal(now.AcquireTime)
}
