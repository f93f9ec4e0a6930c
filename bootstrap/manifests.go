package bootstrap

import (
	"context"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// Orphans implements API.
func (c *liveCluster) Orphans(ctx context.Context, objects []desired.Object) ([]desired.Object, error) {
	client, err := c.kube()
	if err != nil {
		return nil, err
	}
	return client.Orphans(ctx, objects)
}

// CompareManifests implements API.
func (c *liveCluster) CompareManifests(ctx context.Context, manifests []desired.Object) (*plan.Manifests, error) {
	client, err := c.kube()
	if err != nil {
		return nil, err
	}
	found, err := client.CompareManifests(ctx, c.engine.cluster.Name, manifests)
	if err != nil {
		return nil, err
	}
	out := &plan.Manifests{Recorded: found.Recorded, Orphans: found.Orphans}
	for i := range found.Differences {
		d := &found.Differences[i]
		out.Objects = append(out.Objects, plan.ObjectState{Object: &d.Object, Exists: d.Action != kube.ActionCreate, Fields: d.Fields, Reason: d.Reason, Problem: d.Problem})
	}
	return out, nil
}

// DeleteObjects deletes objects of Trivet's own.
func (c *liveCluster) DeleteObjects(ctx context.Context, objects []desired.Object, report func(string)) error {
	return c.ask(func(client *kube.Client) error { return client.DeleteOwn(ctx, objects, report) })
}

// ApplyManifests applies objects of manifests.
func (c *liveCluster) ApplyManifests(ctx context.Context, objects []desired.Object, report func(string), done func(*desired.Object)) error {
	return c.ask(func(client *kube.Client) error {
		return client.ApplyManifests(ctx, c.engine.cluster.Name, objects, report, done)
	})
}

// DeleteManifests deletes objects that came from manifests.
func (c *liveCluster) DeleteManifests(ctx context.Context, objects []desired.Object, report func(string), done func(*desired.Object)) error {
	return c.ask(func(client *kube.Client) error {
		return client.DeleteManifests(ctx, c.engine.cluster.Name, objects, report, done)
	})
}

// RecordKinds adds kinds to the record.
func (c *liveCluster) RecordKinds(ctx context.Context, kinds []string) error {
	return c.ask(func(client *kube.Client) error { return client.RecordKinds(ctx, kinds) })
}

// ForgetKinds takes kinds out of the record.
func (c *liveCluster) ForgetKinds(ctx context.Context, kinds []string) error {
	return c.ask(func(client *kube.Client) error { return client.ForgetKinds(ctx, kinds) })
}

func (c *liveCluster) ask(what func(*kube.Client) error) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return what(client)
}
