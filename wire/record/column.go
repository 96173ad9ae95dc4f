package record

import (
	"net/netip"
	"slices"
	"unsafe"
)

// column is one column under construction.
type column struct {
	typ   Type
	size  uint8    // of an integer in the struct
	used  bool     // some value is not zero
	at    uintptr  // of the field in the struct
	nums  []int64  // values, none while all are zero; Bool has 0 and 1
	index []uint32 // dictionary types: of each value in dict
	lens  []uint32 // Strings: values per row
	dict  dictionary
}

// append adds the field that p points to, which is of the column's type, and
// returns about how many bytes that makes.
func (c *column) append(p unsafe.Pointer, row int) int {
	switch c.typ {
	case Bool, Uint:
		return c.number(int64(c.load(p)), row)
	case Int:
		return c.number(c.loadSigned(p), row)
	case Duration, Time:
		return c.number(*(*int64)(p), row)
	case Addr:
		a := (*netip.Addr)(p)
		switch {
		case a.Is4():
			raw := a.As4()
			return c.word(raw[:])
		case a.IsValid():
			raw := a.As16()
			return c.word(raw[:])
		}
		return c.word(nil)
	case MAC:
		if m := (*HardwareAddr)(p); *m != (HardwareAddr{}) {
			return c.word(m[:])
		}
		return c.word(nil)
	case String:
		return c.text(*(*string)(p))
	case Strings:
		list := *(*[]string)(p)
		c.lens = append(c.lens, uint32(len(list)))
		c.used = c.used || len(list) > 0
		n := 1
		for _, s := range list {
			n += c.text(s)
		}
		return n
	}
	return 0
}

// load returns an unsigned integer of the size that the field has.
func (c *column) load(p unsafe.Pointer) uint64 {
	switch c.size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func (c *column) loadSigned(p unsafe.Pointer) int64 {
	switch c.size {
	case 1:
		return int64(*(*int8)(p))
	case 2:
		return int64(*(*int16)(p))
	case 4:
		return int64(*(*int32)(p))
	}
	return *(*int64)(p)
}

// numberSize is about how many bytes a number makes.
const numberSize = 2

// number adds a number. Zeros before the first other value are not kept: most
// columns have nothing else.
func (c *column) number(n int64, row int) int {
	if n == 0 && !c.used {
		return 0
	}
	grew := numberSize
	if !c.used {
		c.used = true
		grew += row * numberSize
		c.nums = slices.Grow(c.nums, row+1)[:row]
		clear(c.nums)
	}
	c.nums = append(c.nums, n)
	return grew
}

// int returns the number of a row.
func (c *column) int(row int) int64 {
	if row < len(c.nums) {
		return c.nums[row]
	}
	return 0
}

// gather appends the numbers of all rows in order.
func (c *column) gather(dst []int64, order []place) []int64 {
	for _, p := range order {
		dst = append(dst, c.int(int(p.row)))
	}
	return dst
}

func (c *column) text(s string) int {
	if !c.dict.again(s) {
		s = clean(s)
	}
	return c.refer(c.dict.find(s))
}

func (c *column) word(raw []byte) int {
	return c.refer(c.dict.find(unsafe.String(unsafe.SliceData(raw), len(raw))))
}

// refer adds a value that is word i of the dictionary, and made it grow by so
// many bytes.
func (c *column) refer(i uint32, grew int) int {
	c.used = c.used || c.dict.size(i) > 0
	c.index = append(c.index, i)
	return 1 + grew
}

func (c *column) reset() {
	c.used = false
	c.nums, c.index, c.lens = c.nums[:0], c.index[:0], c.lens[:0]
	c.dict.reset()
}
