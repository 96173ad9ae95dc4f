package edge

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// These tests are what an approved sensor can do that means harm: they call
// what comes after the seal.

// silent is a carrier of which nothing arrives.
type silent struct{}

func (silent) Send([]byte, netip.AddrPort) error { return nil }

var somewhere = Peer{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Via: silent{}}

// fakeJournal stores at once.
type fakeJournal struct{ stored int }

func (j *fakeJournal) Append(_ journal.Entry, done func(error)) {
	j.stored++
	done(nil)
}

func (*fakeJournal) Stored([32]byte, [16]byte) ranges.Set { return ranges.Set{} }
func (*fakeJournal) Pressure() float64                    { return 0 }

// newTestEdge returns an edge that does not run.
func newTestEdge(t testing.TB) *Edge {
	t.Helper()
	boxKey, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Box: private, BoxKey: boxKey, Identity: identity, Journal: &fakeJournal{}, Log: slog.New(slog.DiscardHandler),
		Decide: func(enrol.Identity, enrol.Claims, netip.AddrPort) (enrol.Status, error) { return enrol.Approved, nil },
	})
}

// testSensor is a sensor that joins and tells the truth only when it likes.
type testSensor struct {
	keys    enrol.Keys
	attempt uint64
	clock   int64
}

func newTestSensor(t testing.TB, e *Edge) *testSensor {
	t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var shared [32]byte
	box.Precompute(&shared, e.cfg.BoxKey, private)
	return &testSensor{keys: enrol.Keys{Identity: identity, BootKey: public, Shared: &shared, Site: e.cfg.BoxKey}}
}

func (s *testSensor) id() enrol.Identity {
	return enrol.Identity(s.keys.Identity.Public().(ed25519.PublicKey))
}

// join says HELLO and returns the newest session, if there is one.
func (s *testSensor) join(t testing.TB, e *Edge) *link {
	t.Helper()
	s.attempt++
	d, _, err := enrol.AppendHello(nil, s.keys, enrol.Cookie{}, &enrol.Hello{Identity: s.id(), Attempt: s.attempt, Time: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	e.answer(d, somewhere, time.Now())
	e.mu.Lock()
	defer e.mu.Unlock()
	if links := e.sensors[s.id()]; len(links) > 0 {
		return links[len(links)-1]
	}
	return nil
}

// A sensor that is revoked while its HELLO is being answered gets no session
// that outlives the revocation.
func TestRevokedWhileJoining(t *testing.T) {
	e := newTestEdge(t)
	s := newTestSensor(t, e)
	revoked := make(chan struct{})
	e.cfg.Decide = func(id enrol.Identity, _ enrol.Claims, _ netip.AddrPort) (enrol.Status, error) {
		go func() { // as decided: the registry has changed just after it was asked
			e.Revoke(id)
			close(revoked)
		}()
		select {
		case <-revoked:
		case <-time.After(50 * time.Millisecond):
		}
		return enrol.Approved, nil
	}
	s.join(t, e)
	<-revoked
	if n := e.links; n != 0 {
		t.Errorf("a revoked sensor has %d sessions", n)
	}
}

// take gives e a chunk as if it had come in the next packet of l.
func take(e *Edge, l *link, d session.Data) (whole []byte) {
	return e.take(l, l.window.Next(), &d, somewhere)
}

// Batches of which nothing is ever completed take no more memory than their
// bound, however small they are and however they are cut.
func TestManySmallPartials(t *testing.T) {
	e := newTestEdge(t)
	l := newTestSensor(t, e).join(t, e)
	for n := range uint64(100_000) {
		take(e, l, session.Data{Batch: n, Size: 2, Chunk: []byte{1}})
	}
	if n := len(l.partial); n > maxHeld/100 {
		t.Errorf("%d incomplete batches of 2 bytes", n)
	}
	l = newTestSensor(t, e).join(t, e)
	for off := range uint32(batch.MaxSize / 2) {
		take(e, l, session.Data{Size: batch.MaxSize, Offset: 2 * off, Chunk: []byte{1}})
	}
	if n := len(l.partial[0].got.Runs()); n > 1000 {
		t.Errorf("an incomplete batch is in %d pieces", n)
	}
}

// Sensors that fill all the room for incomplete batches leave some to others.
func TestRoomForEverySensor(t *testing.T) {
	e := newTestEdge(t)
	e.held.Store(maxHeldAll)
	l := newTestSensor(t, e).join(t, e)
	take(e, l, session.Data{Size: batch.MaxSize, Chunk: []byte{1}})
	take(e, l, session.Data{Batch: 1, Size: batch.MaxSize, Chunk: []byte{1}})
	if n := len(l.partial); n != 1 {
		t.Errorf("%d incomplete batches when others have filled the room, want 1", n)
	}
	e.Revoke(l.sensor)
	if n := e.held.Load(); n != maxHeldAll {
		t.Errorf("held = %d at the end, want %d", n, maxHeldAll)
	}
}

// A sensor whose batches leave a gap after each takes no room without bound;
// the lowest batch that lacks is always taken, so that the gaps can close.
func TestGapsAfterEachBatch(t *testing.T) {
	e := newTestEdge(t)
	l := newTestSensor(t, e).join(t, e)
	small := batch.Append(nil, batch.None, 0, nil)
	send := func(n, floor uint64) {
		d := session.Data{Batch: n, Floor: floor, Size: uint32(len(small)), Chunk: small}
		if whole := take(e, l, d); whole != nil {
			e.store(l, n, whole)
		}
	}
	for n := range uint64(20_000) {
		send(2*n+1, 0)
	}
	if n := len(l.stored.Runs()); n > 10_000 {
		t.Errorf("stored batches are in %d runs", n)
	}
	send(0, 0)
	if !l.stored.Contains(0) {
		t.Error("the lowest batch is not taken")
	}
	send(60_000, 50_000)
	if !l.stored.Contains(60_000) {
		t.Error("a batch is not taken after the gaps were given up")
	}
}

// What one sensor sends and no journal can take holds no other sensor back.
func TestNumberOfNoBatch(t *testing.T) {
	e := newTestEdge(t)
	j, _, err := journal.Open(t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	e.cfg.Journal = j
	s := newTestSensor(t, e)
	l := s.join(t, e)
	shared, _ := e.epochs.precompute(s.keys.BootKey, time.Now())
	l.seal = seal.NewLink(&shared, [16]byte{1}, seal.Collector)
	small := batch.Append(nil, batch.None, 0, nil)
	data := session.Data{Batch: math.MaxUint64, Size: uint32(len(small)), Chunk: small}
	e.Receive(seal.NewLink(&shared, [16]byte{1}, seal.Sensor).Seal(nil, session.Head(session.TypeData, l.id), 0, data.Append(nil)), somewhere)
	if n := e.Counters()["drop_bad_data"]; n != 1 {
		t.Errorf("%d dropped as bad, want 1", n)
	}
	if w := e.window(time.Now()); w != sensorWindow {
		t.Errorf("every sensor may now have %d bytes under way", w)
	}
}

// A sensor that does not say HELLO again when the epoch ends, or whose HELLOs
// somebody on the way takes out, loses its session: the key must be gone.
func TestSessionEndsAfterItsEpoch(t *testing.T) {
	e := newTestEdge(t)
	now := time.Now()
	l := newTestSensor(t, e).join(t, e)
	now = now.Add(epochLife + time.Second)
	sweepAt := func(now time.Time) bool {
		l.active.Store(now.UnixNano())
		e.sweep(now)
		return e.sessions.get(l.id) != nil
	}
	if !sweepAt(now) {
		t.Error("the session ends with the epoch: the sensor has no time to say HELLO")
	}
	if sweepAt(now.Add(idleSession + time.Second)) {
		t.Error("the session is still there long after its epoch")
	}
}

// An epoch lasts no longer because the clock was wrong when it began.
func TestEpochAndClock(t *testing.T) {
	e := newTestEdge(t)
	now := time.Now()
	wrong := e.epochs.current(now)
	e.epochs.now.Until += int64(70 * 365 * 24 * time.Hour) // the clock was ahead, and was set back
	if e.epochs.current(now.Add(epochLife)).Key == wrong.Key {
		t.Error("an epoch of a wrong clock goes on for 70 years")
	}
}

// One address that says HELLO without end leaves room in the queue to others,
// whether it forges where it comes from or proves it.
func TestHelloQueueIsShared(t *testing.T) {
	e := newTestEdge(t)
	hello := make([]byte, session.MaxDatagram)
	say := func(from string, proved bool) (queued bool) {
		addr := netip.MustParseAddrPort(from)
		var c enrol.Cookie
		if proved {
			c = e.gate.cookie(addr, time.Now())
		}
		copy(hello[4:], c[:])
		before := len(e.hellos)
		e.queueHello(hello, Peer{addr, silent{}})
		return len(e.hellos) > before
	}
	for range 1000 {
		say("192.0.2.1:1", false)
		say("192.0.2.2:2", true)
		say("[2001:db8::1]:3", true)
		say("[2001:db8::2]:3", true)
	}
	if n := len(e.hellos); n != 2*maxWaiting {
		t.Errorf("%d HELLOs wait of two networks, want %d", n, 2*maxWaiting)
	}
	if say("192.0.2.3:3", false) || !say("192.0.2.3:3", true) || !say("[2001:db8:1::]:3", true) {
		t.Error("there is no room for a HELLO that proves another address")
	}
	for len(e.hellos) > 0 {
		e.gate.leave((<-e.hellos).from.Addr)
	}
	if !say("192.0.2.2:2", true) || len(e.gate.waiting) != 1 {
		t.Error("no room for an address whose HELLOs were all answered")
	}
}

// COOKIEs are not without end, neither to one address nor in all.
func TestCookiesAreBounded(t *testing.T) {
	g := newGate()
	now := g.began
	flood := netip.MustParseAddrPort("192.0.2.1:1")
	asked := 0
	for range 10 * maxCookiesEach {
		if g.mayAsk(flood, now) {
			asked++
		}
	}
	if asked != maxCookiesEach {
		t.Errorf("%d COOKIEs to one address in a second, want %d", asked, maxCookiesEach)
	}
	for n := range uint32(4 * maxCookies) {
		a := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		if g.mayAsk(netip.AddrPortFrom(a, 1), now) {
			asked++
		}
	}
	if asked != maxCookies {
		t.Errorf("%d COOKIEs in a second, want %d", asked, maxCookies)
	}
	if !g.mayAsk(flood, now.Add(time.Second)) {
		t.Error("no COOKIE in the next second")
	}
}

// A cookie is good for its address and for one to two minutes, and each attempt
// counts once as long.
func TestGate(t *testing.T) {
	g := newGate()
	from, other := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2")
	for s := time.Duration(0); s < 3*cookieLife; s += cookieLife / 3 {
		now := g.began.Add(s)
		c, boot := g.cookie(from, now), enrol.Boot{byte(s / time.Second)}
		if !g.valid(c, from, now.Add(cookieLife)) || g.valid(c, from, now.Add(2*cookieLife)) || g.valid(c, other, now) {
			t.Errorf("after %v: the cookie is good for too long, not long enough, or for somebody else", s)
		}
		if !g.first(boot, 5, now) || g.first(boot, 5, now) || g.first(boot, 4, now) || !g.first(boot, 6, now) {
			t.Errorf("after %v: an attempt is taken twice, or a later one not", s)
		}
		for later := now; g.valid(c, from, later); later = later.Add(cookieLife / 7) {
			if g.first(boot, 6, later) {
				t.Fatalf("after %v: the attempt is new again %v later, while its cookie is good", s, later.Sub(now))
			}
		}
		g.minute, g.attempts = 0, [2]map[enrol.Boot]uint64{{}, {}}
	}
}

// More boots than can be remembered make all cookies void, not attempts new.
func TestManyBoots(t *testing.T) {
	g := newGate()
	from := netip.MustParseAddrPort("192.0.2.1:1")
	c := g.cookie(from, g.began)
	for n := range uint32(maxBoots + 1) {
		if !g.valid(c, from, g.began) {
			t.Fatalf("the cookie is void after %d boots", n)
		}
		g.first(enrol.Boot{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, 1, g.began)
	}
	if g.valid(c, from, g.began) || len(g.attempts[0]) != 1 {
		t.Errorf("of %d boots %d are remembered, and the cookie is good: %v", maxBoots+1, len(g.attempts[0]), g.valid(c, from, g.began))
	}
}

// HELLOs of earlier boots that somebody recorded do not push out the session
// that was just made and in which nothing has come yet.
func TestReplayedHellosOfEarlierBoots(t *testing.T) {
	e := newTestEdge(t)
	s := newTestSensor(t, e)
	s.clock = 1000
	l := s.join(t, e)
	for n := range int64(20) {
		old := newTestSensor(t, e)
		old.keys.Identity, old.clock = s.keys.Identity, 900+n
		old.join(t, e)
	}
	if e.sessions.get(l.id) == nil {
		t.Error("the newest session was ended for sessions of earlier boots")
	}
	if n := len(e.sensors[s.id()]); n != linksPerSensor {
		t.Errorf("the sensor has %d sessions", n)
	}
}

// A sensor that does not slow down when it is told to has no more stored than its
// share; another is not touched by that, and what was refused may come later.
func TestQuota(t *testing.T) {
	e := newTestEdge(t)
	e.cfg.Shares = quota.NewShares(1)
	const most, size = 4 << 20, 200_000
	bad, good := newTestSensor(t, e), newTestSensor(t, e)
	l := bad.join(t, e)
	whole := batch.Append(nil, batch.None, size, make([]byte, size))
	for n := range uint64(30) {
		l.storing = map[uint64]struct{}{n: {}}
		e.store(l, n, whole)
	}
	const fit = most / size // and no header more
	if got := e.cfg.Journal.(*fakeJournal).stored; got != fit {
		t.Errorf("%d batches are stored, want %d", got, fit)
	}
	if got := e.counters[dropQuota].Load(); got != 30-fit {
		t.Errorf("drop_quota = %d, want %d", got, 30-fit)
	}
	if got := l.stored.Len(); got != fit || len(l.storing) != 0 {
		t.Errorf("%d batches are acknowledged, %d on their way", got, len(l.storing))
	}
	if again := bad.join(t, e); again.share != l.share { // a new session is no new share
		t.Error("a new session has a share of its own")
	}
	other := good.join(t, e)
	e.store(other, 0, whole)
	if other.stored.Len() != 1 {
		t.Error("another sensor is refused")
	}
}
