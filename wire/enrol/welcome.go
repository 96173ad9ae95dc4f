package enrol

import (
	"crypto/ed25519"
	"crypto/rand"
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
}

const (
	welcomeBox   = 4 + 24
	welcomePlain = 1 + 24 + 1 + 8 + 2 + 32 + 8 + ed25519.SignatureSize + 4 + 16 + 4
)

// AppendWelcome appends a WELCOME datagram, sealed with shared: box.Precompute
// of the boot key and the site's private key.
func AppendWelcome(dst []byte, shared *[32]byte, w *Welcome) []byte {
	plain := make([]byte, 0, welcomePlain)
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
	if len(b) != welcomeBox+box.Overhead+welcomePlain {
		return Welcome{}, fmt.Errorf("opening WELCOME: %d bytes, want %d", len(b), welcomeBox+box.Overhead+welcomePlain)
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
	case w.Status > Refused:
		return Welcome{}, fmt.Errorf("opening WELCOME: unknown status %d", w.Status)
	case w.Status == Approved && !w.Epoch.Verify(identity):
		return Welcome{}, errors.New("opening WELCOME: epoch key is not signed by the site's identity")
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
