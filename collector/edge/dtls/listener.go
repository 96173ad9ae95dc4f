// Package dtls carries the datagrams of sensors over DTLS 1.2 with connection
// IDs, for sites where plain UDP does not get through or is not wanted.
//
// It is a listener of its own around github.com/pion/dtls: one socket, datagrams
// routed by connection ID or address, bounds on everything that a stranger can
// make grow, and a sieve for what anybody can forge. Collector and sensor show
// certificates of the site's authority; a sensor that has none yet shows one
// that it has signed with its identity, and until that is approved says HELLO
// and nothing else. There is no resumption: a session that lasts, and survives a
// new address, needs none. docs/format/carriers.md has the bytes.
package dtls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
)

const (
	// handshakeTimeout is how long a handshake may take.
	handshakeTimeout = 5 * time.Second
	// maxUnproved bounds the handshakes of addresses that have not shown that
	// they receive there, each of which takes about 50 KB: 6 MB. The oldest
	// makes room for a new one.
	maxUnproved = 128
	// maxProved bounds those that have.
	maxProved = 512
	// maxConns bounds the connections, and maxEach those of one sensor: one is
	// in use, another may be taking its place.
	maxConns = 16384
	maxEach  = 4
	// idleTimeout is how long a silent connection is kept. Sensors say
	// something every 10 s.
	idleTimeout = 3 * time.Minute
	// maxAge is how long one is kept at all. Sensors make a new one every 24 h.
	maxAge = 25 * time.Hour
	// lateHandshake is for how long after a handshake its messages, which are
	// not sealed, may still come again since an answer was lost.
	lateHandshake = 10 * time.Second
	sweepEvery    = 5 * time.Second
	// socketBuffer holds what arrives while the reader is held up.
	socketBuffer = 8 << 20
	// maxRecord is the largest datagram that is read. Sensors send 1250 bytes.
	maxRecord = 4096
)

// The handshakes that one network, and all, may begin: after a knock, where each
// takes 0.4 ms, and without, where most take 50 µs and come to nothing.
var (
	knockedRates  = [2]quota.Rate{{PerSecond: 50, Burst: 200}, {PerSecond: 1000, Burst: 1000}}
	strangerRates = [2]quota.Rate{{PerSecond: 10, Burst: 50}, {PerSecond: 400, Burst: 200}}
)

// Config is what a listener needs.
type Config struct {
	Authority *provisioning.Authority
	// Status says what is decided about a sensor.
	Status func(enrol.Identity) enrol.Status
	// PSK has the keys of devices that cannot do certificates, by identity; nil
	// for none.
	PSK map[string][]byte
	Log *slog.Logger
}

// Receiver takes datagrams; *edge.Edge does.
type Receiver interface {
	Receive(d []byte, from edge.Peer)
}

// Listener is a DTLS port.
type Listener struct {
	cfg      Config
	socket   *net.UDPConn
	options  options
	counters counters

	receiver Receiver // set by Run before anything comes in
	serving  sync.WaitGroup

	mu        sync.Mutex
	shut      bool
	door      *door
	strangers *quota.Buckets // of who has not knocked
	unproved  []*conn        // handshakes of addresses not proved, the oldest first
	proved    int            // handshakes of those that are
	guests    quota.Guests
	all       map[*conn]struct{}
	of        map[enrol.Identity][]*conn // done, by sensor, the oldest first
	handshake map[netip.AddrPort]*conn   // under way, by where they come from
	byAddr    map[netip.AddrPort]*conn   // done, by where they came from
	byCID     map[[outer.CIDSize]byte]*conn
}

// Listen opens the UDP socket of addr, host:port.
func Listen(addr string, cfg Config) (*Listener, error) {
	l, err := listen(addr, cfg)
	if err != nil {
		return nil, fmt.Errorf("listening for sensors by DTLS: %w", err)
	}
	return l, nil
}

func listen(addr string, cfg Config) (*Listener, error) {
	certificate, err := cfg.Authority.Server(nil)
	if err != nil {
		return nil, err
	}
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	if err := socket.SetReadBuffer(socketBuffer); err != nil {
		cfg.Log.Warn("socket buffer stays small", "error", err)
	}
	return &Listener{
		cfg: cfg, socket: socket, options: newOptions(certificate, cfg.PSK),
		door:      newDoor(time.Now()),
		strangers: quota.NewBuckets(strangerRates[0], strangerRates[1]),
		all:       map[*conn]struct{}{},
		of:        map[enrol.Identity][]*conn{},
		handshake: map[netip.AddrPort]*conn{},
		byAddr:    map[netip.AddrPort]*conn{},
		byCID:     map[[outer.CIDSize]byte]*conn{},
	}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return l.socket.LocalAddr().(*net.UDPAddr).AddrPort() }

// Run gives r what comes in until ctx ends, then returns nil. ACKs can be sent
// until Close.
func (l *Listener) Run(ctx context.Context, r Receiver) error {
	l.receiver = r
	stop := context.AfterFunc(ctx, func() { l.socket.SetReadDeadline(time.Now()) })
	defer stop()
	swept := time.Now()
	for {
		p := pool.Get().(*packet)
		var err error
		p.n, p.from, err = l.socket.ReadFromUDPAddrPort(p.buf[:])
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("reading from sensors by DTLS: %w", err)
		case err != nil:
			l.counters.add(readErrors)
			continue
		}
		now := time.Now()
		l.counters.add(datagrams)
		if c := l.route(p.buf[:p.n], p.from, now); c == nil || !c.packets.put(p) {
			pool.Put(p)
		}
		if now.Sub(swept) > sweepEvery {
			l.sweep(now)
			swept = now
		}
	}
}

// route returns the connection that d is for, a new one where d begins a
// handshake, or nil.
func (l *Listener) route(d []byte, from netip.AddrPort, now time.Time) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	id, ok := outer.CID(d)
	c := l.byCID[id]
	knock, knocks := outer.ParseKnock(d)
	switch {
	case knocks:
		if answer, ok := l.door.knock(knock, from, now); ok {
			l.counters.add(knockAnswers)
			l.socket.WriteToUDPAddrPort(outer.AppendKnockAnswer(nil, answer), from) // if it is lost, the sensor knocks again
		}
		return nil
	case ok && c == nil:
		l.counters.add(dropUnknown)
		return nil
	case ok:
	case outer.IsClientHello(d): // also of a sensor that has started anew at its old address
		if c = l.handshake[from]; c == nil {
			return l.beginLocked(from, now)
		}
	default:
		if c = l.handshake[from]; c == nil {
			c = l.byAddr[from]
		}
		if c == nil {
			l.counters.add(dropUnknown)
			return nil
		}
	}
	if !c.takes(d, now) {
		l.counters.add(dropForgeable)
		return nil
	}
	return c
}

// sweep ends connections that are idle or old.
func (l *Listener) sweep(now time.Time) {
	l.end(func(c *conn) bool {
		return now.Sub(time.Unix(0, c.active.Load())) > idleTimeout || now.Sub(c.began) > maxAge
	})
}

// Revoke ends the connections of a sensor.
func (l *Listener) Revoke(id enrol.Identity) {
	l.end(func(c *conn) bool { return c.identity == id && !c.psk })
}

// end ends those connections that are done with their handshake and that which
// says so.
func (l *Listener) end(which func(*conn) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.all {
		if c.phase == established && which(c) {
			c.packets.Close()
		}
	}
}

// Close ends every connection and closes the socket.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.shut = true
	for c := range l.all {
		c.packets.Close()
	}
	l.mu.Unlock()
	l.serving.Wait()
	return l.socket.Close()
}
