package pulumi

import (
	"strings"
)

// accessLabel names the type of how a cluster is reached.
const accessLabel = "Access"

// sdkImport is where the Go SDK is imported from.
const sdkImport = "github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"

// enumLabels name the types of words where the property's name does not say enough, or is not the same everywhere.
var enumLabels = map[string]string{
	"roles": "Role", "role": "Role", "before": "HookStep", "after": "HookStep", "effect": "TaintEffect", "per": "UpgradeGroup", "plugin": "NetworkPlugin", "routes": "NetworkRoutes",
	"purpose": "SitePurpose", "name": "ComponentName", "hostKeys": "HostKeyPolicy",
}

func enumLabel(name string) string {
	if label, ok := enumLabels[name]; ok {
		return label
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// wordLabel is the name of a word: control-plane is ControlPlane.
func wordLabel(word string) string {
	var out strings.Builder
	for _, part := range strings.FieldsFunc(word, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}
