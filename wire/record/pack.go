package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// The forms of a column's data, in the upper half of its type byte.
const (
	formPlain  byte = 0
	formPacked byte = 1
	formCoded  byte = 2
)

// packRows is the number of rows from which on columns are packed: with fewer
// of them what a packed column says of itself outweighs what it saves.
const packRows = 8

// The head byte of packed numbers: how many planes there are, and whether they
// hold steps from a row to the next.
const (
	packWidth = 0x0f
	packSteps = 0x10
)

// appendPlain appends numbers as varints.
func appendPlain(dst []byte, typ Type, nums []int64) []byte {
	prev := int64(0)
	for _, n := range nums {
		switch typ {
		case Uint:
			dst = binary.AppendUvarint(dst, uint64(n))
		case Time:
			dst = binary.AppendVarint(dst, n-prev)
			prev = n
		default:
			dst = binary.AppendVarint(dst, n)
		}
	}
	return dst
}

// appendPacked appends numbers as planes: what is left of each after the least
// of them, divided by the largest number that divides all, byte by byte and
// the low bytes of all rows first. Bytes of one weight are alike, which is
// what a compressor makes use of. Where the steps between rows are smaller than
// the numbers, as those of times are, they take their place. It overwrites nums.
func appendPacked(dst []byte, nums []int64) []byte {
	least, most := extent(nums)
	head := byte(0)
	first := nums[0]
	if low, high := steps(nums); bits.Len64(uint64(high)-uint64(low))+1 < bits.Len64(uint64(most)-uint64(least)) {
		head, least, most = packSteps, low, high
		for i := len(nums) - 1; i > 0; i-- {
			nums[i] -= nums[i-1]
		}
		nums[0] = least
	}
	unit := uint64(0)
	for i, n := range nums {
		u := uint64(n) - uint64(least)
		nums[i] = int64(u)
		if unit != 1 && u != 0 {
			unit = divisor(unit, u)
		}
	}
	unit = max(unit, 1)
	width := max(1, (bits.Len64((uint64(most)-uint64(least))/unit)+7)/8)
	dst = append(dst, head|byte(width))
	if head&packSteps != 0 {
		dst = binary.AppendVarint(dst, first)
	}
	dst = binary.AppendVarint(dst, least)
	dst = binary.AppendUvarint(dst, unit)
	if unit > 1 {
		for i, u := range nums {
			nums[i] = int64(uint64(u) / unit)
		}
	}
	return appendPlanes(dst, nums, width)
}

// extent returns the least and the greatest number.
func extent(nums []int64) (least, most int64) {
	least, most = nums[0], nums[0]
	for _, n := range nums[1:] {
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

// steps returns the least and the greatest difference between neighbours,
// wrapped around where it does not fit.
func steps(nums []int64) (least, most int64) {
	if len(nums) == 1 {
		return 0, 0
	}
	least = nums[1] - nums[0]
	most = least
	for i := 2; i < len(nums); i++ {
		n := nums[i] - nums[i-1]
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

// divisor returns the greatest common divisor of a and b; that of 0 and b is b.
func divisor(a, b uint64) uint64 {
	if a != 0 && b != 0 && b%a == 0 { // after a few numbers it is so
		return a
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// appendPlanes appends the lowest width bytes of each number: first the lowest
// of all, then the next.
func appendPlanes(dst []byte, nums []int64, width int) []byte {
	at, n := len(dst), len(nums)
	dst = slices.Grow(dst, n*width)[:at+n*width]
	for shift := 0; shift < 8*width; shift += 8 {
		plane := dst[at : at+n]
		at += n
		for i, v := range nums[:len(plane)] {
			plane[i] = byte(v >> shift)
		}
	}
	return dst
}

// planes takes n numbers of width bytes each.
func (r *reader) planes(n, width int) []int64 {
	if width < 1 || width > 8 {
		r.fail(fmt.Errorf("%d bytes per value", width))
		return nil
	}
	if n > len(r.b)/width {
		r.fail(errShort)
		return nil
	}
	nums := make([]int64, n)
	for shift := 0; shift < 8*width; shift += 8 {
		for i, b := range r.bytes(n)[:len(nums)] {
			nums[i] |= int64(b) << shift
		}
	}
	return nums
}

// planes32 takes n numbers of width bytes each; those that do not fit become the
// greatest that does.
func (r *reader) planes32(n, width int) []uint32 {
	if width < 1 || width > 4 {
		nums := make([]uint32, n)
		for i, v := range r.planes(n, width) {
			nums[i] = uint32(min(uint64(v), 1<<32-1))
		}
		return nums
	}
	if n > len(r.b)/width {
		r.fail(errShort)
		return nil
	}
	nums := make([]uint32, n)
	for shift := 0; shift < 8*width; shift += 8 {
		for i, b := range r.bytes(n)[:len(nums)] {
			nums[i] |= uint32(b) << shift
		}
	}
	return nums
}

// packed takes a column of rows packed numbers.
func (r *reader) packed(rows int) []int64 {
	head := r.byte()
	if head&^(packWidth|packSteps) != 0 {
		r.fail(fmt.Errorf("unknown head %#x", head))
	}
	var prev int64
	if head&packSteps != 0 {
		prev = r.varint()
	}
	least, unit := r.varint(), r.uvarint()
	if r.err == nil && unit == 0 {
		r.fail(errors.New("unit of 0"))
	}
	nums := r.planes(rows, int(head&packWidth))
	for i, u := range nums {
		nums[i] = int64(uint64(u)*unit + uint64(least))
		if head&packSteps != 0 {
			if i > 0 {
				prev += nums[i]
			}
			nums[i] = prev
		}
	}
	return nums
}
