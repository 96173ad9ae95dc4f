//go:build linux

// Command init is what a board boots: process 1 and, started again under other
// names, the stages of the sensor in their jails.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// programs are what this binary is, by the name it is started under. The kernel
// starts /init.
var programs = map[string]func(ctx context.Context, log *slog.Logger) error{
	"/init":  runInit,
	"meter":  runMeter,
	"uplink": runUplink,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	name := os.Args[0]
	run, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "taproot: %q is process 1 of a sensor's image and does nothing elsewhere\n", name)
		os.Exit(2)
	}
	if err := run(ctx, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		// The end of process 1 is a panic of the kernel, which reboots.
		say("%s: %v", name, err)
		os.Exit(1)
	}
}

// console is where say prints: what the kernel calls the console and, in process
// 1 of a board with a screen, that too.
var console io.Writer = os.Stdout

// say prints a line for who watches the console; hwtest waits for some of them.
func say(format string, args ...any) {
	fmt.Fprintf(console, "taproot: "+format+"\n", args...)
}
