// Package spool keeps batches in the sensor's RAM until the collector has
// stored them.
//
// A spool has a bound in bytes. When it is full it gives up whole batches, the
// least worth and the oldest first, and counts them by class; it never blocks
// who fills it. Nothing is written to disk.
//
// A Spool has one owner and no lock.
package spool

import (
	"slices"
	"sort"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
)

// batchCost is what a batch takes in RAM beside its bytes, at most: its place
// in a slice that grows by doubling.
const batchCost = 128

type dropped struct{ batches, records uint64 }

// Spool holds the batches of one boot, numbered from 0 in the order of Put.
type Spool struct {
	maxBytes int
	bytes    int
	next     uint64
	batches  []batch.Numbered // in the order of their numbers
	dropped  [batch.Bulk + 1]dropped
}

// New returns an empty spool that takes at most maxBytes of RAM.
func New(maxBytes int) *Spool { return &Spool{maxBytes: maxBytes} }

// Put numbers and keeps f, and gives up others, or f itself, where there is
// not room for all.
func (s *Spool) Put(f batch.Frame) {
	s.batches = append(s.batches, batch.Numbered{Number: s.next, Frame: f})
	s.next++
	s.bytes += len(f.Batch)
	for s.bytes+len(s.batches)*batchCost > s.maxBytes {
		s.drop()
	}
}

// drop gives up the oldest batch of the class that is worth least.
func (s *Spool) drop() {
	victim := 0
	for i, b := range s.batches {
		if b.Class > s.batches[victim].Class {
			victim = i
		}
	}
	b := s.batches[victim]
	s.dropped[b.Class].batches++
	s.dropped[b.Class].records += uint64(b.Records)
	s.bytes -= len(b.Batch)
	s.batches = slices.Delete(s.batches, victim, victim+1)
}

// Stored forgets the batches in set, which the collector has stored, and
// returns how many those were.
func (s *Spool) Stored(set *ranges.Set) int {
	before := len(s.batches)
	s.batches = slices.DeleteFunc(s.batches, func(b batch.Numbered) bool {
		if !set.Contains(b.Number) {
			return false
		}
		s.bytes -= len(b.Batch)
		return true
	})
	return before - len(s.batches)
}

// From returns the first batch whose number is n or above. It is not ok where
// there is none.
func (s *Spool) From(n uint64) (b batch.Numbered, ok bool) {
	i := sort.Search(len(s.batches), func(i int) bool { return s.batches[i].Number >= n })
	if i == len(s.batches) {
		return batch.Numbered{}, false
	}
	return s.batches[i], true
}

// Get returns batch n, if it is still held.
func (s *Spool) Get(n uint64) (b batch.Numbered, ok bool) {
	b, ok = s.From(n)
	return b, ok && b.Number == n
}

// Floor returns the least number that is held, or the next that will be.
func (s *Spool) Floor() uint64 {
	if len(s.batches) > 0 {
		return s.batches[0].Number
	}
	return s.next
}

// Len returns how many batches are held.
func (s *Spool) Len() int { return len(s.batches) }

// Bytes returns how many bytes the held batches have.
func (s *Spool) Bytes() int { return s.bytes }

// Dropped returns what was given up of class c since New.
func (s *Spool) Dropped(c batch.Class) (batches, records uint64) {
	return s.dropped[c].batches, s.dropped[c].records
}
