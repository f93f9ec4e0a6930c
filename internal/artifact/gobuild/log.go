package gobuild

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
)

const tailLines = 25

// lineLog writes everything to a file, gives each line to a listener, and keeps the last ones.
type lineLog struct {
	mu   sync.Mutex
	file *os.File
	each func(string)
	rest []byte
	last []string
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, err := l.file.Write(p); err != nil {
		return n, fmt.Errorf("write the log: %w", err)
	}
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.line(string(l.rest[:i]))
		l.rest = l.rest[i+1:]
	}
}

func (l *lineLog) line(s string) {
	l.last = append(l.last, s)
	if len(l.last) > tailLines {
		l.last = l.last[1:]
	}
	if l.each != nil {
		l.each(s)
	}
}

func (l *lineLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.last
	if len(l.rest) > 0 {
		lines = append(lines, string(l.rest))
	}
	return "  " + strings.Join(lines, "\n  ")
}
