package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/shell"
	"github.com/trivet-dev/trivet/provider/terraform"
	"github.com/trivet-dev/trivet/test/bench/simhosts"
)

// runTerraform has terraform plan and apply one trivet_cluster of a running cluster of simulated hosts, where nothing is to be done, beside the engine's own plan of it.
func runTerraform(ctx context.Context, e *env, r *Result) error {
	if _, err := exec.LookPath("terraform"); err != nil {
		return err
	}
	return withSimulated(ctx, e, func(servers *simulated) error { return measureTerraform(ctx, e, r, servers) })
}

func measureTerraform(ctx context.Context, e *env, r *Result, servers *simulated) error {
	// The engine comes first: its topology and the attributes differ in what says nothing of the cluster, which Terraform's first apply records its own way.
	var engine, engineMemory []float64
	for i := range max(e.runs, 1) {
		p, err := planOnce(ctx, e, servers.description, i)
		if err != nil {
			return err
		}
		e.say("the engine's plan: %.1f s, %d MB", p.Total, p.PeakRSS/1e6)
		engine, engineMemory = append(engine, p.Total), append(engineMemory, float64(p.PeakRSS)/1e6)
	}
	t, err := newTerraform(e, servers.description)
	if err != nil {
		return err
	}
	if _, err := t.run(ctx, "apply", "-auto-approve"); err != nil { // brings the cluster into the state
		return err
	}
	runs := []struct {
		what string
		args []string
		took []float64
		most []float64 // resident memory of the provider
	}{
		{what: "plan without a refresh", args: []string{"plan", "-refresh=false", "-detailed-exitcode"}},
		{what: "plan", args: []string{"plan", "-detailed-exitcode"}},
		{what: "apply, nothing to do", args: []string{"apply", "-auto-approve"}},
	}
	for range max(e.runs, 1) {
		for j := range runs {
			m, err := t.run(ctx, runs[j].args...)
			if err != nil {
				return err
			}
			e.say("terraform %s: %.1f s, provider %d MB", runs[j].what, m.Seconds, m.PeakRSS/1e6)
			runs[j].took, runs[j].most = append(runs[j].took, m.Seconds), append(runs[j].most, float64(m.PeakRSS)/1e6)
		}
	}
	for _, x := range runs {
		r.beside(fmt.Sprintf("terraform %s, %d hosts", x.what, e.hosts), "s", median(x.took), median(engine))
		r.beside("  peak resident memory of the provider", "MB", median(x.most), median(engineMemory))
	}
	state, err := os.Stat(filepath.Join(t.dir, "terraform.tfstate"))
	if err != nil {
		return err
	}
	r.value("state", "KB", float64(state.Size())/1e3)
	r.note("The rival is the engine alone: one plan, in a process of its own. Times of terraform are from its start to its end.")
	r.note("Simulated: hosts are folders in memory. Real: terraform, the provider's process, SSH, the helper's code and protocol, the engine. The API's objects count as unchanged.")
	return nil
}

// terraformRun is what one run took.
type terraformRun struct {
	Seconds float64
	PeakRSS int64 // of the provider's largest process
}

// terraformDir is a folder with a configuration and a provider.
type terraformDir struct{ dir, config, measured string }

// newTerraform has this program be the provider, by a development override.
func newTerraform(e *env, description string) (*terraformDir, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(description)
	if err != nil {
		return nil, err
	}
	var f simhosts.Fleet
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	config, err := f.Terraform()
	if err != nil {
		return nil, err
	}
	t := &terraformDir{dir: filepath.Join(e.dir, "root"), config: filepath.Join(e.dir, "terraform.rc"), measured: filepath.Join(e.dir, "measured")}
	line, err := shell.Command(self, "provider-simulated", "-helper", e.helper(), "-measured", t.measured, "-profile", e.profile).Build()
	if err != nil {
		return nil, err
	}
	plugins := filepath.Join(e.dir, "plugins")
	rc := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"trivet-dev/trivet\" = %q\n  }\n  direct {}\n}\n", plugins)
	return t, errors.Join(
		os.MkdirAll(t.dir, 0o700), os.MkdirAll(t.measured, 0o700), os.MkdirAll(plugins, 0o700),
		os.WriteFile(filepath.Join(t.dir, "main.tf"), []byte(config), 0o600), os.WriteFile(t.config, []byte(rc), 0o600),
		os.WriteFile(filepath.Join(plugins, "terraform-provider-trivet"), []byte("#!/bin/sh\nexec "+line+"\n"), 0o700),
	)
}

// run runs terraform, which has to find nothing to do unless it applies.
func (t *terraformDir) run(ctx context.Context, args ...string) (*terraformRun, error) {
	cmd := exec.CommandContext(ctx, "terraform", args...)
	cmd.Dir, cmd.Env = t.dir, append(os.Environ(), "TF_CLI_CONFIG_FILE="+t.config, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_ARGS=-no-color")
	start := time.Now()
	out, err := cmd.CombinedOutput()
	m := &terraformRun{Seconds: time.Since(start).Seconds()}
	if err != nil {
		return nil, fmt.Errorf("terraform %v: %w\n%s", args, err, out[max(0, len(out)-4000):])
	}
	files, err := os.ReadDir(t.measured)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(t.measured, f.Name()))
		if err != nil {
			return nil, err
		}
		var rss int64
		if err := json.Unmarshal(b, &rss); err != nil {
			return nil, err
		}
		m.PeakRSS = max(m.PeakRSS, rss)
		if err := os.Remove(filepath.Join(t.measured, f.Name())); err != nil {
			return nil, err
		}
	}
	if m.PeakRSS == 0 {
		return nil, fmt.Errorf("terraform %v: no process of the provider told its memory", args)
	}
	return m, nil
}

// serveProvider is the provider's process. At its end it writes how much memory it used at most.
func serveProvider(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("provider-simulated", flag.ContinueOnError)
	helper := f.String("helper", "", "")
	measured := f.String("measured", "", "")
	profile := f.String("profile", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		stop, err := startProfile(filepath.Join(*profile, fmt.Sprintf("provider-%d", unix.Getpid())))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	err = providerserver.Serve(ctx, terraform.New("bench", simhosts.Adapt(*helper)), providerserver.ServeOpts{Address: "registry.terraform.io/trivet-dev/trivet"})
	rss, rerr := peakRSS()
	if err := errors.Join(err, rerr); err != nil {
		return err
	}
	return writeJSON(filepath.Join(*measured, fmt.Sprint(unix.Getpid())), rss)
}
