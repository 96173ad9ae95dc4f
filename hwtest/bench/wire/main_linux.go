// Command wire measures the way from sensor to collector and prints two tables:
// taproot's wire beside others that carry the same records, and what a flood of
// forged datagrams does to real sensors.
//
// Usage: go run ./hwtest/bench/wire [-taproot bin/taproot] [-only peers|flood] [-forged 1000000] [-for 20s] (root)
//
// In the first table both ends of a wire are in one process, in a network
// namespace of its own: records in memory on one side become records in memory
// on the other, and nothing is stored. Bytes are those on the loopback device in
// both directions, ACKs and headers included, as far as the kernel makes them
// (one header for a run of segments). Processor time is of both ends.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "wire: %v\n", err)
		os.Exit(1)
	}
}

// Words that make this program one of those it measures with.
const (
	forgeWord = "forge" // wire forge ADDRESS RATE
	oursWord  = "ours"  // wire ours FILE
	insWord   = "in"    // wire in PROGRAM ARGUMENT...: with the loopback device up
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch {
	case len(args) == 3 && args[0] == forgeWord:
		return forge(ctx, args[1], args[2], stdout)
	case len(args) == 2 && args[0] == oursWord:
		return ours(ctx, args[1], stdout)
	case len(args) > 1 && args[0] == insWord:
		return inside(args[1:])
	}
	flags := flag.NewFlagSet("wire", flag.ContinueOnError)
	taproot := flags.String("taproot", "bin/taproot", "the `program`")
	only := flags.String("only", "", "only the `table` peers or flood")
	records := flags.Int("records", 100_000, "`number` of flow records that each peer carries")
	forged := flags.Float64("forged", 1e6, "forged datagrams per `second`")
	length := flags.Duration("for", 20*time.Second, "how `long` each row of the flood takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *only != "flood" {
		if err := peerTable(ctx, *taproot, *records, stdout, stderr); err != nil {
			return err
		}
		fmt.Fprintln(stdout)
	}
	if *only != "peers" {
		return floodTable(ctx, *taproot, *forged, *length, stdout, stderr)
	}
	return nil
}

// inside becomes another program, in a network namespace that was just made.
func inside(args []string) error {
	for _, ip := range [][]string{{"link", "set", "lo", "mtu", "1500"}, {"link", "set", "lo", "up"}} {
		if out, err := exec.Command("ip", ip...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", ip, err, out)
		}
	}
	return syscall.Exec(args[0], args, os.Environ())
}

// outcome is what one wire did.
type outcome struct {
	Sent  int64 `json:"sent"`
	Taken int64 `json:"taken"`
	Wall  int64 `json:"wall_ns"`
	CPU   int64 `json:"cpu_ns"`
	Bytes int64 `json:"bytes"`
}

// peerTable has every wire carry the same records. Each runs three times, and
// the least processor time counts: other work can only add to it.
func peerTable(ctx context.Context, taproot string, records int, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	others := filepath.Join(dir, "peers")
	build := exec.CommandContext(ctx, "go", "build", "-o", others, ".")
	build.Dir, build.Stderr = "hwtest/bench/wirepeers", stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the peers: %w", err)
	}
	file := filepath.Join(dir, "records")
	if err := recordFile(ctx, taproot, file, records, stderr); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "| both ends | bytes per record | records/s | µs of processor per record | taken |\n|---|---|---|---|---|")
	for _, p := range []struct {
		name string
		args []string
	}{
		{"taproot: uplink and edge", []string{self, oursWord, file}},
		{"Netcap's scheme: Protocol Buffers, gzip, a fresh box, UDP, no ACK", []string{others, "netcap", file}},
		{"Lumberjack v2: JSON, zlib 3, TLS (go-lumber)", []string{others, "lumberjack", file}},
		{"gRPC: a stream of Protocol Buffers, no TLS", []string{others, "grpc", file}},
	} {
		best, err := measure(ctx, self, p.args, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		n := float64(max(best.Taken, 1))
		fmt.Fprintf(stdout, "| %s | %.1f | %.0f | %.2f | %.1f %% |\n", p.name, float64(best.Bytes)/n, n/(float64(best.Wall)/1e9),
			float64(best.CPU)/1e3/n, 100*n/float64(best.Sent))
	}
	return nil
}

func measure(ctx context.Context, self string, args []string, stderr io.Writer) (best outcome, err error) {
	for range 3 {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		cmd := exec.CommandContext(ctx, self, append([]string{insWord}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		cmd.Stderr = stderr
		out, err := cmd.Output()
		cancel()
		if err != nil {
			return best, err
		}
		var o outcome
		if err := json.Unmarshal(out, &o); err != nil {
			return best, err
		}
		if best.CPU == 0 || o.CPU < best.CPU {
			best = o
		}
	}
	return best, nil
}

// recordFile writes flow records as JSON lines, as a collector has them of
// bench fleet.
func recordFile(ctx context.Context, taproot, path string, records int, stderr io.Writer) error {
	c, err := startCollector(taproot, stderr)
	if err != nil {
		return err
	}
	defer c.stop()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	tail := exec.CommandContext(ctx, taproot, "tail", "--data", c.data(), "--kind", "flow")
	lines, err := tail.StdoutPipe()
	if err != nil {
		return err
	}
	if err := tail.Start(); err != nil {
		return err
	}
	fleet := exec.CommandContext(ctx, taproot, "bench", "fleet", "--sensors", "8", "--rate", "2000", "--for", "10m", "--data", c.data(), "--collector", c.addr)
	if err := fleet.Start(); err != nil {
		return err
	}
	err = copyLines(out, lines, records)
	fleet.Process.Signal(syscall.SIGTERM)
	tail.Process.Kill()
	fleet.Wait()
	tail.Wait()
	return err
}

// copyLines copies n lines.
func copyLines(dst io.Writer, src io.Reader, n int) error {
	for buf := make([]byte, 1<<16); n > 0; {
		m, err := src.Read(buf)
		b := buf[:m]
		if have := bytes.Count(b, []byte("\n")); have >= n {
			for ; n > 1; n-- {
				i := bytes.IndexByte(b, '\n')
				if _, err := dst.Write(b[:i+1]); err != nil {
					return err
				}
				b = b[i+1:]
			}
			_, err := dst.Write(b[:bytes.IndexByte(b, '\n')+1])
			return err
		} else {
			n -= have
		}
		if _, werr := dst.Write(b); werr != nil || err != nil {
			return errors.Join(werr, err)
		}
	}
	return nil
}
