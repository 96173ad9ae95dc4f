// Package quota bounds what one party may take of what all share: connections,
// by the network of an address, in the same memory whatever comes; and room in
// the journal, by sensor.
package quota

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// slots is how many networks are told apart. Those that share a slot, which an
// attacker cannot choose, share what they may.
const slots = 1 << 14

// Network returns what one party is likely to have all addresses of: 24 bits of
// IPv4, 64 of IPv6.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of a valid address it never fails
	return p
}

// Buckets are token buckets: one for each network, and one for all.
type Buckets struct {
	seed maphash.Seed

	mu   sync.Mutex
	each [slots]bucket
	all  bucket

	network, total Rate
}

// Rate is what a bucket gives.
type Rate struct {
	PerSecond float64
	Burst     float64
}

// NewBuckets returns buckets that are full.
func NewBuckets(network, total Rate) *Buckets {
	return &Buckets{seed: maphash.MakeSeed(), network: network, total: total}
}

// bucket is full while at is zero.
type bucket struct {
	tokens float64
	at     time.Time
}

// level returns what is in b now.
func (b *bucket) level(r Rate, now time.Time) float64 {
	if b.at.IsZero() {
		b.tokens = r.Burst
	} else {
		b.tokens = min(r.Burst, b.tokens+r.PerSecond*max(0, now.Sub(b.at).Seconds()))
	}
	b.at = now
	return b.tokens
}

// take takes n tokens if they are there.
func (b *bucket) take(n float64, r Rate, now time.Time) bool {
	if b.level(r, now) < n {
		return false
	}
	b.tokens -= n
	return true
}

// Take takes a token of the network of a, and one of all.
func (b *Buckets) Take(a netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.each[maphash.Comparable(b.seed, Network(a))%slots].take(1, b.network, now) && b.all.take(1, b.total, now)
}
