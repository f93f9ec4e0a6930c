package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// turn has a plan go on with the replacement of authorities and keys where that is due, which is once nothing else is left to do; it says whether there is another plan to make.
func (e *Engine) turn(s *state, p *plan.Plan) (again bool, err error) {
	if s.turned {
		return false, nil
	}
	s.turned = true
	settled := p.Empty() && p.Complete() && s.apiError == nil && s.objects != nil
	now := e.Now()
	s.turns = plan.DueTurns(e.cluster, s.documents.Inventory, settled, now)
	if len(s.turns) == 0 {
		return false, nil
	}
	s.target, err = plan.Turned(s.target, s.turns, now)
	return true, err
}

// AuthoritiesPublished waits until every namespace has the authorities.
func (c *liveCluster) AuthoritiesPublished(ctx context.Context, authorities string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return client.AuthoritiesPublished(ctx, authorities, report)
}

// stored are the folders of etcd that hold what is encrypted, by the resource of the API.
var stored = map[string]string{"secrets": "/registry/secrets/", "configmaps": "/registry/configmaps/"}

// RewriteStored asks etcd what it holds under another key, and has the API server store that again, until there is nothing left. Neither the content nor its encrypted form
// is looked at here but for the name of the key before it.
func (c *liveCluster) RewriteStored(ctx context.Context, key string, report func(string)) error {
	members, err := c.engine.etcd()
	if err != nil {
		return err
	}
	defer members.Close()
	client, err := c.kube()
	if err != nil {
		return err
	}
	prefix := []byte("k8s:enc:secretbox:v1:" + key + ":")
	const most = 5 // objects that others write meanwhile are under the new key: what is left after this many rounds stays for a reason
	for range most {
		left := 0
		for resource, folder := range stored {
			names, err := members.Without(ctx, folder, prefix)
			if err != nil {
				return err
			}
			left += len(names)
			if len(names) > 0 {
				report(fmt.Sprintf("%d %s to store again", len(names), resource))
			}
			if err := client.StoreAgain(ctx, resource, trimmed(names, folder)); err != nil {
				return err
			}
		}
		if left == 0 {
			return nil
		}
	}
	return errors.New("some are under another key still, after each was stored again several times: is the encryption configuration the same on all control planes?")
}

func trimmed(names []string, prefix string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, prefix)
	}
	return out
}
