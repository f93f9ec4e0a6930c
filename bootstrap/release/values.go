package release

import (
	"crypto/tls"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// rule checks a value of the right type, and reports what the component would refuse at its start.
type rule func(c *checker, path []string, v any)

// valueRules are the rules by component and field, spelled as in owned. They follow the validation of the components' own sources, which the tables name.
var valueRules = map[string]map[string]rule{
	"kubelet":                 kubeletRules,
	"kube-proxy":              proxyRules,
	"kube-scheduler":          schedulerRules,
	"kube-apiserver":          apiserverRules,
	"kube-controller-manager": controllerManagerRules,
	"etcd":                    etcdRules,
	"containerd": {
		"log_level": enum("trace", "debug", "info", "warn", "error", "fatal", "panic"), // containerd/log
	},
}

// wrong reports a value.
func (c *checker) wrong(path []string, v any, must string, args ...any) {
	c.errors = append(c.errors, FieldError{
		Path: slices.Clone(path), Summary: "Wrong value", Value: true,
		Detail: fmt.Sprintf("%s of %s %s; it is %s.", fieldName(path), c.component, fmt.Sprintf(must, args...), shown(v)),
	})
}

// hint adds to what was reported last.
func (c *checker) hint(text string) { c.errors[len(c.errors)-1].Detail += text }

// shown writes a value for messages.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		if len(v) > 60 {
			return fmt.Sprintf("%d bytes of text", len(v))
		}
		return strconv.Quote(v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case nil:
		return "null"
	}
	return flagValue(v)
}

// rules applies what is known of a field's value.
func (c *checker) rules(k kind, path []string, v any) {
	if v == "" && k.base == textKind && flagTables[c.component] == nil {
		return // in configuration files, nothing stands for the default
	}
	if r := valueRules[c.component][fieldName(path)]; r != nil {
		r(c, path, v)
	} else if k.base == durationKind {
		notNegative(c, path, v) // no component knows a use for one
	}
}

// whole wants a number from low to high.
func whole(low, high int64) rule {
	return func(c *checker, path []string, v any) {
		if n, ok := number(v); ok && (n < float64(low) || n > float64(high)) {
			c.wrong(path, v, "must be from %d to %d", low, high)
		}
	}
}

func atLeast(low int64) rule {
	return func(c *checker, path []string, v any) {
		if n, ok := number(v); ok && n < float64(low) {
			c.wrong(path, v, "must be %d or more", low)
		}
	}
}

// fraction wants a number from low, or above it, to high.
func fraction(low float64, including bool, high float64) rule {
	return func(c *checker, path []string, v any) {
		n, ok := number(v)
		switch {
		case !ok || n > low && n <= high || including && n == low:
		case including:
			c.wrong(path, v, "must be from %v to %v", low, high)
		default:
			c.wrong(path, v, "must be above %v and at most %v", low, high)
		}
	}
}

func enum(words ...string) rule {
	return func(c *checker, path []string, v any) {
		s, ok := v.(string)
		if !ok || slices.Contains(words, s) {
			return
		}
		c.wrong(path, v, "must be %s", oneOf(words))
		c.hint(didYouMean(s, words))
	}
}

// oneOf writes `"a", "b" or "c"`.
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

func asDuration(v any) (time.Duration, bool) {
	s, _ := v.(string)
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// lasting wants a duration from low to high; a high of 0 has no bound. With zero, 0 means off or the default, and is as good.
func lasting(low, high time.Duration, zero bool) rule {
	return func(c *checker, path []string, v any) {
		d, ok := asDuration(v)
		switch {
		case !ok || zero && d == 0:
		case high > 0 && (d < low || d > high):
			c.wrong(path, v, "must be from %s to %s", brief(low), brief(high))
		case d < low && low == time.Nanosecond:
			c.wrong(path, v, "must be longer than 0")
		case d < low && low == 0:
			c.wrong(path, v, "cannot be negative")
		case d < low:
			c.wrong(path, v, "must be %s or longer", brief(low))
		}
	}
}

// brief writes a duration without parts that are zero.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var (
	notNegative = lasting(0, 0, false)
	longer      = lasting(time.Nanosecond, 0, false)
	percentage  = whole(0, 100)
	port        = whole(1, 65535)
	portOrOff   = whole(0, 65535)
	oomScore    = whole(-1000, 1000)
	bitOfMark   = whole(0, 31)
	verbosity   = whole(0, math.MaxInt32)
	ipAddress   = parsed("an IP address", func(s string) bool { _, err := netip.ParseAddr(s); return err == nil })
	cidr        = parsed(`a range such as "10.0.0.0/8"`, isCIDR)
	tlsVersion  = enum("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
)

func isCIDR(s string) bool { _, err := netip.ParsePrefix(s); return err == nil }

// parsed wants text that a function takes.
func parsed(what string, ok func(string) bool) rule {
	return func(c *checker, path []string, v any) {
		if s, isText := v.(string); isText && !ok(s) {
			c.wrong(path, v, "must be %s", what)
		}
	}
}

// hostPort wants an address with a port, which may be left out.
var hostPort = parsed(`an IP address with a port, such as "127.0.0.1:10249"`, func(s string) bool {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Port() > 0
	}
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
})

// each applies a rule to the elements of a list or the values of a map.
func each(r rule) rule {
	return func(c *checker, path []string, v any) {
		switch v := v.(type) {
		case []any:
			for i, e := range v {
				r(c, append(slices.Clone(path), strconv.Itoa(i)), e)
			}
		case map[string]any:
			for _, name := range sortedKeys(v) {
				r(c, append(slices.Clone(path), name), v[name])
			}
		}
	}
}

// keyed wants a map with some keys only, and applies a rule to each value.
func keyed(what string, r rule, keys ...string) rule {
	return func(c *checker, path []string, v any) {
		m, _ := v.(map[string]any)
		for _, name := range sortedKeys(m) {
			at := append(slices.Clone(path), name)
			if !slices.Contains(keys, name) {
				c.report(at, "Unknown name", "%s of %s knows no %s %q: it takes %s.%s", fieldName(path), c.component, what, name, oneOf(keys), didYouMean(name, keys))
				continue
			}
			r(c, at, m[name])
		}
	}
}

// quantity wants an amount as Kubernetes writes it.
func quantity(low int64) rule {
	return func(c *checker, path []string, v any) {
		s, ok := v.(string)
		if !ok {
			return
		}
		q, err := resource.ParseQuantity(s)
		switch {
		case err != nil:
			c.wrong(path, v, `must be a quantity, such as "500m" or "1Gi"`)
		case q.CmpInt64(low) < 0:
			c.wrong(path, v, "must be %d or more", low)
		}
	}
}

// truth wants "true" or "false" as text, or as such where the type allows it.
func truth(c *checker, path []string, v any) {
	if s, ok := v.(string); ok {
		if _, err := strconv.ParseBool(s); err == nil {
			return
		}
	} else if _, ok := v.(bool); ok {
		return
	}
	c.wrong(path, v, "must be true or false")
}

// cipherSuites wants names of Go's crypto/tls, those with known faults left out.
func cipherSuites(c *checker, path []string, v any) {
	known := []string{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"} // older names that Kubernetes keeps
	for _, s := range tls.CipherSuites() {
		known = append(known, s.Name)
	}
	each(func(c *checker, path []string, v any) {
		name, _ := v.(string)
		switch {
		case slices.Contains(known, name):
		case slices.ContainsFunc(tls.InsecureCipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == name }):
			c.report(path, "Insecure cipher suite", "%s has known faults. Leave it out.", name)
		default:
			c.wrong(path, v, "must be a cipher suite of Go's crypto/tls, such as %q", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
			c.hint(didYouMean(name, known))
		}
	})(c, path, v)
}

// previousMinor wants the minor version before the release's: components show hidden metrics of no other.
func previousMinor(c *checker, path []string, v any) {
	n := version(c.release.Minor())
	before := fmt.Sprintf("%d.%d", n[0], n[1]-1)
	if s, ok := v.(string); ok && s != "" && s != before {
		c.wrong(path, v, "must be %q, the minor version before the cluster's", before)
	}
}

func didYouMean(name string, known []string) string {
	if near := nearestName(name, slices.Clone(known)); near != "" {
		return fmt.Sprintf(" Did you mean %s?", near)
	}
	return ""
}
