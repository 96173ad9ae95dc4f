package asset

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// A kind says what a Fact is about. Of facts of the same time the lower goes
// first: who has an address is known before what else is said of it.
type kind uint8

const (
	binds   kind = iota // the device uses the address
	present             // the device is there
	named               // text is its name
	claimed             // text is its name, if it has the address claim
	role
	vendor
	params
	system
	service
	client // text is the JA4 of a TLS client on it
)

// A Fact is one thing that a record says of a device.
type Fact struct {
	mac  record.HardwareAddr // of the device, or none:
	addr netip.Addr          // then it is who has this address; of binds the address
	kind kind
	text string
	also netip.Addr // of claimed
	vlan uint16     // of binds and present
}

// Said is a fact, and when it was said first and last within a second.
type Said struct {
	Fact
	first, last record.Nanos
}

// compare puts facts in an order that is the same for everybody.
func (f *Fact) compare(o *Fact) int {
	switch { // cmp.Or would make every comparison each time
	case f.kind != o.kind:
		return cmp.Compare(f.kind, o.kind)
	case f.mac != o.mac:
		return bytes.Compare(f.mac[:], o.mac[:])
	case f.addr != o.addr:
		return f.addr.Compare(o.addr)
	case f.text != o.text:
		return cmp.Compare(f.text, o.text)
	case f.also != o.also:
		return f.also.Compare(o.also)
	}
	return cmp.Compare(f.vlan, o.vlan)
}

// maxNotes bounds the facts that wait: a busy network says a few hundred
// different ones a second.
const maxNotes = 1 << 14

// Notes are facts on their way to a Table. They are not for concurrent use.
type Notes struct {
	index   map[noteKey]int // in facts
	facts   []Said
	dropped uint64
	most    int // facts that index has had
}

// A noteKey is a fact and the second in which it is said: a web server says
// what it is thousands of times.
type noteKey struct {
	Fact
	second int64
}

// NewNotes returns empty Notes.
func NewNotes() *Notes { return &Notes{index: make(map[noteKey]int)} }

// Dropped returns how many facts had no room.
func (n *Notes) Dropped() uint64 { return n.dropped }

// add notes a fact. Text that is empty says nothing.
func (n *Notes) add(now record.Nanos, f Fact) {
	if f.text = cut(f.text); f.text == "" && f.kind > present {
		return
	}
	key := noteKey{f, int64(now) / 1e9}
	if i, ok := n.index[key]; ok {
		s := &n.facts[i]
		s.first, s.last = min(s.first, now), max(s.last, now)
		return
	}
	if len(n.facts) == maxNotes {
		n.dropped++
		return
	}
	f.text = strings.Clone(f.text) // it may be the front of a long one, or a part
	key.Fact = f
	n.index[key] = len(n.facts)
	n.facts = append(n.facts, Said{f, now, now})
}

// Take appends all facts to dst and forgets them.
func (n *Notes) Take(dst []Said) []Said {
	dst = append(dst, n.facts...)
	if n.most = max(n.most, len(n.facts)); len(n.facts) < n.most/8 { // a map that was large takes as long to clear as then
		n.index, n.most = make(map[noteKey]int), 0
	}
	clear(n.index)
	n.facts = n.facts[:0]
	return dst
}

// join makes one of what several Notes say alike, in place; Notes of one shard
// say nothing twice.
func join(all []Said) []Said {
	slices.SortFunc(all, func(a, b Said) int {
		if c := a.Fact.compare(&b.Fact); c != 0 {
			return c
		}
		return cmp.Compare(a.first, b.first)
	})
	n := 0
	for _, s := range all {
		if n > 0 && all[n-1].Fact == s.Fact && all[n-1].first/1e9 == s.first/1e9 {
			all[n-1].last = max(all[n-1].last, s.last)
			continue
		}
		all[n] = s
		n++
	}
	return all[:n]
}

// inOrder puts facts in the order of their times. What was said more than once
// in a second counts as said at its first and at its last time.
func inOrder(all []Said) []Said {
	for i := range len(all) {
		if s := all[i]; s.last != s.first {
			all = append(all, Said{s.Fact, s.last, s.last})
		}
	}
	slices.SortFunc(all, func(a, b Said) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return a.Fact.compare(&b.Fact)
	})
	return all
}
