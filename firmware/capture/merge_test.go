package capture_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// TestMerge splits a capture over three files and joins them again.
func TestMerge(t *testing.T) {
	var parts [3][]frametest.Frame
	for i := range 1000 {
		f := frametest.Frame{Time: time.Unix(int64(i), 0), Data: []byte{byte(i >> 8), byte(i)}}
		parts[i*i%7%3] = append(parts[i*i%7%3], f)
	}
	var sources []capture.Source
	for _, frames := range parts {
		src, err := capture.NewFile("part", bytes.NewReader(frametest.Pcap(1, frames...)))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, src)
	}
	m := capture.Merge(0, 0, sources...)
	got, err := readAll(t, m, 64)
	if err != nil || len(got) != 1000 || m.Name() != "part+part+part" {
		t.Fatalf("%s: got %d frames, %v", m.Name(), len(got), err)
	}
	for i := range got {
		if got[i].time != int64(i)*1e9 {
			t.Fatalf("frame %d is of %d", i, got[i].time)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A quiet source has no frame yet, or one.
type quiet struct {
	frames []capture.Frame
	err    error
}

func (q *quiet) NextBatch(frames []capture.Frame) (int, error) {
	n := copy(frames, q.frames)
	q.frames = q.frames[n:]
	return n, q.err
}
func (q *quiet) Stats() capture.Stats { return capture.Stats{Dropped: 1} }
func (q *quiet) Name() string         { return "quiet" }
func (q *quiet) Close() error         { return nil }
func (q *quiet) Backlog() float64     { return 0.25 }

// TestMergeHolds has a frame wait for a port that has none: not for ever.
func TestMergeHolds(t *testing.T) {
	fresh := capture.Frame{Time: time.Now().Add(20 * time.Millisecond).UnixNano()}
	m := capture.Merge(10*time.Millisecond, 5*time.Millisecond, &quiet{frames: []capture.Frame{fresh}}, &quiet{})
	frames := make([]capture.Frame, 4)
	if n, err := m.NextBatch(frames); n != 0 || err != nil {
		t.Errorf("at once: %d frames, %v", n, err)
	}
	n := 0
	for range 1000 {
		if n, _ = m.NextBatch(frames); n > 0 {
			break
		}
	}
	if n != 1 || time.Now().UnixNano() < fresh.Time+10e6 {
		t.Errorf("%d frames", n)
	}
	if s := m.Stats(); s.Frames != 1 || s.Dropped != 2 || m.Backlog() != 0.25 {
		t.Errorf("stats %+v, backlog %v", s, m.Backlog())
	}
	broken := errors.New("broken")
	if _, err := capture.Merge(0, 0, &quiet{err: broken}).NextBatch(frames); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := capture.Merge(0, 0, &quiet{err: io.EOF}).NextBatch(frames); err != io.EOF {
		t.Errorf("got %v", err)
	}
}
