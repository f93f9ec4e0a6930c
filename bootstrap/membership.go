package bootstrap

import (
	"context"
	"fmt"
	"strconv"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/templates"
)

// Membership implements API.
func (c *liveCluster) Membership(ctx context.Context) (out *etcd.Membership, err error) {
	return out, c.withEtcd(func(client *etcd.Client) error {
		out = client.Membership(ctx)
		return nil
	})
}

// membersOf are etcd's members as a plan has them.
func membersOf(found *etcd.Membership, err error) (*plan.Members, error) {
	if err == nil {
		err = found.Err
	}
	if err != nil {
		return nil, err
	}
	return &plan.Members{List: found.Members, Trouble: found.Wrong, Corrupt: found.Corrupt, Storage: found.Storage}, nil
}

// Nodes implements API.
func (c *liveCluster) Nodes(ctx context.Context) (map[string]kube.NodeInfo, error) {
	client, err := c.kube()
	if err != nil {
		return nil, err
	}
	return client.NodeInfos(ctx)
}

func (c *liveCluster) withEtcd(do func(*etcd.Client) error) error {
	client, err := c.engine.etcd()
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}

// AddMember implements execute.Cluster.
func (c *liveCluster) AddMember(ctx context.Context, m plan.Member, _ func(string)) ([]templates.Peer, error) {
	var out []templates.Peer
	return out, c.withEtcd(func(client *etcd.Client) error {
		peers, err := client.AddLearner(ctx, m.Name, m.Peer)
		for _, p := range peers {
			for _, url := range p.PeerURLs {
				out = append(out, templates.Peer{Name: p.Name, URL: url})
			}
		}
		return err
	})
}

// PromoteMember implements execute.Cluster. Where the member does not come up, the end of its journal is told.
func (c *liveCluster) PromoteMember(ctx context.Context, m plan.Member, report func(string)) error {
	return c.withEtcd(func(client *etcd.Client) error {
		return c.explain(ctx, client.Promote(ctx, m.Name, report), "etcd.service", []string{m.Name})
	})
}

// RemoveMember implements execute.Cluster.
func (c *liveCluster) RemoveMember(ctx context.Context, m plan.Member, report func(string)) error {
	return c.withEtcd(func(client *etcd.Client) error {
		return client.Remove(ctx, strconv.FormatUint(m.ID, 16), report)
	})
}

// MoveMember implements execute.Cluster.
func (c *liveCluster) MoveMember(ctx context.Context, m plan.Member, report func(string)) error {
	return c.withEtcd(func(client *etcd.Client) error { return client.UpdatePeer(ctx, m.Name, m.Peer, report) })
}

// Drain implements execute.Cluster.
func (c *liveCluster) Drain(ctx context.Context, node string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return client.Drain(ctx, node, kube.DrainOptions{Timeout: c.engine.cluster.Upgrade.DrainTimeout, Force: c.engine.cluster.Upgrade.DrainForce}, report)
}

// Uncordon implements execute.Cluster.
func (c *liveCluster) Uncordon(ctx context.Context, node string) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return client.Uncordon(ctx, node)
}

// DeleteNode implements execute.Cluster.
func (c *liveCluster) DeleteNode(ctx context.Context, node string) error {
	client, err := c.kube()
	if err != nil {
		return fmt.Errorf("delete node %s: %w", node, err)
	}
	return client.DeleteNode(ctx, node)
}
