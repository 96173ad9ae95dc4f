package meter

import (
	"io"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
)

// TestParserPanics breaks the parsers from within.
func TestParserPanics(t *testing.T) {
	a := newApps(newOutput(io.Discard, time.Second, nil))
	a.dns = nil
	r := &flow.Record{ID: 1, Parser: 1}
	r.Key.Set(new([16]byte), new([16]byte), 1000, 53, protoTCP)
	query := []byte("\x00\x11\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01")
	a.payload(r, &flow.Packet{}, 1, query)
	if a.count.panics != 1 || r.Parser != parserNone || r.Stream != 0 || len(a.streams.free) != 1 {
		t.Errorf("%d panics, flow %+v", a.count.panics, r)
	}
	a.out = nil
	a.arp(0, 0, []byte{0, 1, 8, 0, 6, 4, 0, 1, 27: 0})
	if a.count.panics != 2 {
		t.Errorf("%d panics, want 2", a.count.panics)
	}
}

// TestParserPanicsAtEnd has a parser fail when its flow ends, and when another
// flow takes its stream.
func TestParserPanicsAtEnd(t *testing.T) {
	a := newApps(newOutput(io.Discard, time.Second, nil))
	a.table[a.tls-1].end = func(*apps, *stream) { panic("of a library") }
	begin := func(id uint64) *flow.Record {
		r := &flow.Record{ID: id, Parser: a.tls}
		a.streams.of(a, r).state = new(app.HTTP)
		return r
	}
	a.giveUp(begin(1))
	if a.count.panics != 1 || len(a.streams.free) != 1 {
		t.Errorf("%d panics, %d streams are free", a.count.panics, len(a.streams.free))
	}
	for id := range uint64(maxStreams + 10) {
		begin(2 + id)
	}
	if a.count.panics != 11 || a.count.stolen != 10 {
		t.Errorf("%d panics, %d streams stolen", a.count.panics, a.count.stolen)
	}
}
