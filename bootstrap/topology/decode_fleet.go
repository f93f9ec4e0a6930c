package topology

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/util/validation"
)

// decode turns all files into a topology, as far as they can be understood.
func (d *decoder) decode(bodies []*hclsyntax.Body) *Topology {
	doc := d.openDocument(bodies)
	t := &Topology{Fleet: d.decodeFleet(doc)}
	for _, b := range doc.children("region") {
		t.Regions = append(t.Regions, d.decodeRegion(b, t.Fleet.SSH))
	}
	for _, b := range doc.children("cluster") {
		t.Clusters = append(t.Clusters, d.decodeCluster(b, t))
	}
	return t
}

func (d *decoder) decodeFleet(doc *block) Fleet {
	blocks := doc.children("fleet")
	if len(blocks) == 0 {
		if !slices.Contains(d.meant, "fleet") {
			// There is no place to point at in an empty file.
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Missing fleet block",
				Detail: "A topology has exactly one fleet block. Add fleet \"<name>\" { … }, with an ssh block in it that says how hosts are reached."})
		}
		b, _ := doc.child("fleet")
		sshb, _ := b.child("ssh")
		return Fleet{SSH: d.decodeSSH(sshb, d.defaultSSH())}
	}
	b := blocks[0]
	d.labelSyntax(b, "fleet", validation.IsDNS1123Label, dnsLabelRule)
	f := Fleet{Name: b.label, Range: b.rng}
	sshb, _ := b.child("ssh")
	f.SSH = d.decodeSSH(sshb, d.defaultSSH())
	f.Artifacts = d.decodeArtifacts(b)
	return f
}

// DefaultSSH is what holds when nobody says anything.
func DefaultSSH() SSH {
	return SSH{HostKeys: HostKeysStrict, Agent: true, ConnectTimeout: 15 * time.Second, KeepAlive: 10 * time.Second, Parallel: 32}
}

// defaultSSH is what holds when the topology says nothing.
func (d *decoder) defaultSSH() SSH {
	s := DefaultSSH()
	if d.opts.SSH != nil {
		s = *d.opts.SSH
	}
	if a := d.opts.Access; a != nil {
		s.User, s.PrivateKey, s.KnownHosts = a.User, a.PrivateKey, a.KnownHosts
		s.Agent, s.ConfigFile = false, "none"
	}
	return s
}

// decodeSSH lays an ssh block over what holds around it.
func (d *decoder) decodeSSH(b *block, around SSH) SSH {
	s := around
	s.Range = b.rng
	s.User = b.user("user", around.User)
	s.Port = b.port("port", around.Port)
	if p := b.path("private_key"); p != "" {
		// One key a connection attempt: sshd counts each key offered as a failure.
		s.PrivateKey, s.Agent, s.RequireAgent = p, false, false
	}
	if val, _, ok := b.value("agent", cty.Bool); ok {
		s.Agent, s.RequireAgent = val.True(), val.True()
	}
	if p := b.path("known_hosts"); p != "" {
		s.KnownHosts = p
	}
	s.HostKeys = HostKeyPolicy(b.oneOf("host_keys", string(around.HostKeys)))
	if b.str("config_file", "") == "none" {
		s.ConfigFile = "none"
	} else if p := b.path("config_file"); p != "" {
		s.ConfigFile = p
	}
	if p := b.path("sudo_password_file"); p != "" {
		s.SudoPasswordFile = p
	}
	s.ConnectTimeout = b.duration("connect_timeout", around.ConnectTimeout)
	s.KeepAlive = b.duration("keepalive", around.KeepAlive)
	s.Parallel, _ = b.integer("parallel", around.Parallel, 1, 1024)
	return s
}

// user reads the name of a login user, which becomes part of SSH's own syntax in places.
func (b *block) user(name, otherwise string) string {
	s, shown, ok := b.text(name)
	if !ok {
		return otherwise
	}
	if s == "" || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ':' || r == '@' }) {
		b.errorf(name, "Wrong user", "%s is not a user name: it must not be empty, start with \"-\", or hold blanks, \":\" or \"@\".", shown)
		return otherwise
	}
	return s
}

func (d *decoder) decodeArtifacts(fleet *block) Artifacts {
	b, _ := fleet.child("artifacts")
	a := Artifacts{Source: "auto", Range: b.rng}
	s, shown, ok := b.text("source")
	if !ok {
		return a
	}
	words := []string{"auto", "upstream", "source"}
	switch {
	case slices.Contains(words, s):
		a.Source = s
	case strings.Contains(s, "://"):
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			b.errorf("source", "Wrong artifact source", "%s is not the http:// or https:// address of a mirror.", shown)
		case u.User != nil:
			b.errorf("source", "Secret in the topology", "The address of the mirror holds a user name or password. Take it out: it would show in plans.")
		default:
			a.Source = s
		}
	case strings.ContainsAny(s, "/.~"):
		a.Source = b.path("source")
	default:
		b.errorf("source", "Wrong artifact source",
			"%s is not \"auto\", \"upstream\" or \"source\", nor a folder with a slash in its name, nor an address.%s", shown, Suggest(s, append(words, "./"+s)))
	}
	return a
}

func (d *decoder) decodeBastion(b *block, site SSH) Bastion {
	out := Bastion{Name: b.label, Range: b.rng}
	d.labelSyntax(b, "bastion", validation.IsDNS1123Label, dnsLabelRule)
	out.Address = b.hostOrAddress("address")
	out.Port = b.port("port", 22)
	out.User = b.user("user", site.User)
	out.PrivateKey = site.PrivateKey
	if p := b.path("private_key"); p != "" {
		out.PrivateKey = p
	}
	out.HostKey = b.publicKey("host_key")
	return out
}

// hostOrAddress reads where SSH connects to. Loopback is allowed: it is how forwarded ports are reached.
func (b *block) hostOrAddress(name string) string {
	s, shown, ok := b.text(name)
	if !ok {
		return ""
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		if msgs := validation.IsDNS1123Subdomain(strings.ToLower(strings.TrimSuffix(s, "."))); len(msgs) > 0 || looksNumeric(s) {
			b.errorf(name, "Wrong address", "%s is neither a host name nor an IPv4 address.", shown)
			return ""
		}
		return s
	}
	kind := KindOf(a)
	switch {
	case !a.Is4():
		b.errorf(name, "IPv6 not supported", "%s is an IPv6 address. Use an IPv4 address or a host name.", shown)
		return ""
	case !kind.Host && !a.IsLoopback():
		b.errorf(name, "Address cannot be a host", "%s is %s: %s.", a, kind.Name, kind.Why)
		return ""
	}
	return s
}

// looksNumeric tells 10.11.1 and 10.11.1.300 from host names.
func looksNumeric(s string) bool {
	return strings.Trim(s, "0123456789.") == ""
}

// publicKey reads a pinned host key.
func (b *block) publicKey(name string) string {
	s, _, ok := b.text(name)
	if !ok {
		return ""
	}
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(s))
	if err != nil || len(strings.TrimSpace(string(rest))) > 0 {
		b.errorf(name, "Wrong host key", "A public key in one line is required: the type and the key of /etc/ssh/ssh_host_ed25519_key.pub, such as \"ssh-ed25519 AAAA…\".")
		return ""
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// Rules of Kubernetes in words; the library's own messages are regular expressions.
const (
	dnsLabelRule   = "Use lower-case letters, digits and \"-\", with a letter or digit first and last, at most 63 in all."
	valueRule      = "Use letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last, at most 63 in all."
	labelValueRule = "It becomes a node label's value. " + valueRule
	labelKeyRule   = "Use letters, digits, \"-\", \"_\" and \".\", with a letter or digit first and last, at most 63 in all; a DNS domain and \"/\" may stand in front."
)

// labelSyntax checks the name of a block.
func (d *decoder) labelSyntax(b *block, kind string, valid func(string) []string, rule string) {
	if b.label == "" || len(valid(b.label)) > 0 {
		d.errorf(b.labelAt, b.rng, "Wrong name of a "+kind, "%s cannot be used. %s", show(b.label), rule)
	}
}
