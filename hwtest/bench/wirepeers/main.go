// Command wirepeers carries flow records over loopback as others do, for "make
// bench" to compare taproot's wire with. It is a module of its own, so that
// their libraries are no part of taproot.
//
// Usage: wirepeers netcap|lumberjack|grpc FILE
//
// FILE has flow records, one JSON object a line, as taproot tail prints them.
// Both ends are in this process; what counts begins with records in memory on
// one side and ends with records in memory on the other. It prints one JSON
// object: records sent and taken, bytes on the loopback device in both
// directions, processor time and time.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "wirepeers: %v\n", err)
		os.Exit(1)
	}
}

// peers carry records and return how many the other side took.
var peers = map[string]func([]Flow) (int, error){"netcap": netcap, "lumberjack": lumberjack, "grpc": stream}

func run(args []string) error {
	if len(args) != 2 || peers[args[0]] == nil {
		return errors.New("usage: wirepeers netcap|lumberjack|grpc FILE")
	}
	flows, err := load(args[1])
	if err != nil {
		return err
	}
	carry := peers[args[0]]
	bytes, cpu, began := onDevice(), used(), time.Now()
	taken, err := carry(flows)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"sent": int64(len(flows)), "taken": int64(taken), "wall_ns": int64(time.Since(began)),
		"cpu_ns": int64(used() - cpu), "bytes": onDevice() - bytes,
	})
}

func load(path string) (flows []Flow, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one Flow
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, err
		}
		flows = append(flows, one)
	}
	return flows, nil
}

// onDevice returns how many bytes the loopback device has sent (proc_net(5)).
func onDevice() (n int64) {
	text, _ := os.ReadFile("/proc/net/dev") // where there is none, the bytes are 0, which shows
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "lo" {
			fmt.Sscan(rest, &n)
		}
	}
	return n
}

func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
