package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// brief is what of a record does not depend on when its frames came.
func brief(kind, line string) string {
	if kind != "flow" {
		return kind
	}
	var columns []string
	for _, column := range strings.Split(strings.Trim(line, "{}"), `,"`) {
		switch name, _, _ := strings.Cut(strings.Trim(column, `"`), `"`); name {
		case "ts", "flow", "duration", "rtt", "tunnel", "end":
		default:
			columns = append(columns, column)
		}
	}
	return strings.Join(columns, " ")
}

// TestPortsAndShards taps a link whose directions come in at two ports, each
// shared by several shards, and compares with what one meter makes of the same
// frames in a file.
func TestPortsAndShards(t *testing.T) {
	frametest.Network(t, "link add a0 type veth peer name a1", "link add b0 type veth peer name b1",
		"link set a0 addrgenmode none up", "link set a1 addrgenmode none up", "link set b0 addrgenmode none up", "link set b1 addrgenmode none up")
	const shards = 3
	const path = "../../testdata/captures/http.pcap"
	sources, err := capture.OpenPorts([]string{"a1", "b1"}, shards, capture.RingOptions{LockFilter: true, Wait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		defer s.Close()
	}
	file, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	senders := []int{frametest.Sender(t, "a0"), frametest.Sender(t, "b0")}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var pipe bytes.Buffer
	beats, done := 0, make(chan error)
	go func() {
		done <- meter.RunShards(ctx, meter.Config{Out: &pipe, FlowCapacity: 8192, Heartbeat: func() { beats++ }}, sources)
	}()
	sent := 0
	for frames := make([]capture.Frame, 1); ; sent++ {
		if _, err := file.NextBatch(frames); err == io.EOF {
			break
		} else if err != nil {
			t.Error(err)
			break
		}
		f := frames[0].Data
		port := 0
		if bytes.Compare(f[:6], f[6:12]) < 0 {
			port = 1
		}
		if _, err := unix.Write(senders[port], f); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Second)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	live := parse(t, &pipe)
	file2, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file2.Close()
	var one bytes.Buffer
	if err := meter.Run(t.Context(), meter.Config{Source: file2, Out: &one, FlowCapacity: 8192}); err != nil {
		t.Fatal(err)
	}
	flows := func(out records) (lines []string) {
		for kind, all := range out.lines {
			for _, line := range all {
				if kind != "sensor" {
					lines = append(lines, brief(kind, line))
				}
			}
		}
		slices.Sort(lines)
		return lines
	}
	got, want := flows(live), flows(parse(t, &one))
	if !slices.Equal(got, want) {
		t.Errorf("%d records of %d frames, want %d\ngot  %s\nwant %s", len(got), sent, len(want), strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	busy := 0
	for shard := range shards {
		if live.counters[fmt.Sprintf("capture/%d.frames", shard)] >= 20 {
			busy++
		}
	}
	if busy != 2 || beats == 0 { // two pairs of addresses
		t.Errorf("%d shards were busy, %d beats; counters %v", busy, beats, live.counters)
	}
}
