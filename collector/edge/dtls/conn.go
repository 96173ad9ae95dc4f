package dtls

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/session"
)

// phase is how far a connection has come.
type phase int

const (
	unproved    phase = iota // its address has not answered a cookie
	proved                   // it has, and the handshake goes on
	established              // the handshake is done
	ended
)

const (
	// guestHellos is how many HELLOs of a guest pass at once, and guestEvery
	// how often another does: a sensor asks once a second.
	guestHellos = 8
	guestEvery  = 500 * time.Millisecond
	// askEvery is how often the registry is asked about a guest that sends DATA.
	askEvery = time.Second
)

// conn is one connection. It is the carrier of what comes by it.
type conn struct {
	listener *Listener
	first    netip.AddrPort
	packets  *packets
	tls      *dtls.Conn // set before the handshake is done

	// These are the listener's, under its mu.
	phase    phase
	cid      [outer.CIDSize]byte
	began    time.Time
	standing outer.Standing

	active atomic.Int64 // when something last came that was sealed, Unix ns

	// These are set in the handshake.
	identity enrol.Identity
	key      crypto.PublicKey
	psk      bool

	// These are the reader's.
	hellos      int // HELLOs that passed of late
	helloAt     time.Time
	asked       time.Time
	ownShown    bool // the handshake was done with the sensor's own certificate
	guestPassed bool // DATA of it is taken
}

func newConn(l *Listener, from netip.AddrPort, now time.Time) *conn {
	return &conn{listener: l, first: from, packets: newPackets(l, from), began: now}
}

// takes reports whether d, which is for c, may be shown to it. It is called with
// the listener's mu held.
func (c *conn) takes(d []byte, now time.Time) bool {
	if c.phase == established && now.Sub(c.began) > lateHandshake {
		return outer.Sealed(d, true)
	}
	return outer.Handshaking(d, true)
}

// serve does the handshake and then reads until the connection ends.
func (c *conn) serve() {
	l := c.listener
	defer l.remove(c)
	defer c.packets.Close()
	var err error
	if c.tls, err = dtls.ServerWithOptions(c.packets, c.packets.first, l.options.of(c)...); err != nil {
		l.cfg.Log.Error("no DTLS", "error", err)
		return
	}
	defer c.tls.Close()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	err = c.tls.HandshakeContext(ctx)
	cancel()
	if err != nil {
		l.counters.add(handshakesFailed)
		l.cfg.Log.Debug("DTLS handshake failed", "from", c.first, "error", err)
		return
	}
	c.ownShown = c.standing == outer.Guest
	if !l.establish(c, time.Now()) {
		return
	}
	l.counters.add(handshakesDone)
	c.read()
}

// verify is asked in the handshake about the certificates that the peer shows.
// That it has the key is proved after.
func (c *conn) verify(raw [][]byte, _ [][]*x509.Certificate) error {
	id, standing, err := outer.VerifySensor(raw, c.listener.cfg.Authority.Certificate, time.Now())
	if err != nil {
		return err
	}
	if c.listener.cfg.Status(id) == enrol.Refused {
		return errors.New("sensor " + id.Code() + " was revoked")
	}
	leaf, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return err
	}
	c.identity, c.standing, c.key = id, standing, leaf.PublicKey
	return nil
}

// preShared is asked in the handshake for the key of a device.
func (c *conn) preShared(identity []byte) ([]byte, error) {
	key, ok := c.listener.cfg.PSK[string(identity)]
	if !ok {
		return nil, errors.New("unknown device")
	}
	c.psk, c.standing = true, outer.Member
	return key, nil
}

func (c *conn) read() {
	buf := make([]byte, session.MaxDatagram+1) // what does not fit is an error of one record
	for {
		n, err := c.tls.Read(buf)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, dtls.ErrConnClosed):
			return
		case err != nil: // of one record
			select {
			case <-c.packets.done:
				return
			default:
				continue
			}
		}
		now := time.Now()
		c.active.Store(now.UnixNano())
		if c.passes(buf[:n], now) {
			c.listener.receiver.Receive(buf[:n], edge.Peer{Addr: c.peer(), Via: c})
		}
	}
}

// peer returns where the newest datagram that was sealed came from.
func (c *conn) peer() netip.AddrPort {
	addr, ok := c.tls.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return c.first
	}
	return addr.AddrPort()
}

// passes reports whether a datagram may go to the edge: of a guest HELLOs alone,
// and not many, until the sensor is approved.
func (c *conn) passes(d []byte, now time.Time) bool {
	if !c.ownShown {
		return true
	}
	t, _, err := session.ParseHead(d)
	if err == nil && (t == session.TypeHello && c.helloPasses(now) || t != session.TypeHello && (c.guestPassed || c.approved(now))) {
		return true
	}
	c.listener.counters.add(dropGuest)
	return false
}

func (c *conn) helloPasses(now time.Time) bool {
	if n := int(now.Sub(c.helloAt) / guestEvery); n > 0 {
		c.hellos, c.helloAt = max(0, c.hellos-n), now
	}
	if c.hellos >= guestHellos {
		return false
	}
	c.hellos++
	return true
}

// approved asks whether the guest is approved, and if so gives it a certificate
// to show next time.
func (c *conn) approved(now time.Time) bool {
	l := c.listener
	if now.Sub(c.asked) < askEvery {
		return false
	}
	c.asked = now
	if l.cfg.Status(c.identity) != enrol.Approved {
		return false
	}
	c.guestPassed = true
	l.promote(c)
	certificate, err := l.cfg.Authority.Sensor(c.identity, c.key, now)
	if err != nil {
		l.cfg.Log.Error("sensor goes on with its own certificate", "error", err)
		return true
	}
	l.counters.add(issued)
	c.Send(outer.AppendIssue(nil, certificate), netip.AddrPort{}) // if it is lost, another is made next time
	return true
}

// Send sends one datagram to where the newest came from.
func (c *conn) Send(d []byte, _ netip.AddrPort) error {
	_, err := c.tls.Write(d)
	return err
}

func newCID(taken func([outer.CIDSize]byte) bool) (id [outer.CIDSize]byte) {
	for {
		rand.Read(id[:])
		if !taken(id) {
			return id
		}
	}
}
