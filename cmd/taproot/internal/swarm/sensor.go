package swarm

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	helloWait = 300 * time.Millisecond
	maxHellos = 200 // of one sensor, before the fleet is given up
)

// sensor is one of the fleet.
type sensor struct {
	swarm   *Swarm
	socket  *socket
	keys    enrol.Keys
	private *[32]byte // X25519 boot key
	attempt uint64
	answers chan []byte // COOKIE and WELCOME

	mu     sync.Mutex
	link   *seal.Link
	id     uint32 // of the session
	packet uint64 // number of the next
	acks   session.Window
	number uint64 // of the next batch
	flight flight

	made     uint64    // records
	healthAt time.Time // when it last told
}

// flight is the batch that is under way, if batch is not nil.
type flight struct {
	batch  *Batch
	number uint64
	began  time.Time
	sent   time.Time // last
	first  uint64    // packet of its first chunk, the first time
	latest uint64    // and the last time
	tries  int
}

func newSensor(s *Swarm, k *socket) (*sensor, error) {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making boot key: %w", err)
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making identity: %w", err)
	}
	siteKey := [32]byte(s.cfg.Site.Box)
	shared := new([32]byte)
	box.Precompute(shared, &siteKey, private)
	return &sensor{
		swarm: s, socket: k, private: private, answers: make(chan []byte, 4),
		keys: enrol.Keys{Identity: identity, BootKey: public, Shared: shared, Site: &siteKey},
	}, nil
}

// join says HELLO until it has a session, and has itself approved on the way.
func (n *sensor) join(ctx context.Context) error {
	id := idOf(n.keys.Identity)
	var cookie enrol.Cookie
	for range maxHellos {
		n.attempt++
		d, nonce, err := enrol.AppendHello(nil, n.keys, cookie, &enrol.Hello{
			Identity: id, Attempt: n.attempt, Time: time.Now().UnixNano(), Claims: enrol.Claims{"board": "bench"},
		})
		if err != nil {
			return err
		}
		n.socket.expect(nonce, n)
		if _, err := n.socket.conn.Write(d); err != nil && ctx.Err() == nil {
			return fmt.Errorf("saying HELLO: %w", err)
		}
		select {
		case d = <-n.answers:
		case <-time.After(helloWait):
			n.socket.forget(nonce)
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		if t, _, _ := session.ParseHead(d); t == session.TypeCookie {
			if _, cookie, err = enrol.ParseCookie(d); err != nil {
				return err
			}
			continue
		}
		w, err := enrol.OpenWelcome(d, n.keys.Shared, n.swarm.cfg.Site.Identity[:])
		switch {
		case err != nil:
			return err
		case w.Status == enrol.Pending:
			if err := n.swarm.cfg.Approve(ctx, id); err != nil {
				return err
			}
			continue
		case w.Status != enrol.Approved:
			return fmt.Errorf("sensor %q was refused", id.Code())
		}
		n.welcome(&w)
		return nil
	}
	return fmt.Errorf("sensor %q got no answer to %d HELLOs", id.Code(), maxHellos)
}

func (n *sensor) welcome(w *enrol.Welcome) {
	var shared [32]byte
	box.Precompute(&shared, &w.Epoch.Key, n.private)
	n.mu.Lock()
	n.link, n.id = seal.NewLink(&shared, w.Salt, seal.Sensor), w.Session
	n.mu.Unlock()
	n.socket.add(n)
}

// health returns a batch that says how many records the sensor has made, itself
// included, or nil if that is not due.
func (n *sensor) health(now time.Time) *Batch {
	if now.Sub(n.healthAt) < healthEvery {
		return nil
	}
	n.healthAt = now
	b := n.swarm.healths
	record.Append(b, &record.Sensor{Time: record.NanosOf(now), Stage: "uplink", Counter: "records_in", Value: int64(n.made + 1)})
	raw := b.AppendBlock(nil)
	b.Reset()
	return &Batch{batch.Append(nil, batch.None, len(raw), raw), 1}
}

// send begins with the next batch.
func (n *sensor) send(buf *buffer, b *Batch, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flight = flight{batch: b, number: n.number, began: now, first: n.packet}
	n.number++
	n.made += uint64(b.Records)
	n.transmit(buf, now)
}

// resend sends what waited for too long once more.
func (n *sensor) resend(buf *buffer, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := &n.flight
	if f.batch == nil || now.Sub(f.sent) < resendAfter<<min(f.tries, 4) {
		return
	}
	f.tries++
	n.swarm.again.Add(chunks(f.batch))
	n.transmit(buf, now)
}

func chunks(b *Batch) uint64 {
	return uint64((len(b.Bytes) + session.MaxChunk - 1) / session.MaxChunk)
}

// transmit sends every chunk of the batch that is under way.
func (n *sensor) transmit(buf *buffer, now time.Time) {
	f := &n.flight
	f.sent, f.latest = now, n.packet
	whole := f.batch.Bytes
	d := session.Data{Batch: f.number, Floor: f.number, Size: uint32(len(whole))}
	head := session.Head(session.TypeData, n.id)
	for off := 0; off < len(whole); off += session.MaxChunk {
		d.Offset, d.Chunk = uint32(off), whole[off:min(off+session.MaxChunk, len(whole))]
		buf.plain = d.Append(buf.plain[:0])
		if len(buf.segments)+session.MaxDatagram > maxSegments*session.MaxDatagram {
			n.socket.flush(buf)
		}
		buf.segments = n.link.Seal(buf.segments, head, n.packet, buf.plain)
		n.packet++
	}
	n.swarm.datagrams.Add(chunks(f.batch))
	n.swarm.bytes.Add(uint64(len(whole)) + chunks(f.batch)*(session.MaxDatagram-session.MaxChunk))
	n.socket.flush(buf)
}

// acked takes an ACK that came at a time.
func (n *sensor) acked(d, plain []byte, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number, err := n.link.Check(d)
	if err != nil || !n.acks.Fresh(number) {
		return
	}
	if plain, err = n.link.Open(plain[:0], d); err != nil {
		return
	}
	n.acks.Mark(number)
	ack, err := session.ParseAck(plain)
	f := &n.flight
	if err != nil || f.batch == nil || !ack.Stored.Contains(f.number) {
		return
	}
	// It is stored, so of the last time nothing was lost, or its packets are
	// still on their way and were not needed.
	for p := f.first; p < f.latest; p++ {
		if !ack.Packets.Has(p) {
			n.swarm.lost.Add(1)
		}
	}
	b, took := f.batch, max(at.Sub(f.began), 0) // the kernel's clock may be set
	f.batch = nil
	n.swarm.stored(n, b, took)
}
