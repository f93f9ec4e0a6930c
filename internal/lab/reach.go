package lab

// Access is how an operator reaches the lab's hosts. It is kept as access.json in the
// lab's state folder; the paths in it are readable by root only.
type Access struct {
	Lab              string   `json:"lab"`
	NetworkNamespace string   `json:"network_namespace"` // to dial from: the lab's addresses exist only there
	User             string   `json:"user"`
	PrivateKey       string   `json:"private_key"`
	KnownHosts       string   `json:"known_hosts"`
	AgeIdentity      string   `json:"age_identity"`
	AgeRecipients    []string `json:"age_recipients"`
}

// User is whom operators log in as: not root, but with sudo for everything.
const User = "ops"
