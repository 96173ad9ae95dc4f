package jail

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_ARM

// The runtime asks for 64-bit times first where the kernel has them.
var archCalls = []call{
	{unix.SYS_FUTEX_TIME64, []check{{arg: 1, values: []uint32{futexWaitPrivate, futexWakePrivate}}}},
	{unix.SYS_POLL, nil},
	{unix.SYS_PPOLL_TIME64, nil},
	{unix.SYS_CLOCK_GETTIME64, nil},
	{unix.SYS_MMAP2, anonymous},
}
