package adopt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// kubeadmFlags are flags that kubeadm (1.34 to 1.37) writes without being told: those with a value here are the user's when they have another, those without are kubeadm's
// whatever they say, since they follow from its paths, its addresses and its networking.
var kubeadmFlags = map[string]map[string]string{
	"kube-apiserver": {
		"advertise-address": "", "allow-privileged": "true", "authorization-mode": "Node,RBAC", "client-ca-file": "", "enable-admission-plugins": "NodeRestriction",
		"enable-bootstrap-token-auth": "true", "etcd-cafile": "", "etcd-certfile": "", "etcd-keyfile": "", "etcd-servers": "", "kubelet-client-certificate": "", "kubelet-client-key": "",
		"kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname", "proxy-client-cert-file": "", "proxy-client-key-file": "",
		"requestheader-allowed-names": "front-proxy-client", "requestheader-client-ca-file": "", "requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers": "X-Remote-Group", "requestheader-uid-headers": "X-Remote-Uid", "requestheader-username-headers": "X-Remote-User",
		"secure-port": "", "service-account-issuer": "", "service-account-key-file": "", "service-account-signing-key-file": "", "service-cluster-ip-range": "",
		"tls-cert-file": "", "tls-private-key-file": "",
	},
	"kube-controller-manager": {
		"allocate-node-cidrs": "true", "authentication-kubeconfig": "", "authorization-kubeconfig": "", "bind-address": "127.0.0.1", "client-ca-file": "", "cluster-cidr": "",
		"cluster-name": "", "cluster-signing-cert-file": "", "cluster-signing-key-file": "", "controllers": "*,bootstrapsigner,tokencleaner", "kubeconfig": "", "leader-elect": "true",
		"node-cidr-mask-size": "", "requestheader-client-ca-file": "", "root-ca-file": "", "service-account-private-key-file": "", "service-cluster-ip-range": "",
		"use-service-account-credentials": "true",
	},
	"etcd": {
		"advertise-client-urls": "", "cert-file": "", "client-cert-auth": "true", "data-dir": "/var/lib/etcd", "experimental-initial-corrupt-check": "true",
		"experimental-watch-progress-notify-interval": "5s", "feature-gates": "InitialCorruptCheck=true", "watch-progress-notify-interval": "5s",
		"initial-advertise-peer-urls": "", "initial-cluster": "", "initial-cluster-state": "", "key-file": "", "listen-client-http-urls": "", "listen-client-urls": "", "listen-metrics-urls": "", "listen-peer-urls": "",
		"name": "", "peer-cert-file": "", "peer-client-cert-auth": "true", "peer-key-file": "", "peer-trusted-ca-file": "", "snapshot-count": "10000", "trusted-ca-file": "",
		// These have arguments of the topology.
		"quota-backend-bytes": "", "heartbeat-interval": "", "election-timeout": "", "auto-compaction-retention": "", "auto-compaction-mode": "periodic",
	},
	"kube-scheduler": {
		"authentication-kubeconfig": "", "authorization-kubeconfig": "", "bind-address": "127.0.0.1", "kubeconfig": "", "leader-elect": "true",
	},
}

// kubeadmFields are fields of the kubelet's configuration that kubeadm sets without being told and that Trivet has as well, or makes itself.
var kubeadmFields = map[string]string{
	"apiVersion": "", "kind": "", "authentication": "", "authorization": "", "cgroupDriver": "systemd", "clusterDNS": "", "clusterDomain": "", "containerRuntimeEndpoint": "",
	"healthzBindAddress": "127.0.0.1", "healthzPort": "10248", "resolvConf": "", "rotateCertificates": "true", "staticPodPath": manifestsDir, "failCgroupV1": "",
}

// carry fills the settings that the topology takes over: what somebody set, what differs from what Trivet would have, and what Trivet lets be set.
func (d *describer) carry(base *compiled) {
	n := d.first()
	if n == nil {
		return
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "etcd"} {
		if m := n.manifests[component]; m != nil && n.has(roleOf(component)) {
			d.carryFlags(component, m, base.flags(n.name, component+".service"))
		}
	}
	if m := n.manifests["kube-scheduler"]; m != nil {
		d.schedulerFlags(m)
	}
	if fields, err := fieldsOf(d.KubeletConfig); err != nil {
		d.find(Risk, "kubelet", fmt.Sprintf("the ConfigMap kubelet-config: %v", err), "look at it: the kubelet's settings are not in the topology")
	} else {
		then, _ := base.fields(n.name, "/etc/kubernetes/kubelet.yaml")
		d.carryFields("kubelet", unset(fields), then, kubeadmFields)
	}
	if fields := d.proxyFields(); fields != nil {
		then, _ := base.fields(n.name, "/etc/kubernetes/kube-proxy.yaml")
		delete(fields, "mode") // it has an argument, or was told of
		for _, mode := range []string{release.ModeIPTables, release.ModeNFTables, "ipvs", "winkernel"} {
			if mode != d.net.proxyNow || mode == "ipvs" {
				delete(fields, mode) // of another mode than the one that runs, or than one that there will be
			}
		}
		d.carryFields("kube-proxy", fields, then, map[string]string{"apiVersion": "", "kind": "", "clientConnection": "", "clusterCIDR": "", "hostnameOverride": ""})
	}
	d.together()
}

func roleOf(component string) topology.Role {
	if component == "etcd" {
		return topology.RoleEtcd
	}
	return topology.RoleControlPlane
}

// proxyFields are those of kube-proxy's configuration that somebody set: kubeadm writes all out, most at their defaults.
func (d *describer) proxyFields() map[string]any {
	fields, err := fieldsOf(d.ProxyConfig)
	if err != nil || fields == nil {
		return nil
	}
	out := unset(withoutDefaults(fields), "conntrack")
	for name, v := range out {
		if section, ok := v.(map[string]any); ok {
			section = withoutDefaults(section)
			if name == "clientConnection" {
				section = withoutZeros(section)
			}
			if out[name] = section; len(section) == 0 {
				delete(out, name)
			}
		}
	}
	return out
}

// withoutDefaults drops fields of kube-proxy's sections that say what holds anyway. The two durations that are optional mean zero by "0s".
func withoutDefaults(section map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range section {
		if v == nil || v == "" || v == false || isUnset(v) && v != "0s" {
			continue
		}
		if v == "0s" && k != "tcpEstablishedTimeout" && k != "tcpCloseWaitTimeout" {
			continue
		}
		out[k] = v
	}
	return out
}

// carryFlags takes over the flags of a static pod.
func (d *describer) carryFlags(component string, m *manifest, then map[string][]string) {
	for _, name := range sortedKeys(m.flags) {
		now := strings.Join(m.flags[name], ",")
		usual, kubeadms := kubeadmFlags[component][name]
		if kubeadms && (usual == "" || usual == now) || now == cmp.Or(strings.Join(then[name], ","), defaults[component]["--"+name]) {
			continue
		}
		value, problem := d.accepted(component, name, m.flags[name])
		switch {
		case problem != nil:
			d.find(lossOf(component, name), component, fmt.Sprintf("--%s=%s cannot be carried over: %s", name, now, problem.Detail), "decide whether the cluster can do without it")
		default:
			d.settings = append(d.settings, Setting{component, name, value})
			if strings.HasPrefix(now, "/") {
				d.find(Risk, component, fmt.Sprintf("--%s names the file %s of the control planes", name, now), "see that it is there under that path on each of them: a static pod may mount it from elsewhere")
			}
		}
	}
}

// lossOf is how grave the loss of a flag is.
func lossOf(component, flag string) Level {
	if component == "kube-apiserver" && (flag == "encryption-provider-config" || flag == "authorization-mode" || strings.HasPrefix(flag, "oidc-") || flag == "authentication-config" || flag == "authorization-config") {
		return Blocked
	}
	return Risk
}

// accepted finds a value of the type that the release wants. Flags are texts; the topology's settings have types.
func (d *describer) accepted(component, name string, given []string) (any, *release.FieldError) {
	joined := strings.Join(given, ",")
	candidates := []any{joined}
	if b, err := strconv.ParseBool(joined); err == nil {
		candidates = append(candidates, b)
	}
	if n, err := strconv.ParseInt(joined, 10, 64); err == nil {
		candidates = append(candidates, n)
	}
	if f, err := strconv.ParseFloat(joined, 64); err == nil {
		candidates = append(candidates, f)
	}
	list, pairs := []any{}, map[string]any{}
	for part := range strings.SplitSeq(joined, ",") {
		list = append(list, part)
		k, v, ok := strings.Cut(part, "=")
		if b, err := strconv.ParseBool(v); ok && err == nil {
			pairs[k] = b
		} else if ok {
			pairs[k] = v
		}
	}
	candidates = append(candidates, list)
	if len(pairs) == len(list) {
		candidates = append(candidates, pairs)
	}
	var first *release.FieldError
	for _, c := range candidates {
		errs := d.alone(component, name, c)
		if len(errs) == 0 {
			return c, nil
		}
		// The complaint about a wrong type is the least telling.
		if first == nil || first.Summary == "Wrong type" {
			first = &errs[0]
		}
	}
	return nil, first
}

// alone checks one setting. Whether it fits the others is for together to see.
func (d *describer) alone(component, name string, value any) []release.FieldError {
	return slices.DeleteFunc(d.release.CheckSettings(component, map[string]any{name: value}), func(e release.FieldError) bool { return e.Together })
}

// schedulerFlags: Trivet's scheduler has a configuration file, so flags that somebody set have to be fields of it.
func (d *describer) schedulerFlags(m *manifest) {
	for _, name := range sortedKeys(m.flags) {
		now := strings.Join(m.flags[name], ",")
		if usual, kubeadms := kubeadmFlags["kube-scheduler"][name]; kubeadms && (usual == "" || usual == now) {
			continue
		}
		d.find(Risk, "kube-scheduler", fmt.Sprintf("--%s=%s is not in the topology: Trivet gives the scheduler a configuration file", name, now), "write what it does as a field of component \"kube-scheduler\"")
	}
}

// carryFields takes over fields of a configuration file.
func (d *describer) carryFields(component string, now, then map[string]any, kubeadms map[string]string) {
	for _, name := range sortedKeys(now) {
		usual, ok := kubeadms[name]
		if ok && (usual == "" || usual == fmt.Sprint(now[name])) || short(now[name]) == cmp.Or(short(then[name]), defaults[component][name]) {
			continue
		}
		errs := d.alone(component, name, now[name])
		if len(errs) > 0 {
			d.find(Risk, component, fmt.Sprintf("%s: %s cannot be carried over: %s", name, short(now[name]), errs[0].Detail), "decide whether the cluster can do without it")
			continue
		}
		d.settings = append(d.settings, Setting{component, name, now[name]})
	}
}

// together drops settings that the release does not take side by side.
func (d *describer) together() {
	for _, component := range release.Components() {
		all := map[string]any{}
		for _, s := range d.settings {
			if s.Component == component {
				all[s.Name] = s.Value
			}
		}
		for _, e := range d.release.CheckSettings(component, all) {
			if len(e.Path) == 0 {
				continue
			}
			d.find(Risk, component, fmt.Sprintf("%s is not in the topology: %s", e.Path[0], e.Detail), "write it into the component block as it should be")
			d.settings = slices.DeleteFunc(d.settings, func(s Setting) bool { return s.Component == component && s.Name == e.Path[0] })
		}
	}
}

// short writes a value in one line.
func short(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
