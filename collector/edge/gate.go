package edge

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

const (
	// cookieLife is for how long a cookie proves an address.
	cookieLife = time.Minute
	// maxWaiting is how many HELLOs of one address, or IPv6 network of 64
	// bits, may wait where a cookie is needed: an eighth of that half.
	maxWaiting = 8
)

// gate makes and checks cookies, with no state per address but of those that
// have proved theirs and wait.
type gate struct {
	secret [32]byte

	mu      sync.Mutex
	waiting map[netip.Prefix]int // HELLOs with a cookie in the queue
}

func newGate() *gate {
	g := &gate{waiting: map[netip.Prefix]int{}}
	rand.Read(g.secret[:])
	return g
}

// enter notes that a HELLO from an address that is proved is to wait; not ok
// if too many of it wait already.
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

func (g *gate) cookie(from netip.AddrPort, now time.Time) enrol.Cookie {
	mac := hmac.New(sha256.New, g.secret[:])
	b, _ := from.MarshalBinary() // of a netip.AddrPort it never fails
	mac.Write(binary.BigEndian.AppendUint64(b, uint64(now.Unix()/int64(cookieLife/time.Second))))
	return enrol.Cookie(mac.Sum(nil)[:16])
}

func (g *gate) valid(c enrol.Cookie, from netip.AddrPort, now time.Time) bool {
	for _, t := range []time.Time{now, now.Add(-cookieLife)} {
		want := g.cookie(from, t)
		if hmac.Equal(want[:], c[:]) {
			return true
		}
	}
	return false
}
