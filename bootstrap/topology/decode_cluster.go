package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/version"
)

func (d *decoder) decodeCluster(b *block, t *Topology) *Cluster {
	c := &Cluster{Name: b.label, Range: b.rng}
	at := &clusterPlaces{recipients: b.at("age_recipients"), nodePrefix: b.at("node_prefix")}
	d.clusters[c] = at
	d.labelSyntax(b, "cluster", validation.IsDNS1123Label, dnsLabelRule)
	d.unique("cluster", "", b.label, b.labelAt, b.rng)

	c.KubernetesRange, c.SitesRange = b.at("kubernetes"), b.at("sites")
	c.PodCIDRRange, c.ServiceRange = b.at("pod_cidr"), b.at("service_cidr")
	c.Kubernetes = d.decodeRelease(b)
	d.decodeClusterSites(b, c, t, at)
	c.PodCIDR = b.prefixOr("pod_cidr", "10.128.0.0/12")
	c.NodePrefix, _ = b.integer("node_prefix", 24, 8, 30)
	c.ServiceCIDR = d.decodeServiceRange(b)
	c.AgeRecipients = d.decodeRecipients(b)
	c.Network = d.decodeNetwork(b, at)
	c.DNS = d.decodeDNS(b, c.ServiceCIDR, at)
	c.API = d.decodeAPI(b, c.DNS.Domain, at)
	c.Etcd = d.decodeEtcd(b, at)
	c.Certificates = d.decodeCertificates(b)
	c.Upgrade = d.decodeUpgrade(b, at)
	c.Rotation = d.decodeRotation(b)
	c.Hooks = d.decodeHooks(b)
	c.Components = d.decodeComponents(b, c, at)
	c.Images = d.decodeImages(b)
	d.decodeManifests(b, c)
	return c
}

// decodeRelease reads the Kubernetes version.
func (d *decoder) decodeRelease(b *block) string {
	s, shown, ok := b.text("kubernetes")
	if !ok {
		return ""
	}
	v, err := version.ParseSemantic(s)
	if err != nil || strings.HasPrefix(s, "v") || v.BuildMetadata() != "" {
		remedy := "Write its three numbers, such as \"1.37.2\"."
		if _, err := version.ParseSemantic(s); err == nil && strings.HasPrefix(s, "v") {
			remedy = fmt.Sprintf("Write it without the v: %q.", s[1:])
		}
		b.errorf("kubernetes", "Wrong release", "%s is not a Kubernetes release. %s", shown, remedy)
		return ""
	}
	if d.opts.Releases != nil {
		if err := d.opts.Releases(s); err != nil {
			b.errorf("kubernetes", "Unknown release", "%s", sentence(err.Error()))
			return ""
		}
	}
	return s
}

func (d *decoder) decodeClusterSites(b *block, c *Cluster, t *Topology, at *clusterPlaces) {
	byName := map[string]*Site{}
	var names []string
	for _, s := range t.AllSites() {
		if byName[s.Name] == nil {
			byName[s.Name] = s
			names = append(names, s.Name)
		}
	}
	listed, ok := b.texts("sites")
	at.partial = !ok
	if ok && len(listed) == 0 {
		b.errorf("sites", "Cluster without sites", "The list is empty. Name the sites whose hosts make up the cluster.")
	}
	for _, s := range listed {
		site := byName[s.v]
		if site == nil {
			at.partial = true
			if d.sitesMissing && len(nearest(s.v, names)) == 0 {
				continue // a consequence, most likely
			}
			d.errorf(s.rng, b.rng, "Unknown site", "No site block is named %s.%s", show(s.v), Suggest(s.v, names))
			continue
		}
		if slices.Contains(c.Sites, site) {
			d.errorf(s.rng, b.rng, "Duplicate site", "%s is in the list twice. Remove one.", show(s.v))
			continue
		}
		key := "site of a cluster\x00\x00" + s.v
		if first, taken := d.names[key]; taken {
			at.partial = true
			d.errorf(s.rng, b.rng, "Site in two clusters",
				"The hosts of %s belong to the cluster at %s already. A host serves one cluster; divide the site into two.", show(s.v), Place(first))
			continue
		}
		d.names[key] = s.rng
		c.Sites = append(c.Sites, site)
		for _, room := range site.Rooms {
			for _, rack := range room.Racks {
				for _, h := range rack.Hosts {
					switch {
					case h.Surge:
						c.Surge = append(c.Surge, h)
					case len(h.Roles) > 0:
						c.Hosts = append(c.Hosts, h)
					}
				}
			}
		}
	}
	for _, list := range [][]*Host{c.Hosts, c.Surge} {
		slices.SortStableFunc(list, func(x, y *Host) int { return cmp.Compare(x.Name, y.Name) })
	}
}

// decodeServiceRange reads service_cidr; kube-apiserver's allocator takes no more than 20 bits.
func (d *decoder) decodeServiceRange(b *block) netip.Prefix {
	p := b.prefixOr("service_cidr", "10.96.0.0/16")
	if !p.IsValid() {
		return netip.Prefix{}
	}
	if p.Bits() < 12 || p.Bits() > 26 {
		b.errorf("service_cidr", "Wrong size of service_cidr",
			"%s has a prefix of /%d. kube-apiserver takes no range larger than /12, and one smaller than /26 has too few addresses for the cluster's own Services; /16 is usual.", p, p.Bits())
		return netip.Prefix{}
	}
	return p
}

func (d *decoder) decodeRecipients(b *block) []string {
	if a := d.opts.Access; a != nil {
		return slices.Clone(a.AgeRecipients)
	}
	const remedy = "The cluster's CA keys are stored only encrypted to these public keys. Run \"trivet identity new\", keep the identity that it makes in a safe place, and put its public key (\"age1…\") here."
	listed, ok := b.texts("age_recipients")
	if ok && len(listed) == 0 {
		b.errorf("age_recipients", "Missing age_recipients", "The list is empty. %s", remedy)
	} else if b.attrs["age_recipients"] == nil {
		d.errorf(b.rng, b.rng, "Missing age_recipients", "The cluster has none. %s", remedy)
	}
	var out []string
	for _, r := range listed {
		s := strings.TrimSpace(r.v)
		if secretText.MatchString(s) {
			d.errorf(r.rng, b.rng, "Secret in the topology",
				"This is a private identity; its public key (\"age1…\", printed by age-keygen -y) is wanted. Remove it, and do not use it any more: it was readable here.")
			continue
		}
		if _, err := age.ParseRecipients(strings.NewReader(s)); err != nil || strings.ContainsAny(s, "\r\n") || strings.HasPrefix(s, "#") {
			d.errorf(r.rng, b.rng, "Wrong age recipient", "%s is not an age public key (\"age1…\"). Run \"trivet identity new\" to make one.", show(s))
			continue
		}
		if slices.Contains(out, s) {
			d.errorf(r.rng, b.rng, "Duplicate age recipient", "%s is in the list twice. Remove one.", show(s))
			continue
		}
		out = append(out, s)
	}
	return out
}

func (d *decoder) decodeNetwork(cluster *block, at *clusterPlaces) Network {
	b, _ := cluster.child("network")
	n := Network{Range: b.rng}
	at.plugin = b.at("plugin")
	n.Plugin = b.oneOf("plugin", "flannel")
	n.MTU, _ = b.integer("mtu", 0, 576, 9216)
	n.ProxyMode = b.oneOf("proxy_mode", "nftables")
	routes := b.oneOf("routes", "")
	switch {
	case n.Plugin == "bridge":
		n.Routes = cmp.Or(routes, "static")
	case routes != "":
		b.errorf("routes", "Routes without the bridge plugin", "flannel sets up routes by itself. Remove this argument, or set plugin = \"bridge\".")
	}
	return n
}

func (d *decoder) decodeDNS(cluster *block, services netip.Prefix, at *clusterPlaces) DNS {
	b, _ := cluster.child("dns")
	out := DNS{Domain: "cluster.local"}
	at.dnsAddress = b.at("address")
	if s, shown, ok := b.text("domain"); ok {
		if msgs := validation.IsDNS1123Subdomain(s); len(msgs) > 0 {
			b.errorf("domain", "Wrong domain", "%s cannot be used. Use parts of lower-case letters, digits and \"-\" with \".\" between them.", shown)
		} else {
			out.Domain = s
		}
	}
	out.Replicas, _ = b.integer("replicas", 2, 1, 100)
	if services.IsValid() {
		out.Address = nth(services.Addr(), 10)
		if a, ok := b.address("address"); ok {
			out.Address = a
			switch {
			case !services.Contains(a):
				b.errorf("address", "Address outside service_cidr", "%s is not in %s, where the addresses of Services come from.", a, services)
			case a == services.Addr(), a == broadcast(services):
				b.errorf("address", "Address cannot be a Service", "%s is an end of %s, which kube-apiserver does not give out.", a, services)
			case a == nth(services.Addr(), 1):
				b.errorf("address", "Address taken", "%s is the address of the Service \"kubernetes\": always the first of service_cidr.", a)
			}
		}
	}
	upstream, _ := b.texts("upstream")
	for _, u := range upstream {
		if !resolverAddress(u.v) {
			d.errorf(u.rng, b.rng, "Wrong address", "%s is not the IPv4 address of a resolver, with or without a port.", show(u.v))
			continue
		}
		out.Upstream = append(out.Upstream, u.v)
	}
	return out
}

func resolverAddress(s string) bool {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Port() > 0 && KindOf(ap.Addr()).Host
	}
	a, err := netip.ParseAddr(s)
	// A loopback address would be CoreDNS itself.
	return err == nil && a.Is4() && KindOf(a).Host
}

func (d *decoder) decodeAPI(cluster *block, domain string, at *clusterPlaces) API {
	b, _ := cluster.child("api")
	a := API{Range: b.rng, ServiceAccountIssuer: "https://kubernetes.default.svc." + domain}
	a.Port, a.LocalPort = b.port("port", APIPort), b.port("local_port", APILocalPort)
	at.ports = []located[int]{{a.Port, b.at("port")}, {a.LocalPort, b.at("local_port")}}
	if b.attrs["local_port"] == nil && b.attrs["port"] != nil {
		at.ports[1].rng = b.at("port") // the default was there first: the port that was chosen is to blame
	}
	sans, _ := b.texts("sans")
	for _, s := range sans {
		_, err := netip.ParseAddr(s.v)
		name := strings.ToLower(s.v)
		if err != nil && (looksNumeric(name) || len(validation.IsDNS1123Subdomain(name)) > 0 && len(validation.IsWildcardDNS1123Subdomain(name)) > 0) {
			d.errorf(s.rng, b.rng, "Wrong name for a certificate", "%s is neither a DNS name nor an IP address.", show(s.v))
			continue
		}
		if slices.Contains(a.SANs, s.v) {
			d.errorf(s.rng, b.rng, "Duplicate name for a certificate", "%s is in the list twice. Remove one.", show(s.v))
			continue
		}
		a.SANs = append(a.SANs, s.v)
	}
	if s, shown, ok := b.text("service_account_issuer"); ok {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			b.errorf("service_account_issuer", "Wrong issuer", "%s is not an https:// address without user, query and fragment, which the OpenID discovery of service accounts needs.", shown)
		} else {
			a.ServiceAccountIssuer = s
		}
	}
	return a
}

func (d *decoder) decodeEtcd(cluster *block, at *clusterPlaces) Etcd {
	b, _ := cluster.child("etcd")
	const suggested = 8 << 30
	e := Etcd{
		QuotaBytes:          b.size("quota", suggested),
		HeartbeatInterval:   b.duration("heartbeat_interval", 100*time.Millisecond),
		ElectionTimeout:     b.duration("election_timeout", time.Second),
		CompactionRetention: b.duration("compaction_retention", 5*time.Minute),
		Snapshots:           d.decodeSnapshots(b),
		Range:               b.rng,
	}
	for _, name := range []string{"heartbeat_interval", "election_timeout"} {
		_, _, set := b.text(name)
		e.TimingSet = e.TimingSet || set
	}
	if e.QuotaBytes > suggested {
		d.warnf(b.at("quota"), b.rng, "Large etcd quota", "etcd suggests at most 8Gi: a larger database makes snapshots and restarts slow.")
	}
	// etcd's own rule, with its reason: fewer than ten heartbeats would make a short delay look like a dead leader.
	if e.ElectionTimeout < 10*e.HeartbeatInterval {
		culprit := "election_timeout"
		if b.attrs[culprit] == nil {
			culprit = "heartbeat_interval"
		}
		b.errorf(culprit, "Election time-out too short",
			"election_timeout (%s) must be at least ten times heartbeat_interval (%s), or a short delay makes members elect another leader. Use %s or more.",
			formatDuration(e.ElectionTimeout), formatDuration(e.HeartbeatInterval), formatDuration(10*e.HeartbeatInterval))
	}
	if e.ElectionTimeout > 50*time.Second {
		b.errorf("election_timeout", "Election time-out too long", "%s is longer than 50s, the longest that etcd accepts.", formatDuration(e.ElectionTimeout))
	}
	for name, v := range map[string]time.Duration{"heartbeat_interval": e.HeartbeatInterval, "election_timeout": e.ElectionTimeout} {
		if v%time.Millisecond != 0 {
			b.errorf(name, "Wrong duration", "etcd counts %s in whole milliseconds.", name)
		}
	}
	at.acceptLoss, _ = b.texts("accept_loss")
	for _, a := range at.acceptLoss {
		e.AcceptLoss = append(e.AcceptLoss, a.v)
	}
	return e
}

func (d *decoder) decodeCertificates(cluster *block) Certificates {
	b, _ := cluster.child("certificates")
	const day = 24 * time.Hour
	c := Certificates{
		CALifetime:    b.duration("ca_lifetime", 10*365*day),
		LeafLifetime:  b.duration("leaf_lifetime", 365*day),
		RenewBefore:   b.duration("renew_before", 30*day),
		AdminLifetime: b.duration("admin_lifetime", day),
		Range:         b.rng,
	}
	// The argument that was written is to blame, not the default.
	blame := func(first, second string) string {
		if b.attrs[first] != nil {
			return first
		}
		return second
	}
	if c.RenewBefore >= c.LeafLifetime {
		b.errorf(blame("renew_before", "leaf_lifetime"), "Certificates renewed all the time",
			"renew_before (%s) must be shorter than leaf_lifetime (%s); a third of it or less leaves time to notice.", formatDuration(c.RenewBefore), formatDuration(c.LeafLifetime))
	}
	if c.LeafLifetime >= c.CALifetime {
		b.errorf(blame("leaf_lifetime", "ca_lifetime"), "Certificates outlive their CA",
			"leaf_lifetime (%s) must be shorter than ca_lifetime (%s).", formatDuration(c.LeafLifetime), formatDuration(c.CALifetime))
	}
	if c.AdminLifetime > c.CALifetime {
		b.errorf(blame("admin_lifetime", "ca_lifetime"), "Certificates outlive their CA",
			"admin_lifetime (%s) must be shorter than ca_lifetime (%s).", formatDuration(c.AdminLifetime), formatDuration(c.CALifetime))
	}
	return c
}

func (d *decoder) decodeRotation(cluster *block) Rotation {
	b, _ := cluster.child("rotation")
	r := Rotation{Rest: 24 * time.Hour, Range: b.rng}
	for _, name := range RotationNames {
		if n, ok := b.integer(name, 0, 1, 1_000_000); ok && n > 0 {
			if r.Generations == nil {
				r.Generations = map[string]int{}
			}
			r.Generations[name] = n
		}
	}
	if s, _, ok := b.text("rest"); ok && s == "0s" {
		r.Rest = 0
	} else {
		r.Rest = b.duration("rest", r.Rest)
	}
	return r
}

func (d *decoder) decodeImages(b *block) []Image {
	var out []Image
	seen := map[string]located[string]{}
	add := func(ref located[string]) {
		switch parsed, err := name.ParseReference(ref.v, name.StrictValidation); {
		case err != nil:
			d.errorf(ref.rng, b.rng, "Wrong image", "%s is not a whole image reference. Write registry, repository and tag or digest, such as \"registry.k8s.io/pause:3.10\".", show(ref.v))
		case seen[parsed.Name()].v != "":
			d.errorf(ref.rng, b.rng, "Duplicate image", "%s is already listed at %s. Remove one.", show(ref.v), Place(seen[parsed.Name()].rng))
		default:
			seen[parsed.Name()] = ref
			out = append(out, Image{Reference: ref.v, Range: ref.rng})
		}
	}
	listed, _ := b.texts("images")
	for _, ref := range listed {
		add(ref)
	}
	for _, child := range b.children("image") {
		add(located[string]{child.label, child.labelAt})
	}
	return out
}

// fieldName writes the path of a field as it is spelled in a configuration file.
func fieldName(path []string) string {
	if len(path) == 0 {
		return "settings"
	}
	return fmt.Sprintf("settings.%s", strings.Join(path, "."))
}
