package columns_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/taproot-sensor/taproot/collector/lake/columns"
)

var defs = []columns.Def{
	{Name: "yes", Type: columns.Bool}, {Name: "count", Type: columns.Uint}, {Name: "delta", Type: columns.Int}, {Name: "ts", Type: columns.Time},
	{Name: "few", Type: columns.Text}, {Name: "hash", Type: columns.Text}, {Name: "names", Type: columns.TextList}, {Name: "raw", Type: columns.Bytes},
	{Name: "none", Type: columns.TextList}, {Name: "zero", Type: columns.Int}, {Name: "same", Type: columns.Uint},
}

// open reads a file with parquet-go, which checks sums and sizes on the way.
func open(t *testing.T, b []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The schema is what parquet-go makes of the same types.
func TestSchema(t *testing.T) {
	text := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	group := parquet.Group{
		"yes": parquet.Leaf(parquet.BooleanType), "count": parquet.Uint(64), "delta": parquet.Int(64), "zero": parquet.Int(64), "same": parquet.Uint(64),
		"ts": parquet.TimestampAdjusted(parquet.Nanosecond, false), "few": text, "hash": text, "names": parquet.List(text), "none": parquet.List(text),
		"raw": parquet.Leaf(parquet.ByteArrayType),
	}
	var got, want bytes.Buffer
	if err := columns.New(&got, "kind", defs, 1<<16).Close(); err != nil {
		t.Fatal(err)
	}
	if err := parquet.NewGenericWriter[any](&want, parquet.NewSchema("kind", group)).Close(); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, got.Bytes()).Metadata(), open(t, want.Bytes()).Metadata()
	for i := range b.Schema {
		b.Schema[i].TypeLength.Reset() // it is of fixed-length arrays only
	}
	if diff := gocmp.Diff(fmt.Sprintf("%+v %+v", b.Schema, b.ColumnOrders), fmt.Sprintf("%+v %+v", a.Schema, a.ColumnOrders)); diff != "" {
		t.Errorf("schema (-want +got)\n%s", diff)
	}
}

// row is what the test expects of a row.
type row struct {
	yes              bool
	count, delta, ts int64
	few, hash        string
	names            []string
	raw              string
	same             int64
}

// fill appends blocks of random values to w, and returns what they are.
func fill(rnd *rand.Rand, w *columns.Writer, blocks int) (want []row) {
	for range blocks {
		n := 1 + rnd.IntN(600)
		hashes, raws := make([]string, n), []string{"", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}
		few := []string{"", "a", "a much longer word than those that an index has", "ä"}
		block, index := make([]row, n), struct{ few, hash, names, lens, raw []uint32 }{}
		var yes, count, delta, ts []int64
		for i := range block {
			r := &block[i]
			*r = row{yes: rnd.IntN(3) == 0, count: int64(rnd.Uint64()), delta: rnd.Int64N(100) - 50, ts: int64(len(want)+i) * 1e6, same: 7}
			hashes[i] = fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64())
			f, raw, names := rnd.Uint32N(4), rnd.Uint32N(2), rnd.IntN(4)
			r.few, r.hash, r.raw = few[f], hashes[i], raws[raw]
			index.few, index.hash, index.raw = append(index.few, f), append(index.hash, uint32(i)), append(index.raw, raw)
			index.lens = append(index.lens, uint32(names))
			for range names {
				x := rnd.Uint32N(4)
				r.names = append(r.names, few[x])
				index.names = append(index.names, x)
			}
			b := int64(0)
			if r.yes {
				b = 1
			}
			yes, count, delta, ts = append(yes, b), append(count, r.count), append(delta, r.delta), append(ts, r.ts)
		}
		var rows []int
		taken := block
		if rnd.IntN(2) == 0 {
			taken = nil
			for i := range block {
				if rnd.IntN(3) > 0 {
					rows, taken = append(rows, i), append(taken, block[i])
				}
			}
			if rows == nil {
				rows, taken = []int{0}, block[:1]
			}
		}
		w.Column(0).Ints(yes, rows)
		w.Column(1).Ints(count, rows)
		w.Column(2).Ints(delta, rows)
		w.Column(3).Ints(ts, rows)
		w.Column(4).Words(few, index.few, rows)
		w.Column(5).Words(hashes, index.hash, rows)
		w.Column(6).Lists(few, index.lens, index.names, rows)
		w.Column(7).Words(raws, index.raw, rows)
		w.Column(8).Zeros(len(taken))
		w.Column(9).Zeros(len(taken))
		w.Column(10).Int(7, len(taken))
		want = append(want, taken...)
	}
	return want
}

// What goes in comes out, over pages, dictionaries that are full and row groups.
func TestRoundTrip(t *testing.T) {
	for _, pageSize := range []int{200, 64 << 10} {
		rnd := rand.New(rand.NewPCG(5, uint64(pageSize)))
		var b bytes.Buffer
		w := columns.New(&b, "kind", defs, pageSize)
		var want []row
		for _, blocks := range []int{40, 1, 20} {
			want = append(want, fill(rnd, w, blocks)...)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(open(t, b.Bytes()).RowGroups()); n != 3 {
			t.Errorf("%d row groups, want 3", n)
		}
		in := parquet.NewReader(bytes.NewReader(b.Bytes()))
		for i, want := range want {
			got := map[string]any{}
			if err := in.Read(&got); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			expect := fmt.Sprint(want.yes, want.count, want.delta, want.ts, want.few, want.hash, want.names, []byte(want.raw), []string{}, 0, want.same)
			if got := fmt.Sprint(got["yes"], got["count"], got["delta"], got["ts"], got["few"], got["hash"], got["names"], []byte(got["raw"].(string)), got["none"], got["zero"], got["same"]); got != expect {
				t.Fatalf("pages of %d bytes: row %d = %s, want %s", pageSize, i, got, expect)
			}
		}
	}
}

// The bounds of a page, and of a chunk, are those of its values: readers leave
// out what lies beyond.
func TestBounds(t *testing.T) {
	var b bytes.Buffer
	w := columns.New(&b, "kind", defs, 4<<10)
	fill(rand.New(rand.NewPCG(1, 1)), w, 30)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, b.Bytes())
	for i, chunk := range f.RowGroups()[0].ColumnChunks() {
		kind, name := chunk.Type(), f.Metadata().RowGroups[0].Columns[i].MetaData.PathInSchema[0]
		index, err := chunk.ColumnIndex()
		if err != nil {
			t.Fatal(err)
		}
		var all []parquet.Value
		pages := chunk.Pages()
		for n := 0; ; n++ {
			p, err := pages.ReadPage()
			if err != nil {
				if n != index.NumPages() || n == 0 {
					t.Errorf("%s: %d pages, the index has %d", name, n, index.NumPages())
				}
				break
			}
			values := make([]parquet.Value, p.NumValues())
			p.Values().ReadValues(values)
			var some []parquet.Value
			for _, v := range values {
				if !v.IsNull() {
					some = append(some, v.Clone())
				}
			}
			if index.NullPage(n) != (len(some) == 0) || int(index.NullCount(n)) != len(values)-len(some) {
				t.Errorf("%s: page %d: %d values of which %d are missing; the index has %d missing", name, n, len(values), len(values)-len(some), index.NullCount(n))
			}
			if len(some) == 0 {
				continue
			}
			slices.SortFunc(some, kind.Compare)
			least, most := some[0], some[len(some)-1]
			if kind.Compare(index.MinValue(n), least) > 0 || kind.Compare(index.MaxValue(n), most) < 0 {
				t.Errorf("%s: page %d has %v to %v, its bounds are %v and %v", name, n, least, most, index.MinValue(n), index.MaxValue(n))
			}
			if kind.Kind() != parquet.ByteArray && cmp.Or(kind.Compare(index.MinValue(n), least), kind.Compare(index.MaxValue(n), most)) != 0 {
				t.Errorf("%s: page %d has %v to %v, its bounds are %v and %v: not those", name, n, least, most, index.MinValue(n), index.MaxValue(n))
			}
			all = append(all, least, most)
		}
		s := f.Metadata().RowGroups[0].Columns[i].MetaData.Statistics
		if len(all) == 0 || name == "raw" {
			if s.MinValue != nil {
				t.Errorf("%s: statistics %+v of no value", name, s)
			}
			continue
		}
		slices.SortFunc(all, kind.Compare)
		if kind.Kind() == parquet.ByteArray && (string(s.MinValue) != all[0].String() || string(s.MaxValue) != all[len(all)-1].String()) {
			t.Errorf("%s: bounds of the chunk are %q and %q, want %v and %v", name, s.MinValue, s.MaxValue, all[0], all[len(all)-1])
		}
		if name == "ts" && index.IsAscending() != true {
			t.Errorf("times grow, and the index does not say so")
		}
	}
}

// Columns that do not have the same rows are no file.
func TestUnequalColumns(t *testing.T) {
	w := columns.New(&bytes.Buffer{}, "kind", defs[:2], 1<<16)
	w.Column(0).Int(1, 3)
	w.Column(1).Int(1, 2)
	if err := w.Close(); err == nil {
		t.Error("no error")
	}
}

// One long word that lists have again and again is not written out a block at
// a time: of a megabyte that would make one thousand.
func TestListsOfOneWord(t *testing.T) {
	const rows, values = 10, 32768
	w := columns.New(io.Discard, "kind", []columns.Def{{Name: "names", Type: columns.TextList}}, 64<<10)
	var words []string
	var each []uint32
	for i := range 20000 { // the dictionary is full behind them
		words, each = append(words, fmt.Sprintf("%032d", i)), append(each, uint32(i))
	}
	ones := slices.Repeat([]uint32{1}, len(words))
	w.Column(0).Lists(words, ones, each, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.Column(0).Lists([]string{strings.Repeat("x", 1024)}, slices.Repeat([]uint32{values}, rows), make([]uint32, rows*values), nil)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > rows*values*1024 {
		t.Errorf("%d MB for %d MB of text", took>>20, rows*values*1024>>20)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
