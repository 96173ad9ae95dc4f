package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the uid and gid that root gives itself up for.
const nobody = 65534

// libraries are what a dynamically linked program needs to start.
var libraries = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"}

// facts are what DuckDB reads as it opens, and aborts if it cannot: how much
// memory the control group has.
var facts = []string{"/proc/self/cgroup", "/sys/fs/cgroup"}

// limits bound what a query can take. There is no file to write, no core to
// leave, and DuckDB's own memory limit is well below the one on data.
var limits = []struct {
	what int
	most uint64
}{
	{unix.RLIMIT_FSIZE, 0},
	{unix.RLIMIT_CORE, 0},
	{unix.RLIMIT_DATA, 8 << 30},
	{unix.RLIMIT_NOFILE, 4096},
}

// confine gives up every privilege and executes the program again with args.
// Landlock and no_new_privs hold for a thread and what it executes, and a Go
// program has other threads by now: hence the second execution.
func confine(args []string) error {
	runtime.LockOSThread()
	for _, l := range limits {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("confining: limit %d: %w", l.what, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confining: no_new_privs: %w", err)
	}
	if err := landlock(); err != nil {
		return fmt.Errorf("confining: landlock: %w", err)
	}
	if os.Geteuid() == 0 {
		if err := dropRoot(); err != nil {
			return fmt.Errorf("confining: giving up root: %w", err)
		}
	}
	// Not by path: nobody may not be able to reach where the program lies.
	return fmt.Errorf("confining: executing itself: %w", unix.Exec("/proc/self/exe", args, nil))
}

func dropRoot() error {
	return errors.Join(
		unix.Setgroups(nil),
		unix.Setresgid(nobody, nobody, nobody),
		unix.Setresuid(nobody, nobody, nobody),
	)
}

const (
	readFile = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readTree = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	execute  = unix.LANDLOCK_ACCESS_FS_EXECUTE
)

// landlock takes away every file but the lake, to read, and the program and its
// libraries, to execute; and TCP. On a kernel without Landlock it does nothing.
func landlock() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return nil
	}
	attr := rulesetFor(int(abi))
	// A kernel takes a longer struct than it knows if what it does not know is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	if err := allow(int(fd), ".", readTree); err != nil {
		return err
	}
	if err := allow(int(fd), "/proc/self/exe", readFile|execute); err != nil {
		return err
	}
	for _, path := range libraries {
		if err := allow(int(fd), path, readTree|execute); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	for _, path := range facts {
		if err := allow(int(fd), path, readTree); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// rulesetFor returns all that a kernel of this ABI can take away
// (Documentation/userspace-api/landlock.rst, "Previous limitations").
func rulesetFor(abi int) (attr unix.LandlockRulesetAttr) {
	attr.Handled_access_fs = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // ABI 1 has the rights up to this
	if abi >= 2 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return attr
}

// allow gives back rights below path.
func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= readFile | execute // the others are of directories
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("%s: %w", path, errno)
	}
	return nil
}
