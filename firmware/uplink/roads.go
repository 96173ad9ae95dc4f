package uplink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	dialTimeout = 10 * time.Second
	// preferEvery is how often the collectors before the one in use are tried.
	preferEvery = 15 * time.Second
	// drainFor is how long what is under way on the old session may take to
	// be stored, before the new one takes over and sends it again.
	drainFor = 3 * time.Second
)

// road is one address of the site's list.
type road struct {
	address string
	index   int
	conn    net.Conn // nil until dialled
	dialing bool
	greeting
}

// arrival of a datagram, or the end of a connection.
type inbound struct {
	on   *road
	conn net.Conn
	data []byte // nil: conn is of no more use
}

// dialled is what came of an attempt to reach a road.
type dialled struct {
	on   *road
	conn net.Conn
	err  error
}

// dial opens a new connection to r in the background; take gets it.
func (u *uplink) dial(ctx context.Context, r *road) {
	if r.dialing {
		return
	}
	r.dialing = true
	u.readers.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn, err := u.Dial(ctx, r.address)
		select {
		case u.dialled <- dialled{r, conn, err}:
		case <-u.over:
			if err == nil {
				conn.Close()
			}
		}
	})
}

// reached takes the outcome of a dial. A session that r carries goes on over the
// new connection.
func (u *uplink) reached(d dialled, now time.Time) {
	r := d.on
	r.dialing = false
	if d.err != nil {
		u.Log.Warn("collector cannot be dialled", "collector", r.address, "error", d.err)
		u.stats.dialErrors++
		if r.conn == nil { // as good as a HELLO without an answer
			r.unanswered++
			r.tried++
			r.next = now.Add(min(firstHello<<min(r.unanswered, 8), slowHello))
		}
		return
	}
	if r.conn != nil {
		r.conn.Close()
	}
	r.conn = d.conn
	u.readers.Go(func() { u.read(r, d.conn) })
}

// leave closes the connection of r, which is not needed any more.
func (u *uplink) leave(r *road) {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
	r.greeting = greeting{}
}

// read hands on what comes in on conn, until it is closed.
func (u *uplink) read(r *road, conn net.Conn) {
	_, isUDP := conn.(*net.UDPConn)
	for {
		buf := make([]byte, session.MaxDatagram+1)
		n, err := conn.Read(buf)
		switch {
		case err == nil:
			select {
			case u.inbound <- inbound{r, conn, buf[:n]}:
			default: // the peer sends faster than we read: as good as lost
			}
		case errors.Is(err, net.ErrClosed):
			return
		case isUDP: // nobody listens there (ICMP), or no route now
			time.Sleep(10 * time.Millisecond)
		default:
			u.Log.Info("connection ended", "collector", r.address, "error", err)
			select {
			case u.inbound <- inbound{r, conn, nil}:
			case <-u.over:
			}
			return
		}
	}
}

// ended notes that a connection is of no more use.
func (u *uplink) ended(in inbound) {
	if in.on.conn == in.conn {
		in.conn.Close()
		in.on.conn = nil
	}
}

// greet says HELLO where that is due: to the active collector while there is no
// session that works, and to a preferred one now and then.
func (u *uplink) greet(ctx context.Context, now time.Time) {
	r := u.roads[u.active]
	switch {
	case u.joining():
		if !now.Before(r.next) && r.wantsNext() && !r.dialing {
			r = u.tryNext(ctx)
		}
		u.hello(ctx, r, now)
	case u.send != nil && u.road.conn == nil: // it ended under a session: that goes on over the next one
		if !now.Before(u.road.next) {
			u.dial(ctx, u.road)
		}
	case u.active > 0 && u.pending == nil && !now.Before(u.preferAt):
		u.prefer(ctx, now)
	}
}

// tryNext makes the next collector of the list the active one, and dials it
// anew: its name may have another address by now, or this machine.
func (u *uplink) tryNext(ctx context.Context) *road {
	old := u.roads[u.active]
	if old.unanswered > 0 {
		u.Say(fmt.Sprintf("no answer from %s: is it running, reachable, and are the site's keys its own?", old.address))
	}
	unanswered := 0
	if len(u.roads) == 1 {
		unanswered = old.unanswered // goes on asking slowly
	}
	if old != u.road {
		u.leave(old)
	}
	u.active = (u.active + 1) % len(u.roads)
	if u.active == 0 {
		u.join.otherBox()
	}
	r := u.roads[u.active]
	r.greeting = greeting{unanswered: unanswered}
	u.dial(ctx, r)
	return r
}

// prefer tries the collectors before the active one, one after the other.
func (u *uplink) prefer(ctx context.Context, now time.Time) {
	if u.preferred >= u.active {
		u.preferred = 0
	}
	r := u.roads[u.preferred]
	if r.wantsNext() && !now.Before(r.next) {
		u.leave(r)
		u.preferAt = now.Add(preferEvery)
		if u.preferred++; u.preferred < u.active {
			u.preferAt = now
		}
		return
	}
	u.hello(ctx, r, now)
}

// hello says HELLO on r when it is due and r is dialled: a cookie is for one port.
func (u *uplink) hello(ctx context.Context, r *road, now time.Time) {
	switch {
	case now.Before(r.next) || r.dialing:
		return
	case r.conn == nil:
		u.dial(ctx, r)
		return
	}
	d, err := u.join.hello(&r.greeting, now)
	if err != nil {
		u.Log.Error("no HELLO", "error", err)
		return
	}
	u.stats.hellos++
	u.write(r, d)
}

// welcome takes a WELCOME that came on r.
func (u *uplink) welcome(r *road, d []byte, now time.Time) error {
	w, link, err := u.join.welcome(&r.greeting, d, now)
	if err != nil {
		return err
	}
	if w.Status == enrol.Moved {
		u.stats.moves++
		u.Say("the site has a new box key: following")
		return nil
	}
	active := r.index == u.active
	if u.Clock != nil {
		u.Clock(time.Duration(w.Time - now.UnixNano()))
	}
	if active && (w.Status != u.stats.status || !u.stats.welcomed) {
		u.Say(map[enrol.Status]string{
			enrol.Approved: "enrolled", enrol.Pending: "waiting for approval", enrol.Refused: "refused: this sensor was revoked",
		}[w.Status])
		u.stats.status, u.stats.welcomed = w.Status, true
	}
	if active && w.Status == enrol.Pending && u.Waiting != nil {
		u.Waiting()
	}
	switch {
	case link != nil && r == u.road && u.pending == nil && !u.joining():
		// It was said in a silence that has ended: the session in use goes on, and
		// nothing that is under way is sent again.
	case link != nil:
		size := safeSize
		if r.size == session.MaxDatagram {
			size = session.MaxDatagram // such a HELLO has come through
		}
		next := newSender(link, w.Session, w.Window, 0, size)
		if u.send == nil || u.send.flight.Silence() >= silence {
			u.takeOver(next, r)
		} else {
			u.pending, u.pendingRoad, u.takeOverAt = next, r, now.Add(drainFor)
			u.send.hold = true
		}
	case active && r == u.road:
		u.send, u.pending = nil, nil // this session's own collector takes it back
	}
	return nil
}

// takeOver makes next, on r, the session in use.
func (u *uplink) takeOver(next *sender, r *road) {
	next.next = u.Spool.Floor()
	if u.road != r {
		if u.road != nil {
			u.leave(u.road)
		}
		u.Say(fmt.Sprintf("sending by %s to %s", strings.ToUpper(string(carrierOf(r.address))), r.address))
	}
	if old := u.roads[u.active]; old != r && old != u.road {
		u.leave(old)
	}
	u.send, u.road, u.active, u.rejoin, u.pending = next, r, r.index, false, nil
	u.preferred, u.preferAt = 0, time.Now().Add(preferEvery)
	u.stats.sessions++
}
