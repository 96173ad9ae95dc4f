package shared_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

// How long it takes from the start of a collector that was killed, with a
// journal that its lake has not read, to the first acknowledged batch.
func TestRestartWithLargeJournal(t *testing.T) {
	size := int64(64 << 20)
	if os.Getenv("TAPROOT_SWEEP") != "" {
		size = 10 << 30
	}
	c := newProcess(t, filepath.Join(t.TempDir(), "a"), "")
	c.start(t)
	c.stop(t)
	fill(t, filepath.Join(c.data, "journal"), size)
	l := newLoad(t, func(int) site.Site { return c.site(t) })
	r, err := fleet.Open(filepath.Join(c.data, "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	l.approve(t, r)
	r.Close()
	for _, state := range []string{"first start", "after kill -9"} {
		begin := time.Now()
		stored := make(chan error, 1)
		go func() { stored <- one(t.Context(), l) }()
		c.start(t)
		listening := time.Since(begin)
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
		t.Logf("NUMBERS: journal of %d MB, %s: listening after %.2f s, first batch acknowledged after %.2f s", size>>20, state, listening.Seconds(), time.Since(begin).Seconds())
		c.kill(t)
	}
}

// fill makes a journal of size bytes, of batches as large as they come.
func fill(t *testing.T, dir string, size int64) {
	t.Helper()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := record.NewBuilder(record.ARPDef)
	for n := range 4000 {
		record.Append(b, &record.ARP{Time: record.NanosOf(start) + record.Nanos(n), Op: "request"})
	}
	raw := b.AppendBlock(nil)
	e := journal.Entry{Received: start.UnixNano(), Body: batch.Append(nil, batch.None, len(raw), raw)}
	var failed atomic.Pointer[error]
	for at := int64(0); at < size; at += int64(len(e.Body)) {
		j.WaitRoom()
		j.Append(e, func(err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		e.Batch++
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}

// one sends one batch and returns when it is acknowledged.
func one(ctx context.Context, l *load) error {
	r, w := io.Pipe()
	raw := record.NewBuilder(record.ARPDef).AppendBlock(nil)
	go func() {
		batch.WriteFrame(w, batch.Frame{Class: batch.Records, Batch: batch.Append(nil, batch.None, len(raw), raw)})
		w.Close() // the uplink ends when it is stored
	}()
	return uplink.Run(ctx, uplink.Config{
		Site: l.sites(0), Identity: l.keys[0], Claims: enrol.Claims{"board": "test"}, In: []io.ReadCloser{r}, Spool: spool.New(1 << 20),
		Log: slog.New(slog.DiscardHandler), Say: func(string) {},
	})
}
