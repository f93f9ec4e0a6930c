package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// The record of kinds is a ConfigMap whose keys are the kinds of which there may be objects that came from manifests. A kind is in it before there is any, so that a run that was
// killed leaves none behind that nobody looks for.

// recordedKinds reads the record.
func (c *Client) recordedKinds(ctx context.Context) ([]string, error) {
	var record *corev1.ConfigMap
	err := c.soon(ctx, func(ctx context.Context) (err error) {
		record, err = c.typed.CoreV1().ConfigMaps(desired.RecordNamespace).Get(ctx, desired.RecordName, metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the record of kinds: %w", err)
	}
	return slices.Sorted(maps.Keys(record.Data)), nil
}

// RecordKinds adds kinds to the record.
func (c *Client) RecordKinds(ctx context.Context, kinds []string) error {
	data := map[string]any{}
	for _, k := range kinds {
		data[k] = ""
	}
	configMaps := c.typed.CoreV1().ConfigMaps(desired.RecordNamespace)
	return c.again(ctx, func(ctx context.Context) error {
		err := c.patchRecord(ctx, data)
		if !apierrors.IsNotFound(err) {
			return err
		}
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: desired.RecordName, Namespace: desired.RecordNamespace, Labels: map[string]string{OwnerLabel: Manager}}, Data: map[string]string{}}
		for _, k := range kinds {
			made.Data[k] = ""
		}
		_, err = configMaps.Create(ctx, made, metav1.CreateOptions{FieldManager: Manager + "-record"})
		if apierrors.IsAlreadyExists(err) {
			err = c.patchRecord(ctx, data)
		}
		return err
	})
}

// ForgetKinds takes kinds out of the record, and deletes it when none is left.
func (c *Client) ForgetKinds(ctx context.Context, kinds []string) error {
	data := map[string]any{}
	for _, k := range kinds {
		data[k] = nil
	}
	configMaps := c.typed.CoreV1().ConfigMaps(desired.RecordNamespace)
	err := c.again(ctx, func(ctx context.Context) error {
		if err := c.patchRecord(ctx, data); err != nil {
			return err
		}
		left, err := configMaps.Get(ctx, desired.RecordName, metav1.GetOptions{})
		if err != nil || len(left.Data) > 0 {
			return err
		}
		return configMaps.Delete(ctx, desired.RecordName, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &left.UID, ResourceVersion: &left.ResourceVersion}})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Client) patchRecord(ctx context.Context, data map[string]any) error {
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	_, err = c.typed.CoreV1().ConfigMaps(desired.RecordNamespace).Patch(ctx, desired.RecordName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager + "-record"})
	return err
}
