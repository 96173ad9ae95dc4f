package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

func testJoiner(t *testing.T, collector string) *joiner {
	t.Helper()
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJoiner(site.Site{Collectors: []string{collector}, Box: site.Key{9}}, identity, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A session may outlive the socket: the collector is silent and none can be
// dialled, since there is no route any more.
func TestSessionWithoutSocket(t *testing.T) {
	var shared [32]byte
	const nowhere = "127.0.0.1:99999"
	u := newUplink(
		Config{Site: site.Site{Collectors: []string{nowhere}}, Dial: dialUDP, Spool: spool.New(1 << 20), Log: slog.New(slog.DiscardHandler), Say: func(string) {}},
		testJoiner(t, nowhere))
	u.send = newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0, session.MaxDatagram)
	u.road = u.roads[0]
	u.Spool.Put(batch.Frame{Batch: make([]byte, 5000)})
	u.transmit(t.Context(), start)
	u.reached(<-u.dialled, start)
	if u.road.conn != nil || u.stats.sent == 0 || u.stats.sendErrors != u.stats.sent {
		t.Errorf("of %d datagrams without a socket, %d are send errors", u.stats.sent, u.stats.sendErrors)
	}
	if u.stats.dialErrors != 1 {
		t.Errorf("%d dial errors", u.stats.dialErrors)
	}
}

// Whoever sees a HELLO can answer it with a COOKIE: that must not make the
// sensor say HELLO as fast as the two can.
func TestEndlessCookies(t *testing.T) {
	j := testJoiner(t, "127.0.0.1:1")
	var g greeting
	now, hellos := start, 0
	for range 1000 {
		now = now.Add(time.Millisecond)
		if now.Before(g.next) {
			continue
		}
		d, err := j.hello(&g, now)
		if err != nil {
			t.Fatal(err)
		}
		hellos++
		h, err := enrol.ParseHello(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.answered(enrol.AppendCookie(nil, h.Nonce, enrol.Cookie{byte(hellos)}), now); err != nil {
			t.Fatal(err)
		}
		if g.cookie != (enrol.Cookie{byte(hellos)}) {
			t.Error("the newest cookie is not kept")
		}
	}
	if hellos > 5 {
		t.Errorf("%d HELLOs in a second", hellos)
	}
}

// A COOKIE for no HELLO does not make one due.
func TestCookieForNoHello(t *testing.T) {
	g := greeting{next: start.Add(time.Minute)}
	if err := g.answered(enrol.AppendCookie(nil, enrol.Nonce{}, enrol.Cookie{1}), start); err == nil || !g.next.After(start) {
		t.Errorf("error = %v, next HELLO after %v", err, g.next.Sub(start))
	}
}

// A pace that the collector takes back holds nothing up any more, and the
// largest window is not none, whatever the size of an int.
func TestHugeAndTinyLimits(t *testing.T) {
	var shared [32]byte
	s := newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<32-1, 0, session.MaxDatagram)
	sp := fakeSpool{held: map[uint64][]byte{0: make([]byte, 100_000)}}
	if s.datagram(sp, 0, start) == nil || s.datagram(sp, 1, start) == nil {
		t.Error("a window of 4 GiB has no room for two datagrams")
	}
	s.answer(&session.Ack{Window: 1<<32 - 1, Pace: 1}, sp, 2, start)
	if s.datagram(sp, 2, start) == nil || s.datagram(sp, 3, start.Add(time.Minute)) != nil {
		t.Error("at 1 byte/s one goes at once, the next in 20 minutes")
	}
	s.answer(&session.Ack{Window: 1<<32 - 1}, sp, 3, start)
	if s.datagram(sp, 3, start) == nil {
		t.Error("the pace was taken back, and still holds up")
	}
}

// Whoever has stolen the site's box key can answer HELLOs to it, but cannot lead
// a sensor to a key of their own: it must be the announced one, and signed.
func TestNoFalseHandover(t *testing.T) {
	sitePublic, siteIdentity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, thiefIdentity, _ := ed25519.GenerateKey(rand.Reader)
	_, identity, _ := ed25519.GenerateKey(rand.Reader)
	next, mine := [32]byte{7}, [32]byte{8}
	j, err := newJoiner(site.Site{Box: site.Key{9}, Identity: site.Key(sitePublic), Next: sha256.Sum256(next[:])}, identity, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]enrol.Handover{
		"another key":       enrol.SignHandover(siteIdentity, mine, [32]byte{}),
		"another signature": enrol.SignHandover(thiefIdentity, next, [32]byte{}),
	} {
		if err := j.follow(0, &h); err == nil || len(j.boxes) != 1 {
			t.Errorf("%s was followed", name)
		}
	}
	h := enrol.SignHandover(siteIdentity, next, sha256.Sum256(mine[:]))
	if err := j.follow(0, &h); err != nil || j.boxes[j.box].key != site.Key(next) {
		t.Errorf("the announced key was not followed: %v", err)
	}
	if err := j.follow(0, &h); err != nil || len(j.boxes) != 2 {
		t.Errorf("the same statement again: %v, %d keys", err, len(j.boxes))
	}
}
