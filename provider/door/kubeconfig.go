package door

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// TunnelAddress is where `trivet tunnel` listens unless it is told otherwise.
const TunnelAddress = "127.0.0.1:16443"

// Kubeconfig writes a kubeconfig without a secret: the API is at a tunnel of this machine, and `trivet credential` gets certificates of a short life over SSH, and holds the tunnel. It is
// the same for as long as the cluster has its control planes and its authority, since those who keep it take another one for another cluster.
func Kubeconfig(access input.Object, inv *inventory.Inventory) string {
	config := clientcmdapi.NewConfig()
	name := inv.Cluster
	config.CurrentContext = name
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + TunnelAddress, TLSServerName: "kubernetes", CertificateAuthorityData: []byte(inv.Public.Authorities[string(certs.Kubernetes)])}
	config.AuthInfos["trivet"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: "trivet", Args: []string{"credential", "--tunnel", "--access", AccessJSON(access)}, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		InstallHint: "The command trivet makes the certificate and holds the tunnel: see https://github.com/trivet-dev/trivet.",
	}}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: "trivet"}
	b, err := clientcmd.Write(*config)
	if err != nil {
		panic("provider: " + err.Error()) // plain data
	}
	return string(b)
}

// NewAuthority says whether an apply may change by which authority the API is known, from what a state has and what is described: a rotation is asked for, or is to be gone on with.
func NewAuthority(config, state input.Object) bool {
	const name = "kubernetes_ca"
	if IsUnknown(config, "rotation", name) || rotationOf(config, name) != rotationOf(state, name) {
		return true
	}
	for _, n := range NodesOf(state["nodes"]) {
		if slices.ContainsFunc(n.Drift, func(d string) bool { return strings.HasPrefix(d, rotationDrift+name+" ") }) {
			return true
		}
	}
	return false
}

func rotationOf(o input.Object, name string) any {
	r, _ := o["rotation"].(input.Object)
	return r[name]
}

// AccessJSON writes how a cluster is reached as one line, the same for the same access.
func AccessJSON(access input.Object) string {
	b, err := json.Marshal(known(access)) // keys in order
	if err != nil {
		panic("provider: " + err.Error()) // plain data
	}
	return string(b)
}

// known leaves out what is none, or not known.
func known(v any) any {
	switch v := v.(type) {
	case input.Unknown:
		return nil
	case input.Object:
		out := map[string]any{}
		for k, x := range v {
			if x = known(x); x != nil {
				out[k] = x
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = known(x)
		}
		return out
	}
	return v
}

// ParseAccess reads how a cluster is reached from JSON, as AccessJSON and the outputs of every provider have it.
func ParseAccess(text string) (input.Object, error) {
	type machine struct {
		Address  string `json:"address"`
		Port     int64  `json:"port"`
		User     string `json:"user"`
		HostKey  string `json:"ssh_host_key"`
		HostKey2 string `json:"sshHostKey"`
	}
	var a struct {
		Name      string `json:"name"`
		ID        string `json:"id"`
		APIPort   int    `json:"api_port"`
		APIPort2  int    `json:"apiPort"`
		APILocal  int    `json:"api_local_port"`
		APILocal2 int    `json:"apiLocalPort"`
		Endpoints []struct {
			Host string `json:"host"`
			machine
			Bastion *machine `json:"bastion"`
		} `json:"endpoints"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("the access of a cluster is not readable: %w", err)
	}
	if a.Name == "" || len(a.Endpoints) == 0 {
		return nil, fmt.Errorf("the access of a cluster has no name, or no endpoints")
	}
	written := func(m machine) input.Object {
		return input.Object{"address": m.Address, "port": orUnknown(int(m.Port), false), "user": orUnknown(m.User, false), "ssh_host_key": orUnknown(strings.TrimSpace(m.HostKey+m.HostKey2), false)}
	}
	endpoints := []any{}
	for _, e := range a.Endpoints {
		o := written(e.machine)
		o["host"] = e.Host
		if e.Bastion != nil {
			o["bastion"] = written(*e.Bastion)
		}
		endpoints = append(endpoints, o)
	}
	return input.Object{
		"name": a.Name, "id": a.ID, "endpoints": endpoints,
		"api_port": orUnknown(cmp.Or(a.APIPort, a.APIPort2), false), "api_local_port": orUnknown(cmp.Or(a.APILocal, a.APILocal2), false),
	}, nil
}

// AccessIn reads an access, as far as it is known.
func (c *Client) AccessIn(access input.Object) Access {
	return Access{textIn(access, "name"), c.EndpointsAt(access), numberIn(access, "api_port"), numberIn(access, "api_local_port")}
}

// EndpointsAt are the control planes that an access names, as far as they are known.
func (c *Client) EndpointsAt(access input.Object) []Endpoint {
	var out []Endpoint
	list, _ := access["endpoints"].([]any)
	for _, x := range list {
		o, _ := x.(input.Object)
		if o == nil || HasUnknown(o) {
			continue
		}
		e := Endpoint{Host: textIn(o, "host"), Address: textIn(o, "address"), User: textIn(o, "user"), HostKey: textIn(o, "ssh_host_key"), Port: numberIn(o, "port")}
		if b, _ := o["bastion"].(input.Object); b != nil {
			e.Bastion = &topology.Bastion{Name: "bastion", Address: textIn(b, "address"), Port: numberIn(b, "port"), User: textIn(b, "user"), HostKey: textIn(b, "ssh_host_key"), PrivateKey: c.SSH.PrivateKey}
		}
		out = append(out, e)
	}
	return out
}

func textIn(o input.Object, name string) string {
	s, _ := o[name].(string)
	return s
}

func numberIn(o input.Object, name string) int {
	n, _ := whole(o[name])
	return int(n)
}
