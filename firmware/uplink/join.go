package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/site"
)

// Waits between one HELLO and the next that is not answered.
const (
	firstHello = 250 * time.Millisecond
	slowHello  = 5 * time.Second
	// refusedHello is how long a sensor that was revoked waits: it may have
	// been a mistake.
	refusedHello = time.Minute
	// patience is how many HELLOs an address gets before the next is tried,
	// and how often it may say wait or no where there is a next.
	patience = 4
	// maxMoves bounds how many box keys a sensor follows in one boot.
	maxMoves = 64
)

// joiner makes HELLOs and opens the answers. Its keys are those of one boot.
type joiner struct {
	identity ed25519.PublicKey // of the site
	sensor   ed25519.PrivateKey
	public   *[32]byte // X25519 boot key
	private  *[32]byte
	claims   enrol.Claims

	boxes   []boxKey // of the site: that of the image first, the newest last
	box     int      // the one in use
	attempt uint64   // counts the HELLOs of this boot, to whichever address
}

// boxKey is one of the site's box keys.
type boxKey struct {
	key    site.Key
	next   site.Key // SHA-256 of the one that follows
	shared *[32]byte
}

// greeting is where a sensor stands with one collector.
type greeting struct {
	nonce      enrol.Nonce // of the HELLO last sent
	box        int         // that it was sealed to
	size       int         // of the datagram
	cookie     enrol.Cookie
	unanswered int       // HELLOs since the last answer
	tried      int       // of them, since the address was turned to; failed dials too
	turnedAway int       // answers that gave no session
	next       time.Time // when the next HELLO is due
}

func newJoiner(s site.Site, identity ed25519.PrivateKey, claims enrol.Claims) (*joiner, error) {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making boot key: %w", err)
	}
	j := &joiner{identity: s.Identity[:], sensor: identity, public: public, private: private, claims: claims}
	j.addBox(s.Box, s.Next)
	return j, nil
}

func (j *joiner) addBox(key, next site.Key) {
	shared := new([32]byte)
	box.Precompute(shared, (*[32]byte)(&key), j.private)
	j.boxes = append(j.boxes, boxKey{key, next, shared})
	j.box = len(j.boxes) - 1
}

// otherBox goes on to another of the site's keys: this one is answered nowhere.
func (j *joiner) otherBox() { j.box = (j.box + 1) % len(j.boxes) }

// hello returns the next HELLO to send.
func (j *joiner) hello(g *greeting, now time.Time) ([]byte, error) {
	j.attempt++
	size := 0 // the largest: what comes through tells the path's MTU
	if g.unanswered >= 2 && g.unanswered%2 == 0 {
		size = enrol.MinHello
	}
	b, nonce, err := enrol.AppendHello(nil,
		enrol.Keys{Identity: j.sensor, BootKey: j.public, Shared: j.boxes[j.box].shared, Site: (*[32]byte)(&j.boxes[j.box].key)},
		g.cookie,
		&enrol.Hello{
			Identity: enrol.Identity(j.sensor.Public().(ed25519.PublicKey)),
			Attempt:  j.attempt,
			Time:     now.UnixNano(),
			Claims:   j.claims,
			Size:     size,
		})
	g.nonce, g.box, g.size = nonce, j.box, len(b)
	wait := min(firstHello<<min(g.unanswered, 8), slowHello)
	g.next = now.Add(wait + mrand.N(wait/4)) // so that a fleet does not ask in step
	g.unanswered++
	g.tried++
	return b, err
}

// answered takes a COOKIE, for the next HELLO to carry. After the first one that
// is due at once; then not, since a COOKIE is not sealed: whoever sees a HELLO
// can send one, and would have us say HELLO without end.
func (g *greeting) answered(datagram []byte, now time.Time) error {
	nonce, cookie, err := enrol.ParseCookie(datagram)
	if err != nil {
		return err
	}
	if nonce != g.nonce || nonce == (enrol.Nonce{}) {
		return errStale
	}
	if g.cookie == (enrol.Cookie{}) {
		g.next = now
	}
	g.cookie = cookie
	g.unanswered, g.tried = min(g.unanswered, 1), max(g.tried-1, 0) // somebody is there
	return nil
}

var errStale = errors.New("answer to another HELLO")

// wantsNext reports whether another collector is to be tried, where there is
// one.
func (g *greeting) wantsNext() bool {
	return g.tried >= patience || g.turnedAway >= patience
}

// welcome takes a WELCOME. The link is nil unless the sensor is approved; then
// it seals between the boot key and the collector's epoch key.
func (j *joiner) welcome(g *greeting, datagram []byte, now time.Time) (enrol.Welcome, *seal.Link, error) {
	w, err := enrol.OpenWelcome(datagram, j.boxes[g.box].shared, j.identity)
	if err != nil {
		return w, nil, err
	}
	if w.Hello != g.nonce {
		return w, nil, errStale
	}
	if w.Status == enrol.Moved {
		if err := j.follow(g.box, &w.Handover); err != nil {
			return w, nil, err
		}
		g.nonce, g.unanswered, g.tried, g.next = enrol.Nonce{}, 0, 0, now
		return w, nil, nil
	}
	g.nonce = enrol.Nonce{} // each HELLO is answered once
	g.unanswered, g.tried = 0, 0
	switch w.Status {
	case enrol.Pending:
		g.turnedAway++
		g.next = now.Add(max(time.Duration(w.Retry)*time.Second, firstHello))
		return w, nil, nil
	case enrol.Refused:
		g.turnedAway++
		g.next = now.Add(refusedHello)
		return w, nil, nil
	}
	g.turnedAway = 0
	shared := new([32]byte)
	box.Precompute(shared, &w.Epoch.Key, j.private)
	return w, seal.NewLink(shared, w.Salt, seal.Sensor), nil
}

// follow takes the key that follows box key at, if it is the announced one and
// the site has signed it.
func (j *joiner) follow(at int, h *enrol.Handover) error {
	switch {
	case !h.Verify(j.identity, j.boxes[at].next):
		return errors.New("the site's new box key is not the one that was announced, or not signed")
	case at+1 < len(j.boxes): // followed before
		j.box = at + 1
	case len(j.boxes) == maxMoves:
		return fmt.Errorf("the site's box key has changed %d times in one boot", maxMoves)
	default:
		j.addBox(h.Key, h.Next)
	}
	return nil
}
