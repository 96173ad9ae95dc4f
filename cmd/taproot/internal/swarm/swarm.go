// Package swarm is a fleet of sensors in one process, to measure a collector
// with: real HELLOs, real sessions, sealed batches, and a sender that waits for
// its ACKs and sends again what was lost.
//
// It is much less than firmware/uplink, which has a spool, congestion control
// and a list of collectors: the batches are made beforehand and sent over and
// over with new numbers, so that most of the processor is left to the
// collector. Sensors share sockets, and each has one batch under way.
package swarm

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// sensorsPerSocket makes enough senders for the collector's sockets to be
	// spread over, without a socket for each sensor.
	sensorsPerSocket = 64
	// joining is how many sensors join at a time.
	joining = 64
	// resendAfter is how long a batch may wait for its ACK.
	resendAfter = 500 * time.Millisecond
	// healthEvery is how often a sensor says how many records it has made: from
	// that the collector knows what was lost, and what it need not remember.
	healthEvery = 10 * time.Second
	// bufferSize is what each socket may hold of ACKs.
	bufferSize = 1 << 20
)

// A Batch is what sensors send, as batch.Append makes it.
type Batch struct {
	Bytes   []byte
	Records int
}

// Config says what a swarm does.
type Config struct {
	Site      site.Site // Box and Identity of it
	Collector netip.AddrPort
	Sensors   int
	UnderWay  int     // batches at most that wait for their ACK, of all sensors
	Rate      float64 // datagrams a second of all sensors; 0 for as many as go
	Batches   []Batch
	// Approve has the collector approve a sensor that waits for it.
	Approve func(ctx context.Context, id enrol.Identity) error
}

// Counts is what a swarm has done since it began.
type Counts struct {
	Joined    uint64 // sensors with a session
	Datagrams uint64 // sent
	Bytes     uint64 // of datagrams
	Again     uint64 // datagrams of batches that had to be sent again
	Lost      uint64 // of the datagrams sent, those that never came as far as the collector's ACKs tell
	Batches   uint64 // stored, as their ACKs said
	Records   uint64 // in them
	Latency   Latency
}

// Swarm is a fleet that Join and Send make work.
type Swarm struct {
	cfg     Config
	sockets []*socket
	sensors []*sensor
	healths *record.Builder // of the batch that is made
	ready   chan *sensor    // may send their next batch
	slots   chan struct{}   // batches that may be under way

	joined, datagrams, bytes, again, lost, batches, records atomic.Uint64
	latency                                                 histogram
}

// Open makes the sensors and their sockets.
func Open(cfg Config) (*Swarm, error) {
	s := &Swarm{cfg: cfg, healths: record.NewBuilder(record.SensorDef), ready: make(chan *sensor, cfg.Sensors), slots: make(chan struct{}, cfg.UnderWay)}
	for i := range (cfg.Sensors + sensorsPerSocket - 1) / sensorsPerSocket {
		conn, err := dial(cfg.Collector, i)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("opening sockets: %w", err)
		}
		conn.SetReadBuffer(bufferSize) // what is lost is asked for again
		if err := stamp(conn); err != nil {
			conn.Close()
			s.Close()
			return nil, fmt.Errorf("asking the kernel for times: %w", err)
		}
		s.sockets = append(s.sockets, newSocket(s, conn))
	}
	for i := range cfg.Sensors {
		n, err := newSensor(s, s.sockets[i/sensorsPerSocket])
		if err != nil {
			s.Close()
			return nil, err
		}
		s.sensors = append(s.sensors, n)
	}
	return s, nil
}

// dial opens the socket number i. On loopback each has an address of its own,
// as sensors of different places have.
func dial(to netip.AddrPort, i int) (*net.UDPConn, error) {
	var from *net.UDPAddr
	if to.Addr().Is4() && to.Addr().IsLoopback() {
		from = &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
	}
	return net.DialUDP("udp", from, net.UDPAddrFromAddrPort(to))
}

// Close closes the sockets.
func (s *Swarm) Close() {
	for _, k := range s.sockets {
		k.conn.Close()
	}
}

// Counts returns what was done so far.
func (s *Swarm) Counts() Counts {
	return Counts{
		Joined: s.joined.Load(), Datagrams: s.datagrams.Load(), Bytes: s.bytes.Load(), Again: s.again.Load(), Lost: s.lost.Load(),
		Batches: s.batches.Load(), Records: s.records.Load(), Latency: s.latency.latency(),
	}
}

// Receive takes the collector's answers until ctx ends. Join and Send need it
// under way.
func (s *Swarm) Receive(ctx context.Context) {
	var readers sync.WaitGroup
	for _, k := range s.sockets {
		readers.Go(func() { k.read(ctx) })
	}
	<-ctx.Done()
	for _, k := range s.sockets {
		k.conn.SetReadDeadline(time.Now())
	}
	readers.Wait()
}

// Join has every sensor join, and returns when all have.
func (s *Swarm) Join(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(joining)
	for i := range s.sensors {
		n := s.sensors[i*7919%len(s.sensors)] // 7919 is prime: neighbours share a socket, and so an address
		if len(s.sensors)%7919 == 0 {
			n = s.sensors[i]
		}
		g.Go(func() error {
			if err := n.join(ctx); err != nil {
				return err
			}
			s.joined.Add(1)
			s.ready <- n
			return nil
		})
	}
	return g.Wait()
}

// Send sends batches until ctx ends; batches under way then are waited for a
// moment.
func (s *Swarm) Send(ctx context.Context) {
	pace := newPacer(s.cfg.Rate)
	resend := time.NewTicker(resendAfter / 4)
	defer resend.Stop()
	var buf buffer
	for next := 0; ; next++ {
		select {
		case s.slots <- struct{}{}:
		case now := <-resend.C:
			s.resend(&buf, now)
			continue
		case <-ctx.Done():
			s.drain(&buf)
			return
		}
		var n *sensor
		for n == nil {
			select {
			case n = <-s.ready:
			case now := <-resend.C:
				s.resend(&buf, now)
			case <-ctx.Done():
				<-s.slots
				s.drain(&buf)
				return
			}
		}
		b := n.health(time.Now())
		if b == nil {
			b = &s.cfg.Batches[next%len(s.cfg.Batches)]
		}
		pace.wait(int(chunks(b)))
		n.send(&buf, b, time.Now())
	}
}

// drain waits for the ACKs of what is under way, for as long as sending again
// may help.
func (s *Swarm) drain(buf *buffer) {
	for end := time.Now().Add(4 * resendAfter); len(s.slots) > 0 && time.Now().Before(end); {
		time.Sleep(resendAfter / 4)
		s.resend(buf, time.Now())
	}
}

func (s *Swarm) resend(buf *buffer, now time.Time) {
	for _, n := range s.sensors {
		n.resend(buf, now)
	}
}

// stored notes that a batch of n was stored, after so long.
func (s *Swarm) stored(n *sensor, b *Batch, took time.Duration) {
	s.batches.Add(1)
	s.records.Add(uint64(b.Records))
	s.latency.add(took)
	<-s.slots
	s.ready <- n
}

// pacer spreads datagrams over time.
type pacer struct {
	each time.Duration
	next time.Time
}

func newPacer(rate float64) pacer {
	if rate <= 0 {
		return pacer{}
	}
	return pacer{each: time.Duration(float64(time.Second) / rate), next: time.Now()}
}

// wait waits until n more may be sent. What was missed by more than 100 ms is
// not made up for.
func (p *pacer) wait(n int) {
	if p.each == 0 {
		return
	}
	now := time.Now()
	if p.next.Before(now.Add(-100 * time.Millisecond)) {
		p.next = now
	}
	if ahead := p.next.Sub(now); ahead > time.Millisecond {
		time.Sleep(ahead)
	}
	p.next = p.next.Add(time.Duration(n) * p.each)
}

// idOf returns the identity that a key proves.
func idOf(key ed25519.PrivateKey) enrol.Identity {
	return enrol.Identity(key.Public().(ed25519.PublicKey))
}
