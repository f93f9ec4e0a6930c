package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/lab"
)

// labHosts is a lab with the means to work on its hosts.
type labHosts struct {
	*env
	folder   string // of the topology
	lab      *lab.Lab
	access   lab.Access
	topology *topology.Topology
	cpu      time.Duration // of all hosts, at startCPU
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
	if err := l.open(fleet); err != nil {
		return nil, errors.Join(err, l.down())
	}
	return l, nil
}

func (l *labHosts) open(fleet string) (err error) {
	if l.lab, err = lab.Open(fleet); err != nil {
		return err
	}
	l.access = l.lab.Access()
	l.topology, err = labTopology(l.folder, l.access)
	return err
}

// labTopology reads a topology as it is in a lab.
func labTopology(folder string, a lab.Access) (*topology.Topology, error) {
	t, _, diags := topology.Load(folder, topology.Options{
		Releases: release.Known, CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests,
		Access: &topology.Access{User: a.User, PrivateKey: a.PrivateKey, KnownHosts: a.KnownHosts, AgeRecipients: a.AgeRecipients},
	})
	if diags.HasErrors() {
		return nil, diags
	}
	t.ShareDisk()
	return t, nil
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
	return output(l.command(ctx, args...))
}

func (l *labHosts) command(ctx context.Context, args ...string) *exec.Cmd {
	flags := []string{"-f", l.folder}
	if args[0] != "lab" {
		flags = append(flags, "--lab")
	}
	return exec.CommandContext(ctx, l.env.trivet(), append(flags, args...)...)
}

// output runs a command. What it said is part of the error.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &all), &all
	if err := cmd.Run(); err != nil {
		text := all.Bytes()
		return out.Bytes(), fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text[max(0, len(text)-4000):])
	}
	return out.Bytes(), nil
}

// exec runs a command on a host as root, without SSH.
func (l *labHosts) exec(ctx context.Context, host string, argv ...string) (string, error) {
	out, err := l.lab.Exec(ctx, host, argv...)
	return string(out), err
}

// script runs a shell script on a host as root.
func (l *labHosts) script(ctx context.Context, host, text string) (string, error) {
	return l.exec(ctx, host, "sh", "-ec", text)
}

// names lists the hosts.
func (l *labHosts) names() (out []string) {
	for _, h := range l.topology.AllHosts() {
		out = append(out, h.Name)
	}
	return out
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
	for _, h := range l.names() {
		used, err := l.lab.CPU(h)
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}

func (l *labHosts) host(name string) *topology.Host {
	for _, h := range l.topology.AllHosts() {
		if h.Name == name {
			return h
		}
	}
	panic("bench: no host " + name) // names are constants beside the topologies
}

// inNamespace is a command in the operator's network namespace, from where the hosts are reached.
func (l *labHosts) inNamespace(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + l.access.NetworkNamespace, "--"}, argv...)...)
}

// file is something that is put on a host: a file of this machine, or content.
type file struct {
	path    string // on the host
	mode    int64
	from    string
	content []byte
}

// push puts files on a host, as root, by one tar stream over SSH.
func (l *labHosts) push(ctx context.Context, host string, files []file) error {
	h := l.host(host)
	cmd := l.inNamespace(ctx, "ssh", "-F", "none", "-i", l.access.PrivateKey, "-o", "UserKnownHostsFile="+l.access.KnownHosts, "-o", "BatchMode=yes",
		l.access.User+"@"+h.Address.String(), "sudo tar -x --no-same-owner -C /")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var writing error
	var done sync.WaitGroup
	done.Go(func() { writing = errors.Join(writeTar(in, files), in.Close()) })
	_, err = output(cmd)
	done.Wait()
	if err = errors.Join(err, writing); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return nil
}

func writeTar(out io.Writer, files []file) error {
	w := tar.NewWriter(out)
	for _, f := range files {
		if err := addTar(w, f); err != nil {
			return err
		}
	}
	return w.Close()
}

func addTar(w *tar.Writer, f file) error {
	var from io.Reader = bytes.NewReader(f.content)
	size := int64(len(f.content))
	if f.from != "" {
		in, err := os.Open(f.from)
		if err != nil {
			return err
		}
		defer in.Close()
		st, err := in.Stat()
		if err != nil {
			return err
		}
		from, size = in, st.Size()
	}
	if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(f.path, "/"), Mode: f.mode, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(w, from)
	return err
}

// each does something on all hosts at once and joins what failed. The errors name the host.
func each(hosts []string, do func(host string) error) error {
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { errs[i] = do(h) })
	}
	all.Wait()
	return errors.Join(errs...)
}
