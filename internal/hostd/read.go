package hostd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// largestRead bounds a file that is read on request: configuration files have a few KiB.
const largestRead = 1 << 20

// keyMarks are what files with keys hold: PEM blocks, and the fields of a kubeconfig.
var keyMarks = [][]byte{[]byte("PRIVATE KEY-----"), []byte("client-key-data"), []byte("token:")}

// files reads what the patterns match. A pattern that is none matches nothing.
func (h *Host) files(patterns []string) map[string]hostapi.FileFound {
	out := map[string]hostapi.FileFound{}
	for _, pattern := range patterns {
		found, _ := filepath.Glob(h.path(pattern))
		for _, real := range found {
			out["/"+strings.TrimPrefix(strings.TrimPrefix(real, h.Root), "/")] = readFile(real)
		}
	}
	return out
}

func readFile(real string) hostapi.FileFound {
	withheld := func(format string, args ...any) hostapi.FileFound {
		return hostapi.FileFound{Withheld: fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return withheld("%v", err)
	case !info.Mode().IsRegular():
		return withheld("it is not a regular file")
	}
	f, err := os.Open(real)
	if err != nil {
		return withheld("%v", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, largestRead+1))
	switch {
	case err != nil:
		return withheld("%v", err)
	case len(content) > largestRead:
		return withheld("it has more than %d KiB", largestRead>>10)
	}
	for _, mark := range keyMarks {
		if bytes.Contains(content, mark) {
			return withheld("it holds a key, which stays on its host")
		}
	}
	return hostapi.FileFound{Content: content}
}
