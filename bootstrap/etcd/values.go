package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// page is how many keys are read at once. Values come with them, of which etcd takes up to 1.5 MiB each.
const page = 100

// Without lists the keys below a folder whose values do not begin with a prefix, in order, as a quorum has them.
func (c *Client) Without(ctx context.Context, folder string, prefix []byte) ([]string, error) {
	var errs []error
	for _, m := range c.members {
		keys, err := m.without(ctx, folder, prefix)
		if err == nil {
			return keys, nil
		}
		errs = append(errs, fmt.Errorf("etcd member %s: %w", m.name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("read the keys below %s: %w", folder, errors.Join(errs...))
}

func (m *member) without(ctx context.Context, folder string, prefix []byte) ([]string, error) {
	var out []string
	from, end := folder, clientv3.GetPrefixRangeEnd(folder)
	for {
		var resp *clientv3.GetResponse
		err := m.ask(ctx, func(ctx context.Context) (err error) {
			resp, err = m.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page))
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, kv := range resp.Kvs {
			if !bytes.HasPrefix(kv.Value, prefix) {
				out = append(out, string(kv.Key))
			}
		}
		if !resp.More || len(resp.Kvs) == 0 {
			return out, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}
