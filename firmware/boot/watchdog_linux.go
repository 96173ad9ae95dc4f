package boot

import (
	"context"
	"errors"
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

	// Stay says for how long the watchdog is to wait for the next system when
	// Run ends, because the machine is about to be started anew; 0 disarms it.
	Stay func() time.Duration

	device *watchdog.Watchdog // valid iff Arm has returned nil
}

// What a machine has from its end to the first ping of the next system, where its
// watchdog can wait so long. RestartTimeout is for a restart: servers take two
// minutes to find their disks. KexecTimeout is for kexec, which has no firmware
// to wait for: a kernel and its drivers take a tenth of it under TCG.
const (
	RestartTimeout = 5 * time.Minute
	KexecTimeout   = 2 * time.Minute
)

// setTimeout is not the device's own: in u-root v0.16.0 that hands nanoseconds to
// an ioctl that takes seconds.
func (w *Watchdog) setTimeout(d time.Duration) error {
	return unix.IoctlSetPointerInt(int(w.device.File.Fd()), unix.WDIOC_SETTIMEOUT, int(d/time.Second))
}

// Arm has the machine reset unless Run is called within Timeout.
func (w *Watchdog) Arm() error {
	device, err := watchdog.Open(watchdogDevice)
	if err != nil {
		return fmt.Errorf("opening watchdog: %w", err)
	}
	w.device = device
	if err := w.setTimeout(w.Timeout); err != nil {
		return fmt.Errorf("setting watchdog to %s: %w", w.Timeout, err)
	}
	return nil
}

// Run pings until ctx ends. The watchdog must have been armed.
func (w *Watchdog) Run(ctx context.Context) error {
	wd := w.device
	if wd == nil {
		return errors.New("the watchdog was not armed")
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
			stay := w.Stay()
			if stay == 0 {
				return wd.MagicClose()
			}
			if err := w.setTimeout(stay); err != nil {
				return wd.KeepAlive() // it cannot wait so long; it has Timeout
			}
			return nil
		case <-tick.C:
		}
	}
}
