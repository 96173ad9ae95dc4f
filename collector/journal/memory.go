package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/taproot-sensor/taproot/internal/ranges"
)

// Bounds of the memory, for each sensor.
const (
	// keptBoots is how many boots are remembered, the newest: only the one
	// that runs sends, if only after years without a network.
	keptBoots = 4
	// maxRuns is how many runs the batches of a boot are remembered in; beyond
	// it the lowest gap counts as stored. It is twice what the edge has above
	// the floor of a session, so that the gap was given up by the sensor.
	maxRuns = 16384
)

// memory is what the journal ever stored.
type memory map[bootKey]*bootBatches

type bootKey struct {
	sensor [32]byte
	boot   [16]byte
}

type bootBatches struct {
	set  ranges.Set
	last int64 // newest Received

	// elsewhere are those of set that are in segments of this journal and
	// belong to another collector: readers leave them out. newest is the last
	// segment that has one.
	elsewhere ranges.Set
	newest    uint64
}

func (m memory) contains(k bootKey, batch uint64) bool {
	b := m[k]
	return b != nil && b.set.Contains(batch)
}

func (m memory) add(k bootKey, batch uint64, received int64) {
	b := m[k]
	if b == nil {
		b = new(bootBatches)
		m[k] = b
	}
	b.set.Add(batch)
	if runs := b.set.Runs(); len(runs) > maxRuns {
		b.set.AddRange(ranges.Range{First: runs[0].First, Last: runs[1].Last})
	}
	b.last = max(b.last, received)
}

// lose notes that a batch that was added, of the given segment, belongs to
// another collector.
func (m memory) lose(k bootKey, batch, segment uint64) {
	b := m[k]
	b.elsewhere.Add(batch)
	b.newest = max(b.newest, segment)
}

func (m memory) isElsewhere(k bootKey, batch uint64) bool {
	b := m[k]
	return b != nil && b.elsewhere.Contains(batch)
}

// forget drops what belongs to segments before the oldest on disk, and all but
// the newest boots of each sensor.
func (m memory) forget(oldest uint64) {
	sensors := make(map[[32]byte][]bootKey)
	for k, b := range m {
		if b.newest < oldest {
			b.elsewhere = ranges.Set{}
		}
		sensors[k.sensor] = append(sensors[k.sensor], k)
	}
	for _, boots := range sensors {
		slices.SortFunc(boots, func(a, b bootKey) int { return cmp.Compare(m[b].last, m[a].last) })
		for _, k := range boots[min(len(boots), keptBoots):] {
			if len(m[k].elsewhere.Runs()) == 0 {
				delete(m, k)
			}
		}
	}
}

func (m memory) append(dst []byte) []byte {
	for k, b := range m {
		dst = append(dst, k.sensor[:]...)
		dst = append(dst, k.boot[:]...)
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.last))
		dst = appendSet(dst, b.set)
		dst = binary.BigEndian.AppendUint64(dst, b.newest)
		dst = appendSet(dst, b.elsewhere)
	}
	return dst
}

func parseMemory(b []byte) (memory, error) {
	m := make(memory)
	for len(b) > 0 {
		if len(b) < 56 {
			return nil, errors.New("cut short")
		}
		k := bootKey{[32]byte(b), [16]byte(b[32:])}
		boot := &bootBatches{last: int64(binary.BigEndian.Uint64(b[48:]))}
		var err error
		if boot.set, b, err = parseSet(b[56:]); err == nil && len(b) < 8 {
			err = errors.New("cut short")
		}
		if err == nil {
			boot.newest = binary.BigEndian.Uint64(b)
			boot.elsewhere, b, err = parseSet(b[8:])
		}
		if err != nil {
			return nil, err
		}
		m[k] = boot
	}
	return m, nil
}

// appendSet appends the number of runs, and for each how far its first number
// is from the last of the run before, and its last from its first.
func appendSet(dst []byte, set ranges.Set) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(set.Runs())))
	var end uint64
	for _, r := range set.Runs() {
		dst = binary.AppendUvarint(dst, r.First-end)
		dst = binary.AppendUvarint(dst, r.Last-r.First)
		end = r.Last
	}
	return dst
}

func parseSet(b []byte) (set ranges.Set, rest []byte, err error) {
	var end uint64
	uvarint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errors.New("set is cut short")
			return 0
		}
		b = b[n:]
		return v
	}
	for runs := uvarint(); runs > 0 && err == nil; runs-- {
		r := ranges.Range{First: end + uvarint()}
		r.Last = r.First + uvarint()
		if r.First < end || r.Last < r.First {
			err = errors.New("set is out of order")
		}
		set.AddRange(r)
		end = r.Last
	}
	return set, b, err
}
