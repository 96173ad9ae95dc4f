package record

import (
	"net/netip"
	"slices"
	"unsafe"
)

// A field is where a record has the value of a column.
type field struct {
	at   uint32 // offset in the struct
	load uint8
}

// How a field is read: as a number of so many bits, or as a word.
const (
	load8 = iota // 8, 16, 32 and 64 bits; bool too is a byte that is 0 or 1
	load16
	load32
	load64
	loadSigned8
	loadSigned16
	loadSigned32
	loadAddr
	loadMAC
	loadString
	loadStrings
)

func loadOf(typ Type, size uintptr) uint8 {
	switch {
	case typ.inDict():
		return loadAddr + uint8(typ-Addr)
	case size == 8:
		return load64
	case typ == Int:
		return loadSigned8 + uint8(size>>1)
	}
	return load8 + uint8(size>>1)
}

// values are those that some records have of one field.
type values struct {
	at   unsafe.Pointer // of the first
	size uintptr        // from one to the next
	n    int
	row  int // of the first
}

// of returns value i.
func of[T any](v *values, i int) *T { return (*T)(unsafe.Add(v.at, uintptr(i)*v.size)) }

// column is one column under construction. While all values are zero it keeps
// none of them: most columns have nothing else.
type column struct {
	typ   Type
	coded bool     // its numbers are worth the time of a coder
	nums  []int64  // numbers; Bool has 0 and 1
	index []uint32 // words: of each value in dict
	lens  []uint32 // Strings: values per row
	dict  dictionary

	// The value before that was not empty, of which most are the same, and its
	// word.
	lastText string
	lastAddr netip.Addr
	lastMAC  HardwareAddr
	last     uint32
}

// used reports whether the column has a value that is not zero.
func (c *column) used() bool { return len(c.nums) > 0 || len(c.index) > 0 || len(c.lens) > 0 }

// The methods below add values, and return about how many bytes they make.

func (c *column) addTexts(v values) (grew int) {
	for i := range v.n {
		switch s := *of[string](&v, i); {
		case s == "":
			grew += c.none()
		case s == c.lastText:
			c.index = append(c.index, c.last)
			grew++
		default:
			grew += c.word(s, v.row+i)
			c.lastText = s
		}
	}
	return grew
}

func (c *column) addAddrs(v values) (grew int) {
	for i := range v.n {
		switch a := of[netip.Addr](&v, i); {
		case !a.IsValid():
			grew += c.none()
		case *a == c.lastAddr:
			c.index = append(c.index, c.last)
			grew++
		default:
			if a.Is4() {
				raw := a.As4()
				grew += c.word(unsafe.String(&raw[0], len(raw)), v.row+i)
			} else {
				raw := a.As16()
				grew += c.word(unsafe.String(&raw[0], len(raw)), v.row+i)
			}
			c.lastAddr = *a
		}
	}
	return grew
}

func (c *column) addMACs(v values) (grew int) {
	for i := range v.n {
		switch m := of[HardwareAddr](&v, i); {
		case *m == HardwareAddr{}:
			grew += c.none()
		case *m == c.lastMAC:
			c.index = append(c.index, c.last)
			grew++
		default:
			grew += c.word(unsafe.String(&m[0], len(m)), v.row+i)
			c.lastMAC = *m
		}
	}
	return grew
}

// none adds the empty word.
func (c *column) none() int {
	if len(c.index) == 0 {
		return 0
	}
	c.index = append(c.index, 0)
	return 1
}

// word adds a word, which is not empty. Word 0 of a dictionary is the empty one,
// which the rows before the first word get.
func (c *column) word(s string, row int) (grew int) {
	if len(c.index) == 0 {
		c.dict.find("", false)
		c.index = slices.Grow(c.index, row+1)[:row]
		clear(c.index)
		grew = row
	}
	return grew + c.refer(s)
}

// refer adds a word.
func (c *column) refer(s string) int {
	i, grew := c.dict.find(s, c.typ >= String)
	c.index, c.last = append(c.index, i), i
	return 1 + grew
}

// numberSize is about how many bytes a number makes.
const numberSize = 2

func (c *column) addNumbers(v values, how uint8) int {
	if len(c.nums) > 0 {
		row := len(c.nums)
		c.nums = slices.Grow(c.nums, v.n)[:row+v.n]
		v.load(c.nums[row:], how)
		return v.n * numberSize
	}
	var buf [waitRows]int64
	if !v.load(buf[:v.n], how) {
		return 0
	}
	c.nums = slices.Grow(c.nums, v.row+v.n)[:v.row]
	clear(c.nums)
	c.nums = append(c.nums, buf[:v.n]...)
	return len(c.nums) * numberSize
}

// load reads numbers and reports whether any is not zero.
func (v *values) load(dst []int64, how uint8) bool {
	switch how {
	case load8:
		return loadAs[uint8](v, dst)
	case load16:
		return loadAs[uint16](v, dst)
	case load32:
		return loadAs[uint32](v, dst)
	case loadSigned8:
		return loadAs[int8](v, dst)
	case loadSigned16:
		return loadAs[int16](v, dst)
	case loadSigned32:
		return loadAs[int32](v, dst)
	}
	return loadAs[int64](v, dst)
}

func loadAs[T uint8 | uint16 | uint32 | int8 | int16 | int32 | int64](v *values, dst []int64) bool {
	all := int64(0)
	for i := range dst {
		n := int64(*of[T](v, i))
		dst[i] = n
		all |= n
	}
	return all != 0
}

// int returns the number of a row.
func (c *column) int(row int) int64 {
	if row < len(c.nums) {
		return c.nums[row]
	}
	return 0
}

// gather puts the numbers of all rows, in order, into dst, whose memory it uses.
func (c *column) gather(dst []int64, order []place) []int64 {
	if len(c.nums) == 0 {
		return make([]int64, len(order))
	}
	dst = slices.Grow(dst, len(order))[:len(order)]
	for i, p := range order {
		dst[i] = c.nums[p.row]
	}
	return dst
}

// list adds the list of a row.
func (c *column) list(list []string, row int) int {
	list = list[:min(len(list), MaxValues)]
	grew := 1
	if len(c.lens) == 0 {
		if len(list) == 0 {
			return 0
		}
		c.lens = slices.Grow(c.lens, row+1)[:row]
		clear(c.lens)
		grew += row
	}
	c.lens = append(c.lens, uint32(len(list)))
	for _, s := range list {
		grew += c.refer(s)
	}
	return grew
}

func (c *column) reset() {
	if !c.used() {
		return
	}
	c.nums, c.index, c.lens = c.nums[:0], c.index[:0], c.lens[:0]
	c.lastText, c.lastAddr, c.lastMAC = "", netip.Addr{}, HardwareAddr{}
	c.dict.reset()
}
