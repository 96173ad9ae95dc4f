package enrol

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// Status is the collector's decision about a sensor.
type Status uint8

// The decisions.
const (
	Approved Status = 0 // the session may be used
	Pending  Status = 1 // an operator has yet to decide: keep what you have and ask again
	Refused  Status = 2 // revoked: ask again only now and then
	Moved    Status = 3 // the site's box key is another by now: say HELLO to that
)

// Epoch is a collector's X25519 key for a time.
type Epoch struct {
	Key       [32]byte
	Until     int64                       // Unix ns after which the collector destroys its private half
	Signature [ed25519.SignatureSize]byte // by the site's identity
}

// SignEpoch returns the epoch of key, signed.
func SignEpoch(identity ed25519.PrivateKey, key [32]byte, until int64) Epoch {
	e := Epoch{Key: key, Until: until}
	copy(e.Signature[:], ed25519.Sign(identity, e.signed()))
	return e
}

// Verify reports whether the site's identity has signed e.
func (e *Epoch) Verify(identity ed25519.PublicKey) bool {
	return ed25519.Verify(identity, e.signed(), e.Signature[:])
}

func (e *Epoch) signed() []byte {
	b := slices.Concat([]byte(signEpoch), e.Key[:])
	return binary.BigEndian.AppendUint64(b, uint64(e.Until))
}

// Handover says which box key of a site follows another.
type Handover struct {
	Key       [32]byte                    // the key that follows
	Next      [32]byte                    // SHA-256 of the one that will follow it
	Signature [ed25519.SignatureSize]byte // by the site's identity
}

// SignHandover returns the statement that key is the site's box key from now
// on, and that the key with the hash next will follow it.
func SignHandover(identity ed25519.PrivateKey, key, next [32]byte) Handover {
	h := Handover{Key: key, Next: next}
	copy(h.Signature[:], ed25519.Sign(identity, h.signed()))
	return h
}

// Verify reports whether the site's identity has signed h, and h.Key is the key
// that was announced by its hash.
func (h *Handover) Verify(identity ed25519.PublicKey, announced [32]byte) bool {
	return sha256.Sum256(h.Key[:]) == announced && ed25519.Verify(identity, h.signed(), h.Signature[:])
}

func (h *Handover) signed() []byte { return slices.Concat([]byte(signHandover), h.Key[:], h.Next[:]) }

// Welcome answers a HELLO.
type Welcome struct {
	Hello   Nonce  // of the HELLO that is answered
	Status  Status // the rest but Time and Retry counts only when Approved
	Time    int64  // the collector's clock, Unix ns
	Retry   uint16 // seconds after which to ask again while not Approved
	Epoch   Epoch
	Session uint32 // id of the session, to stand in each DATA
	Salt    seal.Salt
	Window  uint32 // bytes that may be under way, unacknowledged
	// Handover is set when Moved. OpenWelcome has not verified it: that takes
	// the hash that the sensor knows.
	Handover Handover
}

const (
	welcomeBox   = 4 + 24
	welcomePlain = 1 + 24 + 1 + 8 + 2 + 32 + 8 + ed25519.SignatureSize + 4 + 16 + 4
	movedPlain   = welcomePlain + 32 + 32 + ed25519.SignatureSize
)

// AppendWelcome appends a WELCOME datagram, sealed with shared: box.Precompute
// of the boot key and the site's private key.
func AppendWelcome(dst []byte, shared *[32]byte, w *Welcome) []byte {
	plain := make([]byte, 0, movedPlain)
	plain = append(plain, labelWelcome)
	plain = append(plain, w.Hello[:]...)
	plain = append(plain, byte(w.Status))
	plain = binary.BigEndian.AppendUint64(plain, uint64(w.Time))
	plain = binary.BigEndian.AppendUint16(plain, w.Retry)
	plain = append(plain, w.Epoch.Key[:]...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(w.Epoch.Until))
	plain = append(plain, w.Epoch.Signature[:]...)
	plain = binary.BigEndian.AppendUint32(plain, w.Session)
	plain = append(plain, w.Salt[:]...)
	plain = binary.BigEndian.AppendUint32(plain, w.Window)
	if w.Status == Moved {
		plain = slices.Concat(plain, w.Handover.Key[:], w.Handover.Next[:], w.Handover.Signature[:])
	}

	var nonce Nonce
	rand.Read(nonce[:])
	head := session.Head(session.TypeWelcome, 0)
	dst = append(dst, head[:4]...)
	dst = append(dst, nonce[:]...)
	return box.SealAfterPrecomputation(dst, plain, (*[24]byte)(&nonce), shared)
}

// OpenWelcome opens a WELCOME. An approved one has an epoch key that the
// site's identity has signed.
func OpenWelcome(b []byte, shared *[32]byte, identity ed25519.PublicKey) (Welcome, error) {
	const size, moved = welcomeBox + box.Overhead + welcomePlain, welcomeBox + box.Overhead + movedPlain
	if len(b) != size && len(b) != moved {
		return Welcome{}, fmt.Errorf("opening WELCOME: %d bytes, want %d or %d", len(b), size, moved)
	}
	p, ok := box.OpenAfterPrecomputation(nil, b[welcomeBox:], (*[24]byte)(b[4:]), shared)
	if !ok {
		return Welcome{}, errors.New("opening WELCOME: box does not open")
	}
	if p[0] != labelWelcome {
		return Welcome{}, errors.New("opening WELCOME: not a WELCOME")
	}
	take := func(n int) (out []byte) {
		out, p = p[:n], p[n:]
		return out
	}
	take(1)
	w := Welcome{Hello: Nonce(take(24)), Status: Status(take(1)[0])}
	w.Time = int64(binary.BigEndian.Uint64(take(8)))
	w.Retry = binary.BigEndian.Uint16(take(2))
	w.Epoch.Key = [32]byte(take(32))
	w.Epoch.Until = int64(binary.BigEndian.Uint64(take(8)))
	w.Epoch.Signature = [ed25519.SignatureSize]byte(take(ed25519.SignatureSize))
	w.Session = binary.BigEndian.Uint32(take(4))
	w.Salt = seal.Salt(take(16))
	w.Window = binary.BigEndian.Uint32(take(4))
	switch {
	case w.Status > Moved:
		return Welcome{}, fmt.Errorf("opening WELCOME: unknown status %d", w.Status)
	case (w.Status == Moved) != (len(b) == moved):
		return Welcome{}, fmt.Errorf("opening WELCOME: %d bytes with status %d", len(b), w.Status)
	case w.Status == Approved && !w.Epoch.Verify(identity):
		return Welcome{}, errors.New("opening WELCOME: epoch key is not signed by the site's identity")
	case w.Status == Moved:
		w.Handover = Handover{Key: [32]byte(take(32)), Next: [32]byte(take(32)), Signature: [ed25519.SignatureSize]byte(take(ed25519.SignatureSize))}
	}
	return w, nil
}

// cookieSize is the size of a COOKIE datagram.
const cookieSize = 4 + 24 + 16

// AppendCookie appends a COOKIE datagram, which asks the sensor to send its
// HELLO again with c in it.
func AppendCookie(dst []byte, hello Nonce, c Cookie) []byte {
	head := session.Head(session.TypeCookie, 0)
	dst = append(dst, head[:4]...)
	dst = append(dst, hello[:]...)
	return append(dst, c[:]...)
}

// ParseCookie reads a COOKIE. It is not sealed: one whose nonce is not that of
// the HELLO last sent is forged.
func ParseCookie(b []byte) (hello Nonce, c Cookie, err error) {
	if len(b) != cookieSize {
		return Nonce{}, Cookie{}, fmt.Errorf("parsing COOKIE: %d bytes, want %d", len(b), cookieSize)
	}
	return Nonce(b[4:]), Cookie(b[28:]), nil
}
