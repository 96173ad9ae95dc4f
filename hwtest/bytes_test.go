package hwtest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
)

// chain is the frames of many captures behind each other, as one busy link's.
type chain struct {
	files []string
	now   capture.Source
	nanos int64
	stats capture.Stats
}

func (c *chain) NextBatch(frames []capture.Frame) (int, error) {
	for {
		if c.now == nil {
			if len(c.files) == 0 {
				return 0, io.EOF
			}
			f, err := capture.OpenFile(c.files[0])
			c.files = c.files[1:]
			if err != nil {
				continue // not a capture
			}
			c.now = f
		}
		n, err := c.now.NextBatch(frames)
		for i := range frames[:n] {
			c.nanos += 20_000 // 50 000 frames a second
			frames[i].Time = c.nanos
		}
		if err == nil || n > 0 {
			c.stats.Frames += uint64(n)
			return n, nil
		}
		c.now.Close()
		c.now = nil
	}
}

func (c *chain) Stats() capture.Stats { return c.stats }
func (c *chain) Name() string         { return "chain" }
func (c *chain) Close() error         { return nil }

// TestWireBytes measures what a flow record takes on the wire, everything
// included: seals, headers of UDP and IP, HELLO, health, and the ACKs that come
// back.
func TestWireBytes(t *testing.T) {
	dir := "../../shared/pcaps"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there are no captures of other projects beside the checkout")
	}
	c := &chain{nanos: 1_700_000_000_000_000_000}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			c.files = append(c.files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var up, down atomic.Int64
	s := newTestSite(t)
	col := startCollector(t, s, t.TempDir(), "127.0.0.1:0", approve)
	const headers = 28 // of IPv4 and UDP
	u := startUplink(t, s.public(road(t, col.addr, func(d []byte, send func([]byte)) {
		if d[3] == 1 || d[3] == 4 {
			up.Add(int64(len(d) + headers))
		} else {
			down.Add(int64(len(d) + headers))
		}
		send(d)
	})))
	r, w := io.Pipe()
	flows := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			f, err := batch.ReadFrame(r)
			if err != nil {
				return
			}
			for _, k := range f.Kinds {
				if k.Kind == "flow" {
					flows += k.Records
				}
			}
			if batch.WriteFrame(u.pipe, f) != nil {
				return
			}
		}
	}()
	if err := meter.Run(t.Context(), meter.Config{Source: c, Out: w, FlowsOnly: true}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	<-done
	u.finish(t)
	per := func(n int64) float64 { return float64(n) / float64(flows) }
	t.Logf("NUMBERS %d flow records of real captures: %.1f bytes each on the wire toward the collector, %.1f back", flows, per(up.Load()), per(down.Load()))
	if flows < 1000 {
		t.Errorf("%d flows", flows)
	}
}
