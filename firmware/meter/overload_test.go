package meter_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// A flood is a live source: a frame at each call, each of a flow of its own,
// and a ring that is full until frames were taken.
type flood struct {
	frames, full uint64
	now          time.Time
	sent         uint64
}

func (f *flood) NextBatch(frames []capture.Frame) (int, error) {
	if f.sent == f.frames {
		return 0, io.EOF
	}
	f.now = f.now.Add(100 * time.Millisecond)
	f.sent++
	query := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"
	p := frametest.Between(fmt.Sprintf("10.0.%d.%d:%d", f.sent>>8, f.sent&0xff, 5000), "10.1.0.1:53", frametest.UDP)
	p.Payload = []byte(query)
	data := p.Ethernet()
	frames[0] = capture.Frame{Data: data, WireLen: uint32(len(data)), Time: f.now.UnixNano(), LinkType: 1}
	return 1, nil
}

func (f *flood) Backlog() float64 {
	if f.sent < f.full {
		return 1
	}
	return 0
}

func (f *flood) Stats() capture.Stats { return capture.Stats{Frames: f.sent} }
func (f *flood) Name() string         { return "flood" }
func (f *flood) Close() error         { return nil }

// TestOverload lets a meter fall behind and recover: it leaves out application
// records first, then most new flows, and takes all up again in time.
func TestOverload(t *testing.T) {
	src := &flood{frames: 1000, full: 300, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	var pipe bytes.Buffer
	if err := meter.Run(t.Context(), meter.Config{Source: src, Out: &pipe, Now: func() time.Time { return src.now }}); err != nil {
		t.Fatal(err)
	}
	out := parse(t, &pipe)
	out.check(t, src.frames)
	c := out.counters
	if c["meter.overload_level"] != 0 {
		t.Errorf("level %d at the end", c["meter.overload_level"])
	}
	for _, l := range []string{"no_layers", "no_apps", "sampled_flows"} {
		if c["meter.overload_"+l] != 1 {
			t.Errorf("level %s reached %d times", l, c["meter.overload_"+l])
		}
	}
	if c["meter.drop_overload_payloads"] == 0 || len(out.lines["dns"])+int(c["meter.drop_overload_payloads"])+int(c["flow.unsampled_packets"]) != 1000 {
		t.Errorf("%d DNS records, %d payloads left out, %d packets not sampled", len(out.lines["dns"]), c["meter.drop_overload_payloads"], c["flow.unsampled_packets"])
	}
	if n := c["flow.unsampled_packets"]; n < 200 || len(out.lines["flow"])+int(n) != 1000 {
		t.Errorf("%d flows, %d packets not sampled", len(out.lines["flow"]), n)
	}
}
