package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// waitFor waits for a line in a named pipe, and fails unless it is "ok".
func waitFor(pipe string) error {
	f, err := os.Open(pipe)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	line, _ := bufio.NewReader(f).ReadString('\n')
	if strings.TrimSpace(line) != "ok" {
		return fmt.Errorf("the cluster was not found to be well: %q", line)
	}
	return nil
}
