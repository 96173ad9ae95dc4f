package columns

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/format"
)

// maxBound is the bytes of a bound in an index. Longer ones are cut, the upper
// to what is above it.
const maxBound = 16

// bounds are the least and the greatest of some values.
type bounds struct {
	some        bool // otherwise there are no values
	least, most int64
	first, last string // of words
}

// index is what the footer has of the pages of a column in a row group.
type index struct {
	bounds format.ColumnIndex
	places format.OffsetIndex
}

// word widens b by a word, which it copies.
func (b *bounds) word(w string) {
	if !b.some || w < b.first {
		b.first = strings.Clone(w)
	}
	if !b.some || w > b.last {
		b.last = strings.Clone(w)
	}
	b.some = true
}

// boundsOf returns the bounds of numbers.
func boundsOf(nums []int64, unsigned bool) bounds {
	if len(nums) == 0 {
		return bounds{}
	}
	flip := int64(0) // makes the order of unsigned numbers that of signed ones
	if unsigned {
		flip = math.MinInt64
	}
	least, most := nums[0]^flip, nums[0]^flip
	for _, n := range nums {
		least, most = min(least, n^flip), max(most, n^flip)
	}
	return bounds{some: true, least: least ^ flip, most: most ^ flip}
}

// widen widens b by those of a further page.
func (b *bounds) widen(t Type, page *bounds) {
	switch {
	case !page.some:
	case !b.some:
		*b = *page
	case t == Uint:
		b.least = int64(min(uint64(b.least), uint64(page.least)))
		b.most = int64(max(uint64(b.most), uint64(page.most)))
	default:
		b.least, b.most = min(b.least, page.least), max(b.most, page.most)
		b.first, b.last = min(b.first, page.first), max(b.last, page.last)
	}
}

// values returns the bounds in the PLAIN encoding, without sizes.
func (b *bounds) values(t Type) (least, most []byte) {
	switch {
	case t == Bool:
		return []byte{byte(b.least)}, []byte{byte(b.most)}
	case t.physical() == format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(b.least)), binary.LittleEndian.AppendUint64(nil, uint64(b.most))
	}
	return []byte(b.first), []byte(b.last)
}

// statistics returns what the footer has of a chunk. Of bytes of unknown type
// nobody asks, and they may be long.
func (b *bounds) statistics(t Type, nulls int64) format.Statistics {
	s := format.Statistics{NullCount: nulls}
	if b.some && t != Bytes {
		s.MinValue, s.MaxValue = b.values(t)
	}
	return s
}

// bound enters the bounds of the next page.
func (x *index) bound(t Type, b *bounds, nulls int64) {
	i := &x.bounds
	least, most := b.values(t)
	if !b.some {
		least, most = []byte{}, []byte{}
	}
	if t.physical() == format.ByteArray {
		least, most = least[:min(len(least), maxBound)], above(most)
	}
	i.NullPages = append(i.NullPages, !b.some)
	i.NullCounts = append(i.NullCounts, nulls)
	i.MinValues = append(i.MinValues, least)
	i.MaxValues = append(i.MaxValues, most)
}

// above returns b, or something short that is above it.
func above(b []byte) []byte {
	for n := maxBound; n > 0 && n < len(b); n++ {
		if b[n-1] != 0xff {
			b = slices.Clone(b[:n])
			b[n-1]++
			break
		}
	}
	return b
}

// place enters where the next page is.
func (x *index) place(offset int64, size int, firstRow int64) {
	x.places.PageLocations = append(x.places.PageLocations, format.PageLocation{
		Offset: offset, CompressedPageSize: int32(size), FirstRowIndex: firstRow,
	})
}

// order notes whether the bounds of numbers grow from page to page, as times
// do: then a reader may search among them.
func (x *index) order(t Type) {
	i := &x.bounds
	if t != Time && t != Int {
		return
	}
	number := func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
	byNumber := func(a, b []byte) int {
		switch x, y := number(a), number(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if slices.IsSortedFunc(i.MinValues, byNumber) && slices.IsSortedFunc(i.MaxValues, byNumber) {
		i.BoundaryOrder = format.Ascending
	}
}
