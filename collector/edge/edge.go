// Package edge is where sensors reach the collector: it reads their datagrams,
// joins them to sessions, puts batches together, has each one stored, and
// acknowledges it when it is.
//
// Everything that arrives is hostile until its header tag is right: until
// then nothing is allocated and nothing but a counter changes. A HELLO, which
// has no tag, must carry a fresh cookie before anything is kept or any
// public-key work is done for it. docs/format/wire.md has the bytes.
//
// Datagrams come in by carriers (UDP here; DTLS and WebSocket beside it), which
// read and call Receive. One goroutine answers HELLOs, one sends ACKs.
package edge

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// sensorWindow is how many bytes a sensor may have under way.
	sensorWindow = 1 << 20
	// leastWindow lets one datagram through, to see whether there is room again.
	leastWindow = session.MaxDatagram
	// refusedFor is how long sensors hold back after the journal refused a batch.
	refusedFor = time.Second
	// idleSession is how long a silent session is kept. Sensors say something
	// every 10 s.
	idleSession = 10 * time.Minute
)

// Journal stores batches; *journal.Journal does.
type Journal interface {
	// Append keeps nothing of the body once it returns, and calls done when the
	// entry is durable or never will be.
	Append(e journal.Entry, done func(error))
	Stored(sensor [32]byte, boot [16]byte) ranges.Set
	// Pressure is from 0, while the journal keeps up, to 1, when it refuses.
	Pressure() float64
}

// Config is what an edge needs.
type Config struct {
	Box      *[32]byte // private half of the site's box key, until SetBoxKeys
	BoxKey   *[32]byte // its public half
	Identity ed25519.PrivateKey
	Journal  Journal
	// Decide records that a sensor said HELLO and says what is decided about it.
	Decide func(id enrol.Identity, claims enrol.Claims, from netip.AddrPort) (enrol.Status, error)
	Log    *slog.Logger
	// Shares bounds what each sensor brings; nil bounds nothing.
	Shares *quota.Shares

	// Open returns what a sensor wishes to fetch; nil serves nothing.
	Open func(sensor enrol.Identity, name string) (io.ReadSeekCloser, error)
}

// Edge serves the sensors that reach it by any carrier.
//
// Locks are taken in this order: joining, mu, a link's own, its share's, due's. What
// carriers call takes no lock that all of them share but due's, and that only
// for a session's first datagram of each gathering of ACKs.
type Edge struct {
	cfg      Config
	counters counters
	hellos   chan hello
	wishes   chan wish
	gate     *gate
	epochs   epochs
	boxKeys  atomic.Pointer[map[enrol.KeyHint]*BoxKey]
	sessions table
	due      due
	held     atomic.Int64 // bytes of incomplete batches, of all sessions
	refused  atomic.Int64 // when the journal last refused a batch, Unix ns

	// joining is held from asking what is decided about a sensor until its
	// session is made: a revocation comes before or after, not between.
	joining sync.Mutex

	mu      sync.RWMutex
	sensors map[enrol.Identity][]*link // by who they are with, the oldest first
	links   int
}

// New returns an edge that Run makes serve.
func New(cfg Config) *Edge {
	e := &Edge{
		cfg:      cfg,
		hellos:   make(chan hello, helloQueue),
		wishes:   make(chan wish, wishQueue),
		gate:     newGate(),
		epochs:   epochs{identity: cfg.Identity},
		sessions: newTable(),
		sensors:  map[enrol.Identity][]*link{},
	}
	e.SetBoxKeys([]BoxKey{{Private: *cfg.Box, Public: *cfg.BoxKey}})
	return e
}

// Run answers what Receive takes in until ctx ends, then returns nil. ACKs for
// what is stored later are sent by Flush: carriers stay open until then.
func (e *Edge) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.greet(ctx) })
	g.Go(func() error { return e.acknowledge(ctx) })
	g.Go(func() error { return e.serveFiles(ctx) })
	return g.Wait()
}

// Flush sends every ACK that is due: to be called once more after Run, when
// the journal has finished its last commit.
func (e *Edge) Flush() { e.sendAcks(&acks{}, time.Now()) }

// Receive takes one datagram, and keeps nothing of it. It is safe for
// concurrent use.
func (e *Edge) Receive(d []byte, from Peer) {
	e.counters.add(datagrams)
	t, id, err := session.ParseHead(d)
	switch {
	case len(d) > session.MaxDatagram:
		e.counters.add(dropOversize)
	case errors.Is(err, session.ErrVersion):
		e.counters.add(dropVersion)
	case err != nil:
		e.counters.add(dropNotOurs)
	case t == session.TypeHello:
		e.queueHello(d, from)
	case t == session.TypeData:
		e.data(d, id, from)
	case t == session.TypeFetch && e.cfg.Open != nil:
		e.fetch(d, id, from)
	default: // only a collector sends the others
		e.counters.add(dropNotOurs)
	}
}

// data takes a DATA datagram.
func (e *Edge) data(d []byte, id uint32, from Peer) {
	buf := plains.Get().(*[seal.MaxPlain]byte)
	defer plains.Put(buf)
	l, number, plain := e.open(buf[:0], d, id)
	if l == nil {
		return
	}
	chunk, err := session.ParseData(plain)
	if err != nil {
		e.counters.add(dropBadData)
		return
	}
	if whole := e.take(l, number, &chunk, from); whole != nil {
		e.store(l, chunk.Batch, whole)
		putBuffer(whole)
	}
}

// open returns the session and the plaintext of a datagram that has not come
// before, or a nil session; then it has counted why.
func (e *Edge) open(buf, d []byte, id uint32) (l *link, number uint64, plain []byte) {
	if l = e.sessions.get(id); l == nil {
		e.counters.add(dropNoSession)
		return nil, 0, nil
	}
	number, err := l.seal.Check(d)
	switch {
	case errors.Is(err, seal.ErrShort):
		e.counters.add(dropShort)
		return nil, 0, nil
	case err != nil:
		e.counters.add(dropTag)
		return nil, 0, nil
	case !l.fresh(number):
		e.counters.add(dropReplay)
		e.due.add(l) // the ACK may have been lost
		return nil, 0, nil
	}
	if plain, err = l.seal.Open(buf, d); err != nil {
		e.counters.add(dropForged)
		return nil, 0, nil
	}
	return l, number, plain
}

// plains has buffers for what is opened, one for each carrier's goroutine.
var plains = sync.Pool{New: func() any { return new([seal.MaxPlain]byte) }}

// store has a whole batch stored, and acknowledges it when it is.
func (e *Edge) store(l *link, number uint64, whole []byte) {
	e.counters.add(batches)
	began := time.Now()
	if !l.share.Take(len(whole), began) {
		e.counters.add(dropQuota)
		l.giveBack(number)
		e.due.add(l) // tells of the smaller window
		return       // not in the ACK: the sensor sends it again
	}
	now, size := began.UnixNano(), len(whole)
	entry := journal.Entry{Sensor: l.sensor, Boot: l.boot, Batch: number, Received: now, Body: whole}
	e.cfg.Journal.Append(entry, func(err error) {
		if err != nil {
			e.counters.add(dropNotStored)
			e.refused.Store(now)
			l.share.GiveBack(size)
			l.giveBack(number)
			e.due.add(l) // tells of the smaller window
			return       // not in the ACK: the sensor sends it again
		}
		e.counters.add(stored)
		l.store(number)
		e.due.add(l)
	})
}

// window is how many bytes a sensor may have under way: the less, the nearer the
// journal is to its bounds, and next to none for a while after it refused a
// batch, so that sensors hold back what would only be dropped.
func (e *Edge) window(now time.Time) uint32 {
	if now.Sub(time.Unix(0, e.refused.Load())) < refusedFor {
		return leastWindow
	}
	return max(leastWindow, uint32(float64(sensorWindow)*(1-e.cfg.Journal.Pressure())))
}

func (e *Edge) write(d []byte, to Peer) {
	if err := to.Via.Send(d, to.Addr); err != nil {
		e.counters.add(writeErrors)
	}
}
