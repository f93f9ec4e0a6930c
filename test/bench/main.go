// Package main is the benchmark: Trivet and its rivals do the same work on the same hosts of a lab, in one run. `make bench` builds and runs it; docs/benchmarks.md has results.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// benchmark is one comparison, named as BENCH=… selects it.
type benchmark struct {
	name, title string
	run         func(context.Context, *env, *Result) error
}

var benchmarks = []benchmark{
	{"one", "One host, until a pod answers by Service name", runOne},
	{"five", "Five hosts: three control planes and two workers", runFive},
	{"ansible", "Ten hosts: 20 small files and one unit on each", runAnsible},
	{"scale", "1,000 simulated SSH hosts: a plan with nothing to do", runScale},
	{"terraform", "1,000 simulated SSH hosts in one trivet_cluster: terraform with nothing to do", runTerraform},
	{"add", "One worker more, at five hosts and at 1,000 simulated ones", runAdd},
	{"upgrade", "An upgrade to the next minor release, per node", runUpgrade},
	{"bytes", "Bytes across the boundaries of the sites", runBytes},
}

// env is what benchmarks run with.
type env struct {
	bin     string // folder of trivet and its helpers
	dir     string // of this run, removed at its end
	hosts   int    // simulated ones
	runs    int    // of what is cheap to repeat
	side    string // "trivet" or "kubeadm": that one alone, to look into it; empty: both, to compare them
	profile string
	keep    bool
	after   string // shell command
}

const (
	sideTrivet  = "trivet"
	sideKubeadm = "kubeadm"
)

func (e *env) trivet() string { return filepath.Join(e.bin, "trivet") }
func (e *env) helper() string { return filepath.Join(e.bin, "trivet-host-linux-amd64") }

// say tells what goes on; results go to standard output.
func (e *env) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "simulated-hosts":
			return serveSimulated(ctx, args[1:])
		case "ask":
			return ask(ctx, args[1:])
		case "apply-items":
			return applyItems(ctx, args[1:])
		case "plan-simulated":
			return planSimulated(ctx, args[1:])
		case "provider-simulated":
			return serveProvider(ctx, args[1:])
		case "add-simulated":
			return addSimulatedOnce(ctx, args[1:])
		}
	}
	e := &env{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "", "benchmarks to run, separated by commas; all when empty: "+strings.Join(names(), ","))
	out := f.String("json", "", "file for the results as JSON")
	f.StringVar(&e.bin, "bin", "bin", "folder of trivet and its helpers")
	f.IntVar(&e.hosts, "hosts", 1000, "simulated hosts")
	f.IntVar(&e.runs, "runs", 3, "runs of what is cheap to repeat; the median counts")
	f.StringVar(&e.side, "side", "", "trivet or kubeadm: bring up by that one alone, to look into it; no figures are compared then")
	f.StringVar(&e.profile, "profile", "", "folder for profiles of plans over simulated hosts and of the Terraform provider, and for the events of applies")
	f.BoolVar(&e.keep, "keep", false, "keep the lab of a benchmark that failed")
	f.StringVar(&e.after, "after", "", "shell command to run before each lab goes down, with its topology's folder in LAB: to look at journals")
	if err := f.Parse(args); err != nil {
		return err
	}
	if !slices.Contains([]string{"", sideTrivet, sideKubeadm}, e.side) {
		return fmt.Errorf("there is no side %q: it is %s or %s", e.side, sideTrivet, sideKubeadm)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("run as root: the lab makes namespaces and starts systemd in them")
	}
	if e.bin, err = filepath.Abs(e.bin); err != nil {
		return err
	}
	for _, p := range []string{e.trivet(), e.helper()} {
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("%w: run make build", err)
		}
	}
	report := newReport(args)
	failed := runAll(ctx, e, chosen, report)
	report.WriteTable(os.Stdout)
	if *out != "" {
		if err := writeJSON(*out, report); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d benchmarks failed, see above", failed, len(chosen))
	}
	return nil
}

func names() (out []string) {
	for _, b := range benchmarks {
		out = append(out, b.name)
	}
	return out
}

func choose(only string) ([]benchmark, error) {
	if strings.TrimSpace(only) == "" {
		return benchmarks, nil
	}
	var out []benchmark
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("there is no benchmark %q: choose among %s", name, strings.Join(names(), ", "))
		}
		out = append(out, benchmarks[i])
	}
	return out, nil
}

// runAll runs one benchmark after another and counts those that failed. One that fails does not keep the others from being run.
func runAll(ctx context.Context, e *env, chosen []benchmark, report *Report) (failed int) {
	for _, b := range chosen {
		if ctx.Err() != nil {
			break
		}
		e.say("== %s: %s", b.name, b.title)
		r := &Result{Benchmark: b.name, Title: b.title}
		start := time.Now()
		if err := runOneOf(ctx, e, b, r); err != nil {
			r.Error = err.Error()
			failed++
			e.say("%s failed", b.name)
		}
		r.Seconds = time.Since(start).Seconds()
		report.Results = append(report.Results, r)
	}
	return failed
}

func runOneOf(ctx context.Context, e *env, b benchmark, r *Result) (err error) {
	if e.dir, err = os.MkdirTemp("", "trivet-bench-"+b.name+"-"); err != nil {
		return err
	}
	defer func() {
		if !e.keep || err == nil {
			err = errors.Join(err, os.RemoveAll(e.dir))
		}
	}()
	return b.run(ctx, e, r)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
