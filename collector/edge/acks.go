package edge

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// ackEvery is how long acknowledgements are gathered.
const ackEvery = 2 * time.Millisecond

// due lists the sessions that an ACK is due to.
type due struct {
	mu    sync.Mutex
	links []*link
}

// add notes that l is to be sent an ACK.
func (d *due) add(l *link) {
	if l.due.Swap(true) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = append(d.links, l)
}

// swap returns the sessions that are due and takes empty to list the next.
func (d *due) swap(empty []*link) []*link {
	d.mu.Lock()
	defer d.mu.Unlock()
	links := d.links
	d.links = empty
	return links
}

// An Outgoing is a datagram to be sent.
type Outgoing struct {
	Datagram []byte
	To       netip.AddrPort
}

// A Batcher is a Carrier that sends many datagrams for the price of few calls.
// It returns how many the system refused.
type Batcher interface {
	Carrier
	SendAll(all []Outgoing) (refused int)
}

// acks has the memory of one gathering of ACKs, for the next.
type acks struct {
	links []*link
	bytes []byte // datagrams, one behind the other
	plain []byte
	out   map[Batcher][]Outgoing
}

// acknowledge sends ACKs in small gatherings, and drops idle sessions.
func (e *Edge) acknowledge(ctx context.Context) error {
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	sweep := time.NewTicker(time.Minute)
	defer sweep.Stop()
	var a acks
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			e.sendAcks(&a, now)
		case now := <-sweep.C:
			e.sweep(now)
		}
	}
}

func (e *Edge) sendAcks(a *acks, now time.Time) {
	clear(a.links)
	a.links = e.due.swap(a.links[:0])
	if len(a.links) == 0 {
		return
	}
	current, window := e.epochs.current(now), e.window(now)
	a.bytes = a.bytes[:0]
	if a.out == nil {
		a.out = map[Batcher][]Outgoing{}
	}
	for _, l := range a.links {
		l.due.Store(false) // before looking: what comes from now on makes it due again
		start := len(a.bytes)
		var to Peer
		if to = l.ack(a, now, window, l.epoch != current.Key); to.Via == nil {
			continue // the session was ended
		}
		d := a.bytes[start:len(a.bytes):len(a.bytes)]
		if b, ok := to.Via.(Batcher); ok {
			a.out[b] = append(a.out[b], Outgoing{d, to.Addr})
		} else {
			e.write(d, to)
		}
	}
	for b, all := range a.out {
		e.counters[writeErrors].Add(uint64(b.SendAll(all)))
		clear(all)
		a.out[b] = all[:0]
	}
}
