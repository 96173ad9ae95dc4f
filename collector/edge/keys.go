package edge

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

const (
	// epochLife is how long an epoch key is used: what is recorded on the wire
	// and older than this cannot be opened any more, whatever is stolen.
	epochLife = 7 * 24 * time.Hour
	// epochGrace is how long sessions may stay in an epoch that ended. They are
	// told to leave it at once, and need a second for that.
	epochGrace = time.Minute
)

// A BoxKey is a box key of the site: the one in use, or one that was.
type BoxKey struct {
	Private, Public [32]byte
	// Handover says which key followed; nil for the one in use.
	Handover *enrol.Handover
}

// BoxKeys returns the keys of a site as an edge wants them. keys are the private
// ones, the oldest first, the one in use last; next is the hash of the public
// one that will follow.
func BoxKeys(identity ed25519.PrivateKey, keys [][32]byte, next [32]byte) []BoxKey {
	all := make([]BoxKey, len(keys))
	for i := len(keys) - 1; i >= 0; i-- {
		all[i].Private = keys[i]
		curve25519.ScalarBaseMult(&all[i].Public, &all[i].Private)
		if i < len(keys)-1 {
			h := enrol.SignHandover(identity, all[i+1].Public, next)
			all[i].Handover = &h
			next = sha256.Sum256(all[i+1].Public[:])
		}
	}
	return all
}

// SetBoxKeys has HELLOs opened with keys from now on.
func (e *Edge) SetBoxKeys(keys []BoxKey) {
	byHint := make(map[enrol.KeyHint]*BoxKey, len(keys))
	for i := range keys {
		byHint[enrol.HintOf(&keys[i].Public)] = &keys[i]
	}
	e.boxKeys.Store(&byHint)
}

// boxKey returns the key that a HELLO says it is sealed to; nil if that is none
// of the site's.
func (e *Edge) boxKey(hint enrol.KeyHint) *BoxKey { return (*e.boxKeys.Load())[hint] }

// Rotate ends the epoch. Sessions of it are told at once to say HELLO again,
// and go on until they have.
func (e *Edge) Rotate() {
	e.epochs.end()
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, links := range e.sensors {
		for _, l := range links {
			e.due.add(l)
		}
	}
}

// epochs holds the collector's epoch key: only in memory, and replaced in time.
type epochs struct {
	identity ed25519.PrivateKey

	mu      sync.Mutex
	now     epoch
	private [32]byte // of now
}

type epoch struct {
	enrol.Epoch
	began time.Time // monotonic: the clock may be set
}

// current returns the epoch of now. Sessions of an earlier one are asked to
// say HELLO again.
func (e *epochs) current(now time.Time) epoch {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.currentLocked(now)
}

func (e *epochs) currentLocked(now time.Time) epoch {
	if now.Sub(e.now.began) >= epochLife {
		public, private, err := box.GenerateKey(rand.Reader)
		if err != nil { // crypto/rand.Reader does not fail
			panic(err)
		}
		e.now = epoch{enrol.SignEpoch(e.identity, *public, now.Add(epochLife).UnixNano()), now}
		e.private = *private // and with it the last one is gone
		clear(private[:])
	}
	return e.now
}

// precompute returns the key between the epoch of now and a boot key.
func (e *epochs) precompute(bootKey *[32]byte, now time.Time) (shared [32]byte, of epoch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	of = e.currentLocked(now)
	box.Precompute(&shared, bootKey, &e.private)
	return shared, of
}

// end has the next call begin a new epoch.
func (e *epochs) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now.began = time.Time{}
	clear(e.private[:])
}
