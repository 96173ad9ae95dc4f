package lake

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/collector/lake/columns"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	// rowGroup is the rows of a row group: DuckDB gives each thread one, and
	// wants about 120 000. What is not yet a row group is in memory.
	rowGroup = 1 << 17
	// pageSize is the bytes of a page before compression: a reader that wants
	// a few rows decompresses one page per column.
	pageSize = 64 << 10
	// unknownPageSize is that of kinds that no release has. An open file takes
	// two thirds of a page for each column, and sensors can make them up.
	unknownPageSize = 4 << 10
)

// file is a Parquet file being written, under a temporary name.
type file struct {
	manifest.File
	dir     string // of the lake
	table   *table
	columns int // of the table when the file was begun
	tmp     *os.File
	w       *columns.Writer
	pending int  // rows not yet in a row group
	whole   bool // finish was called

	// Memory for the words of one column after the other.
	words []string
	text  []byte
	ends  []int // of each word in text
}

func createFile(dir string, number uint64, p partition, t *table) (*file, error) {
	hour := time.Unix(p.hour*3600, 0).UTC()
	path := filepath.Join("kind="+p.kind, hour.Format("date=2006-01-02"), hour.Format("hour=15"), fmt.Sprintf("%08x.parquet", number))
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.OpenFile(filepath.Join(dir, path+durable.TempSuffix), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	size := pageSize
	if record.Lookup(p.kind) == nil {
		size = unknownPageSize
	}
	return &file{
		File: manifest.File{Path: path, Kind: p.kind}, dir: dir, table: t, columns: len(t.columns),
		tmp: tmp, w: columns.New(tmp, p.kind, t.defs(), size),
	}, nil
}

// origin is where the rows of a batch came from, as originColumns have it.
type origin struct {
	sensor, boot    string
	batch, received int64
}

// write appends rows of b, all if rows is nil. column[i] is the table's index
// of b.Columns[i], or -1.
func (f *file) write(b *record.Block, column []int, rows []int, from *origin) error {
	n := len(rows)
	if rows == nil {
		n = b.Rows
	}
	f.w.Column(0).Word(from.sensor, n)
	f.w.Column(1).Word(from.boot, n)
	f.w.Column(2).Int(from.batch, n)
	f.w.Column(3).Int(from.received, n)
	given := make([]bool, f.columns)
	for i := range b.Columns {
		if column[i] >= 0 {
			given[column[i]] = true
			f.append(f.w.Column(column[i]), &b.Columns[i], b.Rows, rows)
		}
	}
	for i := len(originColumns); i < f.columns; i++ {
		if !given[i] {
			f.w.Column(i).Zeros(n)
		}
	}
	f.count(b.Columns[0].Ints, rows, n)
	if f.pending < rowGroup {
		return nil
	}
	f.pending = 0
	return f.w.Flush()
}

// append appends the values that rows, of so many in all, have in c.
func (f *file) append(to *columns.Column, c *record.Column, all int, rows []int) {
	switch {
	case c.Ints != nil:
		to.Ints(c.Ints, rows)
	case c.Type == record.Strings:
		to.Lists(f.wordsOf(c), c.Lens, c.Index, rows)
	case c.Index != nil:
		to.Words(f.wordsOf(c), c.Index, rows)
	default: // of an unknown type: the bytes of the whole column stay with its first row
		index := make([]uint32, all)
		index[0] = 1
		to.Words([]string{"", string(c.Raw)}, index, rows)
	}
}

// count counts n rows, which are all of ts if rows is nil.
func (f *file) count(ts []int64, rows []int, n int) {
	if f.Rows == 0 {
		f.First, f.Last = math.MaxInt64, math.MinInt64
	}
	if rows == nil {
		f.First, f.Last = min(f.First, slices.Min(ts)), max(f.Last, slices.Max(ts))
	}
	for _, row := range rows {
		f.First, f.Last = min(f.First, ts[row]), max(f.Last, ts[row])
	}
	f.Rows += int64(n)
	f.pending += n
}

// wordsOf returns the words of c's dictionary as people write them.
func (f *file) wordsOf(c *record.Column) []string {
	if c.Type != record.Addr && c.Type != record.MAC {
		return c.Dict
	}
	f.text, f.ends = f.text[:0], f.ends[:0]
	for _, w := range c.Dict {
		f.text = c.AppendText(f.text, w)
		f.ends = append(f.ends, len(f.text))
	}
	all, start := string(f.text), 0
	f.words = f.words[:0]
	for _, end := range f.ends {
		f.words = append(f.words, all[start:end])
		start = end
	}
	return f.words
}

// finish makes the file complete, durable and of its final name. The name is
// durable only when its directory is synced.
func (f *file) finish() error {
	if f.whole {
		return nil
	}
	f.whole = true
	defer f.tmp.Close()
	if err := f.w.Close(); err != nil {
		return err
	}
	info, err := f.tmp.Stat()
	if err != nil {
		return err
	}
	f.Bytes = info.Size()
	if err := f.tmp.Sync(); err != nil {
		return err
	}
	return os.Rename(f.tmp.Name(), filepath.Join(f.dir, f.Path))
}

// abandon removes what there is of the file.
func (f *file) abandon() {
	f.tmp.Close()
	os.Remove(f.tmp.Name())
	os.Remove(filepath.Join(f.dir, f.Path))
}
