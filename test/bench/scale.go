package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/test/bench/simhosts"
)

const (
	scaleSeconds = 20  // for the plan of 1,000 hosts
	scaleMemory  = 500 // MB, peak of the operator's process
	tripsAim     = 3   // per host, after connecting
)

// planned is what a plan over simulated hosts took.
type planned struct {
	simhosts.Measured
	CPU     float64 `json:"cpuSeconds"`
	PeakRSS int64   `json:"peakRSSBytes"`
}

// runScale plans a running cluster of simulated hosts, each time in a process of its own.
func runScale(ctx context.Context, e *env, r *Result) error {
	return withSimulated(ctx, e, func(servers *simulated) error { return measureScale(ctx, e, r, servers) })
}

func measureScale(ctx context.Context, e *env, r *Result, servers *simulated) error {
	var total, cpu, memory, serverCPU []float64
	var last planned
	for i := range max(e.runs, 1) {
		before := servers.cpu()
		p, err := planOnce(ctx, e, servers.description, i)
		if err != nil {
			return err
		}
		e.say("plan of %d hosts: %.1f s, %.1f s of CPU, %d MB (servers: %.1f s of CPU)", p.Hosts, p.Total, p.CPU, p.PeakRSS/1e6, servers.cpu()-before)
		total, cpu, memory = append(total, p.Total), append(cpu, p.CPU), append(memory, float64(p.PeakRSS)/1e6)
		serverCPU = append(serverCPU, servers.cpu()-before)
		last = *p
	}
	r.atMost(fmt.Sprintf("plan of %d hosts, nothing to do", e.hosts), "s", median(total), scaleSeconds)
	r.value("CPU time of trivet", "s", median(cpu))
	r.atMost("peak resident memory of trivet", "MB", median(memory), scaleMemory)
	r.atMost("round trips per host after connecting", "", float64(last.RoundTrips), tripsAim)
	r.value("received from all hosts", "MB", float64(last.BytesReceived)/1e6)
	r.Phases = append(r.Phases, Phase{"trivet, last run", "load", last.LoadSeconds}, Phase{"trivet, last run", "connect", last.Connect}, Phase{"trivet, last run", "observe and plan", last.Plan})
	r.note("The servers, in a process of their own on the same %d CPUs, used %.1f s of CPU meanwhile: handshakes, and observing as the helper does on a host.", runtime.NumCPU(), median(serverCPU))
	r.note("Simulated: hosts are folders in memory. Real: SSH, the helper's code and protocol, the engine. The API's objects count as unchanged, since no simulated host has an API server.")
	return nil
}

// withSimulated measures something over simulated hosts, which end with it. It fails where they were asked for something that they do not know.
func withSimulated(ctx context.Context, e *env, measure func(*simulated) error) error {
	dir, err := os.MkdirTemp("/dev/shm", "trivet-bench-simulated-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, err := startSimulated(ctx, e, dir)
	if err != nil {
		return err
	}
	return errors.Join(measure(servers), servers.stop())
}

// simulated is the process of the servers.
type simulated struct {
	cmd         *exec.Cmd
	stdin       interface{ Close() error }
	out         *bufio.Reader
	description string // file
}

func startSimulated(ctx context.Context, e *env, dir string) (*simulated, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &simulated{description: filepath.Join(dir, "fleet.json")}
	s.cmd = exec.CommandContext(ctx, self, "simulated-hosts", "-dir", dir, "-hosts", strconv.Itoa(e.hosts), "-helper", e.helper(), "-description", s.description)
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	e.say("bringing up %d simulated hosts", e.hosts)
	start := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil || line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("the simulated hosts did not come up: %q %w", line, err), s.stop())
	}
	e.say("they are up after %.0f s", time.Since(start).Seconds())
	return s, nil
}

// stop ends the servers and fails when they were asked for something that they do not know.
func (s *simulated) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// cpu is the CPU time, in seconds, that the servers have used.
func (s *simulated) cpu() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100 // USER_HZ, which is 100 on every Linux
}

func serveSimulated(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("simulated-hosts", flag.ContinueOnError)
	dir := f.String("dir", "", "")
	n := f.Int("hosts", 0, "")
	helper := f.String("helper", "", "")
	description := f.String("description", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := simhosts.Serve(ctx, *dir, *n, *helper, func(m string) { fmt.Fprintln(os.Stderr, "          simulated bring-up,", m) })
	if err != nil {
		return err
	}
	if err := writeJSON(*description, s.Fleet); err != nil {
		return err
	}
	runtime.GC()
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent closes it or ends
	if u := s.Unexpected(); len(u) > 0 {
		return fmt.Errorf("the simulated hosts were given unexpected commands, the first: %s", u[0])
	}
	return s.Close()
}

// planOnce runs planSimulated in a process of its own.
func planOnce(ctx context.Context, e *env, description string, run int) (*planned, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"plan-simulated", "-fleet", description, "-helper", e.helper()}
	if e.profile != "" {
		args = append(args, "-profile", filepath.Join(e.profile, fmt.Sprintf("scale-%d", run)))
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("plan of simulated hosts: %w", err)
	}
	p := new(planned)
	return p, json.Unmarshal(out, p)
}

// planSimulated is the operator's process.
func planSimulated(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("plan-simulated", flag.ContinueOnError)
	fleet := f.String("fleet", "", "")
	helper := f.String("helper", "", "")
	profile := f.String("profile", "", "")
	parallel := f.Int("parallel", 32, "") // the language's own default
	if err := f.Parse(args); err != nil {
		return err
	}
	b, err := os.ReadFile(*fleet)
	if err != nil {
		return err
	}
	var d simhosts.Fleet
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	if *profile != "" {
		stop, err := startProfile(*profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	m, err := simhosts.Plan(ctx, &d, *helper, *parallel)
	if err != nil {
		return err
	}
	p := planned{Measured: *m}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return err
	}
	p.CPU = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	if p.PeakRSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

// peakRSS is the highest resident memory of this process. getrusage would count its parent's, too: it is kept over exec.
func peakRSS() (int64, error) {
	kb, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	return kb << 10, err
}

func startProfile(name string) (stop func() error, err error) {
	f, err := os.Create(name + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(name + ".heap")
		if err != nil {
			return errors.Join(err, f.Close())
		}
		return errors.Join(pprof.WriteHeapProfile(heap), heap.Close(), f.Close())
	}, nil
}
