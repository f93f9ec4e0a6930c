//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "trivet-snapshot runs on the Linux hosts that trivet looks after, not here")
	os.Exit(2)
}
