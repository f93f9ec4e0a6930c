package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// written is what the test image writes into a file.
const written = "mount-tester new file"

// partner is a pod with the containers "first" and "second". Whoever needs it first waits for it.
type partner struct {
	r    *run
	name string
	on   string // the node that it is made for
	once sync.Once
	node string
	ip   netip.Addr
	err  error
}

// await waits until the pod runs and both its containers answer.
func (p *partner) await(ctx context.Context) error {
	p.once.Do(func() {
		if p.err = p.start(ctx); p.err != nil {
			p.err = fmt.Errorf("the pod %s did not start: %w", p.name, p.err)
		}
	})
	return p.err
}

func (p *partner) start(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.r.onLoss(func(node, why string) {
		if node == p.on {
			cancel(errors.New(why))
		}
	})
	why := "it was not made"
	err := p.r.Client.Follow(ctx, "v1", "Pod", p.r.space, metav1.ListOptions{FieldSelector: "metadata.name=" + p.name},
		func(items map[string]*unstructured.Unstructured) (bool, error) {
			if items[p.name] == nil {
				return false, nil
			}
			pod, err := kube.Convert[corev1.Pod](items[p.name])
			if err != nil {
				return false, err
			}
			if pod.Status.Phase == corev1.PodFailed {
				return false, fmt.Errorf("%s: %s", pod.Status.Reason, pod.Status.Message)
			}
			if why = kube.PodNotReady(pod); why != "" {
				return false, nil
			}
			p.node = pod.Spec.NodeName
			p.ip, err = netip.ParseAddr(pod.Status.PodIP)
			return err == nil, err
		})
	if err != nil {
		return fmt.Errorf("on %s: %s: %w", p.on, why, cmp.Or(context.Cause(ctx), err))
	}
	for _, listens := range []int{port, secondPort} {
		listening := job{try: func(ctx context.Context) (string, error) { return "", p.container(listens).answers(ctx) }}
		until := time.Now().Add(p.r.patience)
		if _, err := listening.settle(ctx, func() time.Time { return until }); err != nil {
			return fmt.Errorf("it runs on %s, and does not answer: %w", p.node, err)
		}
	}
	return nil
}

func (p *partner) exec(ctx context.Context, container string, command ...string) (string, error) {
	out, err := p.r.exec(ctx, p.r.space, p.name, container, append([]string{agnhost}, command...)...)
	if err != nil {
		return "", fmt.Errorf("in container %s of pod %s on %s: %w", container, p.name, p.node, err)
	}
	return out, nil
}

// read gives a file's content as a container sees it, with one start of a process for that and whatever else it is to do first.
func (p *partner) read(ctx context.Context, container, path string, also ...string) (string, error) {
	out, err := p.exec(ctx, container, slices.Concat([]string{"mounttest"}, also, []string{"--file_content=" + path})...)
	if err != nil {
		return "", err
	}
	_, content, found := strings.Cut(out, fmt.Sprintf("content of file %q: ", path))
	if !found {
		return "", fmt.Errorf("reading %s in container %s of pod %s on %s printed %.200q", path, container, p.name, p.node, out)
	}
	return strings.TrimSpace(strings.ReplaceAll(content, "\x00", " ")), nil
}

// write has a container write what the test image writes.
func (p *partner) write(ctx context.Context, container, path string) error {
	_, err := p.exec(ctx, container, "mounttest", "--new_file_0644="+path)
	return err
}

// sharingJobs check what the containers of one pod have in common, by effects that nothing but sharing explains.
func (r *run) sharingJobs(first, second string) []job {
	shared, pid := &partner{r: r, name: sharedName, on: first}, &partner{r: r, name: pidName, on: second}
	remedy := "look at the journal of containerd on the node that is named, and run trivet plan: it tells whether its configuration was changed"
	row := func(name string, p *partner, try func(context.Context, *partner) (string, error)) job {
		return job{name: name, peer: "pod " + p.name, remedy: remedy, once: true, try: func(ctx context.Context) (string, error) {
			if err := p.await(ctx); err != nil {
				return "", err
			}
			detail, err := try(ctx, p)
			if err != nil {
				return "", err
			}
			return detail + ", on " + p.node, nil
		}}
	}
	return []job{
		row(CheckNetwork, shared, shareNetwork), row(CheckIPC, shared, shareIPC), row(CheckUTS, shared, shareUTS), row(CheckVolume, shared, shareVolume),
		row(CheckOwnPID, shared, ownPIDs), row(CheckPID, pid, sharePIDs),
	}
}

// container gives an agent of what listens in one container.
func (p *partner) container(listens int) *agent {
	return &agent{node: p.node, pod: p.name, ip: p.ip, port: listens, host: hostClientFor(p.node, p.r.Hosts[p.node])}
}

// shareNetwork: each container reaches on the loopback address what only the other listens on.
func shareNetwork(ctx context.Context, p *partner) (string, error) {
	for _, ports := range [][2]int{{port, secondPort}, {secondPort, port}} {
		if _, err := p.container(ports[0]).call(ctx, "127.0.0.1", ports[1], "hostname"); err != nil {
			return "", fmt.Errorf("the server of the other container is not on the loopback address: %w", err)
		}
	}
	return "each reaches the other on 127.0.0.1", nil
}

// shareIPC: both containers have the pod's setting, which a namespace of their own would not have, and one's shared memory is the other's.
func shareIPC(ctx context.Context, p *partner) (string, error) {
	const setting, memory = "/proc/sys/kernel/shm_rmid_forced", "/dev/shm/trivet-verify"
	for container, also := range map[string][]string{"first": {"--new_file_0644=" + memory}, "second": nil} {
		value, err := p.read(ctx, container, setting, also...)
		if err != nil {
			return "", err
		}
		if value != "1" {
			return "", fmt.Errorf("container %s of pod %s on %s has %s %s, the pod's is 1: it is in another IPC namespace", container, p.name, p.node, setting, value)
		}
	}
	if err := p.reads(ctx, "second", memory); err != nil {
		return "", err
	}
	return "the pod's IPC namespace and its shared memory", nil
}

// shareUTS: one container changes the host name, the other has it. That is tried only on a host name that the pod alone has.
func shareUTS(ctx context.Context, p *partner) (string, error) {
	want := "trivet-" + strings.TrimPrefix(p.r.space, "trivet-verify-")
	first, second := p.container(port), p.container(secondPort)
	for _, a := range []*agent{first, second} {
		have, err := a.get(ctx, "hostname")
		if err != nil {
			return "", err
		}
		if have != want {
			return "", fmt.Errorf("the container of pod %s on %s that listens on %d has the host name %s, the pod's is %s: it is in another UTS namespace", p.name, p.node, a.port, have, want)
		}
	}
	if err := p.write(ctx, "second", "/proc/sys/kernel/hostname"); err != nil {
		return "", err
	}
	have, err := first.get(ctx, "hostname")
	if err != nil {
		return "", err
	}
	if have != written {
		return "", fmt.Errorf("container second of pod %s on %s changed the host name to %q, and container first still has %s: it is in another UTS namespace", p.name, p.node, written, have)
	}
	return "a host name that one sets is the other's", nil
}

func shareVolume(ctx context.Context, p *partner) (string, error) {
	const file = sharedVolume + "/trivet-verify"
	if err := p.write(ctx, "first", file); err != nil {
		return "", err
	}
	if err := p.reads(ctx, "second", file); err != nil {
		return "", err
	}
	return "a file that one writes is the other's", nil
}

// reads checks that a container sees what another wrote.
func (p *partner) reads(ctx context.Context, container, path string) error {
	have, err := p.read(ctx, container, path)
	if err != nil {
		return err
	}
	if have != written {
		return fmt.Errorf("the other container wrote %q to %s, and container %s of pod %s on %s reads %q", written, path, container, p.name, p.node, have)
	}
	return nil
}

// ownPIDs: unless the pod asks for it, each container's own process is its PID 1.
func ownPIDs(ctx context.Context, p *partner) (string, error) {
	for container, listens := range map[string]int{"first": port, "second": secondPort} {
		command, err := p.read(ctx, container, "/proc/1/cmdline")
		if err != nil {
			return "", err
		}
		if !strings.Contains(command, "--http-port="+strconv.Itoa(listens)) {
			return "", fmt.Errorf("PID 1 of container %s of pod %s on %s is %q, not its own process", container, p.name, p.node, command)
		}
	}
	return "each is PID 1 of its own", nil
}

var pidLink = regexp.MustCompile(`href="(\d+)/"`)

// sharePIDs: PID 1 is neither container's, and the first sees the process of the second.
func sharePIDs(ctx context.Context, p *partner) (string, error) {
	command, err := p.read(ctx, "first", "/proc/1/cmdline")
	if err != nil {
		return "", err
	}
	if strings.Contains(command, "--http-port=") {
		return "", fmt.Errorf("PID 1 of container first of pod %s on %s is its own process %q, although the pod asks for shared PIDs", p.name, p.node, command)
	}
	listing, err := p.container(secondPort).get(ctx, "proc/")
	if err != nil {
		return "", err
	}
	var pids []int
	for _, link := range pidLink.FindAllStringSubmatch(listing, -1) {
		if pid, err := strconv.Atoi(link[1]); err == nil && pid != 1 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	marker := "test-webserver --port=" + strconv.Itoa(secondPort)
	for _, pid := range slices.Backward(pids) { // the second container started last
		// A process may have ended since: only the wanted one matters.
		if command, err := p.read(ctx, "first", fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(command, marker) {
			return fmt.Sprintf("the first sees the second as PID %d", pid), nil
		}
	}
	return "", fmt.Errorf("container first of pod %s on %s does not see the process %q of the other, although the pod asks for shared PIDs", p.name, p.node, marker)
}
