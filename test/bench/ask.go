package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

// askEvery is how often the stop probe tries again; a try that hangs keeps no other waiting.
const askEvery = 100 * time.Millisecond

// credentials are the files on a control plane with which the stop probe reaches its API server.
type credentials struct {
	kubeconfig                  string // or
	authority, certificate, key string
}

var (
	trivetCredentials  = credentials{authority: desired.KubernetesCA, certificate: certs.KubernetesDir + "/" + certs.Operator + ".crt", key: certs.KubernetesDir + "/" + certs.Operator + ".key"}
	kubeadmCredentials = credentials{kubeconfig: "/etc/kubernetes/admin.conf"}
)

// asked says when, in seconds after the start, the pods could be made and when one had reached the other.
type asked struct {
	Made     float64 `json:"made"`
	Answered float64 `json:"answered"`
}

const (
	askProgram  = "/usr/local/bin/trivet-bench"
	askManifest = "/etc/web.yaml"
)

// prepareAsk gives a host the stop probe.
func (l *labHosts) prepareAsk(ctx context.Context, s *kubeadm.Store, host string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	web, err := kubeadm.Render("web.yaml", kubeadm.Parameters{Agnhost: s.Release.AgnhostImage()})
	if err != nil {
		return err
	}
	return l.Push(ctx, host, []kubeadm.File{{Path: askProgram, Mode: 0o755, From: self}, {Path: askManifest, Mode: 0o644, Content: web}})
}

// startAsk starts the stop probe on a host. It is the same for both sides, and runs from the start of the clock: pods are made as soon as the API takes them.
func (l *labHosts) startAsk(ctx context.Context, host string, c credentials) (wait func() (*asked, error)) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	var a asked
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		var out string
		if out, err = l.Exec(ctx, host, askProgram, "ask", "-kubeconfig", c.kubeconfig, "-authority", c.authority, "-certificate", c.certificate, "-key", c.key, "-manifest", askManifest); err == nil {
			err = json.Unmarshal([]byte(out), &a)
		}
	})
	return func() (*asked, error) {
		defer cancel()
		done.Wait()
		if err != nil {
			return nil, fmt.Errorf("no pod answers by Service name: %w", err)
		}
		return &a, nil
	}
}

// ask runs on the host: it makes the Service and the pods of a manifest as soon as that works, then asks one pod to reach the other by the Service's name until it does.
func ask(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("ask", flag.ContinueOnError)
	var c credentials
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "")
	f.StringVar(&c.authority, "authority", "", "")
	f.StringVar(&c.certificate, "certificate", "", "")
	f.StringVar(&c.key, "key", "", "")
	manifest := f.String("manifest", "", "")
	server := f.String("server", "https://127.0.0.1:6443", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(*manifest)
	if err != nil {
		return err
	}
	start := time.Now()
	q := &questioner{server: *server, credentials: c}
	for _, doc := range strings.Split(string(text), "\n---\n") {
		if err := q.create(ctx, doc); err != nil {
			return err
		}
	}
	a := asked{Made: time.Since(start).Seconds()}
	if err := q.untilAnswered(ctx); err != nil {
		return err
	}
	a.Answered = time.Since(start).Seconds()
	return json.NewEncoder(os.Stdout).Encode(a)
}

// questioner talks to an API server that may not be there yet.
type questioner struct {
	server string
	credentials
	client *http.Client
}

// connect makes the client once the files are there.
func (q *questioner) connect() error {
	if q.client != nil {
		return nil
	}
	var config rest.Config
	if q.kubeconfig != "" {
		c, err := clientcmd.BuildConfigFromFlags("", q.kubeconfig)
		if err != nil {
			return err
		}
		config = *c
	} else {
		config.TLSClientConfig = rest.TLSClientConfig{CAFile: q.authority, CertFile: q.certificate, KeyFile: q.key}
	}
	config.Host, config.ServerName = q.server, "kubernetes"
	client, err := rest.HTTPClientFor(&config)
	if err != nil {
		return err
	}
	q.client = client
	return nil
}

// do sends a request and returns the answer's body when it is a success.
func (q *questioner) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	if err := q.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, q.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := q.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusConflict { // a conflict: an earlier try was carried out after all
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	}
	return text, err
}

// create makes an object of the default namespace, as soon as the API takes it.
func (q *questioner) create(ctx context.Context, doc string) error {
	body, err := yaml.YAMLToJSON([]byte(doc))
	if err != nil {
		return err
	}
	var object struct{ Kind string }
	if err := json.Unmarshal(body, &object); err != nil {
		return err
	}
	for {
		_, err := q.do(ctx, http.MethodPost, "/api/v1/namespaces/default/"+strings.ToLower(object.Kind)+"s", body)
		if err == nil {
			return nil
		}
		if werr := pause(ctx); werr != nil {
			return errors.Join(werr, err)
		}
	}
}

// pause waits for the next try.
func pause(ctx context.Context) error {
	select {
	case <-time.After(askEvery):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	question    = "/api/v1/namespaces/default/pods/client:8080/proxy/dial?host=%s&port=80&request=hostname&protocol=http&tries=1"
	serviceName = "web.default.svc.cluster.local"
)

// spelling is the Service's name with the n-th choice of capitals, which mean nothing in DNS. A lookup that was lost takes a pod five seconds, and lookups of the same spelling wait
// for the one that is under way (net.Resolver): with one spelling the time would be that of the first lookup that is not lost, in steps of five seconds.
func spelling(n int) string {
	b := []byte(serviceName)
	for i := range b {
		if b[i] == '.' {
			continue
		}
		if n&1 == 1 {
			b[i] -= 'a' - 'A'
		}
		n >>= 1
	}
	return string(b)
}

// untilAnswered asks again and again, without waiting for an answer that is late.
func (q *questioner) untilAnswered(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan struct{}, 1)
	slots := make(chan struct{}, 256) // above what hangs at most: a try takes as long as do allows
	for n := 0; ; n++ {
		select {
		case slots <- struct{}{}:
			go func() {
				defer func() { <-slots }()
				text, err := q.do(ctx, http.MethodGet, fmt.Sprintf(question, spelling(n)), nil)
				var answer struct{ Responses []string }
				if err == nil && json.Unmarshal(text, &answer) == nil && len(answer.Responses) == 1 && answer.Responses[0] == "web" {
					select {
					case answered <- struct{}{}:
					default:
					}
				}
			}()
		default:
		}
		select {
		case <-answered:
			return nil
		case <-time.After(askEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
