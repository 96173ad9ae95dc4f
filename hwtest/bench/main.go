// Command bench measures the engine beside its peers and prints a table:
// nanoseconds of processor time per packet, millions of packets per second that
// one core would do, and memory, for three sets of frames.
//
// Then it prints what records weigh on the wire (size.go), what flows weigh in
// memory (memory.go) and what a live port costs (live_linux.go).
//
// Usage: go run ./hwtest/bench [-what speed,size,memory,live] [-runs 3] [-only PEER] [-keep DIR]
//
// Every program reads the same file on the same core and writes what it makes:
// taproot compressed batches, nfpcapd its files, softflowd datagrams. Its time
// is processor time of the whole process, start included, so that other work on
// the machine counts little; it is the least of several rounds, since such work
// can only add to it. A set or a program that is not to be had is left out, and
// why is said.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && words[args[0]] != nil {
		return words[args[0]](ctx, args[1:], stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	runs := flags.Int("runs", 3, "`number` of runs, of which the fastest counts")
	only := flags.String("only", "", "only programs whose name has this `word`")
	keep := flags.String("keep", "", "keep the sets in `DIR`, and use those that are there")
	what := flags.String("what", "speed,size,memory,live", "comma-separated `parts` to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "taproot-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *keep == "" {
		*keep = dir
	}
	parts := strings.Split(*what, ",")
	for _, p := range parts {
		if !slices.Contains([]string{"speed", "size", "memory", "live"}, p) {
			return fmt.Errorf("-what: no part %q; there are speed, size, memory and live", p)
		}
	}
	var sets []set
	if slices.Contains(parts, "speed") || slices.Contains(parts, "size") {
		if sets, err = makeSets(*keep, stderr); err != nil {
			return err
		}
	}
	for _, p := range parts {
		switch p {
		case "speed":
			err = speed(ctx, stdout, stderr, dir, sets, *only, *runs)
		case "size":
			err = sizes(ctx, stdout, sets)
		case "memory":
			err = memory(ctx, stdout)
		case "live":
			err = live(ctx, stdout)
		}
		if err != nil {
			return fmt.Errorf("measuring %s: %w", p, err)
		}
		fmt.Fprintln(stdout)
	}
	return nil
}

// words make this program one of those that it measures.
var words = map[string]func(ctx context.Context, args []string, stdout io.Writer) error{
	meterWord: meterFile,
	floodWord: meterFlood,
	liveWord:  meterLive,
	sendWord:  send,
}

// speed prints how fast the programs are whose name has only in it.
func speed(ctx context.Context, stdout, stderr io.Writer, dir string, sets []set, only string, runs int) error {
	all, end, err := peers(ctx, dir)
	if err != nil {
		return err
	}
	defer end()
	all = slices.DeleteFunc(all, func(p peer) bool { return !strings.Contains(p.name, only) })
	rows := make([][]result, len(all))
	for round := range runs {
		for i := range all {
			if round == 0 {
				rows[i] = make([]result, len(sets))
			}
			for k := range sets {
				if err := rows[i][k].measure(ctx, &all[i], &sets[k], round); err != nil {
					fmt.Fprintf(stderr, "%s on %s: %v\n", all[i].name, sets[k].name, err)
				}
			}
		}
	}
	printTable(stdout, sets, all, rows)
	return nil
}

// meterWord makes this program a meter: bench meter flows|all|layers FILE OUT.
const meterWord = "meter"

func meterFile(ctx context.Context, args []string, _ io.Writer) error {
	if len(args) != 3 {
		return errors.New("want flows|all|layers FILE OUT")
	}
	what, path, to := args[0], args[1], args[2]
	src, err := capture.OpenFile(path)
	if err != nil {
		return err
	}
	defer src.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	err = meter.Run(ctx, meter.Config{Source: src, Out: out, FlowsOnly: what == "flows", Layers: what == "layers"})
	return errors.Join(err, out.Close())
}

// A peer is a program that is measured.
type peer struct {
	name   string
	frames int // of the set's at most; 0 is all, of what would take hours
	args   func(file string) []string
}

// peers returns all programs. Until end is called somebody takes the flow
// records that are sent.
func peers(ctx context.Context, dir string) (all []peer, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	decoder := filepath.Join(dir, "gopacket")
	build := exec.CommandContext(ctx, "go", "build", "-o", decoder, ".")
	build.Dir, build.Stderr = "hwtest/bench/gopacket", os.Stderr
	if err := build.Run(); err != nil {
		return nil, nil, fmt.Errorf("building gopacket's program: %w", err)
	}
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for b := make([]byte, 64<<10); ; {
			if _, _, err := sink.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	out := filepath.Join(dir, "batches")
	const some = 100_000
	return []peer{
		{"taproot, flows", 0, func(f string) []string { return []string{self, meterWord, "flows", f, out} }},
		{"taproot, all parsers", 0, func(f string) []string { return []string{self, meterWord, "all", f, out} }},
		{"taproot, and every layer", 0, func(f string) []string { return []string{self, meterWord, "layers", f, out} }},
		{"softflowd, IPFIX", 0, func(f string) []string {
			return []string{"softflowd", "-d", "-6", "-b", "-v", "10", "-m", "1000000", "-p", dir + "/pid", "-c", dir + "/ctl", "-n", sink.LocalAddr().String(), "-r", f}
		}},
		{"nfpcapd, lz4", 0, func(f string) []string {
			return []string{"nfpcapd", "-y", "-t", "86400", "-w", dir, "-r", f}
		}},
		{"gopacket, DecodingLayerParser", 0, func(f string) []string { return []string{decoder, "parser", f} }},
		{"gopacket, NewPacket", 0, func(f string) []string { return []string{decoder, "new", f} }},
		{"tshark, conversations", some, func(f string) []string {
			return []string{"tshark", "-n", "-q", "-c", strconv.Itoa(some), "-z", "conv,tcp", "-z", "conv,udp", "-r", f}
		}},
	}, func() { sink.Close() }, nil
}

// A result is what one program needed for one set; zero is none.
type result struct {
	perFrame time.Duration // least of all runs
	rss      int64         // bytes, most of all runs
}

// measure runs p on s once more. A slow program runs only once.
func (r *result) measure(ctx context.Context, p *peer, s *set, round int) error {
	// Only a small parent learns how much memory its child had: the kernel adds
	// the parent's own.
	memory := s.path + ".memory"
	defer os.Remove(memory)
	args := append([]string{"taskset", "-c", "0", "/usr/bin/time", "-f", "%M", "-o", memory}, p.args(s.path)...)
	frames := s.frames
	if p.frames > 0 {
		frames = min(frames, p.frames)
		if round > 0 {
			return nil
		}
	}
	// Ten minutes are more than the slowest needs.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(out))
	}
	used := cmd.ProcessState
	took := (used.UserTime() + used.SystemTime()) / time.Duration(frames)
	if r.perFrame == 0 || took < r.perFrame {
		r.perFrame = took
	}
	text, err := os.ReadFile(memory)
	if err != nil {
		return err
	}
	kb, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	r.rss = max(r.rss, kb<<10)
	return err
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// printTable prints Markdown, so that it can go into docs/numbers.md.
func printTable(w io.Writer, sets []set, peers []peer, rows [][]result) {
	fmt.Fprint(w, "| ns per packet / Mpps / MB |")
	for _, s := range sets {
		fmt.Fprintf(w, " %s |", s.name)
	}
	fmt.Fprintf(w, "\n|---|%s\n| frames, mean size |", strings.Repeat("---|", len(sets)))
	for _, s := range sets {
		fmt.Fprintf(w, " %d, %d B |", s.frames, s.bytes/int64(s.frames))
	}
	fmt.Fprintln(w)
	for i, row := range rows {
		fmt.Fprintf(w, "| %s |", peers[i].name)
		for _, r := range row {
			if r.perFrame == 0 {
				fmt.Fprint(w, " – |")
				continue
			}
			fmt.Fprintf(w, " %d / %.2f / %d |", r.perFrame.Nanoseconds(), 1e3/float64(r.perFrame.Nanoseconds()), r.rss>>20)
		}
		fmt.Fprintln(w)
	}
}
