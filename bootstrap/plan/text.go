package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TextOptions say how a plan is shown.
type TextOptions struct {
	// Full lists every action; otherwise the new items of a component are counted on one line.
	Full bool
	// Color paints signs with ANSI colours.
	Color bool
}

var signs = map[Verb]string{Create: "+", Start: "+", Update: "~", Mend: "~", Apply: "~", Restart: "↻", Remove: "-", Forget: "-", Transfer: "→", Store: "=", Prune: "-",
	Rewrite: "~", Discard: "-", Stop: "-", Drain: "-", Uncordon: "+", Delete: "-", AddMember: "+", PromoteMember: "~", RemoveMember: "-", MoveMember: "~", Run: "▸", Waive: "-",
	Record: "=", Unrecord: "="}

var colours = map[string]string{"+": "32", "~": "33", "↻": "35", "-": "31", "→": "36", "=": "36", "▸": "34"}

type textWriter struct {
	TextOptions
	strings.Builder
	// shown says at which host a diff was written: it is not repeated at others. Nil: all are written.
	shown map[string]string
	host  string
	surge []string // hosts that are there for the time of the upgrade
	// elastic are hosts that the topology does not name.
	elastic []string
}

// WriteText writes the plan for a reader: by site and host, then the cluster's API, then the sums.
func (p *Plan) WriteText(out io.Writer, o TextOptions) error {
	w := &textWriter{TextOptions: o, shown: map[string]string{}, surge: p.Surge}
	for _, h := range p.Inventory.ElasticHosts() {
		w.elastic = append(w.elastic, h.Name)
	}
	switch {
	case !p.Empty():
		p.writeHosts(w)
		p.writeSums(w)
	case p.Complete() && len(p.Blocked) > 0:
		fmt.Fprintf(w, "Cluster %q: Kubernetes %s. No changes, and %s cannot be applied: every host and every other object is as the topology says.\n",
			p.Cluster, p.Kubernetes, number(len(p.Blocked), "objects"))
	case p.Complete():
		fmt.Fprintf(w, "Cluster %q: Kubernetes %s. No changes: every host and object is as the topology says.\n", p.Cluster, p.Kubernetes)
	case p.Paused != nil:
		fmt.Fprintf(w, "Cluster %q: Kubernetes %s, from %s. No changes while the upgrade is paused: %s.\n", p.Cluster, p.Kubernetes, p.From, p.Paused.waits())
	default:
		fmt.Fprintf(w, "Cluster %q: Kubernetes %s. No changes but for %s skipped: every other host and object is as the topology says.\n",
			p.Cluster, p.Kubernetes, number(len(p.Skipped), "hosts"))
	}
	p.writeSkipped(w)
	p.writeBlocked(w)
	for _, n := range p.Notes {
		fmt.Fprintf(w, "\nNote: %s\n", n)
	}
	if p.GoesOn {
		fmt.Fprintln(w, "\nAnother plan follows on this one: apply carries it out as well, apply --plan leaves it to the next.")
	}
	if p.Preflight != nil {
		fmt.Fprintln(w, "\nPreflight")
		if err := p.Preflight.WriteText(w, preflight.TextOptions{Color: o.Color}); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, w.String())
	return err
}

// writeSkipped lists the hosts that the plan leaves out.
func (p *Plan) writeSkipped(w *textWriter) {
	if len(p.Skipped) == 0 {
		return
	}
	fmt.Fprintf(w, "\nSkipped: %s, left for a later apply.\n", number(len(p.Skipped), "hosts"))
	for _, s := range p.Skipped {
		fmt.Fprintf(w, "  host %s (site %s): %s\n", s.Host, s.Site, strings.ReplaceAll(s.Reason, "\n", "\n    "))
	}
}

// writeBlocked lists the objects that cannot be applied.
func (p *Plan) writeBlocked(w *textWriter) {
	if len(p.Blocked) == 0 {
		return
	}
	fmt.Fprintf(w, "\nCannot be applied: %s, and the rest is done without.\n", number(len(p.Blocked), "objects"))
	for _, b := range p.Blocked {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(b.Reason, "\n", "\n    "))
	}
}

// destroys reports whether the cluster is given back.
func (p *Plan) destroys() bool {
	given := false
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			given = given || givesBack(s.Actions)
		}
	}
	return given && (p.Inventory == nil || p.Inventory.Destroying)
}

// givesBack says whether actions remove all that there is of Trivet on a host: it needs no names then.
func givesBack(actions []Action) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == Forget })
}

func (p *Plan) writeHosts(w *textWriter) {
	what := "changes"
	switch {
	case p.From != "":
		what = "from " + p.From
	case p.NewIdentity:
		what = "first bring-up, with a new cluster identity"
	case p.destroys():
		what = "destroy"
	}
	fmt.Fprintf(w, "Cluster %q: Kubernetes %s, %s.\n", p.Cluster, p.Kubernetes, what)
	hosts, cluster := p.places()
	site := ""
	for _, g := range w.grouped(hosts) {
		if g[0].site != site {
			site = g[0].site
			fmt.Fprintf(w, "\nsite %s\n", site)
		}
		w.heading(g)
		w.host = g[0].host
		w.actions(g[0].actions)
	}
	var api, members, manifests []Action
	for _, a := range cluster {
		switch {
		case a.Member != nil:
			members = append(members, a)
		case a.Part == PartManifests:
			manifests = append(manifests, a)
		default:
			api = append(api, a)
		}
	}
	w.cluster("etcd of the cluster", members)
	w.cluster("API of the cluster", api)
	w.cluster("manifests", manifests)
}

// cluster writes actions that are about no host.
func (w *textWriter) cluster(heading string, actions []Action) {
	if len(actions) > 0 {
		fmt.Fprintf(w, "\n%s\n", heading)
	}
	for _, a := range actions {
		w.line("  ", a.Verb, a.on(), a.Reason)
	}
}

// on names what an action on the cluster is about.
func (a Action) on() string {
	switch {
	case a.Node != "":
		return "node " + a.Node
	case a.Kinds != nil:
		return "record of " + strings.Join(a.Kinds, ", ")
	case a.Key != "":
		return "Secrets and ConfigMaps under " + a.Key
	case a.Member != nil:
		return a.Member.String()
	case a.Object.Namespace != "":
		return a.Object.Kind + " " + a.Object.Namespace + "/" + a.Object.Name
	}
	return a.Object.Kind + " " + a.Object.Name
}

// actions writes what happens to one host. New items are counted by component unless everything is asked for: a bring-up has hundreds of them.
func (w *textWriter) actions(actions []Action) {
	type sum struct {
		verb  Verb
		part  string
		count map[string]int
	}
	var sums []*sum
	byKey := map[string]*sum{}
	var lines []Action
	var bytes int64
	transfers, gone := 0, givesBack(actions)
	for _, a := range actions {
		if a.silent() {
			continue
		}
		if a.Transfer != nil {
			transfers++
			bytes += a.Transfer.Blob.Size
		}
		countable := a.Transfer == nil && (a.Verb == Create || a.Verb == Start || (a.Verb == Remove && gone))
		if w.Full || !countable {
			if a.Transfer == nil || w.Full {
				lines = append(lines, a)
			}
			continue
		}
		verb := a.Verb
		if verb == Start {
			verb = Create
		}
		key := string(verb) + a.Part
		if byKey[key] == nil {
			byKey[key] = &sum{verb: verb, part: a.Part, count: map[string]int{}}
			sums = append(sums, byKey[key])
		}
		byKey[key].count[plural[a.ID.Kind]]++
	}
	if transfers > 0 && !w.Full {
		fmt.Fprintf(w, "    %s %s, %s\n", w.sign(Transfer), number(transfers, "artifacts"), size(bytes))
	}
	for _, s := range sums {
		part := s.part
		if part == "" {
			part = "everything recorded"
		}
		fmt.Fprintf(w, "    %s %-24s %s\n", w.sign(s.verb), part, counts(s.count))
	}
	for _, a := range lines {
		w.action(a)
	}
}

func (w *textWriter) action(a Action) {
	name := a.ID.Name
	switch {
	case a.Transfer != nil:
		from := "from here"
		if a.Transfer.From != "" {
			from = "from " + a.Transfer.From
		}
		w.line("    ", a.Verb, a.Transfer.Name, fmt.Sprintf("%s, %s", size(a.Transfer.Blob.Size), from))
		return
	case a.Document != "":
		name = "document " + a.Document
	case a.Hook != nil:
		name = a.Hook.String()
	case !a.OnHost():
		name = a.on()
	case a.Verb == Forget:
		name = "record and store"
	case a.Verb == Prune:
		name = "store"
	case a.ID.Kind != hostapi.KindFile && a.ID.Kind != hostapi.KindUnit:
		name = string(a.ID.Kind) + " " + name
	}
	reason := a.Reason
	if a.Verb == Run {
		reason = a.Hook.line()
		if a.Reason != "" {
			reason += "; " + a.Reason
		}
	}
	if a.Before != "" && a.After != "" {
		reason = fmt.Sprintf("%s: %s → %s", reason, a.Before, a.After)
	}
	if a.Disrupts != "" {
		reason += "; disrupts " + a.Disrupts
	}
	w.line("    ", a.Verb, name, reason)
	w.diff(a.Diff)
}

func (w *textWriter) line(indent string, v Verb, name, reason string) {
	verb := strings.TrimSuffix(string(v), "-member")
	fmt.Fprintf(w, "%s%s %s", indent, w.sign(v), name)
	switch {
	case v == Create && !w.Full:
		fmt.Fprintln(w)
		return
	case reason == "":
		fmt.Fprintf(w, "  (%s)\n", verb)
	default:
		fmt.Fprintf(w, "  (%s: %s)\n", verb, reason)
	}
}

func (w *textWriter) sign(v Verb) string {
	s := signs[v]
	if !w.Color {
		return s
	}
	return "\x1b[" + colours[s] + "m" + s + "\x1b[0m"
}

func (p *Plan) writeSums(w *textWriter) {
	var create, change, remove, restart, upload, spread, prune, hooks int
	var up, inside, freed int64
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				switch a.Verb {
				case Create, Start, AddMember:
					create++
				case Update, Mend, Apply, Rewrite, MoveMember, Uncordon:
					change++
				case Remove, RemoveMember, Delete, Discard:
					remove++
				case Restart:
					restart++
				case Run:
					hooks++
				case Prune:
					n, bytes := total(a.Unused)
					prune += n
					freed += bytes
				case Transfer:
					if a.Transfer.From == "" {
						upload++
						up += a.Transfer.Blob.Size
					} else {
						spread++
						inside += a.Transfer.Blob.Size
					}
				}
			}
		}
	}
	fmt.Fprintf(w, "\nPlan: %d to create, %d to change, %d to restart, %d to remove", create, change, restart, remove)
	if hooks > 0 {
		fmt.Fprintf(w, ", %s to run", number(hooks, "hooks"))
	}
	if len(p.Skipped) > 0 {
		fmt.Fprintf(w, "; %s skipped", number(len(p.Skipped), "hosts"))
	}
	if len(p.Blocked) > 0 {
		fmt.Fprintf(w, "; %s cannot be applied", number(len(p.Blocked), "objects"))
	}
	if p.Paused != nil {
		fmt.Fprintf(w, "; %s", p.Paused.waits())
	}
	fmt.Fprintln(w, ".")
	var ways []string
	if upload > 0 {
		ways = append(ways, fmt.Sprintf("%s, %s from here to the sites, once each", number(upload, "files"), size(up)))
	}
	if spread > 0 {
		ways = append(ways, fmt.Sprintf("%s, %s inside the sites", number(spread, "files"), size(inside)))
	}
	if prune > 0 {
		ways = append(ways, fmt.Sprintf("%s, %s that nothing uses to delete", number(prune, "files"), size(freed)))
	}
	if len(ways) > 0 {
		fmt.Fprintf(w, "Artifacts: %s.\n", strings.Join(ways, "; "))
	}
}

var plural = map[hostapi.Kind]string{
	hostapi.KindPackage: "packages", hostapi.KindUser: "users", hostapi.KindModule: "modules", hostapi.KindSysctl: "sysctls", hostapi.KindClaim: "by-products",
	hostapi.KindDirectory: "directories", hostapi.KindArtifact: "binaries", hostapi.KindFile: "files", hostapi.KindKeyPair: "certificates", hostapi.KindUnit: "units", hostapi.KindImage: "images",
}

// counts writes "3 files, 1 unit", in a fixed order.
func counts(n map[string]int) string {
	order := []hostapi.Kind{hostapi.KindPackage, hostapi.KindUser, hostapi.KindModule, hostapi.KindSysctl, hostapi.KindClaim, hostapi.KindDirectory,
		hostapi.KindArtifact, hostapi.KindFile, hostapi.KindKeyPair, hostapi.KindUnit, hostapi.KindImage}
	var out []string
	for _, k := range order {
		name := plural[k]
		if c := n[name]; c > 0 {
			out = append(out, number(c, name))
		}
	}
	return strings.Join(out, ", ")
}

// number writes "1 file" or "2 files".
func number(n int, plural string) string {
	if n == 1 {
		return "1 " + singular(plural)
	}
	return fmt.Sprintf("%d %s", n, plural)
}

func singular(s string) string {
	switch s {
	case "directories":
		return "directory"
	case "binaries":
		return "binary"
	}
	return strings.TrimSuffix(s, "s")
}

// size writes bytes as an operator reads them.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
