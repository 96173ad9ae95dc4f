package edge

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

const (
	// cookieLife is for how long a cookie is good, to twice as long.
	cookieLife = time.Minute
	// maxWaiting is how many HELLOs of one address, or IPv6 network of 64
	// bits, may wait: an eighth of the queue.
	maxWaiting = helloQueue / 8
	// maxCookies bounds the COOKIEs of a second: under a flood of HELLOs they
	// take a tenth of a core.
	maxCookies = 50_000
	// maxCookiesEach bounds those of one address or network: a fleet behind one
	// address joins at that speed.
	maxCookiesEach = 1000
	// cookieSlots is how many networks are told apart, by a hash.
	cookieSlots = 4096
	// maxBoots bounds the boots whose attempts are remembered. A core opens
	// about as many HELLOs in the time that a cookie is good.
	maxBoots = 1 << 18
)

// gate lets in only HELLOs that were written just now, by somebody who receives
// where they come from. It keeps something only of those.
type gate struct {
	began time.Time // cookies count minutes from here: no clock that may be set
	seed  maphash.Seed

	mu      sync.Mutex
	secret  [32]byte
	waiting map[netip.Prefix]int // HELLOs in the queue
	// attempts has the highest attempt of each boot that was let in during the
	// minute, and during the one before.
	minute   uint64
	attempts [2]map[enrol.Boot]uint64

	second int64 // what the counts below are of
	given  int
	each   [cookieSlots]uint16
}

func newGate() *gate {
	g := &gate{began: time.Now(), seed: maphash.MakeSeed(), waiting: map[netip.Prefix]int{}}
	g.forget()
	return g
}

// forget makes every cookie void, and with that all that is remembered of
// attempts unnecessary.
func (g *gate) forget() {
	rand.Read(g.secret[:])
	g.attempts = [2]map[enrol.Boot]uint64{{}, {}}
}

// enter notes that a HELLO is to wait; not ok if too many of where it comes
// from wait already.
func (g *gate) enter(from netip.AddrPort) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := network(from)
	if g.waiting[p] >= maxWaiting {
		return false
	}
	g.waiting[p]++
	return true
}

// leave undoes enter.
func (g *gate) leave(from netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := network(from)
	if g.waiting[p]--; g.waiting[p] == 0 {
		delete(g.waiting, p)
	}
}

// network returns what one machine can prove all addresses of.
func network(from netip.AddrPort) netip.Prefix {
	a, bits := from.Addr().Unmap().WithZone(""), 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // of a valid address it never fails
	return p
}

// mayAsk reports whether a COOKIE may be sent to an address now.
func (g *gate) mayAsk(from netip.AddrPort, now time.Time) bool {
	net16 := network(from).Addr().As16()
	slot := &g.each[maphash.Bytes(g.seed, net16[:])%cookieSlots]
	g.mu.Lock()
	defer g.mu.Unlock()
	if second := int64(now.Sub(g.began) / time.Second); second != g.second {
		g.second, g.given = second, 0
		clear(g.each[:])
	}
	if g.given >= maxCookies || *slot >= maxCookiesEach {
		return false
	}
	g.given++
	*slot++
	return true
}

func (g *gate) minuteOf(now time.Time) uint64 { return uint64(now.Sub(g.began) / cookieLife) }

// cookie returns the cookie of an address for this minute.
func (g *gate) cookie(from netip.AddrPort, now time.Time) enrol.Cookie {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cookieLocked(from, g.minuteOf(now))
}

// cookieLocked hashes a fixed number of bytes behind the secret, so that no
// HMAC is needed, and allocates nothing.
func (g *gate) cookieLocked(from netip.AddrPort, minute uint64) enrol.Cookie {
	var b [32 + 16 + 2 + 8]byte
	a := from.Addr().As16()
	copy(b[:], g.secret[:])
	copy(b[32:], a[:])
	binary.BigEndian.PutUint16(b[48:], from.Port())
	binary.BigEndian.PutUint64(b[50:], minute)
	sum := sha256.Sum256(b[:])
	return enrol.Cookie(sum[:16])
}

// valid reports whether c is a cookie that the address was given in this
// minute or the one before.
func (g *gate) valid(c enrol.Cookie, from netip.AddrPort, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	minute := g.minuteOf(now)
	this, before := g.cookieLocked(from, minute), g.cookieLocked(from, minute-1)
	return subtle.ConstantTimeCompare(c[:], this[:])|subtle.ConstantTimeCompare(c[:], before[:]) == 1
}

// first reports whether an attempt of a boot is higher than all that came with
// a cookie that is still good, and remembers it.
func (g *gate) first(boot enrol.Boot, attempt uint64, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch minute := g.minuteOf(now); {
	case minute > g.minute+1:
		g.attempts = [2]map[enrol.Boot]uint64{{}, {}}
		g.minute = minute
	case minute == g.minute+1:
		g.attempts = [2]map[enrol.Boot]uint64{{}, g.attempts[0]}
		g.minute = minute
	}
	for _, seen := range g.attempts {
		if last, ok := seen[boot]; ok && attempt <= last {
			return false
		}
	}
	if len(g.attempts[0]) >= maxBoots {
		g.forget()
	}
	g.attempts[0][boot] = attempt
	return true
}
