package door

import (
	"errors"
	"regexp"

	"github.com/trivet-dev/trivet/provider/input"
)

// told is an error of the engine in the words of a resource: it names attributes where the engine names lines of what was written for them.
type told struct {
	text string
	at   input.Path
	err  error
}

// Error implements error.
func (e *told) Error() string { return e.text }

// Unwrap gives the engine's own error.
func (e *told) Unwrap() error { return e.err }

// At is the attribute that an error names first; it is empty where it names none.
func At(err error) input.Path {
	var e *told
	if errors.As(err, &e) {
		return e.at
	}
	return nil
}

// File writes what attributes describe into a file, as the command reads it, for what the provider cannot do: the file's name. It is empty where users have the topology themselves.
func (c *Client) File(f *Fleet, attributes input.Object) (string, error) {
	if f.text == nil {
		return "", nil
	}
	// Patterns of manifests begin at another folder than the file's.
	text, ok := input.Write(Without(attributes, append(languageAttributes, "manifests")...))
	if !ok {
		return "", nil
	}
	return write("trivet-"+f.Cluster.Name+"-*.hcl", text.File(c.SSH.User, c.SSH.Port))
}

// ofTopology is a place in a topology in its own language.
var ofTopology = regexp.MustCompile(`\b` + topologyFile + `:\d`)

// reword has attributes in a message in place of lines.
func (f *Fleet) reword(message string) string {
	if f == nil || f.text == nil {
		return message
	}
	return f.text.Reword(message)
}

// tell has attributes in an error in place of lines.
func (f *Fleet) tell(err error) error {
	if err == nil || f == nil {
		return err
	}
	e := &told{f.reword(err.Error()), nil, err}
	switch {
	case f.text != nil:
		e.at = f.text.First(err.Error())
	case ofTopology.MatchString(err.Error()):
		e.at = input.Path{}.Attribute("topology")
	}
	return e
}
