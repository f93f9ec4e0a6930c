package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/trivet-dev/trivet/test/kubeadm"
)

// labHosts is a lab with the means to work on its hosts.
type labHosts struct {
	*env
	*kubeadm.Lab
	folder string        // of the topology, before the lab is open, too
	cpu    time.Duration // of all hosts, at startCPU
}

var fleetBlock = regexp.MustCompile(`(?m)^fleet "[^"]*"`)

// bringUp makes a fresh lab of a topology, under a fleet name of its own.
func (e *env) bringUp(ctx context.Context, fleet string, source []byte) (*labHosts, error) {
	l := &labHosts{env: e, folder: filepath.Join(e.dir, fleet)}
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return nil, err
	}
	if !fleetBlock.Match(source) {
		return nil, errors.New("the topology has no fleet block")
	}
	source = fleetBlock.ReplaceAllLiteral(source, []byte(`fleet "`+fleet+`"`))
	if err := os.WriteFile(filepath.Join(l.folder, "main.hcl"), source, 0o644); err != nil {
		return nil, err
	}
	if _, err := l.trivet(ctx, "lab", "down"); err != nil {
		return nil, err
	}
	e.say("lab %s", fleet)
	if _, err := l.trivet(ctx, "lab", "up"); err != nil {
		return nil, errors.Join(err, l.down())
	}
	var err error
	if l.Lab, err = kubeadm.Open(l.folder, fleet); err != nil {
		return nil, errors.Join(err, l.down())
	}
	return l, nil
}

// down takes the lab away, also when the benchmark was interrupted.
func (l *labHosts) down() error {
	_, err := l.trivet(context.Background(), "lab", "down")
	return err
}

// cleanUp takes the lab down, unless it failed and is to be kept.
func (l *labHosts) cleanUp(err *error) {
	if l.after != "" {
		cmd := exec.Command("sh", "-c", l.after)
		cmd.Env = append(os.Environ(), "LAB="+l.folder, "TRIVET="+l.env.trivet())
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		*err = errors.Join(*err, cmd.Run())
	}
	if *err != nil && l.keep {
		l.say("kept: %s lab status -f %s", l.env.trivet(), l.folder)
		return
	}
	*err = errors.Join(*err, l.down())
}

// trivet runs the command on the lab's topology and returns its standard output.
func (l *labHosts) trivet(ctx context.Context, args ...string) ([]byte, error) {
	return kubeadm.Output(l.command(ctx, args...))
}

func (l *labHosts) command(ctx context.Context, args ...string) *exec.Cmd {
	flags := []string{"-f", l.folder}
	if args[0] != "lab" {
		flags = append(flags, "--lab")
	}
	return exec.CommandContext(ctx, l.env.trivet(), append(flags, args...)...)
}

// startCPU notes the CPU time of the hosts, and cpuSince says how many seconds of it came since.
func (l *labHosts) startCPU() (err error) {
	l.cpu, err = l.allCPU()
	return err
}

func (l *labHosts) cpuSince() (float64, error) {
	now, err := l.allCPU()
	return (now - l.cpu).Seconds(), err
}

func (l *labHosts) allCPU() (all time.Duration, err error) {
	for _, h := range l.Names() {
		used, err := l.Lab.Lab.CPU(h)
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}
