package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, text string) map[string]any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := unstructured.Unstructured{}
	if err := u.UnmarshalJSON(append([]byte(`{"apiVersion":"v1","kind":"X",`), raw[1:]...)); err != nil {
		t.Fatal(err)
	}
	return content(u.Object)
}

func TestMissing(t *testing.T) {
	for name, test := range map[string]struct {
		want, live string
		fields     []string
	}{
		"equal":                        {`spec: {a: 1}`, `spec: {a: 1}`, nil},
		"defaults":                     {`spec: {a: 1}`, `{spec: {a: 1, b: 2}, status: {c: 3}}`, nil},
		"a value":                      {`spec: {a: 1}`, `spec: {a: 2}`, []string{"spec.a"}},
		"a missing field":              {`spec: {a: {b: 1}}`, `spec: {}`, []string{"spec.a"}},
		"missing labels by name":       {`metadata: {labels: {a: x, b: y}}`, `metadata: {}`, []string{"metadata.labels.a", "metadata.labels.b"}},
		"null asks for nothing":        {`spec: {a: null}`, `spec: {}`, nil},
		"quantities":                   {`spec: {resources: {requests: {cpu: "0.1", memory: 1024Mi}}}`, `spec: {resources: {requests: {cpu: 100m, memory: 1Gi}}}`, nil},
		"other quantities":             {`spec: {resources: {limits: {cpu: "0.1"}}}`, `spec: {resources: {limits: {cpu: 200m}}}`, []string{"spec.resources.limits.cpu"}},
		"no quantity outside of them":  {`data: {a: "1.0"}`, `data: {a: "1"}`, []string{"data.a"}},
		"integer and float":            {`spec: {a: 1}`, `spec: {a: 1.0}`, nil},
		"order of keyed lists":         {`spec: {containers: [{name: a, image: x}, {name: b}]}`, `spec: {containers: [{name: b, image: y}, {name: a, image: x, tty: false}]}`, nil},
		"extra elements of keyed ones": {`spec: {env: [{name: a, value: "1"}]}`, `spec: {env: [{name: z, value: "0"}, {name: a, value: "1"}]}`, nil},
		"a field in a keyed list":      {`spec: {containers: [{name: a, image: x}]}`, `spec: {containers: [{name: a, image: y}]}`, []string{"spec.containers[name=a].image"}},
		"an element of a keyed list":   {`spec: {containers: [{name: c}]}`, `spec: {containers: [{name: a}]}`, []string{"spec.containers[name=c]"}},
		"ports by what is spelled out": {`spec: {ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}]}`, `spec: {ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]}`, nil},
		"order of other lists":         {`spec: {args: [a, b]}`, `spec: {args: [b, a]}`, []string{"spec.args.0", "spec.args.1"}},
		"length of other lists":        {`spec: {args: [a]}`, `spec: {args: [a, b]}`, []string{"spec.args"}},
		"another type":                 {`spec: {a: {b: 1}}`, `spec: {a: x}`, []string{"spec.a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.fields, missing(read(t, test.want), read(t, test.live), nil)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDropped(t *testing.T) {
	live := &unstructured.Unstructured{Object: read(t, `
metadata:
  name: x
  managedFields:
  - {manager: kubectl, operation: Update, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:data": {"f:theirs": {}}}}
  - manager: trivet
    operation: Apply
    apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      "f:metadata": {"f:labels": {"f:keep": {}, "f:gone": {}}, "f:finalizers": {'v:"here"': {}, 'v:"left"': {}}}
      "f:spec":
        "f:containers": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:image": {}, "f:ports": {'k:{"containerPort":53,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}}, 'k:{"name":"b"}': {".": {}, "f:name": {}}}
`)}
	owned, err := ownedFields(live, Manager)
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, `
metadata: {labels: {keep: x}, finalizers: [here]}
spec: {containers: [{name: a, ports: [{containerPort: 53}]}]}
`)
	expect := []string{`metadata.finalizers[="left"]`, "metadata.labels.gone", `spec.containers[name="a"].image`, `spec.containers[name="b"].name`}
	if diff := cmp.Diff(expect, dropped(owned, want)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMergeTaints(t *testing.T) {
	cp, search := taint{key: "cp", effect: "NoSchedule"}, taint{key: "search", value: "only", effect: "NoSchedule"}
	for name, test := range map[string]struct {
		live    string
		want    []taint
		ids     []string
		changed bool
	}{
		"none":               {`spec: {}`, nil, nil, false},
		"null":               {`spec: {taints: null}`, nil, nil, false},
		"new":                {`spec: {}`, []taint{cp}, []string{"cp:NoSchedule="}, true},
		"there":              {`spec: {taints: [{key: cp, effect: NoSchedule}]}`, []taint{cp}, []string{"cp:NoSchedule="}, false},
		"beside others":      {`spec: {taints: [{key: x, effect: NoExecute, timeAdded: now}]}`, []taint{cp}, []string{"x:NoExecute=", "cp:NoSchedule="}, true},
		"another value":      {`spec: {taints: [{key: search, value: old, effect: NoSchedule}]}`, []taint{search}, []string{"search:NoSchedule=only"}, true},
		"wanted no longer":   {`{metadata: {annotations: {trivet.dev/taints: "cp:NoSchedule,search:NoSchedule"}}, spec: {taints: [{key: cp, effect: NoSchedule}, {key: search, value: only, effect: NoSchedule}]}}`, []taint{search}, []string{"search:NoSchedule=only"}, true},
		"somebody else's":    {`spec: {taints: [{key: cp, effect: NoSchedule}]}`, nil, []string{"cp:NoSchedule="}, false},
		"same key, effect 2": {`spec: {taints: [{key: cp, effect: NoExecute}]}`, []taint{cp}, []string{"cp:NoExecute=", "cp:NoSchedule="}, true},
	} {
		t.Run(name, func(t *testing.T) {
			merged, changed, err := mergeTaints(&unstructured.Unstructured{Object: read(t, test.live)}, test.want)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, m := range merged {
				ids = append(ids, m.id()+"="+m.value)
			}
			if diff := cmp.Diff(test.ids, ids); diff != "" || changed != test.changed {
				t.Errorf("changed = %v, want %v (-want +got):\n%s", changed, test.changed, diff)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	for field, want := range map[string]bool{"metadata.labels.a": true, "data.Corefile": true, "metadata.labels": false, "spec.a": false, "database.x": false} {
		if got := plain(field); got != want {
			t.Errorf("plain(%q) = %v", field, got)
		}
	}
}
