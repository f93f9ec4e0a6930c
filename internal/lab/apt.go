//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sources is where the machine's own apt gets its distribution from.
type sources struct {
	stanzas []string // deb822
	lines   []string // one-line style
}

// aptSources reads the machine's apt sources and keeps those of its distribution: of the
// suite or one of its pockets, with the component main. Other vendors' repositories, often
// there too, stay out of the image. None found means mmdebstrap's own default.
func aptSources(root fs.FS, suite string) (sources, error) {
	files := []string{"etc/apt/sources.list"}
	for _, pattern := range []string{"etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources"} {
		more, err := fs.Glob(root, pattern)
		if err != nil {
			return sources{}, err
		}
		files = append(files, more...)
	}
	var found sources
	for _, name := range files {
		data, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return sources{}, fmt.Errorf("apt sources: %w", err)
		}
		if strings.HasSuffix(name, ".sources") {
			found.stanzas = append(found.stanzas, keepStanzas(string(data), suite)...)
		} else {
			found.lines = append(found.lines, keepLines(string(data), suite)...)
		}
	}
	return found, nil
}

func ofSuite(name, suite string) bool {
	return name == suite || strings.HasPrefix(name, suite+"-") || strings.HasPrefix(name, suite+"/")
}

func keepLines(text, suite string) []string {
	var kept []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, after, closed := strings.Cut(rest, "]")
			if !closed {
				continue
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) >= 3 && ofSuite(fields[1], suite) && slices.Contains(fields[2:], "main") {
			kept = append(kept, strings.TrimSpace(line))
		}
	}
	return kept
}

func keepStanzas(text, suite string) []string {
	var kept []string
	var stanza []string
	finish := func() {
		if stanzaMatches(stanza, suite) {
			kept = append(kept, strings.Join(stanza, "\n")+"\n")
		}
		stanza = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			finish()
		case strings.HasPrefix(line, "#"):
		default:
			stanza = append(stanza, line)
		}
	}
	finish()
	return kept
}

func stanzaMatches(stanza []string, suite string) bool {
	fields := map[string][]string{}
	key := ""
	for _, line := range stanza {
		if line[0] != ' ' && line[0] != '\t' {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return false
			}
			key, line = strings.ToLower(name), value
		}
		fields[key] = append(fields[key], strings.Fields(line)...)
	}
	if len(fields["enabled"]) > 0 && fields["enabled"][0] == "no" {
		return false
	}
	return slices.Contains(fields["types"], "deb") && slices.Contains(fields["components"], "main") &&
		slices.ContainsFunc(fields["suites"], func(s string) bool { return ofSuite(s, suite) })
}

// mirrors gives the sources as mmdebstrap's arguments; deb822 ones need a file.
func (s sources) mirrors(dir string) ([]string, error) {
	args := slices.Clone(s.lines)
	if len(s.stanzas) > 0 {
		path := filepath.Join(dir, "machine.sources")
		if err := os.WriteFile(path, []byte(strings.Join(s.stanzas, "\n")), 0o600); err != nil {
			return nil, err
		}
		args = append(args, path)
	}
	return args, nil
}

// aptOption matches the settings without which the machine's sources may not answer.
var aptOption = regexp.MustCompile(`^(Acquire::(?:(?:http|https|ftp)(?:::.*)?::(?:Proxy|CaInfo|CaPath|SslCert|SslKey|Verify-Peer|Verify-Host)|Check-Valid-Until|Check-Date|Retries) "[^"]+");$`)

func aptOptions(ctx context.Context) ([]string, error) {
	tool, err := findTool("apt-config")
	if err != nil {
		return nil, err
	}
	dump, err := exec.CommandContext(ctx, tool, "dump").Output()
	if err != nil {
		return nil, fmt.Errorf("apt-config dump: %w", err)
	}
	var options []string
	for line := range strings.Lines(string(dump)) {
		if m := aptOption.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			options = append(options, m[1])
		}
	}
	return options, nil
}
