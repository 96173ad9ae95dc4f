package columns

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// leastGain is the part of a page, one in so many, that compression has to
	// take off, or the page stays as it is: random numbers and hashes cost a
	// fifth of all time to compress, for nothing.
	leastGain = 32
	// skipped is how many further pages are then not tried.
	skipped = 7
)

// encoder is zstd at its fastest: as fast as snappy on flow records and 5 %
// smaller. Hashes in base64, in which nothing matches, it makes a quarter smaller
// by their letters alone.
var encoder = func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil { // the options are constants
		panic(err)
	}
	return e
}()

// chunk is what a column has of its row group: encoded pages.
type chunk struct {
	rows       int64
	values     int64 // those that empty lists lack included
	nulls      int64 // those
	pages      []byte
	raw        int64 // bytes of pages before compression
	wordPages  int32 // with values in the dictionary
	otherPages int32
	stats      bounds
	index      index
	untried    int   // pages that are not to be compressed
	err        error // of the first page that could not be encoded

	encoded, packed []byte // memory for one page after the other
}

// endPage encodes what was gathered as a page. Then it lets other goroutines have
// the processor, since all columns may have a page to end at the same row: the
// collector's ACKs would wait for as long as Go lets a goroutine run, 10 ms.
func (c *Column) endPage() {
	if c.rows == 0 {
		return
	}
	values, encoding := c.encodePage()
	values, isPacked := c.pack(values)
	levels := c.encodeLevels()
	head := format.DataPageHeaderV2{
		NumValues: int32(c.rows), NumRows: int32(c.rows), Encoding: encoding, IsCompressed: thrift.New(isPacked),
	}
	if c.def.Type == TextList {
		head.NumValues = int32(len(c.definitions))
		head.NumNulls = int32(bytes.Count(c.definitions, []byte{0}))
		head.RepetitionLevelsByteLength = int32(len(levels[0]))
		head.DefinitionLevelsByteLength = int32(len(levels[1]))
	}
	start := len(c.pages)
	c.appendPage(&format.PageHeader{Type: format.DataPageV2, DataPageHeaderV2: thrift.New(head)}, len(c.encoded), levels[0], levels[1], values)
	c.index.place(int64(start), len(c.pages)-start, c.chunk.rows)
	c.index.bound(c.def.Type, &c.bounds, int64(head.NumNulls))
	c.stats.widen(c.def.Type, &c.bounds)
	if encoding == format.RLEDictionary {
		c.wordPages++
	} else {
		c.otherPages++
	}
	c.chunk.rows += int64(c.rows)
	c.values += int64(head.NumValues)
	c.nulls += int64(head.NumNulls)
	c.emptyPage()
	runtime.Gosched()
}

// emptyPage forgets what was gathered and keeps the memory.
func (c *Column) emptyPage() {
	c.rows, c.run, c.bounds = 0, 0, bounds{}
	c.ints, c.index32, c.text = c.ints[:0], c.index32[:0], c.text[:0]
	c.sizes, c.repetitions, c.definitions = c.sizes[:0], c.repetitions[:0], c.definitions[:0]
}

// encodePage encodes the values of the page into c.encoded.
func (c *Column) encodePage() (values []byte, encoding format.Encoding) {
	encoding = c.def.Type.encoding()
	var err error
	switch {
	case c.def.Type == Bool:
		c.spell()
		c.bounds = boundsOf(c.ints, false)
		c.encoded = appendBits(c.encoded[:0], c.ints)
	case c.run > 0:
		c.bounds = bounds{some: true, least: c.constant, most: c.constant}
		c.encoded = appendConstant(c.encoded[:0], c.constant, c.run)
	case encoding == format.DeltaBinaryPacked:
		c.bounds = boundsOf(c.ints, c.def.Type == Uint)
		c.encoded, err = new(delta.BinaryPackedEncoding).EncodeInt64(c.encoded, c.ints)
	case c.words.full:
		c.encoded, err = new(delta.BinaryPackedEncoding).EncodeInt32(c.encoded, c.sizes)
		c.encoded = append(c.encoded, c.text...)
	default:
		encoding = format.RLEDictionary
		c.encoded, err = new(rle.DictionaryEncoding).EncodeInt32(c.encoded, c.index32)
	}
	if c.err == nil {
		c.err = err
	}
	return c.encoded, encoding
}

// appendBits appends a bit for each number (Encodings.md, "Plain").
func appendBits(dst []byte, nums []int64) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, (len(nums)+7)/8)...)
	for i, n := range nums {
		dst[at+i/8] |= byte(n&1) << (i % 8)
	}
	return dst
}

// The blocks that numbers are packed in, as parquet-go makes them: what each
// needs is written once for a block and once for each part of it.
const (
	deltaBlock = 128 // numbers
	deltaParts = 4
)

// appendConstant appends v n times, DELTA_BINARY_PACKED: most columns of most
// kinds have nothing but zeros (Encodings.md, "Delta Encoding").
func appendConstant(dst []byte, v int64, n int) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaParts)
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendVarint(dst, v)
	for left := n - 1; left > 0; left -= deltaBlock {
		dst = append(dst, make([]byte, 1+deltaParts)...) // the least step, and how many bits each part has: 0
	}
	return dst
}

// pack compresses the values of a page if that is worth it.
func (c *Column) pack(values []byte) (b []byte, isPacked bool) {
	if c.untried > 0 {
		c.untried--
		return values, false
	}
	c.packed = encoder.EncodeAll(values, c.packed[:0])
	if len(c.packed) > len(values)-len(values)/leastGain {
		c.untried = skipped
		return values, false
	}
	return c.packed, true
}

// encodeLevels returns the repetition and the definition levels of a page.
func (c *Column) encodeLevels() (levels [2][]byte) {
	if c.def.Type != TextList {
		return levels
	}
	for i, l := range [][]byte{c.repetitions, c.definitions} {
		var err error
		if levels[i], err = (&rle.Encoding{BitWidth: 1}).EncodeLevels(nil, l); c.err == nil {
			c.err = err
		}
	}
	return levels
}

// appendPage appends a page of these parts to the chunk. raw is the size of the
// last part before compression.
func (c *Column) appendPage(h *format.PageHeader, raw int, repetitions, definitions, values []byte) {
	levels := len(repetitions) + len(definitions)
	h.UncompressedPageSize, h.CompressedPageSize = int32(levels+raw), int32(levels+len(values))
	sum := crc32.ChecksumIEEE(repetitions)
	sum = crc32.Update(sum, crc32.IEEETable, definitions)
	h.CRC = int32(crc32.Update(sum, crc32.IEEETable, values))
	head := marshal(h)
	c.raw += int64(len(head) + levels + raw)
	for _, part := range [][]byte{head, repetitions, definitions, values} {
		c.pages = append(c.pages, part...)
	}
}
