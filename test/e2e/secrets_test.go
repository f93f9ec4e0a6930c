//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/lab"
)

// roomy is what --lab sets for kubelets, whose hosts all see this machine's disk.
const roomy = `
  component "kubelet" {
    settings = {
      imageGCHighThresholdPercent = 100
      imageGCLowThresholdPercent  = 99
      evictionHard                = { "memory.available" = "100Mi", "nodefs.available" = "50Mi", "imagefs.available" = "50Mi", "nodefs.inodesFree" = "1%" }
    }
  }`

// TestPlantedSecrets brings a cluster up as an operator of a real fleet does, with a password for sudo, an SSH key and an age identity of their own, kills it on the way, changes
// it, and then looks for every secret where it must not be: in what the command says and saves, in the journals, in the arguments and the environment of every process there
// was, and in the files of the hosts.
func TestPlantedSecrets(t *testing.T) {
	o := newOperator(t, "e2e-secrets", small("flannel", roomy))
	l, err := lab.Open(o.fleet)
	if err != nil {
		t.Fatal(err)
	}
	access := l.Access()
	for _, name := range []string{"trivet.lock.json", "plan.json"} { // a killed run's
		if err := os.Remove(filepath.Join(o.dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	password := "planted-" + rand.Text()
	passwordFile := filepath.Join(o.dir, "sudo-password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, h := range smallHosts {
		o.wantPassword(h, password)
	}
	topology := strings.Replace(small("flannel", roomy), "fleet \"small\" {\n", fmt.Sprintf(`fleet "small" {
  ssh {
    user               = %q
    private_key        = %q
    known_hosts        = %q
    config_file        = "none"
    sudo_password_file = %q
  }
`, access.User, access.PrivateKey, access.KnownHosts, passwordFile), 1)
	topology = strings.Replace(topology, "age_recipients = []", "age_recipients = [\""+access.AgeRecipients[0]+"\"]", 1)
	o.write(topology)
	o.outside = []string{"nsenter", "--net=" + access.NetworkNamespace, "env", "TRIVET_AGE_IDENTITY=" + access.AgeIdentity}

	seen := watchProcesses(t)
	file := filepath.Join(o.dir, "plan.json")
	o.exits(2, "plan", "--full", "--out", file)
	o.exits(2, "--json", "plan")
	o.killAt("the controllers", starts("join"))
	o.must("apply", "--yes", "--full")
	o.must("plan")
	o.must("verify")
	o.must("status")
	o.must("--json", "status")

	// Another operator's identity opens what is sealed after it was named, and issues from then on.
	key := filepath.Join(o.dir, "another.key")
	if err := os.Remove(key); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	recipient := strings.TrimSpace(o.must("identity", "new", "-o", key).stdout)
	topology = strings.Replace(topology, access.AgeRecipients[0]+"\"", access.AgeRecipients[0]+"\", \""+recipient+"\"", 1)
	o.write(topology)
	o.says(o.must("plan").stdout, "trivet identity rekey")
	o.says(o.must("identity", "rekey").stdout, "cp", recipient)
	o.saysNot(o.must("plan").stdout, "rekey")
	o.outside[len(o.outside)-1] = "TRIVET_AGE_IDENTITY=" + key

	o.write(strings.Replace(topology, "age_recipients", "certificates {\n    leaf_lifetime = \"500d\"\n    renew_before = \"400d\"\n  }\n  age_recipients", 1))
	o.exits(2, "plan", "--full", "--out", file) // every certificate is to be renewed
	if r := o.must("apply", "--yes"); !strings.Contains(r.stdout, "kube-apiserver") {
		t.Errorf("no certificate was renewed:\n%s", r.stdout)
	}
	o.must("plan")
	o.must("kubeconfig", "--out", filepath.Join(o.dir, "kubeconfig"))
	processes := seen()

	secrets := o.secrets(access, password)
	t.Logf("%d secrets, %d command lines and environments", len(secrets), len(processes))
	for _, want := range []string{"kube-apiserver\x00", "trivet-host"} { // it did see what it was to see
		if !slices.ContainsFunc(processes, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("the watcher saw no process of %q", want)
		}
	}
	plan, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"the saved plan": string(plan), "what the command says": strings.Join(o.said.text, "\n"), "processes": strings.Join(processes, "\n")}
	for _, h := range smallHosts {
		places["the journal of "+h] = o.inside(h, "journalctl", "--no-pager", "-o", "export")
	}
	for where, text := range places {
		for _, s := range secrets {
			if strings.Contains(text, s.text) {
				t.Errorf("%s is in %s", s.name, where)
			}
		}
	}
	found := map[string]bool{}
	for _, h := range smallHosts {
		o.searchFiles(h, secrets, found)
	}
	for _, s := range secrets {
		for _, place := range s.allowed { // the search finds what is there
			if !found[place] {
				t.Errorf("%s was not found in %s", s.name, place)
			}
		}
	}
}

// wantPassword has sudo on a host ask the operator for a password, which travels in a file.
func (o *operator) wantPassword(host, password string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.rootOf(host), "run/planted"), []byte("ops:"+password+"\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.on(host, "sh", "-ec", "chpasswd </run/planted; rm /run/planted; echo 'ops ALL=(ALL:ALL) ALL' >/etc/sudoers.d/trivet-lab")
}

// rootOf is where a host's root can be read from this machine.
func (o *operator) rootOf(host string) string {
	o.t.Helper()
	l, err := lab.Open(o.fleet)
	if err != nil {
		o.t.Fatal(err)
	}
	all, err := l.Status(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s lab.HostStatus) bool { return s.Name == host })
	if i < 0 || all[i].Init == 0 {
		o.t.Fatalf("host %s does not run", host)
	}
	return filepath.Join("/proc", strconv.Itoa(all[i].Init), "root")
}

// inside runs a command on a host without a word of it in the transcript.
func (o *operator) inside(host string, argv ...string) string {
	o.t.Helper()
	l, err := lab.Open(o.fleet)
	if err != nil {
		o.t.Fatal(err)
	}
	out, err := l.Exec(o.t.Context(), host, argv...)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(out)
}

// watchProcesses reads the arguments and the environment of every process on this machine, those in the hosts among them, again and again. The function that it returns ends
// that and gives what was seen.
func watchProcesses(t *testing.T) func() []string {
	seen := map[string]bool{}
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			entries, _ := os.ReadDir("/proc")
			for _, e := range entries {
				if e.Name()[0] < '0' || e.Name()[0] > '9' {
					continue
				}
				for _, name := range []string{"cmdline", "environ"} {
					if data, err := os.ReadFile(filepath.Join("/proc", e.Name(), name)); err == nil && len(data) > 0 {
						seen[string(data)] = true
					}
				}
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	finish := sync.OnceFunc(func() { close(stop); done.Wait() })
	t.Cleanup(finish)
	return func() []string {
		finish()
		var all []string
		for s := range seen {
			all = append(all, s)
		}
		return all
	}
}

// secret is something secret, by a text that occurs in nothing else, and where it may be: "host:path" or "host:folder/".
type secret struct {
	name, text string
	allowed    []string
}

// keyBlock is a private key in PEM.
var keyBlock = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END`)

// core is the second line of a key in PEM: the first is the same in many keys.
func core(body string) string { return strings.Fields(body)[1] }

// secrets gathers every secret of the cluster and of its operator.
func (o *operator) secrets(access lab.Access, password string) []secret {
	o.t.Helper()
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			o.t.Fatal(err)
		}
		return string(data)
	}
	all := []secret{{name: "the sudo password", text: password}}
	identity := read(access.AgeIdentity)
	all = append(all, secret{name: "the age identity", text: regexp.MustCompile(`AGE-SECRET-KEY-1\w+`).FindString(identity)})
	all = append(all, secret{name: "the SSH key", text: core(keyBlock.FindStringSubmatch(read(access.PrivateKey))[1])})
	all = append(all, o.sealedSecrets(identity)...)
	for _, h := range smallHosts {
		for _, dir := range []string{"etc/kubernetes/pki", "etc/etcd/pki", "var/lib/kubelet/pki"} {
			files, err := filepath.Glob(filepath.Join(o.rootOf(h), dir, "*"))
			if err != nil {
				o.t.Fatal(err)
			}
			for _, file := range files {
				if key := keyBlock.FindStringSubmatch(read(file)); key != nil {
					path := "/" + dir + "/" + filepath.Base(file)
					all = append(all, secret{name: "the key " + path + " of " + h, text: core(key[1]), allowed: []string{h + ":" + path}})
				}
			}
		}
	}
	return o.merged(all)
}

// sealedSecrets opens the sealed identity and takes what is secret from it.
func (o *operator) sealedSecrets(identity string) []secret {
	o.t.Helper()
	keys, err := age.ParseIdentities(strings.NewReader(identity))
	if err != nil {
		o.t.Fatal("the age identity of the lab cannot be read")
	}
	_, body, _ := strings.Cut(o.inside("cp", "cat", "/var/lib/trivet/documents/identity.age"), "\n") // the first line is a checksum
	sealed := decode[hostapi.Document](o.t, body)
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed.Content)), keys...)
	if err != nil {
		o.t.Fatal(err)
	}
	var document any
	if err := json.NewDecoder(plain).Decode(&document); err != nil {
		o.t.Fatal("the sealed identity is no JSON")
	}
	var all []secret
	var look func(path string, v any)
	look = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				look(path+"."+k, x)
			}
		case []any:
			for _, x := range v {
				look(path, x)
			}
		case string:
			if key := keyBlock.FindStringSubmatch(v); key != nil {
				all = append(all, secret{name: "the identity's" + path, text: core(key[1])})
			} else if strings.Contains(path, "ncryption") && strings.HasSuffix(path, "ecret") {
				all = append(all, secret{name: "the encryption key", text: v, allowed: []string{"cp:/etc/kubernetes/encryption.yaml"}})
			}
		}
	}
	look("", document)
	if len(all) < 6 { // four authorities, the service accounts, the encryption
		o.t.Fatalf("the sealed identity has %d secrets only", len(all))
	}
	return all
}

// merged joins what is the same secret: those of the identity that a control plane keeps in plain as well.
func (o *operator) merged(all []secret) []secret {
	var out []secret
	for _, s := range all {
		if len(s.text) < 20 {
			o.t.Fatalf("%s was not found", s.name)
		}
		i := slices.IndexFunc(out, func(x secret) bool { return x.text == s.text })
		if i < 0 {
			out = append(out, s)
			continue
		}
		if !strings.Contains(out[i].name, "nline") && !strings.Contains(out[i].name, "service") {
			o.t.Errorf("%s and %s are the same", out[i].name, s.name)
		}
		out[i].allowed = append(out[i].allowed, s.allowed...)
	}
	return out
}

// searchFiles looks for secrets in all files of a host that are not programs or images by digest, and notes the places that may have one and do.
func (o *operator) searchFiles(host string, secrets []secret, found map[string]bool) {
	o.t.Helper()
	root := o.rootOf(host)
	files := 0
	for _, top := range []string{"etc", "var", "opt", "tmp", "run", "root", "home", "srv", "dev/shm"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			where := strings.TrimPrefix(path, root)
			if err != nil {
				return nil // it went away: hosts run
			}
			switch where {
			case "/opt/trivet/store", "/var/lib/containerd", "/run/containerd/io.containerd.runtime.v2.task":
				return fs.SkipDir
			}
			if !d.Type().IsRegular() {
				return nil
			}
			f, err := os.Open(path)
			if err != nil {
				return nil
			}
			defer f.Close()
			data, err := io.ReadAll(io.LimitReader(f, 256<<20))
			if err != nil {
				return nil
			}
			files++
			for _, s := range secrets {
				if !bytes.Contains(data, []byte(s.text)) {
					continue
				}
				found[host+":"+where] = true
				if !slices.Contains(s.allowed, host+":"+where) {
					o.t.Errorf("%s is in %s of host %s", s.name, where, host)
				}
			}
			return nil
		})
		if err != nil {
			o.t.Fatal(err)
		}
	}
	o.t.Logf("searched %d files of %s", files, host)
	if files < 500 {
		o.t.Errorf("%d files of %s were searched only", files, host)
	}
}
