package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// oneOf gives a value that has to be one of some words, or nothing.
func oneOf(diags *diag.Diagnostics, name, value string, words []string) string {
	if value != "" && !slices.Contains(words, value) {
		diags.AddAttributeError(path.Root(name), "Wrong "+name, fmt.Sprintf("%q is not one of %s.", value, strings.Join(words, " and ")))
		return ""
	}
	return value
}
