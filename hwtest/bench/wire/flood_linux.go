package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/hwtest/flood"
)

// floodTable measures what a flood of forged datagrams does to a collector's
// sensors: the same fleet on the same collector, first alone and then with
// forged datagrams beside it. The forged ones come from a process of its own, by
// segmentation offload, and reach the collector in runs, as a network card with
// GRO would hand them over; a flood from ever changing addresses costs the
// kernel more for each.
func floodTable(ctx context.Context, taproot string, forged float64, length time.Duration, stdout, stderr io.Writer) error {
	const sensors, rate = 1000, 5000
	c, err := startCollector(taproot, stderr)
	if err != nil {
		return err
	}
	defer c.stop()
	fmt.Fprintln(stdout, "| sensors, their datagrams/s | forged/s, sent | dropped by tag, session or cookie | by the kernel | legitimate lost | ack p50 / p99 | collector, cores | MB |")
	fmt.Fprintln(stdout, "|---|---|---|---|---|---|---|---|")
	for _, forged := range []float64{0, forged / 10, forged} {
		if err := c.row(ctx, taproot, sensors, rate, forged, length, stdout, stderr); err != nil {
			return err
		}
	}
	return nil
}

// forge floods until its input ends and prints how many it has sent.
func forge(ctx context.Context, to, rate string, stdout io.Writer) error {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	perSecond, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var sent atomic.Uint64
	err = flood.Run(ctx, flood.Config{To: addr, Rate: perSecond}, &sent)
	fmt.Fprintln(stdout, sent.Load())
	return err
}

// collector is one that runs for this measurement.
type collector struct {
	dir, addr string
	cmd       *exec.Cmd
}

func startCollector(taproot string, stderr io.Writer) (*collector, error) {
	dir, err := os.MkdirTemp("", "flood")
	if err != nil {
		return nil, err
	}
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &collector{dir: dir, addr: free.LocalAddr().String()}
	free.Close()
	c.cmd = exec.Command(taproot, "collector", "--data", c.data(), "--listen", c.addr, "--address", c.addr)
	c.cmd.Stderr = stderr
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = control.NewClient(c.data()).Status(context.Background()); err == nil {
			return c, nil
		}
		if time.Now().After(deadline) {
			c.stop()
			return nil, fmt.Errorf("the collector does not answer: %w", err)
		}
	}
}

func (c *collector) data() string { return filepath.Join(c.dir, "data") }

func (c *collector) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	c.cmd.Wait()
	os.RemoveAll(c.dir)
}

// fleet is what bench fleet prints, of which only this is needed.
type fleet struct {
	Seconds   float64 `json:"seconds"`
	Datagrams float64 `json:"datagrams_per_second"`
	Loss      float64 `json:"loss_share"`
	P50       float64 `json:"ack_p50_ms"`
	P99       float64 `json:"ack_p99_ms"`
	Cores     float64 `json:"collector_cores"`
	RSS       int64   `json:"collector_rss_bytes"`
}

// row has a fleet send for a while, floods as long, and prints what came of it.
func (c *collector) row(ctx context.Context, taproot string, sensors int, rate, forged float64, length time.Duration, stdout, stderr io.Writer) error {
	counters := func() (map[string]uint64, error) {
		s, err := control.NewClient(c.data()).Status(ctx)
		return s.Counters, err
	}
	before, err := counters()
	if err != nil {
		return err
	}
	began := time.Now()
	end := func() (uint64, error) { return 0, nil }
	if forged > 0 {
		if end, err = c.flood(forged, stderr); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, taproot, "bench", "fleet", "--json", "--data", c.data(), "--collector", c.addr,
		"--sensors", strconv.Itoa(sensors), "--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--for", length.String())
	cmd.Stderr = stderr
	out, ferr := cmd.Output()
	sent, err := end()
	if err := errors.Join(ferr, err); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	after, err := counters()
	if err != nil {
		return err
	}
	var f fleet
	if err := json.Unmarshal(out, &f); err != nil {
		return err
	}
	var dropped uint64
	for _, reason := range []string{"edge_drop_tag", "edge_drop_no_session", "edge_drop_hello_cookie"} {
		dropped += after[reason] - before[reason]
	}
	_, err = fmt.Fprintf(stdout, "| %d, %.0f | %.0f | %.0f | %.0f | %.4f %% | %.1f / %.1f ms | %.2f | %d |\n", sensors, f.Datagrams,
		float64(sent)/took, float64(dropped)/took, float64(after["edge_drop_kernel"]-before["edge_drop_kernel"])/took,
		100*f.Loss, f.P50, f.P99, f.Cores, f.RSS>>20)
	return err
}

// flood starts the forger. end stops it and returns how many it has sent.
func (c *collector) flood(rate float64, stderr io.Writer) (end func() (sent uint64, err error), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, forgeWord, c.addr, strconv.FormatFloat(rate, 'f', -1, 64))
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (sent uint64, err error) {
		in.Close()
		_, err = fmt.Fscan(out, &sent)
		return sent, errors.Join(err, cmd.Wait())
	}, nil
}
