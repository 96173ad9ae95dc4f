package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

var start = time.Unix(1700000000, 0)

// received returns what a collector says of the packets that came.
func received(numbers ...uint64) *session.Received {
	var w session.Window
	for _, n := range numbers {
		w.Mark(n)
	}
	r := w.Received()
	return &r
}

// fakeSpool is a spool of given batches.
type fakeSpool struct {
	Spool
	held map[uint64][]byte
}

func (s fakeSpool) Get(n uint64) (batch.Numbered, bool) {
	b, ok := s.held[n]
	return batch.Numbered{Number: n, Frame: batch.Frame{Batch: b}}, ok
}

func (s fakeSpool) From(n uint64) (batch.Numbered, bool) {
	for ; n < 100; n++ {
		if b, ok := s.Get(n); ok {
			return b, true
		}
	}
	return batch.Numbered{}, false
}

func (s fakeSpool) Floor() uint64 { return 0 }

func (s fakeSpool) Stored(set *ranges.Set) (batches, records int) {
	before := len(s.held)
	for n := range s.held {
		if set.Contains(n) {
			delete(s.held, n)
		}
	}
	return before - len(s.held), 0
}

// A batch that came whole but is not stored is sent once more after storeWait;
// one that the spool has given up is not.
func TestSenderSendsAgainWhatIsNotStored(t *testing.T) {
	var shared [32]byte
	s := newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0, session.MaxDatagram)
	sp := fakeSpool{held: map[uint64][]byte{0: make([]byte, 3000), 1: make([]byte, 10)}}
	var number uint64
	send := func(now time.Time) (n int) {
		for s.datagram(sp, number, now) != nil {
			number++
			n++
		}
		return n
	}
	if n := send(start); n != 4 {
		t.Fatalf("%d datagrams, want 3 and 1", n)
	}
	s.answer(&session.Ack{Window: 1 << 20, Packets: *received(0, 1, 2, 3)}, sp, number, start.Add(time.Millisecond))
	early := start.Add(storeWait - time.Second)
	s.timeout(sp, number, early)
	if n := send(early); n != 1 {
		t.Errorf("%d datagrams before storeWait, want one to be answered", n)
	}
	s.answer(&session.Ack{Window: 1 << 20, Packets: *received(0, 1, 2, 3, 4)}, sp, number, early.Add(time.Millisecond))
	delete(sp.held, 1)
	late := start.Add(storeWait + time.Second)
	s.timeout(sp, number, late)
	if n := send(late); n != 3 {
		t.Errorf("%d datagrams after storeWait, want batch 0 again", n)
	}
	s.answer(&session.Ack{Window: 1 << 20, Packets: *received(0, 1, 2, 3, 4, 5, 6, 7), Stored: ranges.Of(ranges.Range{First: 0, Last: 0})}, sp, number, late)
	s.timeout(sp, number, start.Add(10*storeWait))
	if n := send(start.Add(10 * storeWait)); n != 0 || len(sp.held) != 0 {
		t.Errorf("%d datagrams after all is stored, %d batches held", n, len(sp.held))
	}
}

func TestSenderKeepsToThePace(t *testing.T) {
	var shared [32]byte
	s := newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0, session.MaxDatagram)
	sp := fakeSpool{held: map[uint64][]byte{0: make([]byte, 100_000)}}
	s.pace = 12_000
	if s.datagram(sp, 0, start) == nil || s.datagram(sp, 1, start) != nil {
		t.Error("the first datagram goes at once, the second waits")
	}
	if s.datagram(sp, 1, start.Add(90*time.Millisecond)) != nil || s.datagram(sp, 1, start.Add(101*time.Millisecond)) == nil {
		t.Error("1200 bytes at 12000 bytes/s take 100 ms")
	}
}

func TestJoinerTakesOneAnswer(t *testing.T) {
	siteKey, sitePrivate, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sitePublic, siteIdentity, _ := ed25519.GenerateKey(rand.Reader)
	_, identity, _ := ed25519.GenerateKey(rand.Reader)
	j, err := newJoiner(site.Site{Box: site.Key(*siteKey), Identity: site.Key(sitePublic)}, identity, nil)
	if err != nil {
		t.Fatal(err)
	}
	var g greeting
	answer := func(hello []byte, w enrol.Welcome) []byte {
		h, err := enrol.ParseHello(hello)
		if err != nil {
			t.Fatal(err)
		}
		var shared [32]byte
		box.Precompute(&shared, &h.BootKey, sitePrivate)
		w.Hello = h.Nonce
		return enrol.AppendWelcome(nil, &shared, &w)
	}
	hello, err := j.hello(&g, start)
	if err != nil {
		t.Fatal(err)
	}
	if wait := g.next.Sub(start); wait < firstHello || wait > 2*firstHello {
		t.Errorf("next HELLO after %v", wait)
	}
	old := answer(hello, enrol.Welcome{Status: enrol.Pending, Retry: 1})
	hello, _ = j.hello(&g, start)
	if _, _, err := j.welcome(&g, old, start); !errors.Is(err, errStale) {
		t.Errorf("answer to an older HELLO: error = %v", err)
	}
	w := answer(hello, enrol.Welcome{Status: enrol.Approved, Epoch: enrol.SignEpoch(siteIdentity, *siteKey, 1)})
	if _, link, err := j.welcome(&g, w, start); err != nil || link == nil {
		t.Errorf("welcome: %v, %v", link, err)
	}
	if _, _, err := j.welcome(&g, w, start); !errors.Is(err, errStale) {
		t.Errorf("the same answer again: error = %v", err)
	}
	if _, link, err := j.welcome(&g, answer(hello, enrol.Welcome{Status: enrol.Refused}), start); link != nil || err == nil {
		t.Errorf("an answer that comes after the first: %v, %v", link, err)
	}
}
