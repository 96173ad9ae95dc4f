package columns

import (
	"hash/crc32"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// end encodes what is left of the row group.
func (c *Column) end() error {
	c.endPage()
	if c.wordPages > 0 { // even of no word: there are lists without a value
		c.words.page = c.dictionaryPage()
	}
	return c.err
}

func (c *Column) dictionaryPage() []byte {
	packed := encoder.EncodeAll(c.words.plain, nil)
	head := marshal(&format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: int32(len(c.words.plain)), CompressedPageSize: int32(len(packed)),
		CRC: int32(crc32.ChecksumIEEE(packed)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{
			NumValues: int32(len(c.words.numbers)), Encoding: format.Plain,
		}),
	})
	c.raw += int64(len(head) + len(c.words.plain))
	return append(head, packed...)
}

// place returns the metadata and the index of a chunk that begins at offset in
// the file.
func (c *Column) place(offset int64) (format.ColumnMetaData, index) {
	dict := int64(len(c.words.page))
	m := format.ColumnMetaData{
		Type: c.def.Type.physical(), PathInSchema: c.def.path(), Codec: format.Zstd, NumValues: c.values,
		TotalUncompressedSize: c.raw, TotalCompressedSize: dict + int64(len(c.pages)), DataPageOffset: offset + dict,
		Statistics: c.stats.statistics(c.def.Type, c.nulls),
	}
	use := func(page format.PageType, e format.Encoding, n int32) {
		if n == 0 {
			return
		}
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: page, Encoding: e, Count: n})
		if !slices.Contains(m.Encoding, e) {
			m.Encoding = append(m.Encoding, e)
		}
	}
	if dict > 0 {
		m.DictionaryPageOffset = offset
		use(format.DictionaryPage, format.Plain, 1)
	}
	use(format.DataPageV2, format.RLEDictionary, c.wordPages)
	use(format.DataPageV2, c.def.Type.encoding(), c.otherPages)
	if c.def.Type == TextList {
		m.Encoding = append(m.Encoding, format.RLE) // of the levels
	}
	for i := range c.index.places.PageLocations {
		c.index.places.PageLocations[i].Offset += m.DataPageOffset
	}
	c.index.order(c.def.Type)
	return m, c.index
}

// reset forgets the row group and keeps the memory, but for the index, which
// the footer will have.
func (c *Column) reset() {
	c.chunk = chunk{pages: c.pages[:0], encoded: c.encoded, packed: c.packed}
	clear(c.words.numbers)
	c.words.plain, c.words.page, c.words.full = c.words.plain[:0], nil, c.def.Type == Bytes
}
