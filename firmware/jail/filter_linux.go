package jail

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A call is a system call that a stage may make once it is shut in.
type call struct {
	nr     uint32
	checks []check // all must hold
}

// A check holds if an argument, or the bits of it in mask, is one of values.
// Only the low 32 bits are looked at: every argument checked here is an int to
// the kernel, or flags of which the high half means nothing.
type check struct {
	arg    uint32
	mask   uint32 // zero is all bits
	values []uint32
}

// threadFlags are the flags with which the Go runtime makes a thread
// (runtime/os_linux.go, cloneFlags), on amd64 with CLONE_SETTLS. A process has
// others.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// The operations on futexes that the Go runtime uses (linux/futex.h,
// runtime/os_linux.go). The others have been a road into the kernel.
const (
	futexWaitPrivate = 128
	futexWakePrivate = 129
)

// calls returns what the Go runtime and the loop of a stage need after their
// start, on every architecture; archCalls has the rest. What is asked for most
// comes first. docs/adr/0041 says why each is here.
func calls(d descriptors) []call {
	own := check{arg: 0, values: []uint32{uint32(os.Getpid())}}
	list := []call{
		{unix.SYS_FUTEX, []check{{arg: 1, values: []uint32{futexWaitPrivate, futexWakePrivate}}}},
		{unix.SYS_PPOLL, nil},
		{unix.SYS_WRITE, []check{{arg: 0, values: d.write}}},
		{unix.SYS_GETSOCKOPT, []check{{arg: 0, values: d.rings}}},
		{unix.SYS_CLOCK_GETTIME, nil}, // where the vDSO cannot
		{unix.SYS_NANOSLEEP, nil},
		{unix.SYS_SCHED_YIELD, nil},
		{unix.SYS_EPOLL_PWAIT, nil},
		{unix.SYS_EPOLL_CTL, nil},
		{unix.SYS_READ, nil},
		{unix.SYS_PREAD64, nil}, // the runtime reads its cgroup's limit again
		{unix.SYS_CLOSE, nil},
		{unix.SYS_MADVISE, nil},
		{unix.SYS_MUNMAP, nil},
		{unix.SYS_RT_SIGRETURN, nil},
		{unix.SYS_RT_SIGPROCMASK, nil},
		{unix.SYS_RT_SIGACTION, nil},
		{unix.SYS_SIGALTSTACK, nil},
		{unix.SYS_TGKILL, []check{own}}, // pre-emption of its own threads
		{unix.SYS_GETPID, nil},
		{unix.SYS_GETTID, nil},
		{unix.SYS_CLONE, []check{{arg: 0, values: []uint32{threadFlags, threadFlags | unix.CLONE_SETTLS}}}},
		{unix.SYS_SCHED_GETAFFINITY, nil}, // without it GOMAXPROCS becomes 1
		{unix.SYS_GETRANDOM, nil},
		{unix.SYS_RESTART_SYSCALL, nil},
		{unix.SYS_PRCTL, []check{{arg: 0, values: []uint32{unix.PR_SET_VMA}}}}, // names of mappings
		{unix.SYS_EXIT, nil},
		{unix.SYS_EXIT_GROUP, nil},
	}
	return append(list, archCalls...)
}

// anonymous are the checks of mmap: memory that is neither a file's, nor the
// ring's, nor code.
var anonymous = []check{
	{arg: 2, mask: unix.PROT_EXEC, values: []uint32{0}},
	{arg: 3, mask: unix.MAP_ANONYMOUS, values: []uint32{unix.MAP_ANONYMOUS}},
}

// Offsets in struct seccomp_data (linux/seccomp.h).
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

// x32 is set in the numbers of amd64's other ABI (asm/unistd.h), which has the
// same audit architecture. No call of any architecture here is that large.
const x32 = 0x40000000

// refused is how calls end that are not allowed.
const refused = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func end(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

func jump(op uint16, k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: uint8(yes), Jf: uint8(no)}
}

// filter returns the program that lets only list through. Calls of another
// architecture end the process: no honest program makes one.
func filter(list []call) []unix.SockFilter {
	prog := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 0, 2),
		load(dataNr),
		jump(unix.BPF_JGE, x32, 0, 1),
		end(unix.SECCOMP_RET_KILL_PROCESS),
	}
	for _, c := range list {
		body := c.compile()
		prog = append(prog, jump(unix.BPF_JEQ, c.nr, 0, len(body)))
		prog = append(prog, body...)
	}
	return append(prog, end(refused))
}

// compile returns the instructions that decide about one call, whose number
// has been found.
func (c call) compile() []unix.SockFilter {
	tail := []unix.SockFilter{end(unix.SECCOMP_RET_ALLOW), end(refused)}
	for i := len(c.checks) - 1; i >= 0; i-- {
		tail = append(c.checks[i].compile(len(tail)-1), tail...)
	}
	return tail
}

// compile returns the instructions of one check. After them comes what is to be
// done if it holds; the refusal is toRefusal instructions further.
func (c check) compile(toRefusal int) []unix.SockFilter {
	prog := []unix.SockFilter{load(dataArgs + 8*c.arg)} // the low half: all architectures here are little-endian
	if c.mask != 0 {
		prog = append(prog, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask})
	}
	if len(c.values) == 0 {
		return append(prog, end(refused))
	}
	last := len(c.values) - 1
	for i, v := range c.values {
		if i < last {
			prog = append(prog, jump(unix.BPF_JEQ, v, last-i, 0))
		} else {
			prog = append(prog, jump(unix.BPF_JEQ, v, 0, toRefusal))
		}
	}
	return prog
}

// install puts all threads under prog, for good.
func install(prog []unix.SockFilter) error {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("shutting in: system call filter: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("shutting in: thread %d has another system call filter", thread)
	}
	return nil
}
