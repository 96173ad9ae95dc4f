// Package ranges keeps sets of numbers that mostly come in order, as sorted
// runs: which batches are stored, which packets have come.
package ranges

import (
	"slices"
	"sort"
)

// A Range is the run of numbers from First to Last, both in it.
type Range struct{ First, Last uint64 }

// A Set holds numbers as runs that are sorted, apart and not touching. The
// zero Set is empty.
type Set struct{ runs []Range }

// Of returns the set of the numbers in runs, in whatever order they come.
func Of(runs ...Range) Set {
	var s Set
	for _, r := range runs {
		s.AddRange(r)
	}
	return s
}

// find returns the index of the first run that ends at n or later.
func (s *Set) find(n uint64) int {
	if k := len(s.runs); k == 0 || s.runs[k-1].Last < n { // the usual case
		return k
	}
	return sort.Search(len(s.runs), func(i int) bool { return s.runs[i].Last >= n })
}

// Contains reports whether n is in the set.
func (s *Set) Contains(n uint64) bool {
	i := s.find(n)
	return i < len(s.runs) && s.runs[i].First <= n
}

// Add puts n into the set and reports whether it was not there yet.
func (s *Set) Add(n uint64) bool {
	if s.Contains(n) {
		return false
	}
	s.AddRange(Range{n, n})
	return true
}

// AddRange puts every number of r into the set. A range whose Last is below
// its First holds none.
func (s *Set) AddRange(r Range) {
	if r.Last < r.First {
		return
	}
	i := s.find(r.First)
	if i > 0 && s.runs[i-1].Last+1 == r.First {
		i--
	}
	j := i
	for j < len(s.runs) && (s.runs[j].First <= r.Last || s.runs[j].First == r.Last+1) {
		r.First, r.Last = min(r.First, s.runs[j].First), max(r.Last, s.runs[j].Last)
		j++
	}
	s.runs = slices.Replace(s.runs, i, j, r)
}

// Runs returns the runs in order. They belong to the set.
func (s *Set) Runs() []Range { return s.runs }

// Clone returns a copy that shares nothing.
func (s *Set) Clone() Set { return Set{slices.Clone(s.runs)} }

// Next returns the least number that is not in the set.
func (s *Set) Next() uint64 {
	if len(s.runs) > 0 && s.runs[0].First == 0 {
		return s.runs[0].Last + 1
	}
	return 0
}

// Len returns how many numbers are in the set.
func (s *Set) Len() uint64 {
	var n uint64
	for _, r := range s.runs {
		n += r.Last - r.First + 1
	}
	return n
}
