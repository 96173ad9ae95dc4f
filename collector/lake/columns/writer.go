// Package columns writes Parquet files from columns of values, without ever
// making a row or a value of its own: the collector spends most of its time
// here.
//
// It writes what the lake has and no more: required columns of booleans,
// 64-bit numbers and byte arrays, and lists of texts. Numbers are
// DELTA_BINARY_PACKED, texts in dictionaries and, where those grow too large,
// DELTA_LENGTH_BYTE_ARRAY; pages are of version 2, compressed with zstd where that is worth
// something. The encodings and the Thrift structures are parquet-go's, whose
// own writer takes twice the processor time (docs/adr/0098).
//
// A Writer is for one goroutine. Columns take values without an error: what
// they have is in memory, encoded page by page, until Flush makes a row group
// of it.
package columns

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// magic begins and ends a Parquet file.
const magic = "PAR1"

// A Type says what values a column has.
type Type uint8

// Types of columns.
const (
	Bool     Type = iota // 0 or 1
	Uint                 // uint64, as two's complement
	Int                  // int64
	Time                 // nanoseconds since 1970, UTC
	Text                 // UTF-8
	TextList             // lists of UTF-8
	Bytes                // of any kind
)

// A Def names a column.
type Def struct {
	Name string
	Type Type
}

// A Writer writes one file.
type Writer struct {
	name    string
	out     *bufio.Writer
	offset  int64
	columns []*Column // in the order of defs
	sorted  []*Column // by name, as they lie in the file
	rows    int64     // in row groups

	groups  []format.RowGroup
	indexes [][]index // of each group, of each column
}

// New returns a Writer to w of a file whose schema has the given name and
// columns. A page is ended when it has pageSize bytes before it is encoded.
func New(w io.Writer, name string, defs []Def, pageSize int) *Writer {
	out := &Writer{name: name, out: bufio.NewWriter(w)}
	for _, d := range defs {
		out.columns = append(out.columns, newColumn(d, pageSize))
	}
	out.sorted = slices.SortedFunc(slices.Values(out.columns), func(a, b *Column) int { return cmp.Compare(a.def.Name, b.def.Name) })
	return out
}

// Column returns column i of the defs. Before Flush and Close each must have
// got values for the same rows.
func (w *Writer) Column(i int) *Column { return w.columns[i] }

// Flush makes a row group of what the columns have.
func (w *Writer) Flush() error {
	if w.offset == 0 {
		w.write([]byte(magic))
	}
	rows := w.sorted[0].numRows()
	if rows == 0 {
		return w.out.Flush()
	}
	g := format.RowGroup{NumRows: rows, FileOffset: w.offset, Ordinal: int16(len(w.groups))}
	indexes := make([]index, len(w.sorted))
	for i, c := range w.sorted {
		if got := c.numRows(); got != rows {
			return fmt.Errorf("columns: %q has %d rows, %q has %d", c.def.Name, got, w.sorted[0].def.Name, rows)
		}
		if err := c.end(); err != nil {
			return fmt.Errorf("columns: encoding %q: %w", c.def.Name, err)
		}
		meta, ix := c.place(w.offset)
		w.write(c.words.page)
		w.write(c.pages)
		c.reset()
		g.TotalByteSize += meta.TotalUncompressedSize
		g.TotalCompressedSize += meta.TotalCompressedSize
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: meta})
		indexes[i] = ix
	}
	w.rows += rows
	w.groups = append(w.groups, g)
	w.indexes = append(w.indexes, indexes)
	return w.out.Flush()
}

// write writes b. An error stays with out until its Flush.
func (w *Writer) write(b []byte) {
	w.out.Write(b)
	w.offset += int64(len(b))
}

// Close makes the last row group and the footer. It does not close the file.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.writeIndexes()
	meta := format.FileMetaData{Version: 2, NumRows: w.rows, RowGroups: w.groups, CreatedBy: "taproot", Schema: w.schema()}
	for range w.sorted {
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
	}
	size := w.encode(&meta)
	w.write(append(binary.LittleEndian.AppendUint32(nil, uint32(size)), magic...))
	return w.out.Flush()
}

// writeIndexes writes the bounds of all pages, and then their places: readers
// take each in one piece.
func (w *Writer) writeIndexes() {
	for i := range w.groups {
		for j := range w.groups[i].Columns {
			c := &w.groups[i].Columns[j]
			c.ColumnIndexOffset = w.offset
			c.ColumnIndexLength = int32(w.encode(&w.indexes[i][j].bounds))
		}
	}
	for i := range w.groups {
		for j := range w.groups[i].Columns {
			c := &w.groups[i].Columns[j]
			c.OffsetIndexOffset = w.offset
			c.OffsetIndexLength = int32(w.encode(&w.indexes[i][j].places))
		}
	}
}

// encode writes a Thrift structure and returns its size.
func (w *Writer) encode(v any) int {
	b := marshal(v)
	w.write(b)
	return len(b)
}

func marshal(v any) []byte {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil { // memory takes everything, and the types are the library's
		panic(err)
	}
	return b
}
