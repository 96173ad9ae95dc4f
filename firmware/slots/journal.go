package slots

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// Digest is the SHA-256 of a slot, the whole region.
type Digest [32]byte

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// A State is what a sensor knows of its slots across boots.
type State struct {
	// Committed is the slot that a collector has acknowledged a batch of, and
	// Digest what it holds.
	Committed Slot
	Digest    Digest

	Trial  *Trial   // nil where none is under way
	Failed []Failed // the oldest first; at most maxFailed

	// Floor is the least release that may be installed.
	Floor uint64
}

// A Trial is a slot that is to be started once.
type Trial struct {
	Slot    Slot
	Digest  Digest
	Floor   uint64        // State.Floor, once it is confirmed
	Confirm time.Duration // how long it has; whole seconds
	Started bool          // its init has run
}

// A Failed is a digest whose trial was not confirmed.
type Failed struct {
	Digest Digest
	Tries  uint8
	Why    Why
}

// Why is how the last trial of a digest ended.
type Why uint8

// How trials end.
const (
	// Silent: nothing was heard of it, or it went silent. It hangs or panics,
	// or the power was cut at the wrong moment.
	Silent Why = 1 + iota
	// Unconfirmed: it ran, and gave up by itself.
	Unconfirmed
)

// String returns what the reason is called in counters.
func (w Why) String() string {
	switch w {
	case Silent:
		return "silent"
	case Unconfirmed:
		return "unconfirmed"
	}
	return fmt.Sprintf("why_%d", uint8(w))
}

// The layout of a record; docs/format/boot-state.md has it as a table.
const (
	RecordSize  = 4096 // of a record of the boot journal
	recordMagic = "TAPROOT\x01"
	failedAt    = 112
	failedSize  = 40
	maxFailed   = 64

	// recordStep is the distance between the two records: blocks of flash that
	// may be lost together are smaller.
	recordStep = 512 << 10
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends s as a record of RecordSize bytes.
func AppendRecord(dst []byte, sequence uint64, s State) []byte {
	b := make([]byte, RecordSize)
	le := binary.LittleEndian
	copy(b, recordMagic)
	le.PutUint64(b[8:], sequence)
	le.PutUint64(b[16:], s.Floor)
	b[24] = slotByte(s.Committed)
	copy(b[32:], s.Digest[:])
	if t := s.Trial; t != nil {
		b[25] = slotByte(t.Slot)
		if t.Started {
			b[26] = 1
		}
		le.PutUint32(b[28:], uint32(t.Confirm/time.Second))
		copy(b[64:], t.Digest[:])
		le.PutUint64(b[96:], t.Floor)
	}
	failed := s.Failed[max(0, len(s.Failed)-maxFailed):]
	b[27] = byte(len(failed))
	for i, f := range failed {
		e := b[failedAt+i*failedSize:]
		copy(e, f.Digest[:])
		e[32], e[33] = f.Tries, byte(f.Why)
	}
	le.PutUint32(b[RecordSize-4:], crc32.Checksum(b[:RecordSize-4], crcTable))
	return append(dst, b...)
}

func slotByte(s Slot) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

func byteSlot(b byte) (Slot, bool) {
	s := Slot(string(rune(b)))
	return s, s == A || s == B
}

var errRecord = errors.New("no record of boot state")

// ParseRecord reads a record.
func ParseRecord(b []byte) (sequence uint64, s State, err error) {
	le := binary.LittleEndian
	if len(b) != RecordSize || string(b[:8]) != recordMagic ||
		le.Uint32(b[RecordSize-4:]) != crc32.Checksum(b[:RecordSize-4], crcTable) {
		return 0, s, errRecord
	}
	var ok bool
	if s.Committed, ok = byteSlot(b[24]); !ok {
		return 0, s, fmt.Errorf("%w: committed slot is %d", errRecord, b[24])
	}
	s.Floor = le.Uint64(b[16:])
	s.Digest = Digest(b[32:64])
	if b[25] != 0 {
		t := &Trial{Digest: Digest(b[64:96]), Floor: le.Uint64(b[96:]), Started: b[26]&1 != 0,
			Confirm: time.Duration(le.Uint32(b[28:])) * time.Second}
		if t.Slot, ok = byteSlot(b[25]); !ok || t.Slot == s.Committed {
			return 0, s, fmt.Errorf("%w: slot on trial is %d", errRecord, b[25])
		}
		s.Trial = t
	}
	if b[27] > maxFailed {
		return 0, s, fmt.Errorf("%w: %d failed digests, at most %d are kept", errRecord, b[27], maxFailed)
	}
	for i := range int(b[27]) {
		e := b[failedAt+i*failedSize:][:failedSize]
		s.Failed = append(s.Failed, Failed{Digest: Digest(e[:32]), Tries: e[32], Why: Why(e[33])})
	}
	return le.Uint64(b[8:]), s, nil
}

// A Journal keeps a State on the disk: two records, of which the older is
// written over, so that there is always one.
type Journal struct {
	disk     Disk
	at       int64
	sequence uint64
	next     int // which of the two is written next
}

// OpenJournal reads the journal of a disk. On one that has no record yet, as
// after flashing, the state is the zero State.
func OpenJournal(d Disk, t Table) (*Journal, State, error) {
	r, ok := t[board.RegionJournal]
	if !ok || r.Size < recordStep+RecordSize {
		return nil, State{}, fmt.Errorf("opening boot journal: %w of enough size", errNoRegion(board.RegionJournal))
	}
	j := &Journal{disk: d, at: r.Start}
	var state State
	for i := range 2 {
		b := make([]byte, RecordSize)
		if _, err := d.ReadAt(b, j.place(i)); err != nil {
			return nil, State{}, fmt.Errorf("opening boot journal: %w", err)
		}
		sequence, s, err := ParseRecord(b)
		if err == nil && sequence > j.sequence {
			j.sequence, j.next, state = sequence, 1-i, s
		}
	}
	return j, state, nil
}

func (j *Journal) place(i int) int64 { return j.at + int64(i)*recordStep }

// Write makes s durable.
func (j *Journal) Write(s State) error {
	if err := WriteDurably(j.disk, AppendRecord(nil, j.sequence+1, s), j.place(j.next)); err != nil {
		return fmt.Errorf("writing boot journal: %w", err)
	}
	j.sequence++
	j.next = 1 - j.next
	return nil
}

// Fail notes that a trial of digest has ended, and how.
func (s *State) Fail(digest Digest, why Why) {
	tries := uint8(1)
	if i := s.failed(digest); i >= 0 {
		tries = min(s.Failed[i].Tries, 254) + 1
		s.Failed = slices.Delete(slices.Clone(s.Failed), i, i+1)
	}
	s.Failed = append(slices.Clone(s.Failed), Failed{digest, tries, why})
	s.Failed = s.Failed[max(0, len(s.Failed)-maxFailed):]
}

func (s *State) failed(digest Digest) int {
	return slices.IndexFunc(s.Failed, func(f Failed) bool { return f.Digest == digest })
}

// maxSilent is how often a digest may go silent: once may be a power cut.
const maxSilent = 2

// ErrFailed is a digest that was tried often enough.
var ErrFailed = errors.New("has failed")

// Refuses returns why digest may not be tried again, or nil.
func (s *State) Refuses(digest Digest) error {
	i := s.failed(digest)
	if i < 0 || s.Failed[i].Why == Silent && s.Failed[i].Tries < maxSilent {
		return nil
	}
	return fmt.Errorf("digest %s %w %d times, the last time %s", digest, ErrFailed, s.Failed[i].Tries, s.Failed[i].Why)
}

// Forgive forgets that digest has failed: its operator has issued it again.
func (s *State) Forgive(digest Digest) {
	if i := s.failed(digest); i >= 0 {
		s.Failed = slices.Delete(slices.Clone(s.Failed), i, i+1)
	}
}
