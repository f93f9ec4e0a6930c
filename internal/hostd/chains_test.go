package hostd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

func claimChains(patterns ...string) []hostapi.Item {
	var out []hostapi.Item
	for _, p := range patterns {
		out = append(out, hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimChains, Name: p}})
	}
	return out
}

// firewall is what the host's people have: a chain of theirs with names that look like ours, a policy, and a table that is empty.
func firewall() map[string][]*hostdtest.RuleTable {
	return map[string][]*hostdtest.RuleTable{
		"iptables-nft": {
			{Name: "filter", Base: []string{"INPUT DROP", "FORWARD ACCEPT", "OUTPUT ACCEPT"}, Chains: []string{"OPS", "NOT-KUBE-OPS"}, Rules: []string{
				`-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "was -j KUBE-SERVICES once" -j ACCEPT`,
				`-A INPUT -m comment --comment "say \"-j KUBE-FIREWALL\" twice" -j OPS`, "-A OPS -s 192.0.2.0/24 -j NOT-KUBE-OPS",
			}},
			{Name: "raw", Base: []string{"PREROUTING ACCEPT"}},
		},
		"iptables-legacy": {{Name: "mangle", Base: []string{"PREROUTING ACCEPT"}, Rules: []string{"-A PREROUTING -i eth9 -j ACCEPT"}}},
	}
}

// install puts what kube-proxy, the kubelet and the portmap plugin make before and after what is there.
func addKubeRules(m *hostdtest.Machine) {
	services := `-A %s -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`
	nat := func(t *hostdtest.RuleTable) {
		t.Chains = append(t.Chains, "KUBE-SERVICES", "KUBE-SVC-NPX46M4PTMTKRN6Y", "KUBE-POSTROUTING", "CNI-HOSTPORT-DNAT", "CNI-DN-0123456789abcdef")
		t.Rules = append([]string{fmt.Sprintf(services, "PREROUTING"), fmt.Sprintf(services, "OUTPUT"), "-A POSTROUTING -g KUBE-POSTROUTING",
			"-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"}, t.Rules...)
		t.Rules = append(t.Rules, "-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-NPX46M4PTMTKRN6Y", "-A KUBE-SVC-NPX46M4PTMTKRN6Y -j MARK --set-xmark 0x4000/0x4000",
			"-A CNI-HOSTPORT-DNAT -j CNI-DN-0123456789abcdef", "-A KUBE-POSTROUTING -j MASQUERADE")
	}
	r := m.Commands.Rules
	for _, program := range []string{"iptables-nft", "ip6tables-nft"} {
		t := &hostdtest.RuleTable{Name: "nat", Base: []string{"PREROUTING ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"}}
		nat(t)
		r[program] = append(r[program], t, &hostdtest.RuleTable{Name: "mangle", Base: []string{"PREROUTING ACCEPT"}, Chains: []string{"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"}})
	}
	for _, t := range r["iptables-nft"] {
		if t.Name == "raw" { // iptables makes base chains as it needs them, in tables of others, too
			t.Base = append(t.Base, "OUTPUT ACCEPT")
		}
	}
	for _, t := range r["iptables-nft"][:1] {
		t.Chains = append(t.Chains, "KUBE-FORWARD")
		t.Rules = append([]string{"-A FORWARD -j KUBE-FORWARD", "-A OPS -g KUBE-FORWARD"}, t.Rules...)
		t.Rules = append(t.Rules, "-A KUBE-FORWARD -j ACCEPT")
	}
	for _, t := range r["iptables-legacy"] {
		t.Chains = append(t.Chains, "KUBE-KUBELET-CANARY")
	}
}

// shown is what a person would see of a machine's rules.
func shown(m *hostdtest.Machine) map[string][]hostdtest.RuleTable {
	out := map[string][]hostdtest.RuleTable{}
	for program, tables := range m.Commands.Rules {
		for _, t := range tables {
			out[program] = append(out[program], hostdtest.RuleTable{
				Name: t.Name, Base: t.Base, Chains: append([]string{}, t.Chains...), Rules: append([]string{}, t.Rules...), Native: t.Native,
			})
		}
	}
	return out
}

func TestChainsGoAndOthersStay(t *testing.T) {
	claims := claimChains("KUBE-*", "CNI-*")
	m := newMachine(t)
	m.Commands.InstallIPTables()
	m.Commands.Rules = firewall()
	before := shown(m)
	run(t, m, ensure(claims...)...)
	addKubeRules(m)
	if got := run(t, m, ensure(claims...)...); got != "unchanged unchanged" {
		t.Errorf("claims of chains that are there by now: %s, want unchanged", got)
	}
	run(t, m, removeAll(t, m)...)
	if d := cmp.Diff(before, shown(m)); d != "" {
		t.Errorf("rules after removal (-before +after):\n%s", d)
	}
}

// TestCountersGoAfterTheirRules: nothing can be deleted that a rule counts with, and counters of others stay.
func TestCountersGoAfterTheirRules(t *testing.T) {
	counter := hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimCounter, Name: "ct_state_invalid_dropped_pkts"}}
	m := newMachine(t)
	m.Commands.InstallIPTables()
	m.Kernel.Acct = []string{"ops"}
	run(t, m, ensure(append([]hostapi.Item{counter}, claimChains("KUBE-*")...)...)...)
	m.Kernel.Acct = append(m.Kernel.Acct, counter.Claim.Name)
	m.Commands.Rules["iptables-nft"] = []*hostdtest.RuleTable{{Name: "filter", Base: []string{"FORWARD ACCEPT"}, Chains: []string{"KUBE-FORWARD"}, Rules: []string{
		"-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP",
	}}}
	run(t, m, removeAll(t, m)...)
	if d := cmp.Diff([]string{"ops"}, m.Kernel.Acct); d != "" {
		t.Errorf("counters left (-want +got):\n%s", d)
	}
	m.Kernel.Acct = append(m.Kernel.Acct, counter.Claim.Name)
	wantCode(t, stepErr(m, t.Context(), ensure(counter)...), hostapi.CodeForeign)
}

func TestChainsInterrupted(t *testing.T) {
	claims := claimChains("KUBE-*", "CNI-*")
	start := func() (*hostdtest.Machine, map[string][]hostdtest.RuleTable) {
		m := newMachine(t)
		m.NoSync = true
		m.Commands.InstallIPTables()
		m.Commands.Rules = firewall()
		before := shown(m)
		run(t, m, ensure(claims...)...)
		addKubeRules(m)
		return m, before
	}
	m, _ := start()
	points, _ := cutStep(t, m, 0, removeAll(t, m)...)
	if points < 10 {
		t.Fatalf("only %d points of interest", points)
	}
	for n := 1; n <= points; n++ {
		m, before := start()
		_, where := cutStep(t, m, n, removeAll(t, m)...)
		run(t, m, removeAll(t, m)...)
		if d := cmp.Diff(before, shown(m)); d != "" {
			t.Fatalf("cut off at point %d (%s), then done again (-before +after):\n%s", n, where, d)
		}
	}
}

func TestForeignChainsAreRefused(t *testing.T) {
	for _, program := range []string{"iptables-nft", "ip6tables-legacy"} {
		m := newMachine(t)
		m.Commands.InstallIPTables()
		m.Commands.Rules[program] = []*hostdtest.RuleTable{{Name: "nat", Base: []string{"PREROUTING ACCEPT"}, Chains: []string{"KUBE-SERVICES", "OPS"}}}
		he := wantCode(t, stepErr(m, t.Context(), ensure(claimChains("KUBE-*")...)...), hostapi.CodeForeign)
		if !strings.Contains(he.Message, "nat KUBE-SERVICES") || strings.Contains(he.Message, "OPS") || he.Remedy == "" {
			t.Errorf("%s: error %+v does not name the chain, or has no remedy", program, he)
		}
		if o := observe(t, m); o.Record != nil && len(o.Record.Items) > 0 {
			t.Errorf("%s: refused and recorded: %+v", program, o.Record.Items)
		}
		run(t, m, ensure(claimChains("CNI-*")...)...)
	}
}

func TestTablesStayWhereSomethingIsLeft(t *testing.T) {
	tests := []struct {
		name  string
		claim []hostapi.Item
		spoil func(t *hostdtest.RuleTable)
		stays bool
	}{
		{"nothing left", claimChains("KUBE-*"), func(*hostdtest.RuleTable) {}, false},
		{"a rule", claimChains("KUBE-*"), func(t *hostdtest.RuleTable) { t.Rules = append(t.Rules, "-A OUTPUT -j ACCEPT") }, true},
		{"a chain", claimChains("KUBE-*"), func(t *hostdtest.RuleTable) { t.Chains = append(t.Chains, "OPS") }, true},
		{"a policy", claimChains("KUBE-*"), func(t *hostdtest.RuleTable) { t.Base = []string{"OUTPUT DROP"} }, true},
		{"a set that iptables does not show", claimChains("KUBE-*"), func(t *hostdtest.RuleTable) { t.Native = "\tset ops {\n\t\ttype ipv4_addr\n\t}\n" }, true},
		{"a base chain of nft's", claimChains("KUBE-*"), func(t *hostdtest.RuleTable) { t.Base = append(t.Base, "ops ACCEPT") }, true},
		{"another claim's chain", claimChains("CNI-*", "KUBE-*"), func(t *hostdtest.RuleTable) { t.Chains = append(t.Chains, "CNI-HOSTPORT-DNAT") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.Commands.InstallIPTables()
			run(t, m, ensure(tt.claim...)...)
			table := &hostdtest.RuleTable{Name: "nat", Base: []string{"OUTPUT ACCEPT"}, Chains: []string{"KUBE-SERVICES"}, Rules: []string{"-A OUTPUT -j KUBE-SERVICES"}}
			tt.spoil(table)
			m.Commands.Rules["ip6tables-nft"] = []*hostdtest.RuleTable{table}
			run(t, m, removeAll(t, m)...)
			left := m.Commands.Rules["ip6tables-nft"]
			if (len(left) > 0) != tt.stays {
				t.Fatalf("tables left: %d, want it to stay: %v", len(left), tt.stays)
			}
			if tt.stays && strings.Contains(strings.Join(append(left[0].Chains, left[0].Rules...), "\n"), "KUBE-") {
				t.Errorf("left of Trivet's: %+v", left[0])
			}
		})
	}
}

// TestChainsClaimedLater: tables that an earlier claim's component made are still known as Trivet's.
func TestChainsClaimedLater(t *testing.T) {
	m := newMachine(t)
	m.Commands.InstallIPTables()
	run(t, m, ensure(claimChains("KUBE-*")...)...)
	m.Commands.Rules["iptables-nft"] = []*hostdtest.RuleTable{{Name: "nat", Base: []string{"OUTPUT ACCEPT"}, Chains: []string{"KUBE-SERVICES"}}}
	run(t, m, ensure(claimChains("CNI-*")...)...)
	m.Commands.Rules["iptables-nft"][0].Chains = append(m.Commands.Rules["iptables-nft"][0].Chains, "CNI-DN-1")
	run(t, m, remove(hostapi.ID{Kind: hostapi.KindClaim, Name: "iptables-chains/KUBE-*"})...)
	run(t, m, removeAll(t, m)...)
	if left := m.Commands.Rules["iptables-nft"]; len(left) != 0 {
		t.Errorf("left: %+v", left[0])
	}
}

func TestChainsWithoutPrograms(t *testing.T) {
	m := newMachine(t) // has nft, and no iptables
	run(t, m, ensure(claimChains("KUBE-*", "CNI-*")...)...)
	run(t, m, removeAll(t, m)...)
	delete(m.Commands.Programs, "nft")
	run(t, m, ensure(claimChains("KUBE-*", "CNI-*")...)...)
	run(t, m, removeAll(t, m)...)
	for _, c := range m.Commands.Log {
		if strings.Contains(c, "restore") || strings.Contains(c, "delete") {
			t.Errorf("ran %s", c)
		}
	}
}

// TestChainsWithOneBackend: a backend that the kernel does not have fails, and the other one is used.
func TestChainsWithOneBackend(t *testing.T) {
	m := newMachine(t)
	m.Commands.InstallIPTables()
	broken := func([]string) ([]byte, error) { return nil, errors.New("could not fetch rule set generation id") }
	m.Commands.Programs["iptables-nft-save"], m.Commands.Programs["ip6tables-nft-save"] = broken, broken
	run(t, m, ensure(claimChains("KUBE-*")...)...)
	m.Commands.Rules["iptables-legacy"] = []*hostdtest.RuleTable{{Name: "nat", Base: []string{"OUTPUT ACCEPT"}, Chains: []string{"KUBE-SERVICES"}}}
	run(t, m, removeAll(t, m)...)
	if c := m.Commands.Rules["iptables-legacy"][0].Chains; len(c) > 0 {
		t.Errorf("left: %s", c)
	}
	m.Commands.Programs["iptables-legacy-save"] = broken
	wantCode(t, stepErr(m, t.Context(), ensure(claimChains("KUBE-*")...)...), hostapi.CodeFailed)
}

// TestChainsChangedMeanwhile: rules that change between reading and writing are read again.
func TestChainsChangedMeanwhile(t *testing.T) {
	m := newMachine(t)
	m.Commands.InstallIPTables()
	run(t, m, ensure(claimChains("KUBE-*")...)...)
	table := &hostdtest.RuleTable{Name: "nat", Base: []string{"OUTPUT ACCEPT"}, Chains: []string{"KUBE-SERVICES"}, Rules: []string{"-A OUTPUT -j KUBE-SERVICES"}}
	m.Commands.Rules["iptables-nft"] = []*hostdtest.RuleTable{table}
	restore := m.Commands.Programs["iptables-nft-restore"]
	tries := 0
	m.Commands.Programs["iptables-nft-restore"] = func(args []string) ([]byte, error) {
		if tries++; tries == 1 {
			table.Rules = nil
		}
		return restore(args)
	}
	run(t, m, removeAll(t, m)...)
	if tries != 2 || len(m.Commands.Rules["iptables-nft"]) != 0 {
		t.Errorf("after %d tries left: %+v", tries, m.Commands.Rules["iptables-nft"])
	}
}

func TestChainsThatCannotBeClaimed(t *testing.T) {
	m := newMachine(t)
	for _, name := range []string{"", "*", "INPUT", "PRE*", "DROP", "KUBE *", "-X", "A*B", strings.Repeat("K", 29)} {
		if err := stepErr(m, t.Context(), ensure(claimChains(name)...)...); err == nil {
			t.Errorf("chains %q can be claimed", name)
		}
	}
}
