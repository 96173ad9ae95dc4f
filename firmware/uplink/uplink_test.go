package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// sent returns a flight with n packets under way, sent in one burst.
func sent(n int) *flight {
	f := newFlight()
	for i := range n {
		f.add(packet{uint64(i), chunk{0, i * 1000, 1000}, start.Add(time.Duration(i) * time.Microsecond)})
	}
	return &f
}

func offsets(chunks []chunk) (got []int) {
	for _, c := range chunks {
		got = append(got, c.offset/1000)
	}
	return got
}

func TestFlightFindsLossByLaterPackets(t *testing.T) {
	f := sent(10)
	came, lost := f.answer(received(1, 5, 6), 10, start.Add(12*time.Millisecond))
	if diff := cmp.Diff([]int{1, 5, 6}, offsets(came)); diff != "" {
		t.Errorf("came (-want +got)\n%s", diff)
	}
	// 0, 2 and 3 are three or more behind; 4 is not yet.
	if diff := cmp.Diff([]int{0, 2, 3}, offsets(lost)); diff != "" {
		t.Errorf("lost (-want +got)\n%s", diff)
	}
	if f.bytes != 4*1000 || len(f.packets) != 4 {
		t.Errorf("%d bytes in %d packets are under way", f.bytes, len(f.packets))
	}
	window := f.window
	if window >= initialWindow {
		t.Errorf("window = %d after a loss, began with %d", window, initialWindow)
	}
	// A second loss of packets sent before the first was seen is the same event.
	f.answer(received(1, 5, 6, 9), 10, start.Add(13*time.Millisecond))
	if f.window != window {
		t.Errorf("window = %d, want %d: one event counts once", f.window, window)
	}
}

func TestFlightRTT(t *testing.T) {
	f := sent(1)
	f.answer(received(0), 1, start.Add(40*time.Millisecond))
	if f.srtt != 40*time.Millisecond || f.rttvar != 20*time.Millisecond {
		t.Errorf("srtt = %v, rttvar = %v", f.srtt, f.rttvar)
	}
	if _, ok := f.deadline(); ok {
		t.Error("a deadline with nothing under way")
	}
	f.add(packet{1, chunk{}, start})
	if d, _ := f.deadline(); d.Sub(start) != 40*time.Millisecond+4*20*time.Millisecond+ackDelay {
		t.Errorf("deadline = %v", d.Sub(start))
	}
}

func TestFlightTimeoutBacksOff(t *testing.T) {
	f := sent(2)
	last := time.Duration(0)
	for range 8 {
		d, ok := f.deadline()
		if !ok {
			t.Fatal("no deadline")
		}
		if wait := d.Sub(f.lastSent); wait < last || wait > maxProbe {
			t.Errorf("wait = %v after %v", wait, last)
		} else {
			last = wait
		}
		if len(f.expire(2)) == 0 {
			t.Fatal("nothing given up")
		}
		f.add(packet{2, chunk{}, d})
	}
	if last != maxProbe || f.window != leastWindow {
		t.Errorf("last wait = %v, window = %d", last, f.window)
	}
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

func (s fakeSpool) Stored(set *ranges.Set) int {
	before := len(s.held)
	for n := range s.held {
		if set.Contains(n) {
			delete(s.held, n)
		}
	}
	return before - len(s.held)
}

// A batch that came whole but is not stored is sent once more after storeWait;
// one that the spool has given up is not.
func TestSenderSendsAgainWhatIsNotStored(t *testing.T) {
	var shared [32]byte
	s := newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0)
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
	s.timeout(sp, number, start.Add(storeWait-time.Second))
	if n := send(start); n != 0 {
		t.Errorf("%d datagrams before storeWait", n)
	}
	delete(sp.held, 1)
	s.timeout(sp, number, start.Add(storeWait+time.Second))
	if n := send(start.Add(storeWait)); n != 3 {
		t.Errorf("%d datagrams after storeWait, want batch 0 again", n)
	}
	s.answer(&session.Ack{Window: 1 << 20, Packets: *received(4, 5, 6), Stored: ranges.Of(ranges.Range{First: 0, Last: 0})}, sp, number, start.Add(storeWait+time.Second))
	s.timeout(sp, number, start.Add(10*storeWait))
	if n := send(start.Add(10 * storeWait)); n != 0 || len(sp.held) != 0 {
		t.Errorf("%d datagrams after all is stored, %d batches held", n, len(sp.held))
	}
}

func TestSenderKeepsToThePace(t *testing.T) {
	var shared [32]byte
	s := newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0)
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
	hello, err := j.hello(start)
	if err != nil {
		t.Fatal(err)
	}
	if wait := j.next.Sub(start); wait < firstHello || wait > 2*firstHello {
		t.Errorf("next HELLO after %v", wait)
	}
	old := answer(hello, enrol.Welcome{Status: enrol.Pending, Retry: 1})
	hello, _ = j.hello(start)
	if _, _, err := j.welcome(old, start); !errors.Is(err, errStale) {
		t.Errorf("answer to an older HELLO: error = %v", err)
	}
	w := answer(hello, enrol.Welcome{Status: enrol.Approved, Epoch: enrol.SignEpoch(siteIdentity, *siteKey, 1)})
	if _, link, err := j.welcome(w, start); err != nil || link == nil {
		t.Errorf("welcome: %v, %v", link, err)
	}
	if _, _, err := j.welcome(w, start); !errors.Is(err, errStale) {
		t.Errorf("the same answer again: error = %v", err)
	}
	if _, link, err := j.welcome(answer(hello, enrol.Welcome{Status: enrol.Refused}), start); link != nil || err == nil {
		t.Errorf("an answer that comes after the first: %v, %v", link, err)
	}
}
