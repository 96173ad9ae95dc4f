package edge

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

// mailbox is a carrier that keeps what is sent.
type mailbox struct {
	bytes map[netip.AddrPort]int
	last  []byte
}

func (m *mailbox) Send(d []byte, to netip.AddrPort) error {
	m.bytes[to] += len(d)
	m.last = append([]byte(nil), d...)
	return nil
}

// A session follows its sensor to a new port, with the newest datagram that was
// opened and no other; and little is sent there at first.
func TestSessionFollowsItsSensor(t *testing.T) {
	e := newTestEdge(t)
	m := &mailbox{bytes: map[netip.AddrPort]int{}}
	at := func(port uint16) Peer { return Peer{netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), m} }
	l := newTestSensor(t, e).join(t, e)
	l.peer = at(1)
	take := func(number uint64, from Peer) {
		e.take(l, number, &session.Data{Batch: number, Size: 1 << 10, Chunk: make([]byte, 100)}, from)
	}
	take(5, at(1))
	take(6, at(2)) // a NAT has given it another port
	if l.peer != at(2) {
		t.Fatalf("session is with %v", l.peer.Addr)
	}
	take(4, at(3)) // late, or recorded and not delivered before
	take(6, at(3)) // replayed
	if l.peer != at(2) {
		t.Errorf("session has moved to %v with an old datagram", l.peer.Addr)
	}
	for range 100 {
		e.due.add(l)
		e.sendAcks(&acks{}, time.Now())
	}
	if got, most := m.bytes[at(2).Addr], freshFactor*(100+64); got == 0 || got > most {
		t.Errorf("%d bytes were sent to a fresh address that 164 bytes came from, want at most %d", got, most)
	}
	take(7, at(2))
	before := m.bytes[at(2).Addr]
	e.due.add(l)
	e.sendAcks(&acks{}, time.Now())
	if m.bytes[at(2).Addr] == before {
		t.Error("no ACK after more has come")
	}
}

// After hand-overs the edge opens HELLOs to each key that was, and says which
// key followed.
func TestBoxKeys(t *testing.T) {
	e := newTestEdge(t)
	var private [4][32]byte
	var public [4][32]byte
	for i := range private {
		a, b, err := box.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public[i], private[i] = *a, *b
	}
	keys := BoxKeys(e.cfg.Identity, private[:3], sha256.Sum256(public[3][:]))
	identity := e.cfg.Identity.Public().(ed25519.PublicKey)
	for i, k := range keys {
		switch {
		case k.Public != public[i]:
			t.Errorf("key %d has the wrong public half", i)
		case i == 2:
			if k.Handover != nil {
				t.Error("the key in use is said to be followed")
			}
		case !k.Handover.Verify(identity, sha256.Sum256(public[i+1][:])) || k.Handover.Next != sha256.Sum256(public[i+2][:]):
			t.Errorf("key %d: statement %+v", i, k.Handover)
		}
	}
	e.SetBoxKeys(keys)
	if e.boxKey(enrol.HintOf(&public[0])) == nil || e.boxKey(enrol.HintOf(e.cfg.BoxKey)) != nil {
		t.Error("the wrong keys are tried")
	}
}

// An epoch that is ended on command is gone, and its sessions are told.
func TestRotate(t *testing.T) {
	e := newTestEdge(t)
	l := newTestSensor(t, e).join(t, e)
	m := &mailbox{bytes: map[netip.AddrPort]int{}}
	l.peer = Peer{netip.MustParseAddrPort("192.0.2.1:1"), m}
	old := e.epochs.current(time.Now())
	e.Rotate()
	if e.epochs.private != [32]byte{} {
		t.Error("the key of the old epoch is still there")
	}
	e.sendAcks(&acks{}, time.Now())
	if m.last == nil {
		t.Fatal("the session is not told")
	}
	if now := e.epochs.current(time.Now()); now.Key == old.Key {
		t.Error("the epoch goes on")
	}
}
