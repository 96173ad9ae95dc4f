//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/firmware/boot"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// reportEvery is how often process 1 says how the machine is.
const reportEvery = 10 * time.Second

// report sends the machine's counters to the collector, as any stage does.
func (s *sensor) report(ctx context.Context) error {
	tick := time.NewTicker(pace(reportEvery))
	defer tick.Stop()
	for {
		s.relay.Send(healthFrame(time.Now(), "init", s.counters()))
		s.relay.Send(healthFrame(time.Now(), "board", s.boardCounters()))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// A counter is one number of the machine.
type counter struct {
	name  string
	value int64
}

func (s *sensor) counters() []counter {
	all := []counter{{"drop_uplink_down", s.relay.Dropped()}}
	for _, stage := range s.stages {
		all = append(all, counter{stage.Name + "_crashes", stage.Crashes()}, counter{stage.Name + "_silences", stage.Silences()})
	}
	if free, err := boot.ReadMemory(os.DirFS("/proc"), "MemAvailable"); err == nil {
		all = append(all, counter{"memory_available", int64(free)})
	}
	all = append(all, s.updates.counters()...)
	all = append(all, counter{"tap_missing", int64(s.missing)})
	// A tap port never sends: this is 0 for as long as that is true.
	sent := int64(0)
	for _, port := range s.taps {
		sent += linkStatistic(port, "tx_packets")
	}
	return append(all, counter{"tap_sent_frames", sent})
}

// linkStatistic returns a number that the kernel keeps of an interface, or -1.
func linkStatistic(port, name string) int64 {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", port, "statistics", name))
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// healthFrame returns counters of a stage as a batch.
func healthFrame(now time.Time, stage string, counters []counter) batch.Frame {
	b := record.NewBuilder(record.SensorDef)
	for _, c := range counters {
		record.Append(b, &record.Sensor{Time: record.Nanos(now.UnixNano()), Stage: stage, Counter: c.name, Value: c.value})
	}
	block := b.AppendBlock(nil)
	return batch.Frame{Class: batch.Health, Records: b.Rows(), Kinds: []batch.KindCount{{Kind: record.SensorDef.Kind, Records: b.Rows()}}, Batch: batch.Append(nil, batch.None, len(block), block)}
}
