package dtls

import (
	"net/netip"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/wire/outer"
)

// Here is what becomes of a connection, from its first datagram to its end, and
// what each step may take.

// beginLocked begins a handshake, if that may be.
func (l *Listener) beginLocked(from netip.AddrPort, now time.Time) *conn {
	known := l.door.enter(from, now)
	switch {
	case l.shut:
		return nil
	case !known && !l.strangers.Take(from.Addr(), now):
		l.counters.add(dropQuota)
		return nil
	case l.proved >= maxProved || len(l.all) >= maxConns+maxUnproved:
		l.counters.add(dropFull)
		return nil
	}
	c := newConn(l, from, now)
	if known {
		c.phase = proved
		l.proved++
	} else {
		l.makeRoomLocked()
		l.unproved = append(l.unproved, c)
	}
	l.all[c] = struct{}{}
	l.handshake[from] = c
	l.counters.add(handshakes)
	l.serving.Go(func() { c.serve() })
	return c
}

// makeRoomLocked ends the oldest handshake of an address that is not proved, if
// there are as many as may be.
func (l *Listener) makeRoomLocked() {
	if len(l.unproved) < maxUnproved {
		return
	}
	oldest := l.unproved[0]
	l.counters.add(dropUnproved)
	l.endHandshakeLocked(oldest)
	oldest.packets.Close()
}

// prove notes that the peer of c receives where it says.
func (l *Listener) prove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase == unproved {
		l.endHandshakeLocked(c)
		l.handshake[c.first] = c
		c.phase = proved
		l.proved++
	}
}

// establish notes that the handshake of c is done; not ok if there is no room.
func (l *Listener) establish(c *conn, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endHandshakeLocked(c)
	if len(l.all) > maxConns || c.standing == outer.Guest && !l.guests.Enter(c.first.Addr()) {
		l.counters.add(dropFull)
		return false
	}
	c.phase, c.began = established, now
	c.active.Store(now.UnixNano())
	l.boundLocked(c)
	l.byAddr[c.first] = c // an earlier one of this address is reached by its ID, or idle
	return true
}

// boundLocked ends the oldest connections of the sensor of c, if c is one too many.
func (l *Listener) boundLocked(c *conn) {
	if c.psk {
		return // the identities of devices are none of sensors
	}
	mine := append(l.of[c.identity], c)
	for _, old := range mine[:max(0, len(mine)-maxEach)] {
		old.packets.Close()
	}
	l.of[c.identity] = mine
}

// endHandshakeLocked takes c from the handshakes under way.
func (l *Listener) endHandshakeLocked(c *conn) {
	if l.handshake[c.first] == c {
		delete(l.handshake, c.first)
	}
	switch c.phase {
	case unproved:
		for i, other := range l.unproved {
			if other == c {
				l.unproved = append(l.unproved[:i], l.unproved[i+1:]...)
				break
			}
		}
	case proved:
		l.proved--
	}
	c.phase = ended
}

// remove forgets c.
func (l *Listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase == established && c.standing == outer.Guest {
		l.guests.Leave(c.first.Addr())
	}
	if c.phase != established {
		l.endHandshakeLocked(c)
	}
	delete(l.all, c)
	mine := slices.DeleteFunc(l.of[c.identity], func(other *conn) bool { return other == c })
	if l.of[c.identity] = mine; len(mine) == 0 {
		delete(l.of, c.identity)
	}
	if l.byAddr[c.first] == c {
		delete(l.byAddr, c.first)
	}
	if l.byCID[c.cid] == c {
		delete(l.byCID, c.cid)
	}
}

// promote notes that the sensor of c is approved.
func (l *Listener) promote(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.standing == outer.Guest {
		c.standing = outer.Member
		l.guests.Leave(c.first.Addr())
	}
}

// name makes the connection ID of c.
func (l *Listener) name(c *conn) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.cid = newCID(func(id [outer.CIDSize]byte) bool { return l.byCID[id] != nil })
	l.byCID[c.cid] = c
	return c.cid[:]
}
