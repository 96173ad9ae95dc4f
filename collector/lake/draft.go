package lake

import (
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	hourNanos = int64(time.Hour)
	// maxAhead is how far a record's time may be ahead of when it was received.
	// Past times are believed: captures are read long after they were made.
	maxAhead = 24 * hourNanos
	// maxOpen bounds the files that are open at once. When there are as many,
	// rows of a further hour go to the hour they were received in.
	maxOpen = 64
)

// partition is a directory of the lake.
type partition struct {
	kind string
	hour int64 // since 1970
}

// draft is what the next manifest will add.
type draft struct {
	pos    journal.Pos
	rows   int
	since  time.Time // when the first row came; zero without any
	tables map[string]*table
	files  []*file             // in the order they were begun
	open   map[partition]*file // those that rows go to
}

func newDraft(m *manifest.Manifest) draft {
	d := draft{pos: m.Position, tables: make(map[string]*table), open: make(map[partition]*file)}
	for kind, columns := range m.Kinds {
		d.tables[kind] = newTable(kind, columns)
	}
	return d
}

// take writes one unit into the open files.
func (l *Lake) take(u *unit) error {
	l.pos = u.pos
	l.setRead(u.pos)
	switch {
	case u.damage != nil && u.batch:
		l.counts.damagedBatches.Add(1)
		l.opts.Log.Warn("batch is damaged", "error", u.damage, "position", u.pos)
	case u.damage != nil:
		l.counts.damagedPlaces.Add(1)
		l.opts.Log.Error("journal is damaged", "error", u.damage)
	}
	if u.batch {
		l.counts.batches.Add(1)
		if l.opts.Tally != nil {
			l.opts.Tally.Batch(&u.entry, u.blocks)
		}
	}
	for i := range u.blocks {
		if err := l.writeBlock(&u.blocks[i], u); err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
		runtime.Gosched() // as read does
	}
	return nil
}

func (l *Lake) writeBlock(b *record.Block, u *unit) error {
	t := l.table(b.Kind)
	if t == nil {
		l.counts.dropKind.Add(uint64(b.Rows))
		return nil
	}
	column := make([]int, len(b.Columns))
	for i := range b.Columns {
		if column[i] = t.column(b.Columns[i].Name, b.Columns[i].Type); column[i] < 0 {
			l.counts.dropColumn.Add(1)
		}
	}
	for hour, rows := range hours(b.Columns[0].Ints, u.received) {
		f, err := l.file(partition{b.Kind, hour}, u.received/hourNanos, t)
		if err != nil {
			return err
		}
		if err := f.write(b, column, rows, &u.from); err != nil {
			return err
		}
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	l.rows += b.Rows
	return nil
}

// table returns the table of kind, or nil where there are too many kinds.
func (l *Lake) table(kind string) *table {
	if t := l.tables[kind]; t != nil {
		return t
	}
	if record.Lookup(kind) == nil && len(l.tables) >= maxUnknownKinds+len(record.Kinds()) {
		return nil
	}
	t := newTable(kind, nil)
	l.tables[kind] = t
	return t
}

// hours sorts rows into the hours of their times; nil stands for all rows.
func hours(ts []int64, received int64) map[int64][]int {
	hour := func(t int64) int64 {
		if t <= 0 || t > received+maxAhead {
			t = received
		}
		return t / hourNanos
	}
	if first, last := slices.Min(ts), slices.Max(ts); first > 0 && hour(first) == hour(last) {
		return map[int64][]int{hour(first): nil}
	}
	sorted := make(map[int64][]int)
	for row, t := range ts {
		sorted[hour(t)] = append(sorted[hour(t)], row)
	}
	return sorted
}

// file returns the open file of partition p, which has all columns of t.
func (l *Lake) file(p partition, received int64, t *table) (*file, error) {
	f := l.open[p]
	if f == nil && len(l.open) >= maxOpen {
		p.hour = received
		f = l.open[p]
	}
	if f != nil && f.columns == len(t.columns) {
		return f, nil
	}
	if f != nil { // a column came: of one that was begun without it no more memory is needed
		if err := f.finish(); err != nil {
			return nil, fmt.Errorf("finishing Parquet file: %w", err)
		}
	}
	f, err := createFile(l.dir, l.next, p, t)
	if err != nil {
		return nil, err
	}
	l.next++
	l.open[p] = f
	l.files = append(l.files, f)
	return f, nil
}

// commit makes everything taken so far part of the lake.
func (l *Lake) commit(j *journal.Journal) error {
	old := l.Manifest()
	if l.pos == old.Position {
		return nil
	}
	m := *old
	m.Position, m.Next = l.pos, l.next
	m.Files = slices.Clip(m.Files)
	m.Kinds = maps.Clone(m.Kinds)
	dirs := make(map[string]bool)
	for _, f := range l.files {
		if err := f.finish(); err != nil {
			return fmt.Errorf("finishing Parquet file: %w", err)
		}
		m.Files = append(m.Files, f.File)
		m.Kinds[f.Kind] = slices.Clone(f.table.columns)
		for dir := filepath.Dir(f.Path); dir != "."; dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
	}
	for dir := range dirs {
		if err := durable.SyncDir(filepath.Join(l.dir, dir)); err != nil {
			return err
		}
	}
	if l.opts.Tally != nil {
		if err := l.opts.Tally.Commit(); err != nil {
			return err
		}
	}
	err := m.Save(l.dir)
	made, rows := len(l.files), l.rows
	l.files, l.rows, l.since = nil, 0, time.Time{} // even where Save failed: its rename may have come through
	clear(l.open)
	if err != nil {
		return err
	}
	l.setManifest(&m)
	l.counts.files.Add(uint64(made))
	l.counts.rows.Add(uint64(rows))
	if err := j.Hold(holdName, l.pos); err != nil {
		l.opts.Log.Warn("journal segments stay", "error", err)
	}
	return nil
}

// abandon removes the files that no manifest lists.
func (l *Lake) abandon() {
	for _, f := range l.files {
		f.abandon()
	}
	l.draft = draft{}
}
