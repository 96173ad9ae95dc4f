// Command taproot is what people type: it runs the collector, makes images for
// sensor boards, runs the sensor on an ordinary host, and asks questions.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintf(os.Stderr, "taproot: %v\n", err)
		os.Exit(1)
	}
}

// A command is one word after taproot.
type command struct {
	name    string
	summary string
	// run parses args and does the work. Results go to stdout, everything
	// said on the way to stderr.
	run func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// commands lists every command in the order that help shows them.
var commands = []command{cmdCollector, cmdKeys, cmdBoard, cmdImage, cmdRelease, cmdSensors, cmdQuery, cmdTail, cmdSensor, cmdBench}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		return nil
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	return fmt.Errorf("unknown command %q; \"taproot help\" lists them", args[0])
}

func usage(w io.Writer) {
	fmt.Fprint(w, "taproot: network sensors that hold nothing, and their collector\n\nUsage: taproot COMMAND [FLAGS] [ARGUMENTS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n\"taproot COMMAND --help\" shows a command's flags and examples.\n")
}

// newFlags returns the flag set of one command. Its help prints synopsis, the
// flags and the examples, to stdout as asked-for help should.
func newFlags(name, synopsis, examples string, stdout io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("taproot "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(stdout, "Usage: taproot %s %s\n\nFlags:\n", name, synopsis)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
		fmt.Fprintf(stdout, "\nExamples:\n%s", examples)
	}
	return fs
}
