package boot

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PowerOff ends everything. It returns only if the kernel refuses.
func PowerOff() error {
	unix.Sync()
	return fmt.Errorf("powering off: %w", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

// Restart starts the machine anew, and tells the kernel argument, which some
// loaders are to hear. It returns only if the kernel refuses.
func Restart(argument string) error {
	unix.Sync()
	arg, err := unix.BytePtrFromString(argument)
	if err != nil {
		return fmt.Errorf("restarting: %w", err)
	}
	_, _, errno := unix.Syscall6(unix.SYS_REBOOT, unix.LINUX_REBOOT_MAGIC1, unix.LINUX_REBOOT_MAGIC2,
		unix.LINUX_REBOOT_CMD_RESTART2, uintptr(unsafe.Pointer(arg)), 0, 0)
	return fmt.Errorf("restarting: %w", errno)
}

// WatchPowerButton calls pressed when a power button is pressed: a person's, or
// the ACPI event of a hypervisor. Its goroutines run until the machine is off.
func WatchPowerButton(pressed func()) error {
	devices, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return err
	}
	for _, path := range devices {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("watching power button: %w", err)
		}
		go func() {
			defer f.Close()
			if waitPowerKey(f) == nil {
				pressed()
			}
		}()
	}
	return nil
}

// waitPowerKey reads input events until the power key goes down. An event is
// a time, a type, a code and a value (include/uapi/linux/input.h).
func waitPowerKey(r io.Reader) error {
	const (
		keyEvent = 1   // EV_KEY
		keyPower = 116 // KEY_POWER
		keyDown  = 1
		timeSize = int(unsafe.Sizeof(unix.Timeval{}))
	)
	var event [timeSize + 8]byte
	for {
		if _, err := io.ReadFull(r, event[:]); err != nil {
			return err
		}
		e := event[timeSize:]
		typ, code := binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:])
		if typ == keyEvent && code == keyPower && binary.NativeEndian.Uint32(e[4:]) == keyDown {
			return nil
		}
	}
}
