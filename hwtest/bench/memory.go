package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// A flood is a source of UDP packets of as many flows as are asked for: one
// packet of each, then a second.
type flood struct {
	flows, next int
	frames      [64][]byte
}

const floodRounds = 2

func newFlood(flows int) *flood {
	f := &flood{flows: flows}
	for i := range f.frames {
		p := frametest.Packet{
			Src: netip.MustParseAddrPort("10.0.0.0:5000"), Dst: netip.MustParseAddrPort("192.0.2.1:9999"),
			Proto: frametest.UDP, TTL: 64, Payload: make([]byte, 18),
		}
		f.frames[i] = p.Ethernet()
	}
	return f
}

func (f *flood) NextBatch(frames []capture.Frame) (int, error) {
	const source = 14 + 12 // of the IPv4 address in the frame
	n := 0
	for ; n < min(len(frames), len(f.frames)) && f.next < floodRounds*f.flows; n++ {
		data := f.frames[n]
		binary.BigEndian.PutUint32(data[source:], 10<<24+uint32(f.next%f.flows))
		frames[n] = capture.Frame{Data: data, Time: began + int64(f.next)*1000, WireLen: uint32(len(data)), LinkType: ethernet}
		f.next++
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *flood) Stats() capture.Stats { return capture.Stats{Frames: uint64(f.next)} }
func (f *flood) Name() string         { return "flood" }
func (f *flood) Close() error         { return nil }

// floodWord makes this program a meter of a flood: bench flood FLOWS CAPACITY.
const floodWord = "flood"

// meterFlood prints the largest resident memory that it had, in kB.
func meterFlood(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("want FLOWS CAPACITY")
	}
	flows, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	capacity, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := meter.Run(ctx, meter.Config{Source: newFlood(flows), Out: io.Discard, FlowCapacity: capacity}); err != nil {
		return err
	}
	kb, err := peakMemory()
	fmt.Fprintln(stdout, kb)
	return err
}

// peakMemory returns VmHWM of this process (proc_pid_status(5)), in kB.
func peakMemory() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(kb, "kB")))
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

// memory prints what flows weigh, with all parsers on: tables that are full to
// nine tenths, and one that as many flows again were offered as it holds.
func memory(ctx context.Context, w io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Fprint(w, "| flows | room for | MB | bytes per further flow |\n|---|---|---|---|\n")
	least, leastKB := 0, 0
	for _, row := range [][2]int{{1000, 1 << 16}, {50_000, 1 << 16}, {100_000, 1 << 17}, {250_000, 1 << 18}, {500_000, 1 << 19}, {1_000_000, 1 << 20}, {2_000_000, 1 << 20}} {
		out, err := exec.CommandContext(ctx, self, floodWord, strconv.Itoa(row[0]), strconv.Itoa(row[1])).Output()
		if err != nil {
			return err
		}
		kb, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			return err
		}
		if least == 0 {
			least, leastKB = row[0], kb
			fmt.Fprintf(w, "| %d | %d | %d | – |\n", row[0], row[1], kb>>10)
			continue
		}
		fmt.Fprintf(w, "| %d | %d | %d | %d |\n", row[0], row[1], kb>>10, (kb-leastKB)<<10/(min(row[0], row[1])-least))
	}
	return nil
}
