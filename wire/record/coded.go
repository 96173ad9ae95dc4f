package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// How the numbers of a coded column are written, in the lower half of its head
// byte.
const (
	howNone  = 0 // all are zero: no code
	howByte  = 1 // as a tree of eight bits
	howClass = 2 // how many bits a number has, as a tree of one bit, and then these; howClass + 1 has a tree of two, …
	howMost  = howClass + 6

	codedHow   = 0x0f
	codedSteps = 0x10 // numbers are steps from a row to the next
)

// How many models a column has. Rows go by groups, and it is said first of a
// group whether any of it differs from the row before.
const (
	groupRows   = 16
	groupModels = 4             // by whether the last two groups differed
	rowModels   = 4             // by whether the last two rows did
	topBits     = 2             // of the bits behind the first are modelled
	topModels   = 65 << topBits // by class and the bits before
	byteModels  = 1 << 8        // a tree
)

// maxCoded is how many values of coded columns the blocks of a batch may have,
// as a value may cost less than a bit: as many as a batch has bytes.
const maxCoded = 1 << 20

// howFor returns how numbers up to most are written.
func howFor(most uint64) byte {
	switch {
	case most == 0:
		return howNone
	case most < 1<<8:
		return howByte
	}
	return howClass - 1 + byte(bits.Len8(uint8(bits.Len64(most))))
}

// classBits returns how many bits the class of a number has.
func classBits(how byte) int { return int(how) - howClass + 1 }

// appendCoded appends a column of numbers. It overwrites nums.
func (s *scratch) appendCoded(dst []byte, nums []int64) []byte {
	if steady(nums) {
		return s.appendSteps(dst, nums)
	}
	least, most := extent(nums)
	unit, last := uint64(0), least
	for i, n := range nums {
		u := uint64(n) - uint64(least)
		nums[i] = int64(u)
		if unit != 1 && n != last && u != 0 {
			unit = divisor(unit, u)
		}
		last = n
	}
	unit = max(unit, 1)
	if unit > 1 {
		for i, u := range nums {
			if u != 0 {
				nums[i] = int64(uint64(u) / unit)
			}
		}
	}
	how := howFor((uint64(most) - uint64(least)) / unit)
	dst = append(dst, how)
	dst = binary.AppendVarint(dst, least)
	dst = binary.AppendUvarint(dst, unit)
	e := newEncoder(dst)
	e.values(s, how, nums)
	return e.end()
}

// appendSteps appends a column whose steps from a row to the next are smaller
// than its numbers.
func (s *scratch) appendSteps(dst []byte, nums []int64) []byte {
	first, unit := nums[0], uint64(0)
	for i := len(nums) - 1; i > 0; i-- {
		nums[i] -= nums[i-1]
		if unit != 1 && nums[i] != 0 {
			unit = divisor(unit, magnitude(nums[i]))
		}
	}
	if unit == 0 || unit > 1<<62 {
		unit = 1
	}
	nums = nums[1:]
	most := uint64(0)
	for i, n := range nums {
		if unit > 1 {
			n /= int64(unit)
		}
		z := uint64(n)<<1 ^ uint64(n>>63)
		nums[i] = int64(z)
		most |= z
	}
	how := howFor(most)
	dst = append(dst, how|codedSteps)
	dst = binary.AppendVarint(dst, first)
	dst = binary.AppendUvarint(dst, unit)
	e := newEncoder(dst)
	e.values(s, how, nums)
	return e.end()
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// steady reports whether steps between rows are smaller than numbers, by some
// of them.
func steady(nums []int64) bool {
	const some = 64
	stride := 1 + len(nums)/some
	least := nums[0]
	for i := 1; i < len(nums); i += stride {
		least = min(least, nums[i])
	}
	size, step, tried := 0, 0, 0
	for i := 1; i < len(nums); i += stride {
		size += bits.Len64(uint64(nums[i]) - uint64(least))
		step += bits.Len64(magnitude(nums[i]-nums[i-1])) + 1
		tried++
	}
	return step < size && size > 8*tried
}

// numberModels are the models of a column of numbers.
type numberModels struct {
	groups, rows []model
	first, next  []model // trees; the class and what follows
}

// flagModels and mostModels are how many models a column has for what differs,
// and has at most in all.
const (
	flagModels = groupModels + rowModels
	mostModels = flagModels + 1<<(howMost-howClass+1) + topModels
)

// modelsOf makes the models of a column in buf.
func modelsOf(buf *[mostModels]model, how byte) numberModels {
	first, next := byteModels, 0
	if how >= howClass {
		first, next = 1<<classBits(how), topModels
	}
	m := buf[:flagModels+first+next]
	fresh(m)
	return numberModels{m[:groupModels], m[groupModels:flagModels], m[flagModels:][:first], m[flagModels+first:]}
}

// values writes a number for each row, but for one that is the same as that of
// the row before. Before the first stands 0.
func (e *encoder) values(s *scratch, how byte, nums []int64) {
	if how == howNone {
		return
	}
	m := modelsOf(&s.models, how)
	groups, rows, prev := uint64(0), uint64(0), int64(0)
	for at := 0; at < len(nums); at += groupRows {
		end := min(at+groupRows, len(nums))
		differs := uint64(0)
		for _, v := range nums[at:end] {
			if v != prev {
				differs = 1
				break
			}
		}
		e.bit(&m.groups[groups], differs)
		groups = (groups<<1 | differs) & (groupModels - 1)
		if differs == 0 {
			rows = 0
			continue
		}
		for _, v := range nums[at:end] {
			differs = 0
			if v != prev {
				differs = 1
			}
			e.bit(&m.rows[rows], differs)
			rows = (rows<<1 | differs) & (rowModels - 1)
			if differs != 0 {
				prev = v
				e.value(&m, how, uint64(v))
			}
		}
	}
}

func (e *encoder) value(m *numberModels, how byte, n uint64) {
	if how == howByte {
		e.tree(m.first, n, 8)
		return
	}
	class := bits.Len64(n)
	e.tree(m.first, uint64(class), classBits(how))
	if left := class - 1; left > 0 { // behind the first bit
		top := min(left, topBits)
		left -= top
		e.tree(m.next[class<<topBits:], n>>left&(1<<top-1), top)
		e.rest(n&(1<<left-1), left)
	}
}

// values takes a number for each of nums.
func (d *decoder) values(how byte, nums []int64) {
	if how == howNone {
		return
	}
	var buf [mostModels]model
	m := modelsOf(&buf, how)
	groups, rows, prev := uint64(0), uint64(0), int64(0)
	for at := 0; at < len(nums); at += groupRows {
		group := nums[at:min(at+groupRows, len(nums))]
		differs := d.bit(&m.groups[groups])
		groups = (groups<<1 | differs) & (groupModels - 1)
		if differs == 0 {
			rows = 0
			for i := range group {
				group[i] = prev
			}
			continue
		}
		for i := range group {
			differs := d.bit(&m.rows[rows])
			rows = (rows<<1 | differs) & (rowModels - 1)
			if differs != 0 {
				prev = int64(d.value(&m, how))
			}
			group[i] = prev
		}
	}
}

func (d *decoder) value(m *numberModels, how byte) uint64 {
	if how == howByte {
		return d.tree(m.first, 8) & 0xff
	}
	n := classBits(how)
	class := int(min(d.tree(m.first, n)&(1<<n-1), 64))
	left := class - 1 // behind the first bit
	if left <= 0 {
		return uint64(class)
	}
	top := min(left, topBits)
	left -= top
	return d.tree(m.next[class<<topBits:], top)<<left | d.rest(left)
}

// coded takes a column of rows coded numbers.
func (r *reader) coded(rows int) []int64 {
	head := r.byte()
	how := head & codedHow
	if head&^(codedHow|codedSteps) != 0 || how > howMost {
		r.fail(fmt.Errorf("unknown head %#x", head))
	}
	least, unit := r.varint(), r.uvarint()
	if r.err == nil && unit == 0 {
		r.fail(errors.New("unit of 0"))
	}
	if r.err != nil {
		return nil
	}
	d := newDecoder(r.rest())
	nums := make([]int64, rows)
	if head&codedSteps == 0 {
		d.values(how, nums)
		for i, x := range nums {
			nums[i] = int64(uint64(x)*unit + uint64(least))
		}
		return nums
	}
	d.values(how, nums[1:])
	prev := least // the first number
	for i, x := range nums {
		prev += (int64(uint64(x)>>1) ^ -(x & 1)) * int64(unit)
		nums[i] = prev
	}
	return nums
}

// rest takes all that is left.
func (r *reader) rest() []byte { return r.bytes(len(r.b)) }
