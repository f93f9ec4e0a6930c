package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

//go:embed topologies
var topologies embed.FS

// ansiblePart is what Trivet is allowed of Ansible's time.
const ansiblePart = 1. / 20

const smallFiles = 20

// runAnsible puts the same files and unit on ten hosts, by Ansible and by Trivet, each first where there is nothing and then where all is there.
func runAnsible(ctx context.Context, e *env, r *Result) (err error) {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		return fmt.Errorf("%w: apt-get install ansible-core", err)
	}
	source, err := topologies.ReadFile("topologies/ten.hcl")
	if err != nil {
		return err
	}
	l, err := e.bringUp(ctx, "bench-ten", source)
	if err != nil {
		return err
	}
	defer l.cleanUp(&err)
	e.say("Python on every host, which Ansible needs there")
	if err := l.installPackages(ctx, l.Names(), "python3"); err != nil {
		return err
	}
	playbook, err := l.writePlaybook()
	if err != nil {
		return err
	}
	ansible := func() (time.Duration, error) { return l.play(ctx, playbook) }
	trivet := func() (time.Duration, error) { return l.applyFiles(ctx) }
	rivalFirst, rivalAgain, err := firstAndAgain(e, "ansible-playbook", ansible)
	if err != nil {
		return err
	}
	first, again, err := firstAndAgain(e, "trivet", trivet)
	if err != nil {
		return err
	}
	for _, tool := range []string{"ansible", "trivet"} {
		if err := l.checkFiles(ctx, tool); err != nil {
			return err
		}
	}
	r.against("first run", "s", first, rivalFirst, ansiblePart)
	r.against("run with nothing to do", "s", again, rivalAgain, ansiblePart)
	version, err := exec.CommandContext(ctx, "ansible-playbook", "--version").Output()
	if err != nil {
		return err
	}
	head, _, _ := strings.Cut(string(version), "\n")
	r.note("%s, 20 forks, pipelining, ControlPersist, no gathering of facts: one task for the folder, one that loops over the files, one for the unit's file, one for the unit.", head)
	r.note("Trivet: a program that does what `trivet apply` does below Kubernetes (observe, diff, execute, over SSH, by the helper) with the same items. It places its helper in the first run.")
	return nil
}

// firstAndAgain times a first run and, several times, one that has nothing to do.
func firstAndAgain(e *env, what string, run func() (time.Duration, error)) (first, again float64, err error) {
	d, err := run()
	if err != nil {
		return 0, 0, err
	}
	e.say("%s, first: %.2f s", what, d.Seconds())
	first = d.Seconds()
	var all []float64
	for range max(e.runs, 1) {
		if d, err = run(); err != nil {
			return 0, 0, err
		}
		e.say("%s, nothing to do: %.2f s", what, d.Seconds())
		all = append(all, d.Seconds())
	}
	return first, median(all), nil
}

// installPackages puts packages of the distribution, with what they need, on hosts that have no way out.
func (l *labHosts) installPackages(ctx context.Context, hosts []string, names ...string) error {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return err
	}
	folder, err := artifact.CreateFolder(dir)
	if err != nil {
		return err
	}
	var wants []artifact.Want
	for _, n := range names {
		wants = append(wants, artifact.Want{Name: n, Arch: runtime.GOARCH, Kind: artifact.Package})
	}
	entries, err := artifact.Fill(ctx, folder, wants, artifact.FillOptions{})
	if err != nil {
		return err
	}
	var files []kubeadm.File
	for i, x := range entries { // dependencies first
		from, err := folder.Path(x)
		if err != nil {
			return err
		}
		files = append(files, kubeadm.File{Path: fmt.Sprintf("/var/tmp/bench/%03d.deb", i), Mode: 0o644, From: from})
	}
	return kubeadm.Each(hosts, func(host string) error {
		if err := l.Push(ctx, host, files); err != nil {
			return err
		}
		// One by one: some want others configured before they are unpacked.
		_, err := l.Script(ctx, host, `export DEBIAN_FRONTEND=noninteractive; cd /var/tmp/bench
for deb in *.deb; do dpkg -i $deb >> log 2>&1 || { tail -n 30 log >&2; exit 1; }; done
rm -r /var/tmp/bench`)
		return err
	})
}

// smallFile is the content of one of the files.
func smallFile(i int) string {
	return strings.Repeat(fmt.Sprintf("setting-%02d = %s\n", i, strings.Repeat("x", 40)), 8)
}

func unitFile(tool string) string {
	return "[Unit]\nDescription=Benchmark of " + tool + "\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
}

const playbookText = `- hosts: all
  gather_facts: false
  become: true
  tasks:
  - file:
      path: /etc/bench-ansible
      state: directory
      mode: "0755"
  - copy:
      src: "{{ item }}"
      dest: "/etc/bench-ansible/{{ item | basename }}"
      mode: "0644"
    loop: "{{ query('fileglob', 'small-*') | sort }}"
  - copy:
      src: bench-ansible.service
      dest: /etc/systemd/system/bench-ansible.service
      mode: "0644"
    register: unit
  - systemd:
      name: bench-ansible.service
      enabled: true
      state: "{{ 'restarted' if unit is changed else 'started' }}"
      daemon_reload: "{{ unit is changed }}"
`

// writePlaybook writes what ansible-playbook reads, and returns its folder.
func (l *labHosts) writePlaybook() (string, error) {
	dir := filepath.Join(l.dir, "ansible")
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o700); err != nil {
		return "", err
	}
	text := map[string]string{"playbook.yml": playbookText, "files/bench-ansible.service": unitFile("ansible")}
	for i := range smallFiles {
		text[fmt.Sprintf("files/small-%02d", i)] = smallFile(i)
	}
	text["ansible.cfg"] = "[defaults]\nforks = 20\ninventory = hosts\nhost_key_checking = true\nretry_files_enabled = false\n[ssh_connection]\npipelining = true\n" +
		"ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=" + l.Access.KnownHosts + "\ncontrol_path_dir = " + filepath.Join(dir, "cp") + "\n"
	var hosts strings.Builder
	for _, h := range l.Topology.AllHosts() {
		fmt.Fprintf(&hosts, "%s ansible_host=%s ansible_user=%s ansible_ssh_private_key_file=%s ansible_python_interpreter=/usr/bin/python3\n", h.Name, h.Address, l.Access.User, l.Access.PrivateKey)
	}
	text["hosts"] = hosts.String()
	for name, content := range text {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func (l *labHosts) play(ctx context.Context, dir string) (time.Duration, error) {
	cmd := l.InNamespace(ctx, "ansible-playbook", "playbook.yml")
	cmd.Dir = dir
	start := time.Now()
	_, err := kubeadm.Output(cmd)
	return time.Since(start), err
}

// applyFiles runs applyItems in a process of its own, as an operator would start the command.
func (l *labHosts) applyFiles(ctx context.Context) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "apply-items", "-folder", l.folder, "-helper", l.helper())
	start := time.Now()
	_, err = kubeadm.Output(cmd)
	return time.Since(start), err
}

// checkFiles wants the files and the running unit of a tool on every host.
func (l *labHosts) checkFiles(ctx context.Context, tool string) error {
	return kubeadm.Each(l.Names(), func(host string) error {
		for i := range smallFiles {
			got, err := l.Exec(ctx, host, "cat", fmt.Sprintf("/etc/bench-%s/small-%02d", tool, i))
			if err != nil {
				return err
			}
			if got != smallFile(i) {
				return fmt.Errorf("host %s: small file %d of %s is not as it should be", host, i, tool)
			}
		}
		_, err := l.Exec(ctx, host, "systemctl", "is-active", "bench-"+tool+".service")
		return err
	})
}
