package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/collector/control"
)

// processUse is what a process has used.
type processUse struct {
	cpu  time.Duration
	rss  int64 // bytes now
	peak int64 // bytes at most
}

// ticksPerSecond is what /proc counts processor time in (USER_HZ of
// asm/param.h, the same on all machines that Go runs on).
const ticksPerSecond = 100

// usedBy reads /proc (proc_pid_stat(5), proc_pid_status(5)).
func usedBy(pid int) (u processUse, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name before it may have spaces
	var ticks int64
	for _, i := range []int{11, 12} { // utime and stime, counted from the state
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return u, fmt.Errorf("reading /proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	u.cpu = time.Duration(ticks) * time.Second / ticksPerSecond
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range bytes.Lines(status) {
		var kb int64
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kb); n == 1 {
			u.rss = kb << 10
		}
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kb); n == 1 {
			u.peak = kb << 10
		}
	}
	return u, nil
}

// controlPID returns which process is the collector on data directory dir.
func controlPID(dir string) (int, error) {
	conn, err := net.Dial("unix", control.SocketPath(dir))
	if err != nil {
		return 0, fmt.Errorf("asking who the collector is: %w", err)
	}
	defer conn.Close()
	rc, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	rc.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil {
		return 0, fmt.Errorf("asking who the collector is: %w", err)
	}
	return int(cred.Pid), nil
}

// benchProcAttr keeps a child out of reach of Ctrl-C.
func benchProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
