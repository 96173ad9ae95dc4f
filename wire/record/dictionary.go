package record

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// A dictionary numbers the words of a column in the order in which they come.
// It is a table of its own rather than a map of Go's: it is emptied with each
// block, keeps its words in one piece of memory, and takes a third of the time.
type dictionary struct {
	text   []byte         // the words, one behind the other
	ends   []uint32       // of each in text
	slots  []uint32       // by hash: number of the word + 1, 0 for empty
	recent [recent]uint32 // by something cheaper, the one found last: most come again
}

// recent is how many words are remembered, of which the one that has the first
// byte, the last and the size in common with another is compared before a hash
// is made.
const recent = 16

// hashSeed keeps whose words are in the traffic from choosing collisions.
var hashSeed = maphash.MakeSeed()

// minSlots is the least size of a table that is not empty.
const minSlots = 16

// word returns word i. It is valid until the dictionary is emptied.
func (d *dictionary) word(i uint32) string {
	end, size := int(d.ends[i]), d.size(i)
	return unsafe.String(unsafe.SliceData(d.text[end-size:]), size)
}

// size returns the size of word i in bytes.
func (d *dictionary) size(i uint32) int {
	if i == 0 {
		return int(d.ends[0])
	}
	return int(d.ends[i] - d.ends[i-1])
}

// find returns the number of a word, which it enters if it is new, and by how
// many bytes the dictionary grew. A text is entered as clean makes it.
func (d *dictionary) find(s string, text bool) (i uint32, grew int) {
	last := &d.recent[0]
	if n := len(s); n > 0 {
		last = &d.recent[(s[0]+3*s[n-1]+byte(n))%recent]
	}
	if len(d.ends) > 0 && d.word(*last) == s {
		return *last, 0
	}
	if 2*len(d.ends) >= len(d.slots) {
		d.grow()
	}
	at := d.slot(s)
	if d.slots[at] != 0 {
		*last = d.slots[at] - 1
		return *last, 0
	}
	if text {
		if t := clean(s); t != s {
			return d.find(t, false)
		}
	}
	d.text = append(d.text, s...)
	d.ends = append(d.ends, uint32(len(d.text)))
	d.slots[at] = uint32(len(d.ends))
	*last = d.slots[at] - 1
	return *last, 1 + len(s)
}

// slot returns where a word is, or may be put.
func (d *dictionary) slot(s string) uint32 {
	mask := uint32(len(d.slots) - 1)
	for at := uint32(maphash.String(hashSeed, s)) & mask; ; at = (at + 1) & mask {
		if d.slots[at] == 0 || d.word(d.slots[at]-1) == s {
			return at
		}
	}
}

func (d *dictionary) grow() {
	if n := max(minSlots, 2*len(d.slots)); n <= cap(d.slots) {
		d.slots = d.slots[:n]
		clear(d.slots)
	} else {
		d.slots = make([]uint32, n)
	}
	for i := range d.ends {
		d.slots[d.slot(d.word(uint32(i)))] = uint32(i + 1)
	}
}

// reset empties the dictionary. Its table gets the size that the words it had
// need.
func (d *dictionary) reset() {
	if need := 2 << bits.Len(uint(len(d.ends))); need < len(d.slots) {
		d.slots = d.slots[:max(minSlots, need)]
	}
	clear(d.slots)
	d.text, d.ends, d.recent = d.text[:0], d.ends[:0], [recent]uint32{}
}

// clean returns s as a text that a column may have: UTF-8, and at most MaxText
// bytes.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) > MaxText {
		n := MaxText
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}
