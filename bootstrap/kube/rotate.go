package kube

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

// rootConfigMap is what the controller manager keeps in every namespace for pods to know the API server by (pkg/controller/certificates/rootcacertpublisher).
const rootConfigMap = "kube-root-ca.crt"

// AuthoritiesPublished waits until every namespace that is not about to go has all of these authorities, in PEM, for its pods. report gets what is missing.
func (c *Client) AuthoritiesPublished(ctx context.Context, authorities string, report func(string)) error {
	last := ""
	return poll(ctx, 200*time.Millisecond, 2*time.Second, func(ctx context.Context) error {
		missing, err := c.unpublished(ctx, authorities)
		if err != nil || len(missing) == 0 {
			return err
		}
		err = fmt.Errorf("%d namespaces do not have the authorities in their ConfigMap %s yet, such as %s: the controller manager writes it", len(missing), rootConfigMap, missing[0])
		if err.Error() != last {
			last = err.Error()
			report(last)
		}
		return err
	})
}

// unpublished lists the namespaces that do not have all of the authorities.
func (c *Client) unpublished(ctx context.Context, authorities string) ([]string, error) {
	spaces, err := c.typed.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", c.refusal(ctx, err))
	}
	maps, err := c.typed.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", rootConfigMap).String()})
	if err != nil {
		return nil, fmt.Errorf("list the ConfigMaps %s: %w", rootConfigMap, c.refusal(ctx, err))
	}
	have := map[string]string{}
	for _, m := range maps.Items {
		have[m.Namespace] = m.Data["ca.crt"]
	}
	var missing []string
	for _, n := range spaces.Items {
		if n.Status.Phase != corev1.NamespaceTerminating && !containsAll(have[n.Name], authorities) {
			missing = append(missing, n.Name)
		}
	}
	return missing, nil
}

// containsAll says whether every PEM block of wanted is in text.
func containsAll(text, wanted string) bool {
	const end = "-----END CERTIFICATE-----"
	for block := range strings.SplitAfterSeq(strings.TrimSpace(wanted), end) {
		if !strings.Contains(text, strings.TrimSpace(block)) {
			return false
		}
	}
	return true
}

// StoreAgain has the API server write objects ("namespace/name") again as they are: a patch without content changes nothing of an object, and is written all the same where what etcd
// holds is not under the first key (apiserver/pkg/storage/etcd3, stale data, 0.37.2). Answers carry metadata alone: no secret comes here. An object that is gone is done.
func (c *Client) StoreAgain(ctx context.Context, resource string, names []string) error {
	client, err := metadata.NewForConfigAndClient(c.config, &http.Client{Transport: c.transport})
	if err != nil {
		return fmt.Errorf("API client: %w", err)
	}
	objects := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource})
	return each(ctx, names, func(ctx context.Context, full string) error {
		namespace, name, _ := strings.Cut(full, "/")
		err := c.again(ctx, func(ctx context.Context) error {
			_, err := objects.Namespace(namespace).Patch(ctx, name, types.MergePatchType, []byte("{}"), metav1.PatchOptions{FieldManager: Manager})
			return err
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("store %s %s again: %w", resource, full, c.refusal(ctx, err))
		}
		return nil
	})
}
