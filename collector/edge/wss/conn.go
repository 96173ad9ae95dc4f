package wss

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// maxQueue bounds the datagrams that wait for one connection, in number:
	// ACKs, of which the newest says all. What does not fit is lost.
	maxQueue = 64
	// writeTimeout is how long a message may take before the connection is
	// given up.
	writeTimeout = 10 * time.Second
	// askEvery is how often the registry is asked about a guest that sends DATA.
	askEvery = time.Second
)

// conn is one WebSocket. It is the carrier of what comes by it.
type conn struct {
	listener *Listener
	ws       *websocket.Conn
	identity enrol.Identity
	from     netip.AddrPort
	queue    chan []byte
	ctx      context.Context
	cancel   context.CancelFunc

	// These are the reader's.
	guest bool // has a guest's place
	asked time.Time
}

func newConn(l *Listener, id enrol.Identity, from netip.AddrPort, guest bool) *conn {
	c := &conn{listener: l, identity: id, from: from, guest: guest, queue: make(chan []byte, maxQueue)}
	c.ctx, c.cancel = context.WithTimeout(context.Background(), maxAge)
	return c
}

// run reads and writes until the connection ends.
func (c *conn) run() {
	c.listener.counters.add(upgrades)
	defer c.ws.CloseNow()
	g, ctx := errgroup.WithContext(c.ctx)
	g.Go(func() error { return c.read(ctx) })
	g.Go(func() error { return c.write(ctx) })
	g.Wait() // ends when one of both does, whatever for
}

func (c *conn) read(ctx context.Context) error {
	c.ws.SetReadLimit(session.MaxDatagram + 1)
	for {
		ctx, cancel := context.WithTimeout(ctx, idleTimeout)
		kind, d, err := c.ws.Read(ctx)
		cancel()
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			c.listener.counters.add(dropText)
			continue
		}
		c.listener.counters.add(datagrams)
		if c.guest && c.approved(d, time.Now()) {
			c.promote()
		}
		c.listener.receiver.Receive(d, edge.Peer{Addr: c.from, Via: c})
	}
}

// approved asks the registry about a guest, when it says something else than
// HELLO.
func (c *conn) approved(d []byte, now time.Time) bool {
	if t, _, err := session.ParseHead(d); err != nil || t == session.TypeHello || now.Sub(c.asked) < askEvery {
		return false
	}
	c.asked = now
	return c.listener.cfg.Status(c.identity) == enrol.Approved
}

// end gives back what newConn and its caller took.
func (c *conn) end() {
	c.cancel()
	c.promote()
}

// promote gives back the place of a guest.
func (c *conn) promote() {
	if c.guest {
		c.guest = false
		c.listener.guests.Leave(c.from.Addr())
	}
}

func (c *conn) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d := <-c.queue:
			ctx, cancel := context.WithTimeout(ctx, writeTimeout)
			err := c.ws.Write(ctx, websocket.MessageBinary, d)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}

var (
	errGone = errors.New("the WebSocket has ended")
	errFull = errors.New("the WebSocket is slower than what is sent")
)

// Send queues one datagram.
func (c *conn) Send(d []byte, _ netip.AddrPort) error {
	if c.ctx.Err() != nil {
		return errGone
	}
	select {
	case c.queue <- append([]byte(nil), d...):
		return nil
	default:
		c.listener.counters.add(dropSend)
		return errFull
	}
}
