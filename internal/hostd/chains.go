package hostd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// chainNameLimit is the longest name of a chain (XT_EXTENSION_MAXNAMELEN less the terminating zero).
const chainNameLimit = 28

// baseChains are those that iptables makes by itself; tables that it makes hold nothing else.
var baseChains = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// builtinTables are the tables of iptables. With its nf_tables backend they are nftables tables of the same names, which stay when they are empty.
var builtinTables = []string{"filter", "nat", "mangle", "raw", "security"}

// ruleFamilies are what iptables has a program for each of, by nftables' names.
var ruleFamilies = []struct{ name, program string }{{"ip", "iptables"}, {"ip6", "ip6tables"}}

// checkChains wants a pattern that matches no chain that iptables makes by itself, nor a target.
func checkChains(pattern string) bool {
	if len(pattern) > chainNameLimit || strings.ContainsAny(pattern, " \t\"'\\!:[") || strings.HasPrefix(pattern, "-") {
		return false
	}
	return !slices.ContainsFunc(append([]string{"ACCEPT", "DROP", "RETURN", "QUEUE"}, baseChains...), func(c string) bool { return matches(pattern, c) })
}

// ruleset is what one program of iptables shows of one family.
type ruleset struct {
	family  string // ip or ip6
	program string // iptables-nft, ip6tables-legacy, …
	tables  []ruleTable
}

// ruleTable is a table as iptables-save writes it.
type ruleTable struct {
	name   string
	chains []string // those that are not base chains
	rules  []string // "-A CHAIN …"
}

// rulesets reads all rules of iptables. Which backend the components used follows from the host's alternatives, which may have changed since, so both are looked at. What
// is not installed has made nothing.
func (h *Host) rulesets(ctx context.Context) ([]ruleset, error) {
	var out []ruleset
	for _, f := range ruleFamilies {
		var errs []error
		found := 0
		for _, suffix := range []string{"-nft", "-legacy", ""} {
			if suffix == "" && found+len(errs) > 0 {
				break // it is one of those before
			}
			program := f.program + suffix
			saved, err := h.run(ctx, program+"-save")
			switch {
			case errors.Is(err, ErrNoCommand):
			case err != nil:
				errs = append(errs, err)
			default:
				found++
				out = append(out, ruleset{f.name, program, parseRules(string(saved))})
			}
		}
		// A backend that fails beside one that works is one that this kernel does not have.
		if found == 0 && len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
	}
	return out, nil
}

// parseRules reads the output of iptables-save.
func parseRules(saved string) []ruleTable {
	var out []ruleTable
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		name, isTable := strings.CutPrefix(line, "*")
		if isTable {
			out = append(out, ruleTable{name: name})
			continue
		}
		if len(out) == 0 {
			continue
		}
		t := &out[len(out)-1]
		switch {
		case strings.HasPrefix(line, ":"):
			// ":NAME POLICY [packets:bytes]"; a chain that is not a base chain has no policy.
			if f := strings.Fields(line[1:]); len(f) >= 2 && f[1] == "-" {
				t.chains = append(t.chains, f[0])
			}
		case strings.HasPrefix(line, "-A "):
			t.rules = append(t.rules, line)
		}
	}
	return out
}

// ruleWords splits a rule of iptables-save, which quotes and escapes what is not plain (xtables_save_string).
func ruleWords(rule string) []string {
	var words []string
	var w strings.Builder
	quoted, escaped, inWord := false, false, false
	for _, c := range rule {
		switch {
		case escaped:
			w.WriteRune(c)
			escaped = false
		case c == '\\' && quoted:
			escaped = true
		case c == '"':
			quoted, inWord = !quoted, true
		case c == ' ' && !quoted:
			if inWord {
				words = append(words, w.String())
			}
			w.Reset()
			inWord = false
		default:
			w.WriteRune(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, w.String())
	}
	return words
}

// leadsTo says whether a rule jumps to a chain that matches.
func leadsTo(rule, pattern string) bool {
	words := ruleWords(rule)
	for i := 2; i+1 < len(words); i++ {
		if (words[i] == "-j" || words[i] == "-g") && matches(pattern, words[i+1]) {
			return true
		}
	}
	return false
}

// chainOf is the chain that a rule is in.
func chainOf(rule string) string {
	_, rest, _ := strings.Cut(rule, " ")
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// withdrawal is input for iptables-restore --noflush that takes out chains that match, and the jumps to them; "" where there are none. It names nothing else, so that
// everything else stays as it is.
func withdrawal(tables []ruleTable, pattern string) string {
	var b strings.Builder
	for _, t := range tables {
		var jumps, chains []string
		for _, c := range t.chains {
			if matches(pattern, c) {
				chains = append(chains, c)
			}
		}
		for _, r := range t.rules {
			if !matches(pattern, chainOf(r)) && leadsTo(r, pattern) {
				jumps = append(jumps, "-D "+strings.TrimPrefix(r, "-A "))
			}
		}
		if len(jumps)+len(chains) == 0 {
			continue
		}
		fmt.Fprintf(&b, "*%s\n", t.name)
		for _, j := range jumps {
			fmt.Fprintln(&b, j)
		}
		// The chains lead to each other: all are emptied before the first is deleted.
		for _, option := range []string{"-F", "-X"} {
			for _, c := range chains {
				fmt.Fprintln(&b, option, c)
			}
		}
		fmt.Fprintln(&b, "COMMIT")
	}
	return b.String()
}

// chains lists "family table chain" of chains that match.
func (h *Host) chains(ctx context.Context, pattern string) ([]string, error) {
	sets, err := h.rulesets(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range sets {
		for _, t := range s.tables {
			for _, c := range t.chains {
				if matches(pattern, c) {
					found = append(found, s.family+" "+t.name+" "+c)
				}
			}
		}
	}
	return found, nil
}

// ruleTables lists the tables of iptables that are there as nftables tables, "family name".
func (h *Host) ruleTables(ctx context.Context) ([]string, error) {
	all, err := h.nftTables(ctx, "ip*")
	return slices.DeleteFunc(all, func(t string) bool {
		family, name, _ := strings.Cut(t, " ")
		return (family != "ip" && family != "ip6") || !slices.Contains(builtinTables, name)
	}), err
}

// priorTables is what ruleTables shows, with the base chains in them, less what Trivet's components have made since an earlier claim.
func (s *stepper) priorTables(ctx context.Context) (tables, chains []string, err error) {
	if tables, err = s.ruleTables(ctx); err != nil {
		return nil, nil, err
	}
	for _, t := range tables {
		listed, err := s.listTable(ctx, t)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range baseChainsOf(listed) {
			chains = append(chains, t+" "+c.name)
		}
	}
	for _, e := range s.rec.of(hostapi.KindClaim) {
		if e.item().Claim.What == hostapi.ClaimChains && e.Prior.Captured {
			tables = slices.DeleteFunc(tables, func(t string) bool { return !slices.Contains(e.Prior.Tables, t) })
			chains = slices.DeleteFunc(chains, func(c string) bool { return !slices.Contains(e.Prior.BaseChains, c) })
		}
	}
	return tables, chains, nil
}

func (s *stepper) listTable(ctx context.Context, table string) (string, error) {
	out, err := s.command(ctx, "nft", append([]string{"list", "table"}, strings.Fields(table)...)...)
	return string(out), err
}

// baseChain is one of those that iptables makes by itself. A plain one has no rule and accepts everything.
type baseChain struct {
	name  string
	plain bool
}

// baseChainsOf reads a table as nft lists it.
func baseChainsOf(listed string) []baseChain {
	var out []baseChain
	inside := false
	for line := range strings.Lines(listed) {
		f := strings.Fields(line)
		switch {
		case len(f) == 3 && f[0] == "chain" && f[2] == "{":
			if inside = slices.Contains(baseChains, f[1]); inside {
				out = append(out, baseChain{name: f[1], plain: true})
			}
		case len(f) == 0 || !inside:
		case f[0] == "}":
			inside = false
		case f[0] == "type" && strings.HasSuffix(strings.TrimSpace(line), "; policy accept;"):
		default:
			out[len(out)-1].plain = false
		}
	}
	return out
}

// withdrawTries is how often rules are read again after somebody else changed them between reading and writing.
const withdrawTries = 3

// removeChains takes out chains that match, and then the tables that were made for them.
func (s *stepper) removeChains(ctx context.Context, e *entry) error {
	pattern := e.item().Claim.Name
	for try := 1; ; try++ {
		err := s.withdrawChains(ctx, pattern)
		if err == nil {
			break
		}
		if try == withdrawTries {
			return fmt.Errorf("chains %s of iptables cannot be removed: %w", pattern, err)
		}
	}
	return s.removeTables(ctx, e.Prior)
}

func (s *stepper) withdrawChains(ctx context.Context, pattern string) error {
	sets, err := s.rulesets(ctx)
	if err != nil {
		return err
	}
	for _, set := range sets {
		input := withdrawal(set.tables, pattern)
		if input == "" {
			continue
		}
		// Others hold the lock of the legacy backend for moments only.
		restore := Command{Name: set.program + "-restore", Args: []string{"--noflush", "--wait", "10"}, Stdin: []byte(input)}
		if _, err := s.Commands.Run(ctx, restore); err != nil {
			return err
		}
		s.hook("removed chains of " + set.program)
	}
	return nil
}

// removeTables deletes tables of iptables' nf_tables backend that were not there before and hold nothing any more, and such base chains in those that were: iptables itself
// never deletes them.
func (s *stepper) removeTables(ctx context.Context, before prior) error {
	tables, err := s.ruleTables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		listed, err := s.listTable(ctx, t)
		if err != nil {
			return err
		}
		if slices.Contains(before.Tables, t) {
			if err := s.removeBaseChains(ctx, t, listed, before.BaseChains); err != nil {
				return err
			}
			continue
		}
		if !emptyRuleTable(listed) {
			continue
		}
		if _, err := s.command(ctx, "nft", append([]string{"delete", "table"}, strings.Fields(t)...)...); err != nil {
			return err
		}
		s.hook("removed table " + t)
	}
	return nil
}

// removeBaseChains deletes plain base chains of a table that were not there before.
func (s *stepper) removeBaseChains(ctx context.Context, table, listed string, before []string) error {
	if !slices.ContainsFunc(before, func(c string) bool { return strings.HasPrefix(c, table+" ") }) {
		return nil // nobody noted what was there
	}
	for _, c := range baseChainsOf(listed) {
		if !c.plain || slices.Contains(before, table+" "+c.name) {
			continue
		}
		if _, err := s.command(ctx, "nft", append([]string{"delete", "chain"}, append(strings.Fields(table), c.name)...)...); err != nil {
			return err
		}
		s.hook("removed chain " + table + " " + c.name)
	}
	return nil
}

// emptyRuleTable says whether a table, as nft lists it, has nothing but base chains of iptables that accept everything. A line that it does not know makes it somebody's.
func emptyRuleTable(listed string) bool {
	for line := range strings.Lines(listed) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0, f[0] == "#", f[0] == "}" && len(f) == 1:
		case f[0] == "table" && len(f) == 4 && f[3] == "{":
		case f[0] == "chain" && len(f) == 3 && f[2] == "{" && slices.Contains(baseChains, f[1]):
		case f[0] == "type" && strings.HasSuffix(strings.TrimSpace(line), "; policy accept;"):
		default:
			return false
		}
	}
	return true
}
