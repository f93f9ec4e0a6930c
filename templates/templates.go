// Package templates holds the units, configuration files and manifests that Trivet writes, each a whole file that an operator would recognise on the host, and
// the typed parameters that fill them in.
package templates

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

//go:embed units config manifests
var files embed.FS

var parsed = template.Must(parse())

// Template is a parameter struct: it knows its file.
type Template interface {
	file() string
}

// Render fills in the file of the parameters.
func Render(params Template) ([]byte, error) {
	var out bytes.Buffer
	if err := parsed.ExecuteTemplate(&out, params.file(), params); err != nil {
		return nil, fmt.Errorf("render %s: %w", params.file(), err)
	}
	return out.Bytes(), nil
}

func parse() (*template.Template, error) {
	root := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"arg":  Argument,
		"join": strings.Join,
		"json": quoted,
		"yaml": quoted, // a JSON string is a YAML scalar that nothing in it can break
		"toml": quoted, // and a TOML basic string
	})
	for _, dir := range []string{"units", "config", "manifests"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			text, err := files.ReadFile(name)
			if err != nil {
				return nil, err
			}
			if _, err := root.New(name).Parse(string(text)); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

func quoted(v any) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// Argument writes a string as systemd reads a part of a command line: specifiers, variables, quotes and blanks lose their meaning.
// Quotes would do for whole words only.
func Argument(s string) string {
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '%':
			out.WriteString("%%")
		case c == '$':
			out.WriteString("$$")
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-+=.,:/@[]{}*!<>()~^|&?#", c) >= 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	return out.String()
}
