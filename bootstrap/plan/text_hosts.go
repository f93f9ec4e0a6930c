package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// place is one host of the plan with all that happens to it.
type place struct {
	site, host string
	actions    []Action
}

func (p *Plan) places() (hosts []place, api []Action) {
	index := map[string]int{}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			if s.Host == "" {
				api = append(api, s.Actions...)
				continue
			}
			i, ok := index[s.Host]
			if !ok {
				i = len(hosts)
				index[s.Host] = i
				hosts = append(hosts, place{site: s.Site, host: s.Host})
			}
			hosts[i].actions = append(hosts[i].actions, s.Actions...)
		}
	}
	sort.SliceStable(hosts, func(i, j int) bool {
		if hosts[i].site != hosts[j].site {
			return hosts[i].site < hosts[j].site
		}
		return hosts[i].host < hosts[j].host
	})
	return hosts, api
}

// grouped puts together the hosts of a site to which the same happens.
func (w *textWriter) grouped(hosts []place) [][]place {
	var groups [][]place
	index := map[string]int{}
	for _, h := range hosts {
		alone := &textWriter{TextOptions: w.TextOptions}
		alone.actions(h.actions)
		key := h.site + "\n" + alone.String()
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], h)
	}
	return groups
}

// headingWidth is where a list of hosts goes on in the next line.
const headingWidth = 100

// heading names the hosts of a group.
func (w *textWriter) heading(group []place) {
	if len(group) == 1 {
		fmt.Fprintf(w, "  host %s%s\n", group[0].host, w.role(group[0].host))
		return
	}
	line := fmt.Sprintf("  %d hosts:", len(group))
	for i, h := range group {
		name := " " + h.host + w.role(h.host)
		if i < len(group)-1 {
			name += ","
		}
		if len(line)+len(name) > headingWidth {
			fmt.Fprintln(w, line)
			line = "   "
		}
		line += name
	}
	fmt.Fprintln(w, line)
}

// role says of a host that it is there for a while only, or by another way than the topology.
func (w *textWriter) role(host string) string {
	if slices.Contains(w.elastic, host) {
		return " (elastic)"
	}
	if slices.Contains(w.surge, host) {
		return " (for the time of the upgrade)"
	}
	return ""
}

// diff writes a diff once, and says where it stands at all other hosts.
func (w *textWriter) diff(text string) {
	if text == "" {
		return
	}
	if first := w.shown[text]; first != "" && first != w.host {
		fmt.Fprintf(w, "        (the same diff as on host %s)\n", first)
		return
	}
	if w.shown != nil {
		w.shown[text] = w.host
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "        %s", line)
	}
}
