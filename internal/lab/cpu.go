//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU is the CPU time that all processes of a host have used.
func (l *Lab) CPU(host string) (time.Duration, error) {
	g, err := openGroup(hostGroup(l.name, host))
	if err != nil {
		return 0, err
	}
	for i, in := range g.in {
		dir := g.paths()[i]
		if in.unified {
			if used := cpuStat(filepath.Join(dir, "cpu.stat")); used > 0 {
				return used, nil
			}
		} else if b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage")); err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			return time.Duration(n), err
		}
	}
	return 0, fmt.Errorf("host %s: no control group of it counts CPU time", host)
}

// cpuStat reads usage_usec of a cpu.stat, 0 when there is none.
func cpuStat(path string) time.Duration {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if used, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(used), 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}
