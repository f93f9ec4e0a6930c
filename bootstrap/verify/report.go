package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the outcome of a run. As JSON it has every check; the table has a line for each kind of check and for each failure.
type Report struct {
	Cluster string        `json:"cluster"`
	Checks  []Check       `json:"checks"`
	Elapsed time.Duration `json:"elapsed"`
	// Incomplete is why the run ended before all checks were made.
	Incomplete string `json:"incomplete,omitempty"`
}

// OK reports whether there was something to check, all of it was checked and nothing failed.
func (r Report) OK() bool { return len(r.Checks) > 0 && len(r.Failed()) == 0 && r.Incomplete == "" }

// Failed lists the checks that failed.
func (r Report) Failed() []Check {
	var out []Check
	for _, c := range r.Checks {
		if !c.OK {
			out = append(out, c)
		}
	}
	return out
}

func (r Report) sort() {
	slices.SortStableFunc(r.Checks, func(a, b Check) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name)), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Peer, b.Peer))
	})
}

// WriteTable prints the report for people.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CHECK\tRESULT\tSLOWEST\tWHERE") // errors are kept until Flush
	for _, name := range order {
		var total, ok int
		var slowest Check
		for _, c := range r.Checks {
			if c.Name != name {
				continue
			}
			total++
			if c.OK {
				ok++
			}
			if total == 1 || c.Elapsed > slowest.Elapsed {
				slowest = c
			}
		}
		if total == 0 {
			continue
		}
		result := fmt.Sprintf("ok %d of %d", ok, total)
		if ok < total {
			result = fmt.Sprintf("FAILED %d of %d", total-ok, total)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, result, slowest.Elapsed.Round(time.Millisecond), place(slowest))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := r.writeFailures(w); err != nil {
		return err
	}
	verdict := fmt.Sprintf("\n%s: %d checks, all well, in %s.\n", r.Cluster, len(r.Checks), r.Elapsed.Round(100*time.Millisecond))
	if !r.OK() {
		verdict = fmt.Sprintf("\n%s: %d of %d checks failed, in %s.\n", r.Cluster, len(r.Failed()), len(r.Checks), r.Elapsed.Round(100*time.Millisecond))
	}
	if r.Incomplete != "" {
		verdict = fmt.Sprintf("\n%s: not all was checked: %s. Of %d checks until then %d failed, in %s.\n", r.Cluster, r.Incomplete, len(r.Checks), len(r.Failed()), r.Elapsed.Round(100*time.Millisecond))
	}
	_, err := io.WriteString(w, verdict)
	return err
}

// shown is how many failures of one kind are told in full. They have mostly one cause, and a site that is lost has hundreds.
const shown = 5

func (r Report) writeFailures(w io.Writer) error {
	told := make(map[string]int)
	rest := make(map[string][]string)
	failed := r.Failed()
	for _, c := range failed {
		if told[c.Name]++; told[c.Name] > shown {
			rest[c.Name] = append(rest[c.Name], place(c))
		}
	}
	clear(told)
	last := ""
	for _, c := range failed {
		told[c.Name]++
		text := ""
		switch {
		case told[c.Name] <= shown:
			text = "\nFAILED " + c.Name
			if where := place(c); where != "" {
				text += " at " + where
			}
			text += "\n  " + c.Detail + "\n"
			switch c.Remedy {
			case "":
			case last:
				text += "  What to do: as above\n"
			default:
				text += "  What to do: " + c.Remedy + "\n"
			}
			last = c.Remedy
		case told[c.Name] == shown+1:
			places := rest[c.Name]
			text = fmt.Sprintf("\nFAILED %s in %d more places: %s", c.Name, len(places), strings.Join(places[:min(2*shown, len(places))], ", "))
			if len(places) > 2*shown {
				text += ", … (all of them with --json)"
			}
			text += "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// place is "host → peer" as far as the check has them.
func place(c Check) string {
	switch {
	case c.Host == "":
		return c.Peer
	case c.Peer == "":
		return c.Host
	}
	return c.Host + " → " + c.Peer
}
