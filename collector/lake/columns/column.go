package columns

import (
	"encoding/binary"
	"slices"
	"strings"
)

// A dictionary is full with maxDictionary bytes of words, since a reader that
// wants one value decodes all of it; and with fewer where most words come only
// once, as hashes do, and it is of no use. Further words are written out.
const (
	maxDictionary   = 256 << 10
	maxOfLittleUse  = 32 << 10
	leastRepetition = 2 // values for each word
)

// unseen marks a word that no value had yet.
const unseen = ^uint32(0)

// A Column takes the values of one column. Its methods take those of rows that
// are given by their numbers, in the order of these; of nil it is all rows.
type Column struct {
	def      Def
	pageSize int

	// The page that is being filled.
	rows        int     // of it
	ints        []int64 // values of Bool, Uint, Int and Time, but for
	constant    int64   // this one, as long as they all are the same:
	run         int     // so often
	index32     []int32 // values in the dictionary
	text        []byte  // values, one behind the other, once the dictionary is full
	sizes       []int32 // of each
	repetitions []byte  // levels of lists: 0 begins a row
	definitions []byte  // and 1 says that there is a value
	bounds      bounds

	words dictionary
	chunk
}

// dictionary numbers the words of a column.
type dictionary struct {
	numbers map[string]int32
	plain   []byte // the words behind their sizes
	full    bool   // further words are written out
	page    []byte // header and words, encoded; made by end
	ids     []uint32
}

func newColumn(d Def, pageSize int) *Column {
	return &Column{def: d, pageSize: pageSize, words: dictionary{numbers: map[string]int32{}, full: d.Type == Bytes}}
}

// numRows returns the rows since the last row group.
func (c *Column) numRows() int64 { return c.chunk.rows + int64(c.rows) }

// Ints appends numbers.
func (c *Column) Ints(src []int64, rows []int) {
	c.spell()
	if rows == nil {
		c.ints = append(c.ints, src...)
		c.added(len(src))
		return
	}
	for _, row := range rows {
		c.ints = append(c.ints, src[row])
	}
	c.added(len(rows))
}

// Int appends a number n times.
func (c *Column) Int(v int64, n int) {
	if len(c.ints) == 0 && (c.run == 0 || c.constant == v) {
		c.constant = v
		c.run += n
	} else {
		c.spell()
		c.ints = appendRun(c.ints, v, n)
	}
	c.added(n)
}

// spell writes the run out.
func (c *Column) spell() {
	if c.run > 0 {
		c.ints = appendRun(c.ints, c.constant, c.run)
		c.run = 0
	}
}

// appendRun appends v n times.
func appendRun[T any](dst []T, v T, n int) []T {
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	for i := range dst[at:] {
		dst[at+i] = v
	}
	return dst
}

// Word appends a word n times.
func (c *Column) Word(word string, n int) {
	id := c.enter(word)
	if !c.words.full {
		c.index32 = appendRun(c.index32, int32(id), n)
	}
	for i := 0; c.words.full && i < n; i++ {
		c.value(word, id)
	}
	c.added(n)
}

// Words appends words: of each row index has which one.
func (c *Column) Words(words []string, index []uint32, rows []int) {
	ids := c.unseen(len(words))
	if rows == nil {
		for _, x := range index {
			c.word(words, ids, x)
		}
		c.added(len(index))
		return
	}
	for _, row := range rows {
		c.word(words, ids, index[row])
	}
	c.added(len(rows))
}

// Lists appends lists of words: of each row lens has how many, and index,
// one row behind the other, which ones. A page may end within the block: its
// lists can have a thousand times its bytes.
func (c *Column) Lists(words []string, lens, index []uint32, rows []int) {
	ids := c.unseen(len(words))
	next := 0 // of rows
	for row, n := range lens {
		list := index[:n]
		index = index[n:]
		if rows != nil && (next == len(rows) || rows[next] != row) {
			continue
		}
		next++
		c.list(words, ids, list)
		if c.added(1) {
			ids = c.unseen(len(words))
		}
	}
}

// Zeros appends n times what no value stands for: false, zero, an empty text or
// an empty list.
func (c *Column) Zeros(n int) {
	switch c.def.Type {
	case Text, Bytes:
		c.Word("", n)
	case TextList:
		for range n {
			c.list(nil, nil, nil)
		}
		c.added(n)
	default:
		c.Int(0, n)
	}
}

func (c *Column) list(words []string, ids, index []uint32) {
	if len(index) == 0 {
		c.repetitions, c.definitions = append(c.repetitions, 0), append(c.definitions, 0)
	}
	for i, x := range index {
		c.repetitions, c.definitions = append(c.repetitions, byte(min(i, 1))), append(c.definitions, 1)
		c.word(words, ids, x)
	}
}

// unseen returns the numbers, none of them known yet, of n words of the caller.
func (c *Column) unseen(n int) []uint32 {
	ids := slices.Grow(c.words.ids[:0], n)[:n]
	for i := range ids {
		ids[i] = unseen
	}
	c.words.ids = ids
	return ids
}

func (c *Column) word(words []string, ids []uint32, x uint32) {
	if ids[x] == unseen {
		ids[x] = c.enter(words[x])
	}
	c.value(words[x], ids[x])
}

// enter notes that there is a word in the page and returns its number, where
// there is a dictionary.
func (c *Column) enter(word string) uint32 {
	d := &c.words
	c.bounds.word(word)
	if d.full {
		return 0
	}
	id, known := d.numbers[word]
	if !known {
		id = int32(len(d.numbers))
		d.numbers[strings.Clone(word)] = id
		d.plain = appendPlain(d.plain, word)
	}
	return uint32(id)
}

func (c *Column) value(word string, id uint32) {
	if c.words.full {
		c.text = append(c.text, word...)
		c.sizes = append(c.sizes, int32(len(word)))
	} else {
		c.index32 = append(c.index32, int32(id))
	}
}

// appendPlain appends a byte array in the PLAIN encoding.
func appendPlain(dst []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// added counts rows, and ends the page where it is full: then none of the words
// was seen in the page.
func (c *Column) added(rows int) (ended bool) {
	c.rows += rows
	size := 8*(c.run+len(c.ints)) + 4*(len(c.index32)+len(c.sizes)) + len(c.text) + len(c.definitions)
	overflow := c.overflows()
	if ended = size >= c.pageSize || overflow; ended {
		c.endPage()
	}
	if overflow {
		c.words.full = true
		c.untried = 0 // the pages to come are of another kind
	}
	return ended
}

// overflows reports whether the dictionary is to have no further words.
func (c *Column) overflows() bool {
	d, size := &c.words, len(c.words.plain)
	if d.full || size <= maxOfLittleUse {
		return false
	}
	return size > maxDictionary || c.chunk.values+int64(len(c.index32)) < leastRepetition*int64(len(d.numbers))
}
