package jail

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockFiles is what landlock can forbid about files, by ABI from 1 on
// (Linux, Documentation/userspace-api/landlock.rst).
var landlockFiles = []uint64{
	1<<13 - 1, // execute, read, write, remove, make
	unix.LANDLOCK_ACCESS_FS_REFER,
	unix.LANDLOCK_ACCESS_FS_TRUNCATE,
	0, // ABI 4 is about the network
	unix.LANDLOCK_ACCESS_FS_IOCTL_DEV,
}

const landlockNet = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP // ABI 4

// forbidFiles puts all threads into landlock domains in which nothing is allowed,
// and returns the ABI of the kernel's landlock, 0 if it has none.
//
// The scope for signals (ABI 6) is left out: each thread gets a domain of its
// own, and kernels up to 6.12 then keep the Go runtime from signalling its own
// threads. The filter allows no other signals.
func forbidFiles() (abi int, err error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == unix.ENOSYS || errno == unix.EOPNOTSUPP {
		return 0, nil
	}
	if errno != 0 {
		return 0, fmt.Errorf("shutting in: landlock's version: %w", errno)
	}
	abi = int(v)
	var rules unix.LandlockRulesetAttr
	for _, access := range landlockFiles[:min(abi, len(landlockFiles))] {
		rules.Handled_access_fs |= access
	}
	size := unsafe.Sizeof(rules.Handled_access_fs)
	if abi >= 4 {
		rules.Handled_access_net = landlockNet
		size += unsafe.Sizeof(rules.Handled_access_net)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), size, 0)
	if errno != 0 {
		return abi, fmt.Errorf("shutting in: landlock rules: %w", errno)
	}
	defer unix.Close(int(fd))
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return abi, fmt.Errorf("shutting in: landlock: %w", errno)
	}
	return abi, nil
}
