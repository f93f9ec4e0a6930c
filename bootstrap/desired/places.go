package desired

// Where the engine finds what it needs to reach a cluster that runs.
const (
	KubernetesCA   = kubernetesCA // on control planes and nodes
	EtcdCA         = etcdCA       // on etcd members
	KubeletProgram = binDir + "/kubelet"
	EtcdUnit       = "etcd.service"
	EtcdData       = "/var/lib/etcd"
	DNSNamespace   = "kube-system"
	DNSName        = "coredns" // of the Deployment
)
