package jail

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

var archCalls = []call{
	{unix.SYS_POLL, nil},
	{unix.SYS_MMAP, anonymous},
}
