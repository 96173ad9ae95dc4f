package edge

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
)

const (
	// pendingRetry is after how many seconds a sensor that waits for its
	// approval asks again.
	pendingRetry = 1
	// helloQueue is how many HELLOs wait: a second's worth for a slow disk.
	helloQueue = 256
	// linksPerSensor bounds the sessions of one identity. One is in use; others
	// are of earlier boots, or their WELCOME was lost.
	linksPerSensor = 4
	maxLinks       = 1 << 16
)

// hello is a HELLO that waits for its turn.
type hello struct {
	datagram []byte
	from     Peer
}

// queueHello queues a HELLO that carries a cookie for the address it comes
// from, and asks for that all others. Few of one address may wait.
func (e *Edge) queueHello(d []byte, from Peer) {
	h, err := enrol.ParseHello(d)
	if err != nil {
		e.counters.add(dropShort)
		return
	}
	now := time.Now()
	if !e.gate.valid(h.Cookie, from.Addr, now) {
		e.counters.add(dropHelloCookie)
		if e.gate.mayAsk(from.Addr, now) {
			e.counters.add(cookies)
			e.write(enrol.AppendCookie(nil, h.Nonce, e.gate.cookie(from.Addr, now)), from)
		}
		return
	}
	if !e.gate.enter(from.Addr) {
		e.counters.add(dropHelloQueue)
		return
	}
	select {
	case e.hellos <- hello{append([]byte(nil), d...), from}:
	default:
		e.counters.add(dropHelloQueue)
		e.gate.leave(from.Addr)
	}
}

// greet answers HELLOs, one after the other.
func (e *Edge) greet(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-e.hellos:
			e.gate.leave(h.from.Addr)
			e.answer(h.datagram, h.from, time.Now())
		}
	}
}

// answer takes a HELLO and sends the WELCOME.
func (e *Edge) answer(d []byte, from Peer, now time.Time) {
	sealed, err := enrol.ParseHello(d)
	if err != nil {
		e.counters.add(dropShort)
		return
	}
	key := e.boxKey(sealed.Hint())
	if key == nil {
		e.counters.add(dropHelloSealed)
		return
	}
	var shared [32]byte
	box.Precompute(&shared, &sealed.BootKey, &key.Private)
	h, err := sealed.Open(&shared, &key.Public)
	switch {
	case errors.Is(err, enrol.ErrSealed):
		e.counters.add(dropHelloSealed)
		return
	case err != nil:
		e.counters.add(dropHelloSigned)
		return
	}
	boot := enrol.BootOf(&sealed.BootKey)
	if !e.gate.first(boot, h.Attempt, now) {
		e.counters.add(dropHelloReplay)
		return
	}
	w := enrol.Welcome{Hello: sealed.Nonce, Time: now.UnixNano(), Retry: pendingRetry}
	if key.Handover != nil {
		w.Status, w.Handover = enrol.Moved, *key.Handover
		e.counters.add(moved)
		e.write(enrol.AppendWelcome(nil, &shared, &w), from)
		return
	}
	l, err := e.join(&w, &sealed, &h, boot, from, now)
	if err != nil {
		e.counters.add(dropHelloError)
		e.cfg.Log.Error("registering sensor", "sensor", h.Identity.Code(), "error", err)
		return
	}
	e.counters.add(welcomes)
	e.write(enrol.AppendWelcome(nil, &shared, &w), from)
	if l != nil {
		e.due.add(l) // tells what of this boot is stored already
	}
}

// join fills in w with what is decided about the sensor, and with a session if
// it is approved.
func (e *Edge) join(w *enrol.Welcome, sealed *enrol.SealedHello, h *enrol.Hello, boot enrol.Boot, from Peer, now time.Time) (l *link, err error) {
	e.joining.Lock()
	defer e.joining.Unlock()
	w.Status, err = e.cfg.Decide(h.Identity, h.Claims, from.Addr)
	if err == nil && w.Status == enrol.Approved {
		l = e.newLink(w, sealed, h, boot, from, now)
	}
	return l, err
}

// newLink makes a session and fills in w.
func (e *Edge) newLink(w *enrol.Welcome, sealed *enrol.SealedHello, h *enrol.Hello, boot enrol.Boot, from Peer, now time.Time) *link {
	shared, epoch := e.epochs.precompute(&sealed.BootKey, now)
	w.Epoch, w.Window = epoch.Epoch, sensorWindow
	rand.Read(w.Salt[:])
	l := &link{
		sensor: h.Identity, boot: boot, epoch: epoch.Key, said: h.Time, peer: from, made: now.UnixNano(),
		seal:   seal.NewLink(&shared, w.Salt, seal.Collector),
		share:  e.cfg.Shares.Of(h.Identity),
		stored: e.cfg.Journal.Stored(h.Identity, boot),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for l.id == 0 || e.sessions.get(l.id) != nil {
		var id [4]byte
		rand.Read(id[:])
		l.id = binary.BigEndian.Uint32(id[:])
	}
	w.Session = l.id
	if len(e.sensors[h.Identity]) >= linksPerSensor {
		e.removeLocked(idlest(e.sensors[h.Identity]))
	}
	if e.links >= maxLinks {
		for _, any := range e.sensors {
			e.removeLocked(any[0])
			break
		}
	}
	e.links++
	e.sessions.put(l)
	e.sensors[l.sensor] = append(e.sensors[l.sensor], l)
	return l
}

// idlest returns the session in which DATA came least lately, or never: of
// those the one whose HELLO is the oldest by the sensor's clock, since somebody
// may replay HELLOs while a session that was just made is still silent.
func idlest(links []*link) *link {
	return slices.MinFunc(links, func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.active.Load(), b.active.Load()), cmp.Compare(a.said, b.said))
	})
}

// removeLocked ends a session. Chunks that come for it are dropped; the sensor
// notices the silence and says HELLO again.
func (e *Edge) removeLocked(l *link) {
	e.links--
	e.sessions.remove(l.id)
	l.end(e)
	kept := e.sensors[l.sensor][:0]
	for _, other := range e.sensors[l.sensor] {
		if other != l {
			kept = append(kept, other)
		}
	}
	if e.sensors[l.sensor] = kept; len(kept) == 0 {
		delete(e.sensors, l.sensor)
	}
}

// Revoke ends every session of a sensor. From then on Decide must not approve
// it.
func (e *Edge) Revoke(id enrol.Identity) {
	e.joining.Lock()
	defer e.joining.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.sensors[id]) > 0 {
		e.removeLocked(e.sensors[id][0])
	}
}

// sweep ends sessions that are idle, and those that stay in an epoch that ended:
// while they last, so does the key.
func (e *Edge) sweep(now time.Time) {
	current := e.epochs.current(now)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range slices.Concat(slices.Collect(maps.Values(e.sensors))...) {
		idle := now.Sub(time.Unix(0, max(l.active.Load(), l.made))) > idleSession
		stays := l.epoch != current.Key && now.Sub(current.began) > epochGrace
		if idle || stays {
			e.removeLocked(l)
		}
	}
}
