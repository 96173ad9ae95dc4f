// Package lake makes Parquet files of what the journal has.
//
// A lake is a directory of files kind=K/date=D/hour=H/N.parquet and a manifest
// that lists them together with the position in the journal that they reach
// to; docs/format/lake.md has the columns. Files and position change in one
// rename of the manifest, so a crash at any moment leaves every row in the lake
// once: what was written after the last manifest is removed at Open and read
// from the journal again.
//
// Run does the work in two goroutines: one reads and unpacks, one writes.
package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	// defaultMaxAge is how long rows wait to become visible without a Flush:
	// long enough that files are worth opening.
	defaultMaxAge = time.Minute
	// maxRows is how many rows go into the files of one manifest: at 40 bytes
	// a flow, 160 MB.
	maxRows = 4 << 20
	// retryAfter is how long a disk that failed is left alone.
	retryAfter = time.Second
	// holdName is the lake's name among the consumers of the journal.
	holdName = "lake"
)

// Options has what can be chosen; zero means the default.
type Options struct {
	MaxAge time.Duration // of rows that are not visible yet; default 1 min
	Log    *slog.Logger  // default slog.Default()
	Tally  Tally         // is shown what is read; may be nil
}

// A Tally adds up what batches say. It sees some again after a crash, and is
// told to make what it has seen durable before the lake's position is.
type Tally interface {
	Batch(e *journal.Entry, blocks []record.Block)
	Commit() error
}

// Lake is an open lake.
type Lake struct {
	dir     string
	opts    Options
	flushes chan flush
	counts  counters

	mu       sync.Mutex
	manifest *manifest.Manifest // replaced, never changed
	failing  error              // why nothing can be written at the moment
	read     journal.Pos        // how far Run has come, in files that the manifest has or will have

	// Owned by Run.
	next uint64 // number of the next file; none is used twice, even after a failure
	draft
}

type counters struct {
	rows, batches, files, damagedBatches, damagedPlaces, dropKind, dropColumn atomic.Uint64
}

// flush asks Run to make visible what the journal has by now.
type flush struct {
	target journal.Pos // set by Run
	done   chan error  // has room for one
}

// Open opens the lake in dir, makes it if need be, and removes what a crash
// left that is not in the manifest.
func Open(dir string, opts Options) (*Lake, error) {
	if opts.MaxAge == 0 {
		opts.MaxAge = defaultMaxAge
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	l := &Lake{dir: dir, opts: opts, flushes: make(chan flush)}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("opening lake: %w", err)
	}
	return l, nil
}

func (l *Lake) load() (err error) {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	if l.manifest, err = manifest.Load(l.dir); err != nil {
		return err
	}
	listed := make(map[string]bool)
	for _, f := range l.manifest.Files {
		listed[f.Path] = true
	}
	return filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(l.dir, path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(rel, durable.TempSuffix) || strings.HasSuffix(rel, ".parquet") && !listed[rel] {
			return os.Remove(path)
		}
		return nil
	})
}

// Manifest returns what is in the lake now. It must not be changed.
func (l *Lake) Manifest() *manifest.Manifest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.manifest
}

// Counters returns what was counted since Open, by name.
func (l *Lake) Counters() map[string]uint64 {
	c := &l.counts
	return map[string]uint64{
		"rows":            c.rows.Load(),
		"batches":         c.batches.Load(),
		"files":           c.files.Load(),
		"damaged_batches": c.damagedBatches.Load(),
		"damaged_places":  c.damagedPlaces.Load(),
		"drop_kind":       c.dropKind.Load(),
		"drop_column":     c.dropColumn.Load(),
	}
}

// Flush makes everything that is durable in the journal by now visible. It
// needs a Run under way and returns when it is done, has failed, or ctx ends.
func (l *Lake) Flush(ctx context.Context) error {
	f := flush{done: make(chan error, 1)}
	select {
	case l.flushes <- f:
	case <-ctx.Done():
		return fmt.Errorf("flushing lake: %w", ctx.Err())
	}
	select {
	case err := <-f.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flushing lake: %w", ctx.Err())
	}
}

// Run follows j until ctx ends, then makes visible what it has and returns nil.
// When the disk fails it starts again from the manifest, until it can.
func (l *Lake) Run(ctx context.Context, j *journal.Journal) error {
	if m := l.Manifest(); j.End().Segment < m.Position.Segment {
		// The journal was replaced. What it gets from now on is new.
		l.opts.Log.Warn("journal ends before the lake's position", "position", m.Position, "end", j.End())
		moved := *m
		moved.Position = j.End()
		l.setManifest(&moved)
	}
	for {
		if err := j.Hold(holdName, l.Manifest().Position); err != nil {
			l.opts.Log.Warn("journal segments stay", "error", err)
		}
		err := l.follow(ctx, j)
		if err == nil || ctx.Err() != nil {
			return err
		}
		l.setFailing(err)
		l.opts.Log.Error("lake cannot be written; trying again", "error", err)
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return err
		}
	}
}

func (l *Lake) setManifest(m *manifest.Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifest, l.failing = m, nil
}

func (l *Lake) setFailing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
}

// Read returns how far Run has come in the journal. What it made of that need
// not be visible yet.
func (l *Lake) Read() journal.Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read
}

func (l *Lake) setRead(pos journal.Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = pos
}

// Failing returns why nothing can be written at the moment, or nil.
func (l *Lake) Failing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing
}

// follow does what Run does until the first error.
func (l *Lake) follow(ctx context.Context, j *journal.Journal) (err error) {
	l.draft = newDraft(l.Manifest())
	l.next = max(l.next, l.Manifest().Next)
	l.setRead(l.pos)
	reading, stop := context.WithCancel(ctx)
	units, failed := make(chan unit, 4), make(chan error, 1)
	go func() { failed <- read(reading, j.Reader(l.pos), units) }()
	var waiting []flush
	defer func() {
		stop()
		for range units { // until read has seen it
		}
		if rerr := <-failed; err == nil {
			err = rerr
		}
		for _, f := range waiting {
			f.done <- errors.Join(err, ctx.Err())
		}
		l.abandon()
	}()
	age := time.NewTicker(max(l.opts.MaxAge/16, time.Millisecond))
	defer age.Stop()
	for {
		due := false
		select {
		case u, ok := <-units:
			if !ok {
				return nil // read says why
			}
			if err := l.take(&u); err != nil {
				return err
			}
			due = l.rows >= maxRows
		case f := <-l.flushes:
			f.target = j.End()
			waiting = append(waiting, f)
		case now := <-age.C:
			due = !l.since.IsZero() && now.Sub(l.since) >= l.opts.MaxAge
		case <-ctx.Done():
			return l.commit(j)
		}
		for _, f := range waiting {
			due = due || !l.pos.Before(f.target)
		}
		if !due {
			continue
		}
		if err := l.commit(j); err != nil {
			return err
		}
		kept := waiting[:0]
		for _, f := range waiting {
			if l.pos.Before(f.target) {
				kept = append(kept, f)
			} else {
				f.done <- nil
			}
		}
		waiting = kept
	}
}
