package topology

// Options are everything that Load and Parse depend on besides the files of the topology, so that the same input always
// gives the same output.
type Options struct {
	// Variables holds values of input variables as written after -var name=, read by the type of the variable.
	Variables map[string]string
	// VariablesIn is where users give them, for remedies, when that is no command line.
	VariablesIn string
	// VariableFiles are paths of files with one `name = value` a line, in rising order of precedence. They are read through
	// ReadFile. Single values given in Variables win over them.
	VariableFiles []string
	// Env looks up TRIVET_VAR_<name>, which yields to both of the above. Nil means an empty environment.
	Env func(name string) string

	// Dir is the folder that relative paths start from. Load sets it.
	Dir string
	// Home stands for "~" in paths. Load takes the user's home directory when it is empty.
	Home string
	// ReadFile serves variable files and the function file(). Load takes os.ReadFile when it is nil; Parse reads nothing then.
	ReadFile func(path string) ([]byte, error)
	// Glob lists the files of a pattern, for manifests. Load looks at the disk when it is nil; Parse finds none then.
	Glob func(pattern string) ([]string, error)

	// Releases says whether a Kubernetes release is supported; its error names those that are. Nil accepts any.
	Releases func(version string) error
	// CheckSettings checks a component's settings against the field table of a Kubernetes release. Nil accepts any.
	CheckSettings func(kubernetes string, c Component) []FieldError

	// NoManifests leaves the files of manifests unread, for what asks nothing of them: a cluster has its hosts whether they are still there or not.
	NoManifests bool
	// CheckManifests finds what is wrong with a cluster's manifests beyond their form. Nil accepts any.
	CheckManifests func(c *Cluster) []ManifestError

	// Unknown is a name that stands for a value nobody knows yet, as when a plan is made for machines that do not exist: an expression with it is neither checked nor an error, and
	// what is read from it stays empty. Empty: there is none.
	Unknown string

	// SSH, when set, holds where the topology says nothing.
	SSH *SSH

	// Access, when set, replaces all that says how hosts are reached and who can decrypt the cluster's keys.
	Access *Access
}

// FieldError is a mistake in one field of a component's settings.
type FieldError struct {
	Path    []string // from the top of settings; list indices in decimal
	Summary string   // terse
	Detail  string   // what is wrong and what to do

	Value    bool       // the value is to blame, not the name
	Together bool       // fields do not fit each other, which depends on the settings of other blocks for the component
	Also     [][]string // the other fields that do not fit
}

// Access is how the lab reaches its hosts. It takes the place of every ssh, bastion and host attribute about SSH and of
// age_recipients; those are not even evaluated, so files that they name need not exist.
type Access struct {
	User          string
	PrivateKey    string
	KnownHosts    string
	AgeRecipients []string
}
