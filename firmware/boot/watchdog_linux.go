package boot

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/u-root/u-root/pkg/watchdog"
	"golang.org/x/sys/unix"
)

const watchdogDevice = "/dev/watchdog0"

// SoftwareWatchdog is the kernel module of a watchdog that needs no hardware,
// and survives less for it.
const SoftwareWatchdog = "softdog"

// HasWatchdog reports whether the machine has a watchdog.
func HasWatchdog() bool {
	_, err := os.Stat(watchdogDevice)
	return err == nil
}

// Watchdog pings the watchdog for as long as healthy says so, which must be
// sooner than timeout. It returns when ctx ends, with the watchdog disarmed.
func Watchdog(ctx context.Context, timeout time.Duration, healthy func() bool) error {
	wd, err := watchdog.Open(watchdogDevice)
	if err != nil {
		return fmt.Errorf("opening watchdog: %w", err)
	}
	// Not wd.SetTimeout: in u-root v0.16.0 it hands nanoseconds to an ioctl
	// that takes seconds.
	if err := unix.IoctlSetPointerInt(int(wd.File.Fd()), unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)); err != nil {
		return fmt.Errorf("setting watchdog to %s: %w", timeout, err)
	}
	tick := time.NewTicker(timeout / 10)
	defer tick.Stop()
	for {
		if healthy() {
			if err := wd.KeepAlive(); err != nil {
				return fmt.Errorf("pinging watchdog: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return wd.MagicClose()
		case <-tick.C:
		}
	}
}
