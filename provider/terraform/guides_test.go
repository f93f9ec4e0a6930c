package terraform_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guides is where the guides are written, from which the registry's pages are made.
const guides = "docs/guides"

// TestGuides does what every guide says, in its order, over hosts in memory: the commands for terraform in its console blocks have to print what stands below them, and its diffs are
// made to the files. What happens to hosts meanwhile is in comments of the page.
func TestGuides(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(guides, "*.md.tmpl"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("guides: %v, %v", pages, err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md.tmpl"), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			g := &guide{examples: newExamples(t)}
			g.follow(t, string(text))
		})
	}
}

// guide is a reader who has come to some place of a guide.
type guide struct {
	examples *exampleWorld
	root     *exampleRoot // where the reader is; nil until the guide says so
}

var event = regexp.MustCompile(`^<!-- test: (\w+) (.*) -->$`)

// follow does what a page says.
func (g *guide) follow(t *testing.T, text string) {
	t.Helper()
	var kind string
	var block []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && kind != "":
			switch kind {
			case "console":
				g.console(t, block)
			case "diff":
				g.edit(t, block)
			}
			kind, block = "", nil
		case isFence:
			kind = fence
		case kind != "":
			block = append(block, line)
		default:
			if m := event.FindStringSubmatch(line); m != nil {
				g.happen(t, m[1], strings.Fields(m[2]))
			}
		}
	}
}

// happen is what a comment of the page says.
func (g *guide) happen(t *testing.T, what string, args []string) {
	t.Helper()
	fleet := g.examples.fleet
	switch what {
	case "root":
		g.root = g.examples.root(t, args[0])
	case "dies":
		fleet.Unreachable[args[0]] = true
	case "answers":
		fleet.Unreachable[args[0]] = false
	case "loses": // a host, a file
		if err := os.Remove(fleet.Machines[args[0]].Path(args[1])); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("a comment of the page says %q, which this test does not know", what)
	}
}

// console runs the commands of a block, each of which begins with a dollar sign. Lines below it are what it prints, among other things; an error is one that is printed.
func (g *guide) console(t *testing.T, block []string) {
	t.Helper()
	for len(block) > 0 {
		command, ok := strings.CutPrefix(block[0], "$ ")
		if !ok {
			t.Fatalf("the console block begins with %q", block[0])
		}
		end := 1 + slices.IndexFunc(append(block[1:], "$ "), func(s string) bool { return strings.HasPrefix(s, "$ ") })
		g.command(t, command, block[1:end])
		block = block[end:]
	}
}

func (g *guide) command(t *testing.T, command string, want []string) {
	t.Helper()
	words := strings.Fields(command)
	switch words[0] {
	case "cd":
		g.root = g.examples.root(t, filepath.Join("terraform", filepath.Base(words[1])))
		return
	case "terraform":
	default:
		return // not Terraform's
	}
	if words[1] == "apply" || words[1] == "destroy" {
		command += " -auto-approve" // the reader says yes
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir, cmd.Env = g.root.folder, append(os.Environ(), g.root.environment...)
	out, err := cmd.CombinedOutput()
	refused := slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "Error: ") })
	if code := cmd.ProcessState.ExitCode(); refused != (code == 1) || code > 2 {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	said := strings.Join(strings.Fields(string(out)), " ")
	for _, line := range want {
		for _, part := range strings.Split(line, "…") {
			part = strings.Join(strings.Fields(part), " ")
			if !strings.Contains(said, part) {
				t.Errorf("%s does not print %q:\n%s", command, part, out)
			}
		}
	}
}

// edit makes a diff: each run of lines that begin with a minus sign stands in one file of the root, and is replaced by the lines that begin with a plus sign.
func (g *guide) edit(t *testing.T, block []string) {
	t.Helper()
	var from, to []string
	for _, line := range block {
		if len(line) == 0 {
			line = " "
		}
		if line[0] != '+' {
			from = append(from, line[1:])
		}
		if line[0] != '-' {
			to = append(to, line[1:])
		}
	}
	files, err := filepath.Glob(filepath.Join(g.root.folder, "*.tf"))
	if err != nil {
		t.Fatal(err)
	}
	old, changed := []byte(strings.Join(from, "\n")+"\n"), 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, old); n > 0 {
			changed += n
			write(t, f, string(bytes.ReplaceAll(b, old, []byte(strings.Join(to, "\n")+"\n"))))
		}
	}
	if changed != 1 {
		t.Fatalf("%d places of the files are\n%s", changed, old)
	}
}
