// Package quota says how many connections the addresses of one network may ask
// for, and have. It takes the same memory whatever comes.
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

func (b *bucket) take(r Rate, now time.Time) bool {
	if b.at.IsZero() {
		b.tokens = r.Burst
	} else {
		b.tokens = min(r.Burst, b.tokens+r.PerSecond*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Take takes a token of the network of a, and one of all.
func (b *Buckets) Take(a netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.each[maphash.Comparable(b.seed, Network(a))%slots].take(b.network, now) && b.all.take(b.total, now)
}
