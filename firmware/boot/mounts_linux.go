package boot

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A mount is one line of what /etc/fstab would say.
type mount struct {
	fstype, dir string
	flags       uintptr
	options     string
	optional    bool // not every kernel or machine has it
}

const safe = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV

var mounts = []mount{
	{"devtmpfs", "/dev", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755", false},
	{"proc", "/proc", safe, "", false},
	{"sysfs", "/sys", safe, "", false},
	{"tmpfs", "/run", safe, "mode=0755,size=1m", false},
	{"securityfs", "/sys/kernel/security", safe, "", true},
}

// efiVariables can be mounted once the modules are loaded, and only on UEFI.
var efiVariables = []mount{
	{"efivarfs", "/sys/firmware/efi/efivars", safe, "", true},
}

// Mount makes the file systems of a sensor. None is on a disk.
func Mount() error { return mountAll(mounts) }

// MountEFI makes the firmware's variables accessible where there are any. The
// stages, which are no root, can change none.
func MountEFI() error { return mountAll(efiVariables) }

func mountAll(table []mount) error {
	for _, m := range table {
		if _, err := os.Stat(m.dir); m.optional && err != nil {
			continue
		}
		if err := unix.Mount(m.fstype, m.dir, m.fstype, m.flags, m.options); err != nil {
			return fmt.Errorf("mounting %s on %q: %w", m.fstype, m.dir, err)
		}
	}
	return nil
}
