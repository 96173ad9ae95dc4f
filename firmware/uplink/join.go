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
)

// joiner says HELLO until it is welcomed. Its keys are those of one boot.
type joiner struct {
	site    site.Site
	keys    enrol.Keys
	private *[32]byte // X25519 boot key
	claims  enrol.Claims

	attempt    uint64
	nonce      enrol.Nonce // of the HELLO last sent
	cookie     enrol.Cookie
	unanswered int       // HELLOs since the last answer
	turnedAway int       // answers of this address that gave no session
	next       time.Time // when the next HELLO is due, unless welcomed
}

func newJoiner(s site.Site, identity ed25519.PrivateKey, claims enrol.Claims) (*joiner, error) {
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making boot key: %w", err)
	}
	siteKey := [32]byte(s.Box)
	shared := new([32]byte)
	box.Precompute(shared, &siteKey, private)
	return &joiner{
		site:    s,
		private: private,
		keys:    enrol.Keys{Identity: identity, BootKey: public, Shared: shared, Site: &siteKey},
		claims:  claims,
	}, nil
}

// hello returns the next HELLO to send.
func (j *joiner) hello(now time.Time) ([]byte, error) {
	j.attempt++
	b, nonce, err := enrol.AppendHello(nil, j.keys, j.cookie, &enrol.Hello{
		Identity: enrol.Identity(j.keys.Identity.Public().(ed25519.PublicKey)),
		Attempt:  j.attempt,
		Time:     now.UnixNano(),
		Claims:   j.claims,
	})
	j.nonce = nonce
	wait := min(firstHello<<min(j.unanswered, 8), slowHello)
	j.next = now.Add(wait + mrand.N(wait/4)) // so that a fleet does not ask in step
	j.unanswered++
	return b, err
}

// answered takes a COOKIE, for the next HELLO to carry. After the first one that
// is due at once; then not, since a COOKIE is not sealed: whoever sees a HELLO
// can send one, and would have us say HELLO without end.
func (j *joiner) answered(datagram []byte, now time.Time) error {
	nonce, cookie, err := enrol.ParseCookie(datagram)
	if err != nil {
		return err
	}
	if nonce != j.nonce || nonce == (enrol.Nonce{}) {
		return errStale
	}
	if j.cookie == (enrol.Cookie{}) {
		j.next = now
	}
	j.cookie = cookie
	return nil
}

var errStale = errors.New("answer to another HELLO")

// wantsNext reports whether the next collector of the list is to be tried.
func (j *joiner) wantsNext() bool {
	return j.unanswered > 0 && j.unanswered%patience == 0 || j.turnedAway >= patience && len(j.site.Collectors) > 1
}

// welcome takes a WELCOME. The link is nil unless the sensor is approved; then
// it seals between the boot key and the collector's epoch key.
func (j *joiner) welcome(datagram []byte, now time.Time) (enrol.Welcome, *seal.Link, error) {
	w, err := enrol.OpenWelcome(datagram, j.keys.Shared, j.site.Identity[:])
	if err != nil {
		return w, nil, err
	}
	if w.Hello != j.nonce {
		return w, nil, errStale
	}
	j.nonce = enrol.Nonce{} // each HELLO is answered once
	j.unanswered = 0
	switch w.Status {
	case enrol.Pending:
		j.turnedAway++
		j.next = now.Add(max(time.Duration(w.Retry)*time.Second, firstHello))
		return w, nil, nil
	case enrol.Refused:
		j.turnedAway++
		j.next = now.Add(refusedHello)
		return w, nil, nil
	}
	j.turnedAway = 0
	shared := new([32]byte)
	box.Precompute(shared, &w.Epoch.Key, j.private)
	return w, seal.NewLink(shared, w.Salt, seal.Sensor), nil
}
