// Package enrol lays out how a sensor joins: the HELLO that it sends, and the
// COOKIE or WELCOME that answers.
//
// A HELLO is sealed from the sensor's boot key (X25519, fresh at each boot) to
// the site's box key, and signed inside by the sensor's identity (Ed25519).
// The WELCOME comes back in a box of the same two keys; it carries the
// collector's epoch key, signed by the site's identity, the session and the
// decision about the sensor. docs/format/wire.md has every byte.
//
// Here are only values and bytes. That an attempt is not older than the last,
// and that a WELCOME answers the HELLO last sent, is the caller's to see.
package enrol

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/session"
)

// Identity is a sensor's Ed25519 public key: who it is, across boots where the
// board can keep a key.
type Identity [ed25519.PublicKeySize]byte

// codeLetters leaves out what is mistaken for another when read aloud.
var codeLetters = base32.NewEncoding("ABCDEFGHJKLMNPQRSTUVWXYZ23456789").WithPadding(base32.NoPadding)

// Code returns the code by which people compare a sensor's console with the
// collector's list: 40 bits of the hash of the identity, as XXXX-XXXX.
func (id Identity) Code() string {
	sum := sha256.Sum256(append([]byte("taproot enrolment code v1"), id[:]...))
	s := codeLetters.EncodeToString(sum[:5])
	return s[:4] + "-" + s[4:]
}

// Boot names one boot of a sensor: the first 16 bytes of the SHA-256 of its
// boot key.
type Boot [16]byte

// BootOf returns the name of the boot that has the X25519 public key.
func BootOf(key *[32]byte) Boot {
	sum := sha256.Sum256(key[:])
	return Boot(sum[:16])
}

// Claims are what a sensor says of itself, by name: board, release, host, mac,
// … None of it is proven.
type Claims map[string]string

// Bounds of claims. Names and texts are in bytes.
const (
	MaxClaims    = 16
	MaxClaimName = 32
	MaxClaimText = 64
)

// Hello is what is in a HELLO.
type Hello struct {
	Identity Identity
	Attempt  uint64 // counts the HELLOs of one boot; a collector takes no lower one
	Time     int64  // the sensor's clock, Unix ns
	Claims   Claims
	Size     int // bytes of the datagram, at least MinHello; 0 for session.MaxDatagram
}

// MinHello is the size in bytes of the least HELLO: larger than any answer to
// it, so that nobody gains by asking in another's name, and small enough for
// any path (RFC 791: 576 bytes).
const MinHello = 512

// Cookie proves to a collector that a sensor receives at the address it sends
// from, and that its HELLO was written after the cookie: the signature covers it.
type Cookie [16]byte

// Nonce is the nonce of a HELLO's box, which its answer repeats.
type Nonce [24]byte

// Offsets in a HELLO.
const (
	helloCookie = 4
	helloKey    = helloCookie + 16
	helloNonce  = helloKey + 32
	helloBox    = helloNonce + 24
	// hintSize is how much of the nonce tells which key the box is sealed to.
	hintSize = 4
)

const (
	labelHello   = 'H'
	labelWelcome = 'W'
	signHello    = "taproot hello v1\x00"
	signEpoch    = "taproot epoch v1\x00"
	signHandover = "taproot box key v1\x00"
)

// Keys are the keys of one boot of a sensor.
type Keys struct {
	Identity ed25519.PrivateKey
	BootKey  *[32]byte // X25519 public key
	Shared   *[32]byte // box.Precompute of the site's box key and the boot's private key
	Site     *[32]byte // the site's box key
}

// KeyHint is the beginning of a HELLO's nonce: which of a site's box keys it is
// sealed to, so that no other is tried.
type KeyHint [hintSize]byte

// HintOf returns the hint of a site's box key: the first bytes of its SHA-256.
func HintOf(siteKey *[32]byte) KeyHint {
	sum := sha256.Sum256(siteKey[:])
	return KeyHint(sum[:hintSize])
}

// AppendHello appends a HELLO datagram of h.Size bytes, or more where the claims
// need more, and returns the nonce to know the answer by.
func AppendHello(dst []byte, k Keys, cookie Cookie, h *Hello) ([]byte, Nonce, error) {
	body := binary.BigEndian.AppendUint64(nil, h.Attempt)
	body = binary.BigEndian.AppendUint64(body, uint64(h.Time))
	body, err := h.Claims.append(body)
	if err != nil {
		return nil, Nonce{}, fmt.Errorf("writing HELLO: %w", err)
	}
	plain := make([]byte, 0, session.MaxDatagram)
	plain = append(plain, labelHello)
	plain = append(plain, k.Identity.Public().(ed25519.PublicKey)...)
	plain = append(plain, ed25519.Sign(k.Identity, helloSigned(k.Site, k.BootKey, cookie, body))...)
	plain = append(plain, body...)
	const sealing = helloBox + box.Overhead
	size := session.MaxDatagram
	if h.Size != 0 {
		size = max(h.Size, MinHello, len(plain)+sealing)
	}
	if size > session.MaxDatagram || len(plain)+sealing > size {
		return nil, Nonce{}, fmt.Errorf("writing HELLO: %d bytes with these claims, at most %d fit", len(plain)+sealing, session.MaxDatagram)
	}
	plain = append(plain, make([]byte, size-sealing-len(plain))...)

	var nonce Nonce
	rand.Read(nonce[:])
	hint := HintOf(k.Site)
	copy(nonce[:], hint[:])
	head := session.Head(session.TypeHello, 0)
	dst = append(dst, head[:4]...)
	dst = append(dst, cookie[:]...)
	dst = append(dst, k.BootKey[:]...)
	dst = append(dst, nonce[:]...)
	return box.SealAfterPrecomputation(dst, plain, (*[24]byte)(&nonce), k.Shared), nonce, nil
}

// helloSigned returns what a sensor signs: the keys that the HELLO is between,
// the cookie, so that nobody can make a recorded HELLO new with another one,
// and all that it says. What follows the claims is padding and not signed.
func helloSigned(siteKey, bootKey *[32]byte, cookie Cookie, body []byte) []byte {
	return slices.Concat([]byte(signHello), siteKey[:], bootKey[:], cookie[:], body)
}

// SealedHello is a HELLO before it is opened: what can be judged without any
// public-key work.
type SealedHello struct {
	Cookie  Cookie
	BootKey [32]byte
	Nonce   Nonce
	box     []byte
}

// Hint returns which of the site's keys the HELLO says that it is sealed to.
func (s *SealedHello) Hint() KeyHint { return KeyHint(s.Nonce[:]) }

// ParseHello reads the outside of a HELLO. The result shares memory with b.
func ParseHello(b []byte) (SealedHello, error) {
	if len(b) < MinHello || len(b) > session.MaxDatagram {
		return SealedHello{}, fmt.Errorf("parsing HELLO: %d bytes, want %d to %d", len(b), MinHello, session.MaxDatagram)
	}
	return SealedHello{
		Cookie:  Cookie(b[helloCookie:]),
		BootKey: [32]byte(b[helloKey:]),
		Nonce:   Nonce(b[helloNonce:]),
		box:     b[helloBox:],
	}, nil
}

// Reasons for which a HELLO is refused.
var (
	ErrSealed = errors.New("box does not open: it was sealed to another site's key")
	ErrSigned = errors.New("signature is wrong")
)

// Open opens the box with shared (box.Precompute of the boot key and the
// site's private key) and checks the signature.
func (s *SealedHello) Open(shared, siteKey *[32]byte) (Hello, error) {
	plain, ok := box.OpenAfterPrecomputation(nil, s.box, (*[24]byte)(&s.Nonce), shared)
	if !ok {
		return Hello{}, fmt.Errorf("opening HELLO: %w", ErrSealed)
	}
	const fixed = 1 + ed25519.PublicKeySize + ed25519.SignatureSize
	if plain[0] != labelHello {
		return Hello{}, errors.New("opening HELLO: not a HELLO")
	}
	h := Hello{Identity: Identity(plain[1:])}
	body := plain[fixed:]
	h.Attempt = binary.BigEndian.Uint64(body)
	h.Time = int64(binary.BigEndian.Uint64(body[8:]))
	claims, n, err := parseClaims(body[16:])
	if err != nil {
		return Hello{}, fmt.Errorf("opening HELLO: %w", err)
	}
	h.Claims = claims
	if !ed25519.Verify(h.Identity[:], helloSigned(siteKey, &s.BootKey, s.Cookie, body[:16+n]), plain[1+ed25519.PublicKeySize:fixed]) {
		return Hello{}, fmt.Errorf("opening HELLO: %w", ErrSigned)
	}
	return h, nil
}

// append appends the claims in the order of their names: count u8, then each
// name and text behind its length.
func (c Claims) append(dst []byte) ([]byte, error) {
	if len(c) > MaxClaims {
		return nil, fmt.Errorf("%d claims, at most %d fit", len(c), MaxClaims)
	}
	dst = append(dst, byte(len(c)))
	for _, name := range slices.Sorted(maps.Keys(c)) {
		text := c[name]
		if name == "" || len(name) > MaxClaimName || len(text) > MaxClaimText {
			return nil, fmt.Errorf("claim %q = %q is too long", name, text)
		}
		dst = append(append(dst, byte(len(name))), name...)
		dst = append(append(dst, byte(len(text))), text...)
	}
	return dst, nil
}

// parseClaims reads claims off the front of b and returns how long they were.
// Only printable ASCII passes: claims are shown to people.
func parseClaims(b []byte) (Claims, int, error) {
	rest := b
	text := func(most int) (string, bool) {
		if len(rest) < 1 || int(rest[0]) > most || len(rest) < 1+int(rest[0]) {
			return "", false
		}
		s := string(rest[1 : 1+rest[0]])
		rest = rest[1+len(s):]
		return s, !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < ' ' || c > '~' })
	}
	if len(rest) < 1 || rest[0] > MaxClaims {
		return nil, 0, errors.New("claims are cut short")
	}
	n := int(rest[0])
	rest = rest[1:]
	c := make(Claims, n)
	for range n {
		name, ok := text(MaxClaimName)
		value, ok2 := text(MaxClaimText)
		if !ok || !ok2 || name == "" {
			return nil, 0, errors.New("claims are cut short or not plain text")
		}
		c[name] = value
	}
	return c, len(b) - len(rest), nil
}
