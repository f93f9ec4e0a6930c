package verify

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// nodeToPod asks whether a host reaches a pod, its own or elsewhere.
func (r *run) nodeToPod(from, to *agent) job {
	return job{name: CheckNodeToPod, host: from.node, peer: to.node, remedy: r.networkRemedy(from.node, to.node), try: func(ctx context.Context) (string, error) {
		answer, err := from.host.get(ctx, address(to.ip, port), "hostname")
		if err != nil {
			return "", err
		}
		if answer != to.pod {
			return "", fmt.Errorf("host %s asked http://%s/hostname, the address of pod %s on %s, and %q answered: two pods have one address", from.node, address(to.ip, port), to.pod, to.node, answer)
		}
		return to.ip.String() + " answers", nil
	}}
}

// podToPod asks whether a pod reaches another under its own address.
func (r *run) podToPod(from, to *agent) job {
	return job{name: CheckPodToPod, host: from.node, peer: to.node, remedy: r.networkRemedy(from.node, to.node), try: func(ctx context.Context) (string, error) {
		seen, err := from.call(ctx, to.ip.String(), port, "clientip")
		if err != nil {
			return "", err
		}
		client, err := netip.ParseAddrPort(seen)
		if err != nil {
			return "", fmt.Errorf("pod %s on %s asked pod %s on %s for its own address, and it said %q", from.pod, from.node, to.pod, to.node, seen)
		}
		if client.Addr().Unmap() != from.ip {
			return "", fmt.Errorf("pod %s on %s has the address %s, and pod %s on %s sees it as %s: something between them translates addresses", from.pod, from.node, from.ip, to.pod, to.node, client.Addr())
		}
		return "seen as " + client.Addr().Unmap().String(), nil
	}}
}

func (r *run) networkRemedy(from, to string) string {
	if from == to {
		return "look at the interface cni0 and at nft list ruleset on " + from
	}
	if r.Cluster.Network.Plugin == "flannel" {
		return fmt.Sprintf("look at the unit flanneld and at ip route on %s and %s, and whether UDP port 8472 passes between the two hosts", from, to)
	}
	return fmt.Sprintf("look at ip route on %s and %s, and at the routers between them: each node's pod range must lead to its host", from, to)
}

// serviceJobs ask whether Services are found and lead somewhere.
func (r *run) serviceJobs(a *agent) []job {
	proxyRemedy := "look at the unit kube-proxy and at nft list ruleset on " + a.node
	dnsRemedy := fmt.Sprintf("look at the CoreDNS pods, whether pods on %s reach them, and at clusterDNS of its kubelet: the name service is at %s", a.node, r.Cluster.DNS.Address)
	anyPod := func(what string, ask func(context.Context) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			answer, err := ask(ctx)
			if err != nil {
				return "", err
			}
			if !isProbe(answer) {
				return "", fmt.Errorf("%s asked %s, and %q answered, which is none of the Service's pods", a.node, what, answer)
			}
			return answer + " answers", nil
		}
	}
	return []job{
		{name: CheckDNS, host: a.node, peer: r.serviceName(), remedy: dnsRemedy, try: anyPod(r.serviceName(), func(ctx context.Context) (string, error) {
			return a.call(ctx, r.serviceName(), servicePort, "hostname")
		})},
		{name: CheckDNS, host: a.node, peer: serviceName, remedy: dnsRemedy, try: anyPod(serviceName, func(ctx context.Context) (string, error) {
			return a.call(ctx, serviceName, servicePort, "hostname") // by the search list
		})},
		{name: CheckFromPod, host: a.node, peer: r.service, remedy: proxyRemedy, try: anyPod(r.service, func(ctx context.Context) (string, error) {
			return a.call(ctx, r.service, servicePort, "hostname")
		})},
		{name: CheckFromHost, host: a.node, peer: r.service, remedy: proxyRemedy, try: anyPod(r.service, func(ctx context.Context) (string, error) {
			ip, err := netip.ParseAddr(r.service)
			if err != nil {
				return "", fmt.Errorf("the Service %s has no address: %q", serviceName, r.service)
			}
			return a.host.get(ctx, address(ip, servicePort), "hostname")
		})},
		{name: CheckHairpin, host: a.node, peer: r.local, remedy: "look at hairpinMode of the bridge plugin in /etc/cni/net.d on " + a.node + ", and at the unit kube-proxy",
			try: func(ctx context.Context) (string, error) {
				answer, err := a.call(ctx, r.local, servicePort, "hostname")
				if err != nil {
					return "", err
				}
				if answer != a.pod {
					return "", fmt.Errorf("pod %s on %s asked a Service that leads to the pods of its own node (%s), and %q answered", a.pod, a.node, r.local, answer)
				}
				return "itself", nil
			}},
	}
}

// isProbe reports whether a host name is that of one of the Service's pods. Nodes that are not in the topology may have one too.
func isProbe(name string) bool {
	return strings.HasPrefix(name, probeName+"-")
}

// apiJobs ask the API server for what it has to ask the kubelet, whose certificate it verifies.
func (r *run) apiJobs(a *agent) []job {
	remedy := fmt.Sprintf("look at the journals of kube-apiserver on the control planes and of the kubelet on %s: port 10250 must be reachable, and the certificate of the kubelet in date and of the cluster's authority", a.node)
	token := rand.Text()
	return []job{
		{name: CheckLogs, host: a.node, peer: a.pod, remedy: remedy, heavy: true, try: func(ctx context.Context) (string, error) {
			stream, err := r.Client.Typed().CoreV1().Pods(r.space).GetLogs(a.pod, &corev1.PodLogOptions{Container: "probe"}).Stream(ctx)
			if err != nil {
				return "", fmt.Errorf("logs of pod %s on %s: %w", a.pod, a.node, err)
			}
			defer stream.Close() //nolint:errcheck // read to its end
			text, err := io.ReadAll(io.LimitReader(stream, 64<<10))
			if err != nil {
				return "", fmt.Errorf("logs of pod %s on %s: %w", a.pod, a.node, err)
			}
			if want := "Started HTTP server on port " + strconv.Itoa(port); !strings.Contains(string(text), want) {
				return "", fmt.Errorf("logs of pod %s on %s lack %q; they begin with %.200q", a.pod, a.node, want, text)
			}
			return strconv.Itoa(len(text)) + " bytes", nil
		}},
		{name: CheckExec, host: a.node, peer: a.pod, remedy: remedy, heavy: true, try: func(ctx context.Context) (string, error) {
			out, err := r.exec(ctx, r.space, a.pod, "probe", agnhost, "entrypoint-tester", token)
			if err != nil {
				return "", err
			}
			if !strings.Contains(out, token) {
				return "", fmt.Errorf("exec in pod %s on %s printed %.200q, without the token it was given", a.pod, a.node, out)
			}
			return "the command ran", nil
		}},
	}
}
