package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// workerCluster is the cluster attribute.
type workerCluster struct {
	value types.Object
	conn  connectionModel
}

func (w *workerCluster) id() string { return w.conn.ID.ValueString() }

type attributeReader interface {
	GetAttribute(ctx context.Context, p path.Path, target any) diag.Diagnostics
}

// clusterOf reads the cluster attribute; nil where the whole of it is unknown, or it is absent.
func clusterOf(ctx context.Context, from attributeReader, diags *diag.Diagnostics) *workerCluster {
	w := &workerCluster{}
	diags.Append(from.GetAttribute(ctx, path.Root("cluster"), &w.value)...)
	if diags.HasError() || w.value.IsNull() || w.value.IsUnknown() {
		return nil
	}
	w.conn.Name, w.conn.ID = "", types.StringUnknown()
	if id, ok := w.value.Attributes()["id"].(types.String); ok {
		w.conn.ID = id
	}
	if name, ok := w.value.Attributes()["name"].(types.String); ok {
		w.conn.Name = name.ValueString()
	}
	if list, ok := w.value.Attributes()["endpoints"].(types.List); ok && !list.IsUnknown() {
		for _, x := range list.Elements() {
			var e endpointModel
			if o, ok := x.(types.Object); ok && !unknownValue(o) {
				diags.Append(o.As(ctx, &e, objectOptions)...)
				w.conn.Endpoints = append(w.conn.Endpoints, e)
			}
		}
	}
	return w
}

// unknownValue says whether something in an endpoint is not known.
func unknownValue(o types.Object) bool {
	if o.IsUnknown() {
		return true
	}
	for _, v := range o.Attributes() {
		if inner, ok := v.(types.Object); ok && unknownValue(inner) || v.IsUnknown() {
			return true
		}
	}
	return false
}

// noDrift is what an apply leaves.
func noDrift() types.List { return types.ListValueMust(types.StringType, nil) }
