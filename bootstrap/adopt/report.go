package adopt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// description writes the topology twice: first without components, to see what Trivet would have by itself, then with those that differ.
func (d *describer) description() (*Description, error) {
	recipients := d.o.AgeRecipients
	if len(recipients) == 0 {
		recipients = []string{d.o.Placeholder}
	}
	base, _ := d.compileText(d.write(recipients))
	d.carry(base)
	full := d.write(recipients)
	then, mistakes := d.compileText(full)
	out := &Description{Topology: full, Incomplete: mistakes}
	for _, m := range mistakes {
		d.find(Blocked, "topology", "it has to be corrected by hand: "+m, "")
	}
	if len(d.o.AgeRecipients) == 0 {
		out.Topology = d.write(nil)
		out.Incomplete = append(out.Incomplete, "age_recipients has to name whoever may open the cluster's keys")
	}
	for _, n := range d.nodes {
		if !ready(n.kube) {
			d.find(Risk, n.name, "the node is not Ready", "mend it before anything else")
		}
	}
	out.Report = Report{
		Cluster: d.o.Cluster, Version: d.version, Release: d.release.Kubernetes, Asked: d.Address, Endpoint: d.config.ControlPlaneEndpoint,
		Settings: d.settings, Certificates: d.certificates(), Members: d.memberRows(),
	}
	for _, n := range d.nodes {
		out.Report.Hosts = append(out.Report.Hosts, d.host(n, then))
	}
	out.Report.Kept, out.Report.Replaced = d.kept(), d.replaced()
	order := []Level{Blocked, Risk, Note}
	slices.SortStableFunc(d.findings, func(a, b Finding) int { return slices.Index(order, a.Level) - slices.Index(order, b.Level) })
	out.Report.Findings = slices.CompactFunc(d.findings, func(a, b Finding) bool { return a == b })
	return out, nil
}

// compileText reads a topology back and compiles it. Without a compile the report lacks what Trivet would run, and says why.
func (d *describer) compileText(text string) (*compiled, []string) {
	t, mistakes := parse(text)
	if t == nil {
		return nil, mistakes
	}
	c, err := d.compile(t)
	if err != nil {
		return nil, strings.Split(err.Error(), "\n")
	}
	return c, nil
}

func (d *describer) memberRows() (out []Member) {
	for _, m := range d.Members {
		row := Member{Name: m.Name, ID: strconv.FormatUint(m.ID, 16), Learner: m.Learner}
		for _, s := range d.Statuses {
			if s.ID == m.ID {
				row.Version, row.Leader, row.DBSize, row.Revision, row.Error = s.Version, s.IsLeader(), s.DBSize, s.Revision, s.Error
			}
		}
		out = append(out, row)
	}
	return out
}

// host is the row of a node, with its components.
func (d *describer) host(n *node, then *compiled) HostReport {
	info := n.kube.Status.NodeInfo
	h := HostReport{
		Name: n.name, Node: n.kube.Name, Kubelet: strings.TrimPrefix(info.KubeletVersion, "v"), Runtime: info.ContainerRuntimeVersion, OS: info.OSImage, Kernel: info.KernelVersion,
		PodCIDR: n.kube.Spec.PodCIDR, MachineID: info.MachineID, Problem: n.seen.Problem,
	}
	if n.address.IsValid() {
		h.Address = n.address.String()
	}
	for _, r := range n.roles {
		h.Roles = append(h.Roles, string(r))
	}
	if !n.seen.read() {
		return h
	}
	add := func(c Component) { h.Components = append(h.Components, c) }
	versions := map[string]string{"etcd": d.release.Etcd}
	for _, name := range ours {
		m := n.manifests[name]
		if m == nil {
			continue
		}
		add(Component{Name: name, Now: "static pod, " + m.image, Then: name + ".service, " + cmp.Or(versions[name], d.release.Kubernetes),
			Differences: flagDifferences(name, m.flags, d.flagsThen(n, name, then))})
	}
	add(Component{Name: "kubelet", Now: "kubelet.service of kubeadm, " + h.Kubelet, Then: "kubelet.service, " + d.release.Kubernetes,
		Differences: d.fieldDifferences(n, "kubelet", unset(n.kubelet), then)})
	add(Component{Name: "containerd", Now: info.ContainerRuntimeVersion + sandbox(n.seen.text(containerdFile)), Then: fmt.Sprintf("containerd.service, %s, sandbox image %s", d.release.Containerd, d.release.PauseImage())})
	if d.ProxyConfig != "" {
		add(Component{Name: "kube-proxy", Now: "DaemonSet, " + d.image("kube-proxy"), Then: "kube-proxy.service, " + d.release.Kubernetes,
			Differences: d.fieldDifferences(n, "kube-proxy", d.proxyFields(), then)})
	}
	add(Component{Name: "network", Now: cmp.Or(d.net.plugin, "not known") + strings.TrimSuffix(", "+d.networkImage(), ", "), Then: "flanneld.service, " + d.release.Flannel})
	add(Component{Name: "balancer", Now: "none", Then: "trivet-haproxy.service, on 127.0.0.1 of the host"})
	if rows := d.nodeDifferences(n, then); len(rows) > 0 {
		add(Component{Name: "node object", Now: "registered by the kubelet", Then: "written by Trivet", Differences: rows})
	}
	return h
}

var sandboxImage = regexp.MustCompile(`(?m)^\s*sandbox(?:_image)?\s*=\s*['"]([^'"]+)['"]`)

func sandbox(config string) string {
	if m := sandboxImage.FindStringSubmatch(config); m != nil {
		return ", sandbox image " + m[1]
	}
	return ""
}

func (d *describer) image(name string) string {
	for _, w := range d.Workloads {
		if w.Name == name && len(w.Images) > 0 {
			return w.Images[0]
		}
	}
	return "image not known"
}

func (d *describer) networkImage() string {
	for _, p := range plugins {
		if p.name != d.net.plugin {
			continue
		}
		for _, w := range d.Workloads {
			if w.Kind == "DaemonSet" && strings.HasPrefix(w.Name, p.begins) && len(w.Images) > 0 {
				return w.Images[0]
			}
		}
	}
	return ""
}

// flagsThen are those of the unit that Trivet would have, with what the scheduler has in its file as the flags that it was.
func (d *describer) flagsThen(n *node, component string, then *compiled) map[string][]string {
	out := then.flags(n.name, component+".service")
	if component != "kube-scheduler" || out == nil {
		return out
	}
	fields, err := then.fields(n.name, "/etc/kubernetes/kube-scheduler.yaml")
	if err != nil {
		return out
	}
	set := flat("", fields)
	for flag, field := range map[string]string{"kubeconfig": "clientConnection.kubeconfig", "leader-elect": "leaderElection.leaderElect", "profiling": "enableProfiling"} {
		if v := set[field]; v != "" {
			out[flag] = []string{v}
		}
	}
	return out
}

// flagDifferences compares command lines.
func flagDifferences(component string, now, then map[string][]string) (out []Difference) {
	if then == nil {
		return nil
	}
	names := map[string]bool{}
	for n := range now {
		names[n] = true
	}
	for n := range then {
		names[n] = true
	}
	for _, n := range sortedKeys(names) {
		if !slices.Contains(elsewhere[component], "--"+n) {
			out = append(out, difference(component, "--"+n, strings.Join(now[n], ","), strings.Join(then[n], ","))...)
		}
	}
	return out
}

// difference is empty where both are the same, by the default of the component where one is not set.
func difference(component, name, now, then string) []Difference {
	usual := defaults[component][name]
	if a, b := cmp.Or(now, usual), cmp.Or(then, usual); a == b || sameList(a, b) {
		return nil
	}
	d := Difference{Name: name, Now: now, Then: then, Place: strings.HasPrefix(now, "/") && strings.HasPrefix(then, "/")}
	if now == "" || then == "" {
		d.Default = usual
	}
	return []Difference{d}
}

// sameList tells whether two lists differ in their order alone.
func sameList(a, b string) bool {
	x, y := strings.Split(a, ","), strings.Split(b, ",")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// fieldDifferences compares a configuration file, field by field.
func (d *describer) fieldDifferences(n *node, component string, now map[string]any, then *compiled) (out []Difference) {
	if then == nil || now == nil {
		return nil
	}
	fields, err := then.fields(n.name, "/etc/kubernetes/"+component+".yaml")
	if err != nil || fields == nil {
		return nil
	}
	a, b := flat("", now), flat("", fields)
	names := map[string]bool{}
	for k := range a {
		names[k] = true
	}
	for k := range b {
		names[k] = true
	}
	for _, k := range sortedKeys(names) {
		out = append(out, difference(component, k, a[k], b[k])...)
	}
	return out
}

// flat writes fields as a path to each value.
func flat(prefix string, v map[string]any) map[string]string {
	out := map[string]string{}
	for k, x := range v {
		if m, ok := x.(map[string]any); ok {
			for p, s := range flat(prefix+k+".", m) {
				out[p] = s
			}
			continue
		}
		if s := short(x); s != "" {
			out[prefix+k] = s
		}
	}
	return out
}

// nodeDifferences are labels that a Node has not, or with another value.
func (d *describer) nodeDifferences(n *node, then *compiled) (out []Difference) {
	if then == nil {
		return nil
	}
	for _, o := range then.objects {
		if o.Kind != "Node" || o.Name != n.name {
			continue
		}
		var object struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct{ PodCIDR string }
		}
		if err := json.Unmarshal(o.Manifest, &object); err != nil {
			return nil
		}
		for _, k := range sortedKeys(object.Metadata.Labels) {
			now, there := n.kube.Labels[k]
			if value := object.Metadata.Labels[k]; !there || now != value {
				out = append(out, Difference{Name: "label " + k, Now: now, Then: value})
			}
		}
		out = append(out, difference("", "podCIDR", n.kube.Spec.PodCIDR, object.Spec.PodCIDR)...)
	}
	return out
}

// kept is what stays as it is.
func (d *describer) kept() (out []Kept) {
	add := func(what, is string) {
		if is != "" {
			out = append(out, Kept{what, is})
		}
	}
	if d.config.Etcd.External == nil {
		is := "of every member"
		for _, s := range d.Statuses {
			if s.IsLeader() && len(d.Members) == 1 {
				is = fmt.Sprintf("of the one member, %.1f MiB at revision %d", float64(s.DBSize)/(1<<20), s.Revision)
			} else if s.IsLeader() {
				is = fmt.Sprintf("of %d members, %.1f MiB at revision %d", len(d.Members), float64(s.DBSize)/(1<<20), s.Revision)
			}
		}
		add("etcd's data", is)
	}
	if n := d.first(); n != nil {
		for _, c := range certificates(n.name, n.seen) {
			if c.CA {
				add("authority "+c.Path, fmt.Sprintf("%s, until %s; its key would be sealed with age and leave the disks of control planes", c.Subject, c.Expires.Format("2006-01-02")))
			}
		}
		if n.seen.has(pkiDir + "/sa.pub") {
			add("service-account key", pkiDir+"/sa.key: tokens of pods stay good")
		}
	}
	add("issuer of tokens", cmp.Or(d.api.issuer, "https://kubernetes.default.svc."+d.net.domain))
	add("range of Services", d.net.services.String()+", domain "+d.net.domain)
	add("range of pods", fmt.Sprintf("%s, a /%d for each node, those of the nodes that there are", d.net.pods, d.net.nodePrefix))
	var names []string
	for _, n := range d.nodes {
		if n.name == n.kube.Name {
			names = append(names, n.name)
		}
	}
	add("names of nodes", few(names))
	return out
}

// replaced is what something else takes the place of.
func (d *describer) replaced() (out []Replaced) {
	add := func(what, now, then string) { out = append(out, Replaced{what, now, then}) }
	add("control plane", "static pods from images of "+cmp.Or(d.config.ImageRepository, "registry.k8s.io"), "systemd units with binaries, no images")
	if d.ProxyConfig != "" {
		add("kube-proxy", "DaemonSet, mode "+d.net.proxyNow, "a unit on each node, mode "+cmp.Or(d.net.proxyMode, "nftables"))
	}
	switch d.net.plugin {
	case "flannel":
		add("network", "flannel as a DaemonSet", "flanneld as a unit, CNI configuration 10-trivet.conflist")
	default:
		add("network", cmp.Or(d.net.plugin, "not known"), "flannel: pods are made anew, with other addresses")
	}
	add("leaf certificates", "issued by kubeadm, for a year, with RSA keys unless told otherwise", "issued by Trivet from the same authorities, ECDSA, renewed by apply")
	add("kubelets' join", "bootstrap tokens and the CSR signer with the Kubernetes CA", "certificates from Trivet; an online authority of its own signs requests")
	add("administrators", adminConfig+" on control planes, for a year", "trivet kubeconfig, 24 h, in a group of Trivet's own")
	add("Secrets in etcd", "as they are stored", "stored under the encryption key of the cluster's identity, as they are written again")
	for _, w := range d.Workloads {
		if w.Name == "coredns" && w.Kind == "Deployment" {
			add("CoreDNS", strings.Join(w.Images, ", ")+", kubeadm's Deployment", d.release.CoreDNSImage()+", Trivet's, under the same name and address")
		}
	}
	if slices.ContainsFunc(d.nodes, func(n *node) bool { return n.has(topology.RoleControlPlane) }) {
		add("way of nodes to the API", cmp.Or(d.config.ControlPlaneEndpoint, "the first control plane"), "HAProxy on each node, over all control planes")
	}
	return out
}
