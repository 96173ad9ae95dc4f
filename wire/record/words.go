package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// scratch is memory that the columns of a block use one after the other.
type scratch struct {
	nums   []int64
	words  []uint32 // those that the rows have, in the order in which they come
	named  []uint32 // by word: its place in words + 1, 0 for none yet
	models [mostModels]model
}

// appendBits appends a bit for each row.
func (c *column) appendBits(dst []byte, order []place) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, (len(order)+7)/8)...)
	for i, p := range order {
		dst[at+i/8] |= byte(c.int(int(p.row))) << (i % 8)
	}
	return dst
}

// appendWords appends a column of words: the words in the order in which they
// come, and then for each value which one it is. In the packed form that is 0
// for the next new word and its place + 1 otherwise, so that a column whose
// values are all different is nothing but its words.
func (c *column) appendWords(dst []byte, order []place, form byte, s *scratch) []byte {
	s.nums, s.words = s.nums[:0], s.words[:0]
	s.named = slices.Grow(s.named[:0], len(c.dict.ends))[:len(c.dict.ends)]
	clear(s.named)
	if c.typ != Strings {
		for _, p := range order {
			s.add(c.index[p.row], form)
		}
	} else {
		starts, at := make([]uint32, len(c.lens)), uint32(0)
		for row, n := range c.lens {
			starts[row] = at
			at += n
		}
		for _, p := range order {
			for _, w := range c.index[starts[p.row]:][:c.lens[p.row]] {
				s.add(w, form)
			}
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.words)))
	if form == formPacked && (c.typ == Addr || c.typ == MAC) {
		dst = c.appendSized(dst, s.words)
	} else {
		for _, w := range s.words {
			dst = appendText(dst, c.dict.word(w))
		}
	}
	if c.typ == Strings {
		lens := make([]int64, len(order))
		for i, p := range order {
			lens[i] = int64(c.lens[p.row])
		}
		dst = appendCounts(dst, lens, form)
	}
	return appendCounts(dst, s.nums, form)
}

// add adds a value, which is word w of the dictionary.
func (s *scratch) add(w uint32, form byte) {
	named := s.named[w]
	if named == 0 {
		s.words = append(s.words, w)
		s.named[w] = uint32(len(s.words))
	}
	if form == formPlain {
		named = s.named[w] - 1
	}
	s.nums = append(s.nums, int64(named))
}

// sizes are those that a word of a packed column of addresses may have.
var sizes = [...]int{4, 6, 16}

// appendSized appends the size of each word, and then the words of 4, of 6 and
// of 16 bytes, of each the first bytes of all words before the second.
func (c *column) appendSized(dst []byte, words []uint32) []byte {
	var count, next [17]int // words of a size, and where the first byte of the next one goes
	for _, w := range words {
		size := c.dict.size(w)
		dst = append(dst, byte(size))
		count[size]++
	}
	total := 0
	for _, size := range sizes {
		next[size] = len(dst) + total
		total += size * count[size]
	}
	dst = slices.Grow(dst, total)[:len(dst)+total]
	for _, w := range words {
		word := c.dict.word(w)
		size := len(word)
		at := next[size]
		next[size]++
		for i := range size {
			dst[at+i*count[size]] = word[i]
		}
	}
	return dst
}

// sized takes n words as appendSized appends them.
func (r *reader) sized(n int) []string {
	lens := r.bytes(n)
	total := 0
	for _, l := range lens {
		if l != 0 && !slices.Contains(sizes[:], int(l)) {
			r.fail(fmt.Errorf("word of %d bytes", l))
			return nil
		}
		total += int(l)
	}
	if total > len(r.b) {
		r.fail(errShort)
		return nil
	}
	text := make([]byte, total) // of all words, one behind the other
	for _, size := range sizes {
		count := bytes.Count(lens, []byte{byte(size)})
		planes := r.bytes(count * size)
		for at, l := 0, 0; count > 0 && l < len(lens); l++ {
			if int(lens[l]) == size {
				for i, word := 0, text[at:at+size]; i < size; i++ {
					word[i] = planes[i*count]
				}
				planes = planes[1:]
			}
			at += int(lens[l])
		}
	}
	return cut(string(text), lens)
}

// cut returns the words of these sizes that text is made of.
func cut(text string, sizes []byte) []string {
	words := make([]string, len(sizes))
	for i, n := range sizes {
		words[i], text = text[:n], text[n:]
	}
	return words
}

// appendCounts appends small numbers: as varints, or the number of bytes that
// each takes and the planes.
func appendCounts(dst []byte, nums []int64, form byte) []byte {
	if form == formPlain {
		return appendPlain(dst, Uint, nums)
	}
	most := int64(0)
	for _, n := range nums {
		most = max(most, n)
	}
	width := max(1, (bits.Len64(uint64(most))+7)/8)
	return appendPlanes(append(dst, byte(width)), nums, width)
}

// counts takes n numbers as appendCounts appends them. Each takes a byte at
// least.
func (r *reader) counts(n int, form byte) []uint32 {
	if n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	if form == formPacked {
		return r.planes32(n, int(r.byte()))
	}
	nums := make([]uint32, n)
	for i := range nums {
		nums[i] = uint32(min(r.uvarint(), 1<<32-1))
	}
	return nums
}

// parseDict takes the words of a column and what each value is of them.
func (c *Column) parseDict(r *reader, rows int, form byte) {
	words := r.count("words", len(r.b))
	if form == formPacked && (c.Type == Addr || c.Type == MAC) {
		c.Dict = r.sized(words)
	} else {
		c.Dict = r.texts(words, rows)
	}
	for _, w := range c.Dict {
		if r.err == nil && !c.valid(w) {
			r.fail(fmt.Errorf("word %q is no %v", w, c.Type))
		}
	}
	values := rows
	if c.Type == Strings {
		c.Lens, c.first = r.counts(rows, form), make([]uint32, rows)
		values = 0
		for i, n := range c.Lens {
			c.first[i] = uint32(values)
			if n > MaxValues {
				r.fail(fmt.Errorf("list of %d values, at most %d fit", n, MaxValues))
				return
			}
			if values += int(n); values > len(r.b) {
				r.fail(errShort)
				return
			}
		}
	}
	c.Index = r.counts(values, form)
	if form == formPacked && r.err == nil {
		c.name(r)
	}
	for _, v := range c.Index {
		if r.err == nil && int64(v) >= int64(len(c.Dict)) {
			r.fail(fmt.Errorf("word %d of %d", v, len(c.Dict)))
		}
	}
}

// name turns the values of a packed column into indexes: 0 is the next word
// that no value had yet, others are its place + 1.
func (c *Column) name(r *reader) {
	fresh := uint32(0)
	for i, v := range c.Index {
		switch {
		case v == 0:
			c.Index[i] = fresh
			fresh++
		case v > fresh:
			r.fail(fmt.Errorf("word %d of %d", v-1, fresh))
			return
		default:
			c.Index[i] = v - 1
		}
	}
}

// texts takes n words, each behind its size.
func (r *reader) texts(n, rows int) []string {
	words := make([]string, 0, min(n, rows))
	all := string(r.b) // one piece of memory for them
	for range n {
		w := r.bytes(r.count("bytes of word", MaxText))
		if r.err != nil {
			return nil
		}
		end := len(all) - len(r.b)
		words = append(words, all[end-len(w):end])
	}
	return words
}
