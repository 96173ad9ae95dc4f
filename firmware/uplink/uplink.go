// Package uplink carries batches from the sensor's RAM to its collector.
//
// It reads batches from pipes into a spool, joins the collector that answers
// with the site's keys, and sends each batch until the collector says that it
// is stored. Everything on the wire is sealed; docs/format/wire.md has the
// bytes. A collector that goes away costs nothing but room in the spool.
//
// One goroutine owns all state and never waits for a network; a few more only
// read pipes and sockets, and dial.
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

	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/firmware/uplink/flight"
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
	grace = 5 * time.Second
	// silence is how many timeouts in a row make a session suspect, so that
	// HELLO is said again: a collector that was restarted knows no sessions.
	// On a road that loses 30 % each way, 2 % of the last packets under way
	// are as silent for no reason.
	silence = 4
	// safeSize is the size of datagrams on a path of which nothing is known.
	safeSize = flight.SafeDatagram
)

// Config is what an uplink needs.
type Config struct {
	Site     site.Site
	Identity ed25519.PrivateKey
	Claims   enrol.Claims
	In       []io.ReadCloser // pipes of batch frames; Run closes them
	Spool    Spool           // where batches wait; Run owns it

	// Credentials are what carriers are shown; nil for new ones.
	Credentials *carrier.Credentials
	// Dial reaches an address of the site's list: one Write, one datagram; and
	// no Write waits. nil means by the carrier that the address names.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	Log       *slog.Logger
	Say       func(line string)          // lines for the console
	Heartbeat func()                     // called at least every second; may be nil
	Clock     func(offset time.Duration) // called with how far the collector's clock is ahead; may be nil
	Stored    func()                     // called when the collector has stored batches; may be nil
	Files     *Files                     // fetches over the session; may be nil
	Waiting   func()                     // called when the collector says that the sensor is not approved; may be nil
}

// Spool holds batches until they are stored; *spool.Spool does.
type Spool interface {
	Put(f batch.Frame)
	From(number uint64) (batch.Numbered, bool)
	Get(number uint64) (batch.Numbered, bool)
	Stored(set *ranges.Set) (batches, records int)
	Floor() uint64
	Len() int
	Bytes() int
	Records() int
	Dropped(c batch.Class) (batches, records uint64)
	DroppedKinds() map[string]uint64
}

// uplink is a Run under way.
type uplink struct {
	Config
	join  *joiner
	roads []*road
	// active is the road that HELLO is said on, or whose session is in use.
	active int

	send   *sender // the session in use; nil while there is none
	road   *road   // that it is on, or was last
	number uint64  // next packet number; it never falls in one boot
	rejoin bool    // the collector asked for a new HELLO

	// A session that takes over once the one in use has nothing under way.
	pending     *sender
	pendingRoad *road
	takeOverAt  time.Time // even if that still has

	// Preferred collectors are tried from preferAt on: now that of this index.
	preferred int
	preferAt  time.Time

	wish     *wish  // for a part of a file; nil while there is none
	sequence uint32 // of the last FETCH

	stats   stats
	told    uint64 // records that were given up, as health last said
	inbound chan inbound
	dialled chan dialled
	over    chan struct{} // closed when the loop has ended
	readers sync.WaitGroup
}

// Run sends what comes in until every pipe has ended and all is stored; then
// it returns nil. After ctx ends it goes on for a short grace and then returns
// an error that says what was not stored.
func Run(ctx context.Context, cfg Config) error {
	j, err := newJoiner(cfg.Site, cfg.Identity, cfg.Claims)
	if err != nil {
		return err
	}
	if cfg.Dial == nil {
		if cfg.Dial, err = dialer(&cfg); err != nil {
			return err
		}
	}
	u := newUplink(cfg, j)
	id := enrol.Identity(cfg.Identity.Public().(ed25519.PublicKey))
	u.Say("enrolment code " + id.Code())
	dialing, stopDialing := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		close(u.over)
		stopDialing()
		for _, r := range u.roads {
			u.leave(r)
		}
		u.readers.Wait()
	}()
	return u.loop(ctx, dialing, u.readPipes(ctx))
}

func newUplink(cfg Config, j *joiner) *uplink {
	u := &uplink{Config: cfg, join: j, inbound: make(chan inbound, 256), dialled: make(chan dialled), over: make(chan struct{})}
	for i, address := range cfg.Site.Collectors {
		u.roads = append(u.roads, &road{address: address, index: i})
	}
	return u
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

// loop does all that Run does. What it dials ends with dialing.
func (u *uplink) loop(ctx, dialing context.Context, frames <-chan batch.Frame) error {
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
		u.transmit(dialing, now)
		if frames == nil && u.Spool.Len() == 0 {
			if u.told == u.gaveUp() {
				return nil
			}
			u.health(now) // the last one made the spool give up more
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
			u.put(f)
		case in := <-u.inbound:
			u.receive(in, time.Now())
		case d := <-u.dialled:
			u.reached(d, time.Now())
		case u.wish = <-u.wishes():
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
	if u.Spool.Records() == 0 {
		return nil
	}
	return fmt.Errorf("stopping uplink: %d batches with %d records were not acknowledged by %s", u.Spool.Len(), u.Spool.Records(), u.roads[u.active].address)
}

// put spools a batch.
func (u *uplink) put(f batch.Frame) {
	u.stats.frames++
	u.stats.records += uint64(f.Records)
	u.Spool.Put(f)
}

// wait returns how long nothing is due.
func (u *uplink) wait(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	switch r := u.roads[u.active]; {
	case u.joining() && !r.dialing:
		sooner(r.next)
	case u.send != nil && u.road.conn == nil && !u.road.dialing:
		sooner(u.road.next)
	case u.pending != nil:
		sooner(u.takeOverAt)
	case u.active > 0:
		if p := u.roads[u.preferred]; !p.dialing {
			sooner(u.preferAt)
			if next == u.preferAt && p.next.After(next) {
				next = p.next
			}
		}
	}
	if u.send != nil {
		sooner(u.send.wake(u.Spool, now))
	}
	if u.wish != nil {
		sooner(u.wish.again)
	}
	return max(next.Sub(now), 0)
}

// joining reports whether HELLO is to be said to the active collector.
func (u *uplink) joining() bool {
	return u.pending == nil && (u.send == nil || u.rejoin || u.send.flight.Silence() >= silence)
}

// transmit sends all that may be sent at now.
func (u *uplink) transmit(ctx context.Context, now time.Time) {
	u.greet(ctx, now)
	u.wishFor(now)
	if u.send == nil {
		return
	}
	u.stats.lost += uint64(u.send.timeout(u.Spool, u.number, now))
	if u.pending != nil && (u.send.done(u.Spool) || !now.Before(u.takeOverAt)) {
		u.takeOver(u.pending, u.pendingRoad)
	}
	for {
		d := u.send.datagram(u.Spool, u.number, now)
		if d == nil {
			return
		}
		number := u.number
		u.number++
		if err := u.write(u.road, d); errors.Is(err, errTooBig) {
			u.send.tooBig(number, now)
		}
	}
}

// write sends d. What cannot be sent, since the kernel refuses it or no
// collector can be dialled at the moment, is as good as lost on the way.
func (u *uplink) write(r *road, d []byte) error {
	u.stats.sent++
	if r.conn == nil {
		u.stats.sendErrors++
		return nil
	}
	_, err := r.conn.Write(d)
	if err != nil {
		u.stats.sendErrors++
	}
	return err
}

// receive takes one datagram. Whatever is wrong with it is only counted.
func (u *uplink) receive(in inbound, now time.Time) {
	if in.data == nil {
		u.ended(in)
		return
	}
	t, id, err := session.ParseHead(in.data)
	if err != nil {
		u.stats.dropped++
		return
	}
	switch {
	case t == session.TypeWelcome:
		err = u.welcome(in.on, in.data, now)
	case t == session.TypeCookie:
		err = in.on.answered(in.data, now)
	case t == session.TypeAck && u.send != nil && u.send.id == id:
		err = u.ack(in.data, now)
	case t == session.TypePiece && u.send != nil && u.send.id == id:
		err = u.piece(in.data, now)
	default:
		err = errStale
	}
	if err != nil {
		u.stats.dropped++
		u.Log.Debug("datagram dropped", "error", err)
	}
}

// open returns the plaintext of a datagram of the session that has not come
// before.
func (u *uplink) open(d []byte) ([]byte, error) {
	number, err := u.send.link.Check(d)
	if err != nil {
		return nil, err
	}
	if !u.send.acks.Fresh(number) {
		return nil, errStale
	}
	plain, err := u.send.link.Open(nil, d)
	if err == nil {
		u.send.acks.Mark(number)
	}
	return plain, err
}

func (u *uplink) ack(d []byte, now time.Time) error {
	plain, err := u.open(d)
	if err != nil {
		return err
	}
	a, err := session.ParseAck(plain)
	if err != nil {
		return err
	}
	lost, batches, records := u.send.answer(&a, u.Spool, u.number, now)
	u.stats.lost += uint64(lost)
	u.rejoin = u.rejoin || a.Rejoin
	if batches > 0 {
		if u.stats.stored == 0 {
			u.Say("first batch acknowledged")
		}
		if u.Stored != nil {
			u.Stored()
		}
		u.stats.stored += uint64(batches)
		u.stats.recordsStored += uint64(records)
	}
	if at := u.roads[u.active]; at != u.road && u.send.flight.Silence() == 0 && u.pending == nil {
		u.leave(at) // the session was not dead: no need for another collector
		u.active = u.road.index
	}
	return nil
}
