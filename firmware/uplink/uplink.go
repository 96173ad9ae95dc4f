// Package uplink carries batches from the sensor's RAM to its collector.
//
// It reads batches from pipes into a spool, joins the collector that answers
// with the site's keys, and sends each batch until the collector says that it
// is stored. Everything on the wire is sealed; docs/format/wire.md has the
// bytes. A collector that goes away costs nothing but room in the spool.
//
// One goroutine owns all state; a few more only read pipes and the socket.
package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	healthEvery = 10 * time.Second
	beatEvery   = time.Second
	// grace is how long Run goes on sending after it was asked to stop.
	grace       = 5 * time.Second
	dialTimeout = 3 * time.Second
	// silence is how many timeouts in a row make a session suspect, so that
	// HELLO is said again: a collector that was restarted knows no sessions.
	silence = 2
)

// Config is what an uplink needs.
type Config struct {
	Site     site.Site
	Identity ed25519.PrivateKey
	Claims   enrol.Claims
	In       []io.ReadCloser // pipes of batch frames; Run closes them
	Spool    Spool           // where batches wait; Run owns it

	Log       *slog.Logger
	Say       func(line string)          // lines for the console
	Heartbeat func()                     // called at least every second; may be nil
	Clock     func(offset time.Duration) // called with how far the collector's clock is ahead; may be nil
	Stored    func()                     // called when the collector has stored the first batch; may be nil
}

// Spool holds batches until they are stored; *spool.Spool does.
type Spool interface {
	Put(f batch.Frame)
	From(number uint64) (batch.Numbered, bool)
	Get(number uint64) (batch.Numbered, bool)
	Stored(set *ranges.Set) int
	Floor() uint64
	Len() int
	Bytes() int
	Dropped(c batch.Class) (batches, records uint64)
}

// uplink is a Run under way.
type uplink struct {
	Config
	join   *joiner
	send   *sender // nil while there is no session
	conn   net.Conn
	target int    // index of the collector that conn is to
	number uint64 // next packet number; it never falls in one boot
	rejoin bool   // the collector asked for a new HELLO
	stats  stats

	datagrams chan []byte
	readers   sync.WaitGroup
}

// Run sends what comes in until every pipe has ended and all is stored; then
// it returns nil. After ctx ends it goes on for a short grace and then returns
// an error that says what was not stored.
func Run(ctx context.Context, cfg Config) error {
	j, err := newJoiner(cfg.Site, cfg.Identity, cfg.Claims)
	if err != nil {
		return err
	}
	u := &uplink{Config: cfg, join: j, datagrams: make(chan []byte, 256)}
	id := enrol.Identity(cfg.Identity.Public().(ed25519.PublicKey))
	u.Say("enrolment code " + id.Code())
	defer u.readers.Wait()
	defer func() {
		if u.conn != nil {
			u.conn.Close()
		}
	}()
	return u.loop(ctx, u.readPipes(ctx))
}

// readPipes reads every pipe and closes the channel when all have ended.
func (u *uplink) readPipes(ctx context.Context) <-chan batch.Frame {
	frames := make(chan batch.Frame, 16)
	var pipes sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { // the writers get the grace too
		time.AfterFunc(grace, func() {
			for _, in := range u.In {
				in.Close()
			}
		})
	})
	for _, in := range u.In {
		pipes.Go(func() {
			defer in.Close()
			for {
				f, err := batch.ReadFrame(in)
				if err != nil {
					if err != io.EOF && !errors.Is(err, net.ErrClosed) {
						u.Log.Error("pipe ended", "error", err)
					}
					return
				}
				frames <- f
			}
		})
	}
	u.readers.Go(func() {
		pipes.Wait()
		stop()
		close(frames)
	})
	return frames
}

func (u *uplink) loop(ctx context.Context, frames <-chan batch.Frame) error {
	var nextHealth time.Time
	var stopAt <-chan time.Time
	done := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		if !now.Before(nextHealth) && frames != nil {
			u.health(now)
			nextHealth = now.Add(healthEvery)
		}
		if u.Heartbeat != nil {
			u.Heartbeat()
		}
		u.transmit(ctx, now)
		if frames == nil && u.Spool.Len() == 0 {
			return nil
		}
		wake := min(u.wait(now), beatEvery, max(nextHealth.Sub(now), beatEvery/10))
		timer.Reset(wake)
		select {
		case f, ok := <-frames:
			if !ok {
				frames = nil
				u.health(now)
				break
			}
			u.stats.frames++
			u.Spool.Put(f)
		case d := <-u.datagrams:
			u.receive(d, time.Now())
		case <-timer.C:
		case <-done:
			done = nil
			stopAt = time.After(grace)
		case <-stopAt:
			return u.unsent(frames)
		}
	}
}

// unsent returns the error that says what a stopped uplink could not deliver.
func (u *uplink) unsent(frames <-chan batch.Frame) error {
	if frames != nil { // pipes are being closed: let their readers end
		go func() {
			for range frames {
			}
		}()
	}
	records := 0
	for b, ok := u.Spool.From(0); ok; b, ok = u.Spool.From(b.Number + 1) {
		records += b.Records
	}
	if records == 0 {
		return nil
	}
	return fmt.Errorf("stopping uplink: %d batches with %d records were not acknowledged by %s", u.Spool.Len(), records, u.Site.Collectors[u.target])
}

// wait returns how long nothing is due.
func (u *uplink) wait(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	if u.joining() {
		next = u.join.next
	}
	if u.send != nil {
		if t := u.send.wake(now); t.Before(next) {
			next = t
		}
	}
	return max(next.Sub(now), 0)
}

// joining reports whether HELLO is to be said.
func (u *uplink) joining() bool {
	return u.send == nil || u.rejoin || u.send.flight.probes >= silence
}

// transmit sends all that may be sent at now.
func (u *uplink) transmit(ctx context.Context, now time.Time) {
	if u.joining() && !now.Before(u.join.next) {
		u.hello(ctx, now)
	}
	if u.send == nil {
		return
	}
	u.stats.lost += uint64(u.send.timeout(u.Spool, u.number, now))
	for {
		d := u.send.datagram(u.Spool, u.number, now)
		if d == nil {
			return
		}
		u.number++
		u.write(d)
	}
}

// write sends d. What cannot be sent, since the kernel refuses it or no
// collector can be dialled at the moment, is as good as lost on the way.
func (u *uplink) write(d []byte) {
	u.stats.sent++
	if u.conn == nil {
		u.stats.sendErrors++
	} else if _, err := u.conn.Write(d); err != nil {
		u.stats.sendErrors++
	}
}

// hello says HELLO, to the next collector of the list where this one has not
// answered, or not approved, for long.
func (u *uplink) hello(ctx context.Context, now time.Time) {
	if next := u.join.wantsNext(); next || u.conn == nil {
		u.redial(ctx, next || u.join.unanswered > 0)
	}
	d, err := u.join.hello(now)
	if err != nil {
		u.Log.Error("no HELLO", "error", err)
		return
	}
	u.stats.hellos++
	if u.conn != nil {
		u.write(d)
	}
	if u.join.unanswered == patience {
		u.Say(fmt.Sprintf("no answer from %s: is it running, reachable, and are the site's keys its own?", u.Site.Collectors[u.target]))
	}
}

// redial opens a new socket, to the next collector of the list or to the same
// (whose name may have another address by now).
func (u *uplink) redial(ctx context.Context, next bool) {
	if u.conn != nil {
		u.conn.Close()
		u.conn = nil
	}
	if next {
		u.target = (u.target + 1) % len(u.Site.Collectors)
		u.join.cookie, u.join.turnedAway = enrol.Cookie{}, 0
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(context.WithoutCancel(ctx), "udp", u.Site.Collectors[u.target])
	if err != nil {
		u.Log.Warn("collector cannot be dialled", "error", err)
		return
	}
	u.conn = conn
	u.readers.Go(func() { u.readSocket(conn) })
}

func (u *uplink) readSocket(conn net.Conn) {
	for {
		buf := make([]byte, session.MaxDatagram+1)
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // nobody listens there (ICMP), or no route now
			time.Sleep(10 * time.Millisecond)
			continue
		}
		select {
		case u.datagrams <- buf[:n]:
		default: // the peer sends faster than we read: as good as lost
		}
	}
}

// receive takes one datagram. Whatever is wrong with it is only counted.
func (u *uplink) receive(d []byte, now time.Time) {
	t, id, err := session.ParseHead(d)
	if err != nil {
		u.stats.dropped++
		return
	}
	switch {
	case t == session.TypeWelcome:
		err = u.welcome(d, now)
	case t == session.TypeCookie:
		err = u.join.answered(d, now)
	case t == session.TypeAck && u.send != nil && u.send.id == id:
		err = u.ack(d, now)
	default:
		err = errStale
	}
	if err != nil {
		u.stats.dropped++
		u.Log.Debug("datagram dropped", "error", err)
	}
}

func (u *uplink) welcome(d []byte, now time.Time) error {
	w, link, err := u.join.welcome(d, now)
	if err != nil {
		return err
	}
	u.rejoin = false
	if u.Clock != nil {
		u.Clock(time.Duration(w.Time - now.UnixNano()))
	}
	if w.Status != u.stats.status || !u.stats.welcomed {
		switch w.Status {
		case enrol.Approved:
			u.Say("enrolled")
		case enrol.Pending:
			u.Say("waiting for approval")
		case enrol.Refused:
			u.Say("refused: this sensor was revoked")
		}
		u.stats.status, u.stats.welcomed = w.Status, true
	}
	if link == nil {
		u.send = nil
		return nil
	}
	u.stats.sessions++
	u.send = newSender(link, w.Session, w.Window, u.Spool.Floor())
	return nil
}

func (u *uplink) ack(d []byte, now time.Time) error {
	number, err := u.send.link.Check(d)
	if err != nil {
		return err
	}
	if !u.send.acks.Fresh(number) {
		return errStale
	}
	plain, err := u.send.link.Open(nil, d)
	if err != nil {
		return err
	}
	u.send.acks.Mark(number)
	a, err := session.ParseAck(plain)
	if err != nil {
		return err
	}
	held := u.Spool.Len()
	u.stats.lost += uint64(u.send.answer(&a, u.Spool, u.number, now))
	u.rejoin = u.rejoin || a.Rejoin
	if n := held - u.Spool.Len(); n > 0 {
		if u.stats.stored == 0 {
			u.Say("first batch acknowledged")
			if u.Stored != nil {
				u.Stored()
			}
		}
		u.stats.stored += uint64(n)
	}
	return nil
}
