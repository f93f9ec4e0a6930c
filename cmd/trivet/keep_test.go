package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientauthentication "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
)

// keptTunnels has tunnels go on in this process, where the fleet in memory is.
type keptTunnels struct {
	*memoryFleet
	begun [][]string
	end   context.CancelFunc // of the last one
	ended chan error
}

func (k *keptTunnels) begin(args ...string) (io.ReadCloser, error) {
	k.begun = append(k.begun, args)
	ctx, cancel := context.WithCancel(context.Background())
	k.end = cancel
	out, its := io.Pipe()
	root, g := newRoot()
	g.adapt = func(o *bootstrap.Options) { o.Connect = k.Connect }
	root.SetOut(its)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	go func() {
		err := root.ExecuteContext(ctx)
		if err != nil {
			g.fail(its, io.Discard, err, exitCode(err, false))
		}
		its.Close()
		k.ended <- err
	}()
	return out, nil
}

// freeAddress is one at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// access is how the fleet is reached, as a provider gives it.
func (m *memoryFleet) access() string {
	var endpoints []string
	for _, h := range m.Cluster.Hosts[:3] {
		endpoints = append(endpoints, fmt.Sprintf(`{"host":%q,"address":%q}`, h.Name, h.Address))
	}
	return fmt.Sprintf(`{"name":"main","id":"","endpoints":[%s]}`, strings.Join(endpoints, ","))
}

// TestCredentialTunnel begins a tunnel where there is none, uses one that there is, and does not take that to something else for one.
func TestCredentialTunnel(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	k := &keptTunnels{memoryFleet: f, ended: make(chan error, 1)}
	f.begin = k.begin
	address := freeAddress(t)
	access, err := door.ParseAccess(f.access())
	if err != nil {
		t.Fatal(err)
	}
	written, err := clientcmd.Load([]byte(door.Kubeconfig(access, &inventory.Inventory{Cluster: "main"}))) // as the Pulumi provider writes it
	if err != nil {
		t.Fatal(err)
	}
	args := append(written.AuthInfos["trivet"].Exec.Args, "--address", address)

	// Whoever asked for a credential finds the API with it.
	nodes := func() int {
		t.Helper()
		out, _ := f.trivet(0, args...)
		var c clientauthentication.ExecCredential
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		authority, err := os.ReadFile(f.Machines["cp1"].Path(certs.KubernetesDir + "/ca.crt"))
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(&rest.Config{Host: "https://" + address, TLSClientConfig: rest.TLSClientConfig{
			ServerName: "kubernetes", CAData: authority, CertData: []byte(c.Status.ClientCertificateData), KeyData: []byte(c.Status.ClientKeyData)}})
		if err != nil {
			t.Fatal(err)
		}
		list, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	for range 2 { // the second one finds the tunnel of the first
		if n := nodes(); n != 5 {
			t.Errorf("the API has %d nodes", n)
		}
	}
	if len(k.begun) != 1 || !slices.Contains(k.begun[0], keptIdle.String()) || keptIdle <= credentialLifetime {
		t.Errorf("begun: %v", k.begun)
	}
	k.end()
	if err := <-k.ended; err != nil {
		t.Errorf("the tunnel ended with %v", err)
	}
	if n := nodes(); n != 5 || len(k.begun) != 2 {
		t.Errorf("after the tunnel had ended, the API has %d nodes, and %d tunnels were begun", n, len(k.begun))
	}
	k.end()
	<-k.ended

	// What is there is another cluster's, or cannot be begun.
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	_, errOut := f.trivet(1, "credential", "--tunnel", "--access", f.access(), "--address", strings.TrimPrefix(other.URL, "https://"))
	matches(t, errOut, `is not this cluster's API: .*tunnel to another cluster`)
	f.begin = func(...string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(`{"type":"error","exitCode":1,"message":"no control plane answers: planted"}` + "\n")), nil
	}
	_, errOut = f.trivet(1, args...)
	matches(t, errOut, `^Error: no control plane answers: planted$`)
	f.begin = func(...string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	_, errOut = f.trivet(1, args...)
	matches(t, errOut, `^Error: the tunnel ended before it led to the API: EOF$`)
	_, errOut = f.trivet(1, "credential", "--tunnel")
	matches(t, errOut, `--tunnel needs --access`)
}

// TestBegunAtOnce: of two credentials that are asked for at the same time both have the tunnel that one of them begins.
func TestBegunAtOnce(t *testing.T) {
	f := newMemoryFleet(t, threeSites)
	f.trivet(0, "apply", "--yes")
	k := &keptTunnels{memoryFleet: f, ended: make(chan error, 2)}
	address := freeAddress(t)
	var end context.CancelFunc
	f.begin = func(args ...string) (io.ReadCloser, error) {
		out, err := k.begin(args...) // the other one's, which is sooner
		if err != nil {
			return nil, err
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			return nil, err
		}
		end = k.end
		return k.begin(args...)
	}
	f.trivet(0, "credential", "--tunnel", "--access", f.access(), "--address", address)
	if err := <-k.ended; err == nil || !strings.Contains(err.Error(), "cannot listen") {
		t.Errorf("the tunnel that came later ended with %v", err)
	}
	end()
	<-k.ended
}

// TestOutage ends a tunnel that nobody watches after it has found no way for a while, and not before.
func TestOutage(t *testing.T) {
	planted := errors.New("planted")
	var now time.Time
	var dialled error
	ctx, end := context.WithCancelCause(t.Context())
	o := outage{now: func() time.Time { return now }, end: end}
	dial := o.watch(func(context.Context) (net.Conn, error) { return nil, dialled })
	after := func(later time.Duration, err error) {
		now, dialled = now.Add(later), err
		_, _ = dial(ctx) // as planted
	}
	now = time.Now()
	after(time.Hour, planted)
	after(outagePatience, planted)
	after(time.Second, nil)
	after(time.Hour, planted)
	after(outagePatience, planted)
	if ctx.Err() != nil {
		t.Fatal("the tunnel ended too soon")
	}
	after(time.Second, planted)
	if !errors.Is(context.Cause(ctx), planted) {
		t.Errorf("the tunnel goes on: %v", context.Cause(ctx))
	}
}

// goesOn is a program that tells where it listens, and goes on until somebody connects.
func goesOn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	if c, err := l.Accept(); err == nil {
		fmt.Fprintln(c, strings.Join(os.Args[1:], " "))
		c.Close()
	}
}

// begins is a program that begins goesOn, and ends with what that says.
func begins() {
	if err := os.Setenv(roleVariable, "goesOn"); err != nil {
		panic(err)
	}
	out, err := beginDetached("some", "words")
	if err != nil {
		panic(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		panic(err)
	}
	fmt.Print(line)
}

// roleVariable has the program of the tests be another one.
const roleVariable = "TRIVET_TEST_ROLE"

var roles = map[string]func(){"begins": begins, "goesOn": goesOn}

// TestBeginDetached begins a program that goes on after the one that began it, whose output ends with that one.
func TestBeginDetached(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"=begins")
	held, lock, err := os.Pipe() // in the place of a lock file, say, that a script has open
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cmd.ExtraFiles = []*os.File{lock}
	out, err := cmd.Output() // it waits for whoever has the output open
	if err != nil {
		t.Fatal(err)
	}
	if lock.Close(); runtime.GOOS != "windows" {
		if err := held.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := held.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("what goes on has a file open that it was not given: %v", err)
		}
	}
	c, err := net.Dial("tcp", strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != "some words\n" {
		t.Errorf("it says %q, %v", got, err)
	}
}
