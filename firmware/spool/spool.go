// Package spool keeps batches in the sensor's RAM until the collector has
// stored them.
//
// A spool has a bound in bytes. When it is full it gives up whole batches, the
// class that is worth least first and in it the oldest, and counts their
// records by kind; it never blocks who fills it. Nothing is written to disk.
//
// A Spool has one owner and no lock.
package spool

import (
	"math"
	"slices"
	"sort"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
)

// batchCost is what a batch takes in RAM beside its bytes, at most: its place
// in a slice that grows by doubling, and how many records of each kind it has.
const batchCost = 256

// classes are those of wire/batch.
const classes = int(batch.Bulk) + 1

// Spool holds the batches of one boot, numbered from 0 in the order of Put.
type Spool struct {
	maxBytes int
	bytes    int
	next     uint64
	batches  [classes][]batch.Numbered // each in the order of its numbers
	dropped  [classes]dropped
	kinds    map[string]uint64 // records given up, by kind
	records  int               // in batches
}

type dropped struct{ batches, records uint64 }

// New returns an empty spool that takes at most maxBytes of RAM.
func New(maxBytes int) *Spool { return &Spool{maxBytes: maxBytes, kinds: map[string]uint64{}} }

// Put numbers and keeps f, and gives up others, or f itself, where there is
// not room for all.
func (s *Spool) Put(f batch.Frame) {
	s.batches[f.Class] = append(s.batches[f.Class], batch.Numbered{Number: s.next, Frame: f})
	s.next++
	s.bytes += len(f.Batch)
	s.records += f.Records
	for s.bytes+s.Len()*batchCost > s.maxBytes {
		s.drop()
	}
}

// drop gives up the oldest batch of the class that is worth least.
func (s *Spool) drop() {
	for class := classes - 1; class >= 0; class-- {
		of := s.batches[class]
		if len(of) == 0 {
			continue
		}
		b := of[0]
		of[0] = batch.Numbered{} // its bytes are free at once
		s.batches[class] = of[1:]
		s.count(&b)
		s.dropped[class].batches++
		s.dropped[class].records += uint64(b.Records)
		s.forget(&b)
		return
	}
}

// count notes the records of b as given up, by kind. Who made the batch may
// have said less of its kinds than it has records.
func (s *Spool) count(b *batch.Numbered) {
	rest := b.Records
	for _, k := range b.Kinds {
		n := min(k.Records, rest)
		s.kinds[k.Kind] += uint64(n)
		rest -= n
	}
	if rest > 0 {
		s.kinds["other"] += uint64(rest)
	}
}

func (s *Spool) forget(b *batch.Numbered) {
	s.bytes -= len(b.Batch)
	s.records -= b.Records
}

// Stored forgets the batches in set, which the collector has stored, and
// returns how many those were and how many records they had.
func (s *Spool) Stored(set *ranges.Set) (batches, records int) {
	before := s.records
	for class := range s.batches {
		for _, r := range set.Runs() {
			of := s.batches[class]
			first, end := search(of, r.First), len(of)
			if r.Last < math.MaxUint64 {
				end = search(of, r.Last+1)
			}
			for i := range of[first:end] {
				s.forget(&of[first+i])
			}
			batches += end - first
			if first == 0 { // as nearly always: nothing has to move
				clear(of[:end])
				s.batches[class] = of[end:]
			} else {
				s.batches[class] = slices.Delete(of, first, end)
			}
		}
	}
	return batches, before - s.records
}

// search returns the index of the first batch whose number is n or above.
func search(of []batch.Numbered, n uint64) int {
	return sort.Search(len(of), func(i int) bool { return of[i].Number >= n })
}

// From returns the first batch whose number is n or above. It is not ok where
// there is none.
func (s *Spool) From(n uint64) (b batch.Numbered, ok bool) {
	for _, of := range s.batches {
		i := search(of, n)
		if i < len(of) && (!ok || of[i].Number < b.Number) {
			b, ok = of[i], true
		}
	}
	return b, ok
}

// Get returns batch n, if it is still held.
func (s *Spool) Get(n uint64) (b batch.Numbered, ok bool) {
	b, ok = s.From(n)
	return b, ok && b.Number == n
}

// Floor returns the least number that is held, or the next that will be.
func (s *Spool) Floor() uint64 {
	if b, ok := s.From(0); ok {
		return b.Number
	}
	return s.next
}

// Next returns the number that the next batch will have.
func (s *Spool) Next() uint64 { return s.next }

// Len returns how many batches are held.
func (s *Spool) Len() (n int) {
	for _, of := range s.batches {
		n += len(of)
	}
	return n
}

// Bytes returns how many bytes the held batches have.
func (s *Spool) Bytes() int { return s.bytes }

// Records returns how many records they have.
func (s *Spool) Records() int { return s.records }

// Dropped returns what was given up of class c since New.
func (s *Spool) Dropped(c batch.Class) (batches, records uint64) {
	return s.dropped[c].batches, s.dropped[c].records
}

// DroppedKinds returns how many records were given up since New, by kind. The
// map belongs to the spool.
func (s *Spool) DroppedKinds() map[string]uint64 { return s.kinds }
