package boot

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lockdownFile is where the kernel says how far it is locked down, and is told
// to be further (kernel_lockdown(7)).
const lockdownFile = "/sys/kernel/security/lockdown"

// LockDown has the kernel protect itself from root, until the machine is reset:
// it takes no module and starts no kernel that is not signed by a key it knows,
// and lets nobody write its memory.
func LockDown() error {
	if locked, err := LockedDown(); locked || err != nil {
		return err
	}
	if err := os.WriteFile(lockdownFile, []byte("integrity"), 0); err != nil {
		return fmt.Errorf("locking down the kernel: %w", err)
	}
	return nil
}

// LockedDown reports whether the kernel protects itself from root.
func LockedDown() (bool, error) {
	b, err := os.ReadFile(lockdownFile)
	if err != nil {
		return false, fmt.Errorf("reading how the kernel is locked down: %w", err)
	}
	return !bytes.Contains(b, []byte("[none]")), nil
}

// secureBoot is the firmware's variable that says whether it checks signatures
// (UEFI 2.10, section 3.3): four bytes of attributes, and 1.
const secureBoot = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

// SecureBoot reports whether the firmware starts only what is signed.
func SecureBoot() bool {
	b, err := os.ReadFile(secureBoot)
	return err == nil && len(b) == 5 && b[4] == 1
}

// LoadKernel has Kexec start a kernel with its initramfs and command line: Linux
// copies them, and checks the kernel's signature where it is locked down
// (kexec_file_load(2)).
func LoadKernel(kernel, initramfs *os.File, commandLine string) error {
	line, err := unix.ByteSliceFromString(commandLine)
	if err != nil {
		return fmt.Errorf("loading kernel: %w", err)
	}
	_, _, errno := unix.Syscall6(unix.SYS_KEXEC_FILE_LOAD, kernel.Fd(), initramfs.Fd(),
		uintptr(len(line)), uintptr(unsafe.Pointer(&line[0])), 0, 0)
	if errno != 0 {
		return fmt.Errorf("loading kernel: %w", errno)
	}
	return nil
}

// UnloadKernel gives back what LoadKernel has taken.
func UnloadKernel() {
	const none = ^uintptr(0) // -1
	unix.Syscall6(unix.SYS_KEXEC_FILE_LOAD, none, none, 0, 0, unix.KEXEC_FILE_UNLOAD, 0)
}

// Kexec starts what LoadKernel has loaded, without the firmware. It returns only
// if the kernel refuses.
func Kexec() error {
	return fmt.Errorf("starting the loaded kernel: %w", unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC))
}
