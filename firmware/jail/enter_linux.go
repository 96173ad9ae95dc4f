package jail

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Cell is what a stage is confined to.
type Cell struct {
	UID  int    // and GID
	Root string // directory that becomes the stage's root

	// MaxFiles bounds the descriptors a stage can have, those it was handed
	// included.
	MaxFiles uint64
}

// Unshared are the namespaces that a stage without any business outside is
// started in: no network but an own, empty one, no other process to be seen.
const Unshared = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID

// Enter confines this process for good. It must run before anything hostile is
// read, and cannot be undone: no user, capability or program that could.
func Enter(c Cell) error {
	limits := []struct {
		resource int
		max      uint64
	}{
		{unix.RLIMIT_CORE, 0},  // a core is captured traffic
		{unix.RLIMIT_FSIZE, 0}, // it writes to pipes only
		{unix.RLIMIT_NOFILE, c.MaxFiles},
	}
	for _, l := range limits {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.max, Max: l.max}); err != nil {
			return fmt.Errorf("entering jail: limit %d: %w", l.resource, err)
		}
	}
	if err := unix.Chroot(c.Root); err != nil {
		return fmt.Errorf("entering jail: root %q: %w", c.Root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("entering jail: %w", err)
	}
	return dropPrivileges(c.UID)
}

// dropPrivileges becomes uid, with no capabilities and no way to get any.
func dropPrivileges(uid int) error {
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		// EINVAL: the kernel has fewer capabilities than our headers.
		if err := prctl(unix.PR_CAPBSET_DROP, uintptr(c)); err != nil && err != unix.EINVAL {
			return fmt.Errorf("entering jail: dropping capability %d: %w", c, err)
		}
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("entering jail: groups: %w", err)
	}
	if err := syscall.Setresgid(uid, uid, uid); err != nil {
		return fmt.Errorf("entering jail: group %d: %w", uid, err)
	}
	// Leaving uid 0 clears the capability sets (capabilities(7)).
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("entering jail: user %d: %w", uid, err)
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("entering jail: no_new_privs: %w", err)
	}
	// Nobody reads its memory, not even a process of the same user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("entering jail: dumpable: %w", err)
	}
	return nil
}

// prctl sets an attribute of every thread: Go has several by now.
func prctl(option, value uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, value, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
