package quota

import (
	"net/netip"
	"sync"
)

const (
	// maxGuests bounds the connections of sensors that nobody has approved, and
	// MaxGuestsEach those of one network.
	maxGuests     = 1024
	MaxGuestsEach = maxGuests / 4
)

// Guests counts the connections of sensors that nobody has approved: whoever
// likes can have such a sensor, and keep its connection. The zero Guests has
// none.
type Guests struct {
	mu sync.Mutex
	n  int
	of map[netip.Prefix]int
}

// Enter counts one more from a, if there is room.
func (g *Guests) Enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	network := Network(a)
	if g.n >= maxGuests || g.of[network] >= MaxGuestsEach {
		return false
	}
	if g.of == nil {
		g.of = map[netip.Prefix]int{}
	}
	g.n++
	g.of[network]++
	return true
}

// Leave undoes Enter.
func (g *Guests) Leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	network := Network(a)
	g.n--
	if g.of[network]--; g.of[network] == 0 {
		delete(g.of, network)
	}
}

// Len returns how many there are.
func (g *Guests) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}
