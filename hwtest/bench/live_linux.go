package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// Words that make this program one end of a live measurement, in a network
// namespace of its own: bench live PORT flows|all, bench send PORT SIZE RATE COUNT.
const (
	liveWord = "live"
	sendWord = "send"
)

// liveFlows is how many flows the generator sends, one packet after the other.
const liveFlows = 5000

// seen is what one end reports, as JSON.
type seen struct {
	Frames, Dropped uint64
	Took, CPU       time.Duration
}

// send sends count frames of size bytes, at most rate a second (0 is no limit),
// many with one system call and past the queues of the port.
func send(_ context.Context, args []string, stdout io.Writer) error {
	if len(args) != 4 {
		return errors.New("want PORT SIZE RATE COUNT")
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[1+i]); err != nil {
			return err
		}
	}
	size, rate, count := n[0], n[1], n[2]
	port, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: port.Index, Protocol: 0}); err != nil {
		return err
	}
	frames := make([]message, liveFlows)
	for i := range frames {
		addr := func(net byte) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net, byte(i >> 8), byte(i)}), uint16(1024+i))
		}
		const udp = 14 + 20 + 8
		data := frametest.Packet{Src: addr(1), Dst: addr(2), Proto: frametest.UDP, TTL: 64, Payload: make([]byte, size-udp)}.Ethernet()
		iov := &unix.Iovec{Base: &data[0]}
		iov.SetLen(len(data))
		frames[i].head.Iov = iov
		frames[i].head.SetIovlen(1)
	}
	const burst = 100 // divides liveFlows
	start := time.Now()
	for sent := 0; sent < count; {
		if rate > 0 {
			for time.Since(start) < time.Duration(float64(sent)/float64(rate)*1e9) {
			}
		}
		at := sent % liveFlows
		done, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&frames[at])), uintptr(min(burst, liveFlows-at, count-sent)), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(done)
		case unix.EAGAIN, unix.ENOBUFS, unix.EINTR:
		default:
			return errno
		}
	}
	return json.NewEncoder(stdout).Encode(seen{Frames: uint64(count), Took: time.Since(start)})
}

// message is struct mmsghdr (linux/socket.h).
type message struct {
	head unix.Msghdr
	sent uint32
}

// meterLive meters a port until its input ends. It says when it is ready.
func meterLive(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("want PORT flows|all")
	}
	src, err := capture.OpenRing(args[0], capture.RingOptions{})
	if err != nil {
		return err
	}
	defer src.Close()
	ctx, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	fmt.Fprintln(stdout, "ready")
	before := used()
	if err := meter.Run(ctx, meter.Config{Source: src, Out: io.Discard, FlowsOnly: args[1] == "flows"}); err != nil {
		return err
	}
	stats := src.Stats()
	return json.NewEncoder(stdout).Encode(seen{Frames: stats.Frames, Dropped: stats.Dropped, CPU: used() - before})
}

// used returns the processor time of this process so far.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// live prints what a port costs: a veth pair between two network namespaces,
// the sensor on one core and the generator on another.
func live(ctx context.Context, w io.Writer) error {
	const from, to = "taproot-bench-from", "taproot-bench-to"
	ip := func(args ...string) error {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, lastLine(out))
		}
		return nil
	}
	defer func() {
		for _, ns := range []string{from, to} {
			exec.Command("ip", "netns", "del", ns).Run() // what was not made is not there
		}
	}()
	for _, step := range [][]string{
		{"netns", "add", from}, {"netns", "add", to},
		{"-n", from, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", to},
		{"netns", "exec", from, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"},
		{"netns", "exec", to, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"},
		{"-n", from, "link", "set", "eth0", "up"}, {"-n", to, "link", "set", "eth0", "up"},
	} {
		if err := ip(step...); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "| live | offered | not seen | dropped by the ring | ns per packet |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name              string
		size, rate, count int
		what              string
	}{
		{"64 B, flows", 60, 0, 3_000_000, "flows"},
		{"64 B, all parsers", 60, 0, 3_000_000, "all"},
		{"1155 B, flows", 1155, 1_060_000, 2_000_000, "flows"}, // 10 Gbit/s with what Ethernet adds
		{"1155 B, all parsers", 1155, 1_060_000, 2_000_000, "all"},
	} {
		sent, got, err := liveRun(ctx, from, to, row.size, row.rate, row.count, row.what)
		if err != nil {
			return err
		}
		mpps := float64(sent.Frames) / sent.Took.Seconds() / 1e6
		fmt.Fprintf(w, "| %s | %.2f Mpps, %.1f Gbit/s | %d | %d | %d |\n", row.name, mpps, mpps*float64(row.size+24)*8/1e3,
			int64(sent.Frames)-int64(got.Frames+got.Dropped), got.Dropped, got.CPU.Nanoseconds()/int64(max(got.Frames, 1)))
	}
	return nil
}

func liveRun(ctx context.Context, from, to string, size, rate, count int, what string) (sent, got seen, err error) {
	self, err := os.Executable()
	if err != nil {
		return sent, got, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	sensor := exec.CommandContext(ctx, "ip", "netns", "exec", to, "taskset", "-c", "1", self, liveWord, "eth0", what)
	sensor.Env, sensor.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	in, err := sensor.StdinPipe()
	if err != nil {
		return sent, got, err
	}
	pipe, err := sensor.StdoutPipe()
	if err != nil {
		return sent, got, err
	}
	if err := sensor.Start(); err != nil {
		return sent, got, err
	}
	defer sensor.Wait() // what it printed says whether it went well
	defer in.Close()
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); err != nil {
		return sent, got, fmt.Errorf("the sensor is not ready: %q, %w", line, err)
	}
	text, err := exec.CommandContext(ctx, "ip", "netns", "exec", from, "taskset", "-c", "0", self, sendWord, "eth0",
		strconv.Itoa(size), strconv.Itoa(rate), strconv.Itoa(count)).Output()
	if err != nil {
		return sent, got, fmt.Errorf("sending: %w", err)
	}
	if err := json.Unmarshal(text, &sent); err != nil {
		return sent, got, err
	}
	time.Sleep(500 * time.Millisecond) // what is in the ring still comes out of it
	in.Close()
	return sent, got, json.NewDecoder(out).Decode(&got)
}
