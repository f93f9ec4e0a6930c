package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// Report is all of one run.
type Report struct {
	Command string    `json:"command"`
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Results []*Result `json:"results"`
}

// Machine is where the run was.
type Machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memoryBytes"`
	Kernel string `json:"kernel"`
	OS     string `json:"os"`
	Go     string `json:"go"`
}

// Result is what one benchmark gave.
type Result struct {
	Benchmark string   `json:"benchmark"`
	Title     string   `json:"title"`
	Seconds   float64  `json:"seconds"` // of the whole benchmark, setting up included
	Figures   []Figure `json:"figures"`
	Phases    []Phase  `json:"phases,omitempty"`
	Notes     []string `json:"notes,omitempty"`
	Error     string   `json:"error,omitempty"`
}

// Figure is one measured value, beside the rival's where there is one.
type Figure struct {
	What   string   `json:"what"`
	Unit   string   `json:"unit"` // s, MB, …
	Trivet float64  `json:"trivet"`
	Rival  *float64 `json:"rival,omitempty"`
	// Ratio is Trivet's part of the rival's value.
	Ratio *float64 `json:"ratio,omitempty"`
	Aim   string   `json:"aim,omitempty"`
	Met   *bool    `json:"met,omitempty"`
}

// Phase is where time went.
type Phase struct {
	Of      string  `json:"of"` // trivet, kubeadm, …
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// value adds a value that has no aim.
func (r *Result) value(what, unit string, v float64) {
	r.Figures = append(r.Figures, Figure{What: what, Unit: unit, Trivet: v})
}

// atMost adds a value that should not exceed the aim.
func (r *Result) atMost(what, unit string, v, aim float64) {
	met := v <= aim
	r.Figures = append(r.Figures, Figure{What: what, Unit: unit, Trivet: v, Aim: fmt.Sprintf("≤ %g %s", aim, unit), Met: &met})
}

// against adds a value beside the rival's. part is the part of the rival's value that is aimed at.
func (r *Result) against(what, unit string, v, rival, part float64) {
	ratio := v / rival
	met := ratio <= part
	r.Figures = append(r.Figures, Figure{What: what, Unit: unit, Trivet: v, Rival: &rival, Ratio: &ratio, Aim: fmt.Sprintf("≤ 1/%.4g", 1/part), Met: &met})
}

// beside adds a value beside the rival's, without an aim.
func (r *Result) beside(what, unit string, v, rival float64) {
	ratio := v / rival
	r.Figures = append(r.Figures, Figure{What: what, Unit: unit, Trivet: v, Rival: &rival, Ratio: &ratio})
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Result) phase(of, name string, d time.Duration) {
	r.Phases = append(r.Phases, Phase{of, name, d.Seconds()})
}

func newReport(args []string) *Report {
	return &Report{Command: strings.TrimSpace("bench " + strings.Join(args, " ")), Date: time.Now().UTC().Truncate(time.Second), Machine: machine()}
}

// machine describes this machine, as far as it says.
func machine() Machine {
	m := Machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), CPU: field("/proc/cpuinfo", "model name"), OS: strings.Trim(field("/etc/os-release", "PRETTY_NAME"), `"`)}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) == nil {
		m.Memory = int64(s.Totalram) * int64(s.Unit)
	}
	return m
}

// field finds a value in a file of "name: value" or "name=value" lines.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:="))
		}
	}
	return ""
}

// WriteTable writes the report for a reader.
func (r *Report) WriteTable(out io.Writer) {
	m := r.Machine
	fmt.Fprintf(out, "%s, %d × %s, %.0f GiB, %s, Linux %s\n", r.Date.Format(time.RFC3339), m.CPUs, m.CPU, float64(m.Memory)/(1<<30), m.OS, m.Kernel)
	for _, x := range r.Results {
		fmt.Fprintf(out, "\n%s: %s (%.0f s)\n", x.Benchmark, x.Title, x.Seconds)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "  WHAT\tTRIVET\tRIVAL\tRATIO\tAIM\tMET")
		for _, f := range x.Figures {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", f.What, number(&f.Trivet, f.Unit), number(f.Rival, f.Unit), ratio(f.Ratio), dash(f.Aim), met(f.Met))
		}
		_ = w.Flush()
		x.writePhases(out)
		for _, n := range x.Notes {
			fmt.Fprintf(out, "  %s\n", n)
		}
		if x.Error != "" {
			fmt.Fprintf(out, "  FAILED: %s\n", x.Error)
		}
	}
}

func (x *Result) writePhases(out io.Writer) {
	var of []string
	for _, p := range x.Phases {
		if !slices.Contains(of, p.Of) {
			of = append(of, p.Of)
		}
	}
	for _, o := range of {
		var parts []string
		for _, p := range x.Phases {
			if p.Of == o {
				parts = append(parts, fmt.Sprintf("%s %.1f", p.Name, p.Seconds))
			}
		}
		fmt.Fprintf(out, "  seconds of %s: %s\n", o, strings.Join(parts, ", "))
	}
}

func number(v *float64, unit string) string {
	switch {
	case v == nil:
		return "–"
	case unit == "":
		return fmt.Sprintf("%.0f", *v)
	case *v < 10:
		return fmt.Sprintf("%.2f %s", *v, unit)
	default:
		return fmt.Sprintf("%.1f %s", *v, unit)
	}
}

func ratio(v *float64) string {
	if v == nil {
		return "–"
	}
	if *v > 0 && *v < 1 {
		return fmt.Sprintf("1/%.1f", 1/(*v))
	}
	return fmt.Sprintf("%.2f", *v)
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func met(m *bool) string {
	switch {
	case m == nil:
		return "–"
	case *m:
		return "yes"
	}
	return "NO"
}

// median of values that are not empty.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
