// Package flock holds a file lock for as long as a piece of work takes, across processes.
package flock

import (
	"context"
	"fmt"
	"os"
	"time"
)

// interval between attempts: a file lock cannot be waited for together with a context.
const interval = 50 * time.Millisecond

// Lock takes the exclusive lock of the file at path, which it makes if need be, and
// waits for it until ctx ends. The lock goes with its process, so a killed one leaves none.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		taken, err := try(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if taken && same(f, path) {
			return func() { f.Close() }, nil
		}
		f.Close()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s: %w", path, ctx.Err())
		case <-time.After(interval):
		}
	}
}

// TryLock takes the lock if it is free.
func TryLock(path string) (unlock func(), ok bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, err
	}
	taken, err := try(f)
	if err != nil || !taken {
		f.Close()
		return nil, false, err
	}
	return func() { f.Close() }, true, nil
}

// same says whether path still names the file that was locked: its last holder may have removed it.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
