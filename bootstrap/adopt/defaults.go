package adopt

// defaults are what holds where a flag or a field is not set, in Kubernetes 1.36 and 1.37 and etcd 3.6 and 3.7: of those that kubeadm or Trivet sets.
var defaults = map[string]map[string]string{
	"etcd": {
		"--auto-compaction-mode": "periodic", "--auto-compaction-retention": "0", "--election-timeout": "1000", "--heartbeat-interval": "100", "--quota-backend-bytes": "2147483648",
		"--snapshot-count": "10000", "--strict-reconfig-check": "true", "--tls-min-version": "TLS1.2", "--watch-progress-notify-interval": "10m",
	},
	"kube-apiserver": {
		"--audit-log-maxage": "0", "--audit-log-maxbackup": "0", "--audit-log-maxsize": "0", "--bind-address": "0.0.0.0", "--enable-bootstrap-token-auth": "false", "--goaway-chance": "0",
		"--kubelet-preferred-address-types": "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP", "--profiling": "true", "--shutdown-delay-duration": "0s",
		"--shutdown-watch-termination-grace-period": "0s", "--tls-min-version": "VersionTLS12",
	},
	"kube-controller-manager": {
		"--allocate-node-cidrs": "false", "--cluster-name": "kubernetes", "--controllers": "*", "--kube-api-burst": "30", "--kube-api-qps": "20", "--leader-elect": "true", "--profiling": "true",
		"--tls-min-version": "VersionTLS12", "--use-service-account-credentials": "false",
	},
	"kube-scheduler": {"--leader-elect": "true", "--profiling": "true", "--tls-min-version": "VersionTLS12"},
	"kubelet": {
		"healthzBindAddress": "127.0.0.1", "healthzPort": "10248", "makeIPTablesUtilChains": "true", "maxPods": "110", "readOnlyPort": "0", "registerNode": "true", "resolvConf": "/etc/resolv.conf", "seccompDefault": "false", "tlsMinVersion": "VersionTLS12",
		"failCgroupV1": "true", "volumePluginDir": "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
	},
	"kube-proxy": {
		"bindAddress": "0.0.0.0", "conntrack.maxPerCore": "32768", "conntrack.tcpCloseWaitTimeout": "1h0m0s", "conntrack.tcpEstablishedTimeout": "24h0m0s",
		"healthzBindAddress": "0.0.0.0:10256", "metricsBindAddress": "127.0.0.1:10249", "mode": "iptables",
	},
}

// elsewhere are flags that Trivet gives by another way than the command line: in a file of the environment, or in the configuration file.
var elsewhere = map[string][]string{
	"etcd": {"--initial-cluster", "--initial-cluster-state"},
}
