package kube_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
)

// kubelet runs commands as an API server relays them: "say" prints, "fail" ends with code 3, "hang" never ends.
func kubelet(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/ns/pods/pod/exec" || r.URL.Query().Get("container") != "c" {
			failure(w, http.StatusNotFound, "NotFound", "pods \"other\" not found")
			return
		}
		protocol, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"})
		if err != nil {
			t.Error(err)
			return
		}
		arrived := make(chan httpstream.Stream, 8)
		conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
			arrived <- s
			return nil
		})
		if conn == nil {
			t.Errorf("no upgrade to %s", protocol)
			return
		}
		defer conn.Close() //nolint:errcheck // the end of the conversation
		streams := make(map[string]httpstream.Stream)
		for len(streams) < 3 {
			s := <-arrived
			streams[s.Headers().Get("streamType")] = s
		}
		command := r.URL.Query()["command"]
		status := map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"}
		switch command[0] {
		case "say":
			_, _ = streams["stdout"].Write([]byte(strings.Join(command[1:], " ")))
		case "fail":
			_, _ = streams["stderr"].Write([]byte("no such thing\n"))
			status = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
				"details": map[string]any{"causes": []any{map[string]any{"reason": "ExitCode", "message": "3"}}}}
		case "hang":
			<-conn.CloseChan()
			return
		}
		raw, _ := json.Marshal(status)
		_ = streams["stdout"].Close()
		_ = streams["stderr"].Close()
		_, _ = streams["error"].Write(raw)
		_ = streams["error"].Close()
		<-conn.CloseChan()
	}
}

func TestExec(t *testing.T) {
	c := client(t, serve(t, "cp1", kubelet(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := c.Exec(ctx, "ns", "pod", "c", "say", "two words", "x")
	if diff := cmp.Diff("two words x", out); diff != "" || err != nil {
		t.Errorf("say: %v (-want +got):\n%s", err, diff)
	}
	_, err = c.Exec(ctx, "ns", "pod", "c", "fail", "now")
	if err == nil || err.Error() != "fail now ended with code 3: no such thing" {
		t.Errorf("fail: %v", err)
	}
	if _, err := c.Exec(ctx, "ns", "other", "c", "say"); err == nil || !strings.Contains(err.Error(), "exec in pod ns/other, container c: ") || !strings.Contains(err.Error(), "not found") {
		t.Errorf("another pod: %v", err)
	}
	short, cancelShort := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancelShort()
	started := time.Now()
	if _, err := c.Exec(short, "ns", "pod", "c", "hang"); err == nil || time.Since(started) > 5*time.Second {
		t.Errorf("hang: %v after %s", err, time.Since(started))
	}
}

// TestExecUndialled: what the API server did not get to the kubelet is tried again, and not for ever.
func TestExecUndialled(t *testing.T) {
	for broken, want := range map[int32]string{1: "", 2: "", 9: "error dialing backend"} {
		var tries atomic.Int32
		works := kubelet(t)
		c := client(t, serve(t, "cp1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) <= broken {
				failure(w, http.StatusInternalServerError, "InternalError", "error dialing backend: write tcp: use of closed network connection")
				return
			}
			works(w, r)
		})))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := c.Exec(ctx, "ns", "pod", "c", "say", "word")
		if (err == nil) != (want == "") || err == nil && out != "word" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d times broken: %q, %v", broken, out, err)
		}
		if n := tries.Load(); n > 3 || n < min(3, broken+1) {
			t.Errorf("%d times broken: tried %d times", broken, n)
		}
	}
}
