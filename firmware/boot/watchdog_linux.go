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

// A Watchdog resets the machine unless it is pinged.
type Watchdog struct {
	Timeout time.Duration
	Healthy func() bool // whether to ping; must say so sooner than Timeout
	Pinged  func()      // called after each ping

	// Stay says that the watchdog is to remain armed when Run ends: the
	// machine is about to be restarted.
	Stay func() bool
}

// restartTimeout is what a machine has from its restart to the first ping, where
// its watchdog can wait so long: servers take two minutes to find their disks.
const restartTimeout = 5 * time.Minute

// Run pings until ctx ends.
func (w *Watchdog) Run(ctx context.Context) error {
	wd, err := watchdog.Open(watchdogDevice)
	if err != nil {
		return fmt.Errorf("opening watchdog: %w", err)
	}
	// Not wd.SetTimeout: in u-root v0.16.0 it hands nanoseconds to an ioctl
	// that takes seconds.
	setTimeout := func(d time.Duration) error {
		return unix.IoctlSetPointerInt(int(wd.File.Fd()), unix.WDIOC_SETTIMEOUT, int(d/time.Second))
	}
	if err := setTimeout(w.Timeout); err != nil {
		return fmt.Errorf("setting watchdog to %s: %w", w.Timeout, err)
	}
	tick := time.NewTicker(w.Timeout / 10)
	defer tick.Stop()
	for {
		if w.Healthy() {
			if err := wd.KeepAlive(); err != nil {
				return fmt.Errorf("pinging watchdog: %w", err)
			}
			w.Pinged()
		}
		select {
		case <-ctx.Done():
			if !w.Stay() {
				return wd.MagicClose()
			}
			if err := setTimeout(restartTimeout); err != nil {
				return wd.KeepAlive() // it cannot wait so long; it has Timeout
			}
			return nil
		case <-tick.C:
		}
	}
}
