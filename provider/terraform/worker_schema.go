package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/trivet-dev/trivet/provider/input"
)

// Schema implements resource.Resource. It is version 0.
func (r *workerResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{MarkdownDescription: words.Say(input.AboutWorker), Attributes: schemaOf(input.Elastic(words))}
}
