//go:build !linux

package lab

import "errors"

// Lab is one that there cannot be here.
type Lab struct{}

// Open finds none: hosts are made of namespaces and control groups.
func Open(string) (*Lab, error) {
	return nil, errors.New("labs are made on Linux only")
}

// Access is how an operator reaches the hosts.
func (*Lab) Access() Access { return Access{} }
