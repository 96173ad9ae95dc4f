package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// turnTimeout bounds the wait for other machines on the host: longer than the
// longest scenario, so that waiting for one never fails.
const turnTimeout = 10 * time.Minute

// lockHost waits until no other rig of the host runs a machine. flock(2) has no
// timeout, and the lock goes with the process that held it, however it ended.
func lockHost(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), "taproot-rig.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another machine to end (lock %q): %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
