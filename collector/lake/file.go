package lake

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/parquet-go/parquet-go"

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
	maxDictionary   = 32 << 10
)

// file is a Parquet file being written, under a temporary name.
type file struct {
	manifest.File
	dir     string // of the lake
	table   *table
	columns int // of the table when the file was begun
	tmp     *os.File
	w       *parquet.GenericWriter[any]
	leaf    []int
	pending int  // rows not yet in a row group
	whole   bool // finish was called

	// Memory for one column after the other.
	values []parquet.Value
	words  []parquet.Value // of its dictionary
	text   []byte          // that words points into
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
	schema, leaf := t.schema()
	return &file{
		File: manifest.File{Path: path, Kind: p.kind}, dir: dir, table: t, columns: len(t.columns),
		tmp: tmp, leaf: leaf,
		w: parquet.NewGenericWriter[any](tmp, schema, parquet.Compression(codec), parquet.PageBufferSize(size), parquet.DictionaryMaxBytes(maxDictionary),
			parquet.DataPageStatistics(false), // the column index has them
			parquet.CreatedBy("taproot", "", "")),
	}, nil
}

// origin is where the rows of a batch came from, as values of originColumns.
type origin [4]parquet.Value

// write appends rows of b, all if rows is nil. column[i] is the table's index
// of b.Columns[i], or -1.
func (f *file) write(b *record.Block, column []int, rows []int, from *origin) error {
	if rows == nil {
		rows = allRows[:b.Rows]
	}
	writers := f.w.ColumnWriters()
	emit := func(column int, values []parquet.Value) error {
		_, err := writers[f.leaf[column]].WriteRowValues(values)
		f.values = values[:0]
		return err
	}
	given := make([]bool, f.columns)
	for i, v := range from {
		given[i] = true
		if err := emit(i, repeat(f.values, v, len(rows))); err != nil {
			return err
		}
	}
	for i := range b.Columns {
		if column[i] < 0 {
			continue
		}
		given[column[i]] = true
		if err := emit(column[i], f.valuesOf(&b.Columns[i], rows, f.leaf[column[i]])); err != nil {
			return err
		}
	}
	for i, ok := range given {
		if ok {
			continue
		}
		zero := zeroValue(f.table.columns[i].Type).Level(0, 0, f.leaf[i])
		if err := emit(i, repeat(f.values, zero, len(rows))); err != nil {
			return err
		}
	}
	f.count(b.Columns[0].Ints, rows)
	if f.pending < rowGroup {
		return nil
	}
	f.pending = 0
	return f.w.Flush()
}

func (f *file) count(ts []int64, rows []int) {
	for i, row := range rows {
		t := ts[row]
		if f.Rows == 0 && i == 0 {
			f.First, f.Last = t, t
		}
		f.First, f.Last = min(f.First, t), max(f.Last, t)
	}
	f.Rows += int64(len(rows))
	f.pending += len(rows)
}

// allRows has the numbers of the rows of any block.
var allRows = func() (rows [record.MaxRows]int) {
	for i := range rows {
		rows[i] = i
	}
	return rows
}()

func repeat(dst []parquet.Value, v parquet.Value, n int) []parquet.Value {
	for range n {
		dst = append(dst, v)
	}
	return dst
}

// zeroValue is what a row has in a column that its block left out. For a list
// it is the empty list: definition level 0.
func zeroValue(columnType string) parquet.Value {
	switch columnType {
	case record.Bool.String():
		return parquet.BooleanValue(false)
	case record.Uint.String(), record.Int.String(), record.Time.String(), record.Duration.String():
		return parquet.Int64Value(0)
	case record.Strings.String():
		return parquet.NullValue()
	}
	return parquet.ByteArrayValue(nil)
}

// valuesOf returns the values that rows have in c. They last until the next call.
func (f *file) valuesOf(c *record.Column, rows []int, leaf int) []parquet.Value {
	dst := f.values
	switch {
	case c.Type == record.Bool:
		for _, row := range rows {
			dst = append(dst, parquet.BooleanValue(c.Ints[row] != 0))
		}
	case c.Ints != nil:
		for _, row := range rows {
			dst = append(dst, parquet.Int64Value(c.Ints[row]))
		}
	case c.Type == record.Strings:
		return appendLists(dst, c, f.wordsOf(c), rows, leaf)
	case c.Index != nil:
		words := f.wordsOf(c)
		for _, row := range rows {
			dst = append(dst, words[c.Index[row]])
		}
	default: // of an unknown type: the bytes of the whole column stay with its first row
		for _, row := range rows {
			var raw []byte
			if row == 0 {
				raw = c.Raw
			}
			dst = append(dst, parquet.ByteArrayValue(raw))
		}
	}
	return dst
}

// wordsOf returns the words of c's dictionary.
func (f *file) wordsOf(c *record.Column) []parquet.Value {
	f.words, f.text = f.words[:0], f.text[:0]
	for _, w := range c.Dict {
		start := len(f.text)
		f.text = c.AppendText(f.text, w)
		f.words = append(f.words, parquet.ByteArrayValue(f.text[start:]))
	}
	return f.words
}

// appendLists appends lists: repetition level 0 begins a row, definition level
// 1 says that there is a value.
func appendLists(dst []parquet.Value, c *record.Column, words []parquet.Value, rows []int, leaf int) []parquet.Value {
	next, at := 0, 0 // at is where the values of row next begin
	for _, row := range rows {
		for ; next < row; next++ {
			at += int(c.Lens[next])
		}
		if c.Lens[row] == 0 {
			dst = append(dst, parquet.NullValue().Level(0, 0, leaf))
		}
		for i, x := range c.Index[at : at+int(c.Lens[row])] {
			dst = append(dst, words[x].Level(min(i, 1), 1, leaf))
		}
	}
	return dst
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
