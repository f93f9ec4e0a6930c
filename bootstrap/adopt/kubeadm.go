package adopt

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// clusterConfiguration is what is read of kubeadm's ClusterConfiguration, v1beta3 and v1beta4. kubeadm's types have no module of their own.
type clusterConfiguration struct {
	APIVersion           string `json:"apiVersion"`
	ClusterName          string `json:"clusterName"`
	KubernetesVersion    string `json:"kubernetesVersion"`
	ControlPlaneEndpoint string `json:"controlPlaneEndpoint"`
	ImageRepository      string `json:"imageRepository"`
	Networking           struct {
		DNSDomain     string `json:"dnsDomain"`
		PodSubnet     string `json:"podSubnet"`
		ServiceSubnet string `json:"serviceSubnet"`
	} `json:"networking"`
	APIServer struct {
		CertSANs []string `json:"certSANs"`
	} `json:"apiServer"`
	Etcd struct {
		External *struct {
			Endpoints []string `json:"endpoints"`
		} `json:"external"`
	} `json:"etcd"`
}

// manifest is a static pod, as far as it matters: the program of its first container.
type manifest struct {
	name  string
	image string
	flags map[string][]string // several where a flag is repeated
	files []string            // of the host, that it mounts
}

func readManifest(text string) (*manifest, error) {
	var pod corev1.Pod
	if err := yaml.Unmarshal([]byte(text), &pod); err != nil {
		return nil, fmt.Errorf("it is not a manifest of a Pod: %w", err)
	}
	if pod.Kind != "Pod" || len(pod.Spec.Containers) == 0 {
		return nil, errors.New("it is not a manifest of a Pod")
	}
	c := pod.Spec.Containers[0]
	m := &manifest{name: pod.Name, image: c.Image, flags: readFlags(append(slices.Clone(c.Command), c.Args...))}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil {
			m.files = append(m.files, v.HostPath.Path)
		}
	}
	return m, nil
}

// readFlags reads a command line; what is no flag is passed over.
func readFlags(words []string) map[string][]string {
	out := map[string][]string{}
	for _, w := range words {
		name, ok := strings.CutPrefix(w, "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given {
			value = "true"
		}
		out[name] = append(out[name], value)
	}
	return out
}

// flag is the value of a flag, or what holds without it.
func (m *manifest) flag(name, otherwise string) string {
	if m == nil || len(m.flags[name]) == 0 {
		return otherwise
	}
	return m.flags[name][len(m.flags[name])-1]
}

// manifests reads a host's static pods by name. What cannot be read is told by its path.
func manifests(h *Host) (out map[string]*manifest, problems []string) {
	out = map[string]*manifest{}
	for _, p := range sortedKeys(h.Files) {
		if path.Dir(p) != manifestsDir {
			continue
		}
		if why := h.Files[p].Withheld; why != "" {
			problems = append(problems, p+": "+why)
			continue
		}
		m, err := readManifest(h.text(p))
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", p, err))
			continue
		}
		out[strings.TrimSuffix(path.Base(p), path.Ext(p))] = m
	}
	return out, problems
}

// fieldsOf reads a configuration file as fields, whole numbers as such.
func fieldsOf(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, err
	}
	return whole(out).(map[string]any), nil
}

// whole makes whole numbers of floating ones, which is what JSON has.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return v
}

// unset drops what kubeadm writes out of fields that nobody set: null, empty texts, lists and objects, and "0s", which stands for the default of durations that are
// not optional. keep names fields of which zero means zero. Numbers and truths that are not optional are dropped below logging, where all are.
func unset(v map[string]any, keep ...string) map[string]any {
	out := map[string]any{}
	for k, x := range v {
		if slices.Contains(keep, k) {
			out[k] = x
			continue
		}
		if m, ok := x.(map[string]any); ok {
			x = unset(m, keep...)
		}
		if !isUnset(x) {
			out[k] = x
		}
	}
	if logging, ok := v["logging"].(map[string]any); ok {
		if zeroed := withoutZeros(logging); len(zeroed) > 0 {
			out["logging"] = zeroed
		} else {
			delete(out, "logging")
		}
	}
	return out
}

func isUnset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == "" || v == "0s"
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func withoutZeros(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, x := range v {
		if m, ok := x.(map[string]any); ok {
			x = withoutZeros(m)
		}
		if !isUnset(x) && x != int64(0) && x != "0" && x != false {
			out[k] = x
		}
	}
	return out
}

// environment reads the flags in a file of KUBELET_…_ARGS="--a=b --c=d" lines.
func environment(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		_, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for name, values := range readFlags(strings.Fields(strings.Trim(value, `"'`))) {
			out[name] = append(out[name], values...)
		}
	}
	return out
}

// Certificate is one that a host has, without its key.
type Certificate struct {
	Host    string    `json:"host"`
	Path    string    `json:"path"`
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"`
	CA      bool      `json:"ca,omitempty"`
}

// certificates reads those of a host, one a file.
func certificates(name string, h *Host) (out []Certificate) {
	for _, p := range sortedKeys(h.Files) {
		if !strings.HasPrefix(p, pkiDir+"/") || !strings.HasSuffix(p, ".crt") {
			continue
		}
		block, _ := pem.Decode(h.Files[p].Content)
		if block == nil {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		out = append(out, Certificate{Host: name, Path: p, Subject: c.Subject.CommonName, Expires: c.NotAfter, CA: c.IsCA})
	}
	return out
}
