package kubeadm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/lab"
)

// Lab is a lab that is up, with the means to work on its hosts.
type Lab struct {
	Folder   string // of the topology
	Lab      *lab.Lab
	Access   lab.Access
	Topology *topology.Topology
}

// Open opens the lab of a topology by the name of its fleet.
func Open(folder, fleet string) (*Lab, error) {
	l := &Lab{Folder: folder}
	var err error
	if l.Lab, err = lab.Open(fleet); err != nil {
		return nil, err
	}
	l.Access = l.Lab.Access()
	l.Topology, err = LabTopology(folder, l.Access)
	return l, err
}

// LabTopology reads a topology as it is in a lab.
func LabTopology(folder string, a lab.Access) (*topology.Topology, error) {
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

// Exec runs a command on a host as root, without SSH.
func (l *Lab) Exec(ctx context.Context, host string, argv ...string) (string, error) {
	out, err := l.Lab.Exec(ctx, host, argv...)
	return string(out), err
}

// Script runs a shell script on a host as root.
func (l *Lab) Script(ctx context.Context, host, text string) (string, error) {
	return l.Exec(ctx, host, "sh", "-ec", text)
}

// Names lists the hosts.
func (l *Lab) Names() (out []string) {
	for _, h := range l.Topology.AllHosts() {
		out = append(out, h.Name)
	}
	return out
}

// Host finds a host by name.
func (l *Lab) Host(name string) *topology.Host {
	for _, h := range l.Topology.AllHosts() {
		if h.Name == name {
			return h
		}
	}
	panic("no host " + name) // Names are constants beside the topologies
}

// InNamespace is a command in the operator's network namespace, from where the hosts are reached.
func (l *Lab) InNamespace(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + l.Access.NetworkNamespace, "--"}, argv...)...)
}

// File is something that is put on a host: a file of this machine, or content.
type File struct {
	Path    string // on the host
	Mode    int64
	From    string
	Content []byte
}

// Push puts files on a host, as root, by one tar stream over SSH.
func (l *Lab) Push(ctx context.Context, host string, files []File) error {
	h := l.Host(host)
	cmd := l.InNamespace(ctx, "ssh", "-F", "none", "-i", l.Access.PrivateKey, "-o", "UserKnownHostsFile="+l.Access.KnownHosts, "-o", "BatchMode=yes",
		l.Access.User+"@"+h.Address.String(), "sudo tar -x --no-same-owner -C /")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var writing error
	var done sync.WaitGroup
	done.Go(func() { writing = errors.Join(writeTar(in, files), in.Close()) })
	_, err = Output(cmd)
	done.Wait()
	if err = errors.Join(err, writing); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return nil
}

func writeTar(out io.Writer, files []File) error {
	w := tar.NewWriter(out)
	for _, f := range files {
		if err := addTar(w, f); err != nil {
			return err
		}
	}
	return w.Close()
}

func addTar(w *tar.Writer, f File) error {
	var from io.Reader = bytes.NewReader(f.Content)
	size := int64(len(f.Content))
	if f.From != "" {
		in, err := os.Open(f.From)
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
	if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Mode: f.Mode, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(w, from)
	return err
}

// Output runs a command. What it said is part of the error.
func Output(cmd *exec.Cmd) ([]byte, error) {
	var out, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &all), &all
	if err := cmd.Run(); err != nil {
		text := all.Bytes()
		return out.Bytes(), fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text[max(0, len(text)-4000):])
	}
	return out.Bytes(), nil
}

// Each does something on all hosts at once and joins what failed. The errors name the host.
func Each(hosts []string, do func(host string) error) error {
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() { errs[i] = do(h) })
	}
	all.Wait()
	return errors.Join(errs...)
}
