package hostapi

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
)

// Kind names a kind of thing that can be owned on a host.
type Kind string

// Kinds of items, in the order in which they are made; they are removed in the reverse order.
const (
	KindPackage   Kind = "package"
	KindUser      Kind = "user"
	KindModule    Kind = "module"
	KindSysctl    Kind = "sysctl"
	KindClaim     Kind = "claim"
	KindDirectory Kind = "directory"
	KindArtifact  Kind = "artifact"
	KindFile      Kind = "file"
	KindKeyPair   Kind = "keypair"
	KindUnit      Kind = "unit"
	KindImage     Kind = "image"
)

// ID names one item on a host.
type ID struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// String returns "kind:name".
func (id ID) String() string { return string(id.Kind) + ":" + id.Name }

// Item is one thing that Trivet owns on a host. Exactly one field is set.
type Item struct {
	Package   *Package   `json:"package,omitempty"`
	User      *User      `json:"user,omitempty"`
	Module    *Module    `json:"module,omitempty"`
	Sysctl    *Sysctl    `json:"sysctl,omitempty"`
	Claim     *Claim     `json:"claim,omitempty"`
	Directory *Directory `json:"directory,omitempty"`
	Artifact  *Artifact  `json:"artifact,omitempty"`
	File      *File      `json:"file,omitempty"`
	KeyPair   *KeyPair   `json:"keypair,omitempty"`
	Unit      *Unit      `json:"unit,omitempty"`
	Image     *Image     `json:"image,omitempty"`
}

// ID returns the item's name on its host; the zero ID when no field is set.
func (i Item) ID() ID {
	switch {
	case i.Package != nil:
		return ID{KindPackage, i.Package.Name}
	case i.User != nil:
		return ID{KindUser, i.User.Name}
	case i.Module != nil:
		return ID{KindModule, i.Module.Name}
	case i.Sysctl != nil:
		return ID{KindSysctl, i.Sysctl.Key}
	case i.Claim != nil:
		return ID{KindClaim, string(i.Claim.What) + "/" + i.Claim.Name}
	case i.Directory != nil:
		return ID{KindDirectory, i.Directory.Path}
	case i.Artifact != nil:
		return ID{KindArtifact, i.Artifact.Path}
	case i.File != nil:
		return ID{KindFile, i.File.Path}
	case i.KeyPair != nil:
		return ID{KindKeyPair, i.KeyPair.CertPath}
	case i.Unit != nil:
		return ID{KindUnit, i.Unit.Name}
	case i.Image != nil:
		return ID{KindImage, i.Image.Reference}
	}
	return ID{}
}

// Package is a distribution package. Archives, when present, are the offline copies in the host's store, dependencies first; without
// them the distribution's own package manager is asked. Recorded with whether it was there before: only what Trivet installed is removed.
type Package struct {
	Name     string `json:"name"`
	Archives []Blob `json:"archives,omitempty"`
}

// User is a system user with a group of the same name and no login.
type User struct {
	Name string `json:"name"`
	Home string `json:"home"`
}

// Module is a kernel module, loaded now and at boot (modules-load.d). A module built into the kernel counts as loaded.
type Module struct {
	Name string `json:"name"`
	// Optional modules may be missing: the kernel has the feature built in, or the component can do without.
	Optional bool `json:"optional,omitempty"`
}

// Sysctl is a kernel parameter, set now and at boot (sysctl.d); its value from before is recorded and restored on removal.
type Sysctl struct {
	Key   string `json:"key"` // "net.ipv4.ip_forward"
	Value string `json:"value"`
	// Optional parameters are left as they are where the host does not allow them to be set.
	Optional bool `json:"optional,omitempty"`
}

// Claimed says what kind of by-product is claimed.
type Claimed string

// By-products of components that must go when the host is given back. Names may end in "*".
const (
	ClaimLink     Claimed = "link"      // network interface
	ClaimNFTTable Claimed = "nft-table" // "family name"
	ClaimCgroup   Claimed = "cgroup"    // every process in control groups of this name is killed, then the groups removed
	ClaimMounts   Claimed = "mounts"    // everything mounted below the path is unmounted
	ClaimTree     Claimed = "tree"      // the path and all below it is removed
	ClaimNetns    Claimed = "netns"     // bind-mounted network namespaces below the path
	// ClaimChains are chains of iptables and ip6tables in any table, with the jumps to them, and the tables that were made for them.
	ClaimChains Claimed = "iptables-chains"
	// ClaimCounter is an accounting object of netfilter (nfacct), which rules count with; it goes after them.
	ClaimCounter Claimed = "netfilter-counter"
)

// Claim owns a by-product that a component makes while it runs. Ensuring a claim changes nothing but the record, and is refused when the
// thing exists already and is not in the record (it belongs to somebody else).
type Claim struct {
	What Claimed `json:"what"`
	Name string  `json:"name"`
	// Unit makes the thing when it starts, and needs it while it runs: missing then, it is drift, which a restart mends. So the claim has to be among the unit's inputs.
	Unit string `json:"unit,omitempty"`
	// Routes says of a link with a Unit that there have to be routes through it: who deleted a link, and made it again, has deleted them.
	Routes bool `json:"routes,omitempty"`
}

// Directory is a folder. Data folders are removed with what is in them; others only when empty. A data folder that has content which is not recorded is somebody else's
// and refused.
type Directory struct {
	Path  string      `json:"path"`
	Mode  fs.FileMode `json:"mode"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	Data  bool        `json:"data,omitempty"`
	// Precious data cannot be made again: once it was there and is gone, that is drift, which Ensure refuses to pass over. Removing the item first accepts the loss.
	Precious bool `json:"precious,omitempty"`
}

// Artifact is a symbolic link from Path to a blob in the host's store, switched atomically.
type Artifact struct {
	Path string `json:"path"`
	Blob Blob   `json:"blob"`
}

// Blob is a file known by its digest.
type Blob struct {
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes
}

// File is a configuration file, written to a temporary name, synced and renamed.
type File struct {
	Path  string      `json:"path"`
	Mode  fs.FileMode `json:"mode"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	// SHA256 is the hex digest of Content; empty for secret files, and for files whose content is made during the apply.
	SHA256 string `json:"sha256,omitempty"`
	// Secret files never show their content or a digest of it; Version, which is public, says which one it is.
	Secret  bool   `json:"secret,omitempty"`
	Version string `json:"version,omitempty"`
	// Content travels in steps only: records and observations leave it out.
	Content []byte `json:"content,omitempty"`
}

// KeyPair is an X.509 certificate with its private key. The key is readable by the owner only.
type KeyPair struct {
	CertPath string `json:"certPath"`
	KeyPath  string `json:"keyPath"`
	Owner    string `json:"owner"`
	Group    string `json:"group"`
	// Certificate is PEM, the leaf first. Public: in records and observations too.
	Certificate []byte `json:"certificate,omitempty"`
	// Key is PEM and travels in steps only.
	Key []byte `json:"key,omitempty"`
}

// Unit is a systemd unit, its file being an item of its own.
type Unit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Running bool   `json:"running"`
	// Inputs are the items on whose change the unit must be restarted. The record remembers what changed since the unit was last
	// started, so a restart that an interruption prevented is still owed.
	Inputs []ID `json:"inputs,omitempty"`
	// Reload replaces the restart by a reload.
	Reload bool `json:"reload,omitempty"`
	// NoWait starts the unit without waiting for it to be up (etcd notifies only after it has joined a quorum).
	NoWait bool `json:"noWait,omitempty"`
}

// Image is a container image, imported from an archive in the host's store into containerd and pinned against garbage collection.
type Image struct {
	Reference string `json:"reference"`
	Archive   Blob   `json:"archive"`
	// Tool is the path of ctr, Address containerd's socket, Namespace containerd's namespace.
	Tool      string `json:"tool"`
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
}

// Digest returns the hex SHA-256 of b.
func Digest(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
