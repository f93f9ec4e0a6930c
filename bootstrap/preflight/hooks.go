package preflight

import (
	"fmt"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// programsOf are the programs that the cluster's hooks start on a host, with the hooks that do.
func (in *Input) programsOf(h *topology.Host) map[string][]string {
	out := map[string][]string{}
	for i := range in.Cluster.Hooks {
		if k := &in.Cluster.Hooks[i]; k.On(h) {
			out[k.Command[0]] = append(out[k.Command[0]], k.Name)
		}
	}
	return out
}

// programs warns of hooks whose programs are not there, or would not start. It is no error: a hook that comes before may bring them.
func (c *checker) programs(h *topology.Host, p *hostapi.ProbeResult) {
	of := c.programsOf(h)
	for _, program := range sortedKeys(of) {
		f, asked := p.Paths[program]
		what := ""
		switch {
		case !asked:
			continue
		case !f.Exists:
			what = "is not there"
		case !f.Program:
			what = "is no file that may be executed"
		case f.NoExec:
			what = fmt.Sprintf("lies on %s, which is mounted noexec", f.Mount)
		default:
			continue
		}
		c.add(CheckHooks, Warning, h.Name, fmt.Sprintf("%s, the program of the %s %s, %s", program, plural(len(of[program]), "hook"), strings.Join(of[program], ", "), what),
			"put a program there before the hook runs: Trivet does not bring it, and without it the host's step does not begin, or its hook stays owed")
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
