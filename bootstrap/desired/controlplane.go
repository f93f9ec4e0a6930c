package desired

import (
	"fmt"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

// Files under /etc/kubernetes that more than one component reads.
const (
	kubernetesCA         = certs.KubernetesDir + "/ca.crt"
	clientCA             = certs.KubernetesDir + "/client-ca.crt" // of all who may present a client certificate: Trivet's and those of the CSR API
	frontProxyCA         = certs.KubernetesDir + "/front-proxy-ca.crt"
	apiEtcdCA            = certs.KubernetesDir + "/etcd-ca.crt"
	serviceAccountPublic = certs.KubernetesDir + "/sa.pub"
	serviceAccountKey    = certs.KubernetesDir + "/sa.key"
	onlineCA             = certs.KubernetesDir + "/online-ca.crt"
	onlineCAKey          = certs.KubernetesDir + "/online-ca.key"
)

// controlPlane makes the API server, the controller manager and the scheduler.
func (b *builder) controlPlane() {
	b.part = PartAPIServer
	b.folder("/etc/kubernetes")
	ca := b.trust(kubernetesCA, certs.Kubernetes)
	b.trust(clientCA, certs.Kubernetes, certs.Online)
	b.trust(frontProxyCA, certs.FrontProxy)
	saKey := b.secret(serviceAccountKey, SecretServiceAccountKey)
	b.apiServer(ca, saKey)
	b.controllerManager(ca, saKey)
	b.scheduler(ca)
}

const (
	checkTime  = 2 * time.Second  // what a balancer's check may take, on top of the time between two
	watchesEnd = 20 * time.Second // for what has to end when the API server takes no more requests
)

func (b *builder) apiServer(ca, saKey hostapi.ID) {
	c := b.cluster
	bin := b.binary("kube-apiserver", b.in.Release.Kubernetes)
	b.folder("/var/log/kubernetes")
	b.data("/var/log/kubernetes/audit", root)
	etcd := b.trust(apiEtcdCA, certs.Etcd)
	saPublic := b.public(serviceAccountPublic, Item{TrustServiceAccount: true})
	encryption := b.secret("/etc/kubernetes/encryption.yaml", SecretEncryptionConfig)
	authentication := b.render("/etc/kubernetes/authentication.yaml", templates.Authentication{})
	audit := b.render("/etc/kubernetes/audit-policy.yaml", templates.AuditPolicy{})
	operator := b.keyPair(certs.Operator)
	b.kubeconfig("operator", b.localAPI(), certs.UserOperator, operator)
	goaway, delay := "0", 0*time.Second // one API server has nobody to send its clients to
	if len(c.HostsWith(topology.RoleControlPlane)) > 1 {
		goaway, delay = "0.001", checkInterval(len(c.Nodes()))+checkTime
	}
	b.unit("kube-apiserver.service", templates.APIServerUnit{
		Address: b.host.Address, Port: c.API.Port, EtcdServers: b.etcdServers(),
		EtcdCA: apiEtcdCA, CA: kubernetesCA, ClientCA: clientCA, FrontProxyCA: frontProxyCA,
		EtcdClient: b.keyPair(certs.APIServerEtcdClient), Serving: b.keyPair(certs.KubeAPIServer),
		KubeletClient: b.keyPair(certs.APIServerKubeletClient), FrontProxyClient: b.keyPair(certs.FrontProxyClient), FrontProxyName: certs.FrontProxyName,
		CipherSuites: tls12SuiteList, ServiceCIDR: c.ServiceCIDR, Issuer: c.API.ServiceAccountIssuer,
		ServiceAccountPublic: serviceAccountPublic, ServiceAccountKey: serviceAccountKey, GoawayChance: goaway,
		ShutdownDelay: delay.String(), StopSeconds: int((delay + watchesEnd).Seconds()), Flags: b.flags("kube-apiserver"),
	}, start{noWait: true}, bin, ca, etcd, saPublic, saKey, encryption, authentication, audit)
}

func (b *builder) controllerManager(ca, saKey hostapi.ID) {
	b.part = PartControllerManager
	bin := b.binary("kube-controller-manager", b.in.Release.Kubernetes)
	config := b.kubeconfig("kube-controller-manager", b.localAPI(), "system:kube-controller-manager", b.keyPair(certs.KubeControllerManager))
	// The controller manager takes one certificate here and no more (pkg/controller/certificates/signer, 1.37.2). It would read a new one by itself, at some moment: it is restarted,
	// so that after this step it signs with no other.
	signing := b.public(onlineCA, Item{Trust: []certs.Authority{certs.Online}, Signing: true})
	signingKey := b.secret(onlineCAKey, SecretOnlineCAKey)
	b.unit("kube-controller-manager.service", templates.ControllerManagerUnit{
		Cluster: b.cluster.Name, CA: kubernetesCA, ClientCA: clientCA, FrontProxyCA: frontProxyCA, FrontProxyName: certs.FrontProxyName,
		Serving: b.keyPair(certs.KubeControllerManagerServing), CipherSuites: tls12SuiteList, ServiceAccountKey: serviceAccountKey,
		SigningCert: onlineCA, SigningKey: onlineCAKey, Flags: b.flags("kube-controller-manager"),
	}, start{noWait: true}, bin, config, ca, saKey, signing, signingKey)
}

func (b *builder) scheduler(ca hostapi.ID) {
	b.part = PartScheduler
	bin := b.binary("kube-scheduler", b.in.Release.Kubernetes)
	access := b.kubeconfig("kube-scheduler", b.localAPI(), "system:kube-scheduler", b.keyPair(certs.KubeScheduler))
	config := b.structured("/etc/kubernetes/kube-scheduler.yaml", "kube-scheduler", templates.SchedulerConfig{})
	b.unit("kube-scheduler.service", templates.SchedulerUnit{
		ClientCA: clientCA, FrontProxyCA: frontProxyCA, FrontProxyName: certs.FrontProxyName,
		Serving: b.keyPair(certs.KubeSchedulerServing), CipherSuites: tls12SuiteList, Flags: b.flags("kube-scheduler"),
	}, start{noWait: true}, bin, access, config, ca)
}

// localAPI is the API server of this host.
func (b *builder) localAPI() string { return fmt.Sprintf("https://127.0.0.1:%d", b.cluster.API.Port) }

// anyAPI is any API server, through the balancer of this host.
func (b *builder) anyAPI() string {
	return fmt.Sprintf("https://127.0.0.1:%d", b.cluster.API.LocalPort)
}
