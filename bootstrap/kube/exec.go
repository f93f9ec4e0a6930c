package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// Exec runs a command in a container by way of the API server and the kubelet, as kubectl exec does, and gives what it printed. A command that ends with
// another code than 0 gives an error with the code and the end of its stderr. A command that never reached the kubelet is tried again, a few times.
func (c *Client) Exec(ctx context.Context, namespace, pod, container string, command ...string) (stdout string, err error) {
	for range undialledMost {
		if stdout, err = c.exec(ctx, namespace, pod, container, command...); err == nil || !strings.Contains(err.Error(), undialled) || ctx.Err() != nil {
			break
		}
	}
	return stdout, err
}

const (
	// undialled is what the API server says where it had no connection to the kubelet (UpgradeAwareHandler, k8s.io/apimachinery 0.37.2, pkg/util/proxy/upgradeaware.go). It closes all
	// that it has when its certificate for kubelets was issued anew, those that it is about to use, too.
	undialled = "error dialing backend"
	// undialledMost is how often a command is tried.
	undialledMost = 3
)

func (c *Client) exec(ctx context.Context, namespace, pod, container string, command ...string) (stdout string, err error) {
	// SPDY, because client-go's websocket client takes no dialer.
	upgrader, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{
		PingPeriod:       5 * time.Second,
		UpgradeTransport: &http.Transport{DialContext: c.transport.DialContext},
	})
	if err != nil {
		return "", fmt.Errorf("exec client: %w", err)
	}
	target := c.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	executor, err := remotecommand.NewSPDYExecutorForTransports(upgrader, upgrader, http.MethodPost, target)
	if err != nil {
		return "", fmt.Errorf("exec client: %w", err)
	}
	var out, errOut buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut})
	if err == nil {
		return out.String(), nil
	}
	var code exec.CodeExitError
	if errors.As(err, &code) {
		return out.String(), fmt.Errorf("%s ended with code %d: %s", strings.Join(command, " "), code.Code, tail(errOut.String(), out.String()))
	}
	return out.String(), fmt.Errorf("exec in pod %s/%s, container %s: %w", namespace, pod, container, err)
}

// buffer is one that a command may still write to after its end was told: client-go does not wait for its copies when a command fails or is cancelled.
type buffer struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.Write(p)
}

// String gives what was written so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.String()
}

// tail is the end of the first text that says something.
func tail(texts ...string) string {
	const most = 400
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" {
			return text[max(0, len(text)-most):]
		}
	}
	return "it printed nothing"
}
