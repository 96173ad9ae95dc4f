// Package session lays out the datagrams that a sensor and its collector
// exchange, version 1: HELLO, COOKIE, WELCOME, DATA and ACK, FETCH and PIECE.
//
// HELLO and WELCOME agree on a session under the site's keys (package enrol
// has what is in them); the others are sealed by a seal.Link of it.
// docs/format/wire.md has every byte. Here are only values and bytes: no
// sockets, no clocks, no keys.
package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/seal"
)

// Version is the version of the wire that this package speaks.
const Version = 1

// MaxDatagram is the size in bytes of the largest datagram that either side
// sends, and that a HELLO always has.
const MaxDatagram = seal.MaxDatagram

// Type says what a datagram is.
type Type uint8

// The datagrams.
const (
	TypeHello   Type = 1 // sensor: who I am
	TypeCookie  Type = 2 // collector: prove your address first
	TypeWelcome Type = 3 // collector: your session, or wait
	TypeData    Type = 4 // sensor: part of a batch
	TypeAck     Type = 5 // collector: what has come and what is stored
	TypeFetch   Type = 6 // sensor: a wish for a part of a file
	TypePiece   Type = 7 // collector: some of that
)

var (
	errShort = errors.New("cut short")
	// ErrVersion is wrapped where a datagram is of another version.
	ErrVersion = errors.New("unknown version")
)

const magic = "tp"

// Head returns the first 8 bytes of a datagram of a session.
func Head(t Type, id uint32) (head [8]byte) {
	copy(head[:], magic)
	head[2], head[3] = Version, byte(t)
	binary.BigEndian.PutUint32(head[4:], id)
	return head
}

// ParseHead returns the type of a datagram, and for those of a session its id.
func ParseHead(datagram []byte) (t Type, id uint32, err error) {
	switch {
	case len(datagram) < 8:
		return 0, 0, fmt.Errorf("parsing datagram: %w", errShort)
	case len(datagram) > MaxDatagram:
		return 0, 0, fmt.Errorf("parsing datagram: %d bytes, at most %d fit", len(datagram), MaxDatagram)
	case string(datagram[:2]) != magic:
		return 0, 0, errors.New("parsing datagram: not taproot's")
	case datagram[2] != Version:
		return 0, 0, fmt.Errorf("parsing datagram: %w %d, want %d", ErrVersion, datagram[2], Version)
	}
	t = Type(datagram[3])
	if t < TypeHello || t > TypePiece {
		return 0, 0, fmt.Errorf("parsing datagram: unknown type %d", t)
	}
	if t >= TypeData {
		id = binary.BigEndian.Uint32(datagram[4:])
	}
	return t, id, nil
}

// Data is the plaintext of a DATA datagram: a chunk of a batch.
type Data struct {
	Batch  uint64 // number of the batch, from 0 at each boot
	Floor  uint64 // least batch that the sensor still holds: lower ones that are not stored were given up
	Size   uint32 // bytes of the whole batch
	Offset uint32 // where Chunk stands in it
	Chunk  []byte
}

const dataHead = 24

// MaxChunk is how many bytes of a batch fit into one DATA datagram.
const MaxChunk = seal.MaxPlain - dataHead

// Append appends d.
func (d *Data) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.Batch)
	dst = binary.BigEndian.AppendUint64(dst, d.Floor)
	dst = binary.BigEndian.AppendUint32(dst, d.Size)
	dst = binary.BigEndian.AppendUint32(dst, d.Offset)
	return append(dst, d.Chunk...)
}

// ParseData reads the plaintext of a DATA datagram. Chunk shares memory with b.
func ParseData(b []byte) (Data, error) {
	if len(b) <= dataHead {
		return Data{}, fmt.Errorf("parsing DATA: %w", errShort)
	}
	d := Data{
		Batch:  binary.BigEndian.Uint64(b),
		Floor:  binary.BigEndian.Uint64(b[8:]),
		Size:   binary.BigEndian.Uint32(b[16:]),
		Offset: binary.BigEndian.Uint32(b[20:]),
		Chunk:  b[dataHead:],
	}
	switch {
	case d.Size > batch.MaxSize:
		return Data{}, fmt.Errorf("parsing DATA: batch of %d bytes, at most %d fit", d.Size, batch.MaxSize)
	case uint64(d.Offset)+uint64(len(d.Chunk)) > uint64(d.Size):
		return Data{}, fmt.Errorf("parsing DATA: chunk ends at %d of %d bytes", uint64(d.Offset)+uint64(len(d.Chunk)), d.Size)
	case d.Batch == math.MaxUint64: // sets of numbers end before it
		return Data{}, fmt.Errorf("parsing DATA: no batch has the number %d", d.Batch)
	case d.Floor > d.Batch:
		return Data{}, fmt.Errorf("parsing DATA: batch %d is below the floor %d", d.Batch, d.Floor)
	}
	return d, nil
}

// Ack is the plaintext of an ACK datagram.
type Ack struct {
	Rejoin  bool     // say HELLO again: keys or config have changed
	Time    int64    // the collector's clock, Unix ns
	Window  uint32   // bytes that may be under way, unacknowledged
	Pace    uint32   // bytes per second that the collector wants at most; 0 is no limit
	Config  [32]byte // SHA-256 of the config that the sensor should have; zero for none
	Packets Received // packets that have come, whatever became of their batch
	Stored  ranges.Set
}

// MaxRanges is how many runs of stored batches an ACK carries, the lowest
// first. What does not fit is acknowledged when the gaps close.
const MaxRanges = 32

const ackHead = 1 + 8 + 4 + 4 + 32

// Append appends a.
func (a *Ack) Append(dst []byte) []byte {
	var flags byte
	if a.Rejoin {
		flags = 1
	}
	dst = append(dst, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Time))
	dst = binary.BigEndian.AppendUint32(dst, a.Window)
	dst = binary.BigEndian.AppendUint32(dst, a.Pace)
	dst = append(dst, a.Config[:]...)
	dst = a.Packets.append(dst)
	runs := a.Stored.Runs()
	runs = runs[:min(len(runs), MaxRanges)]
	dst = append(dst, byte(len(runs)))
	for _, r := range runs {
		dst = binary.BigEndian.AppendUint64(dst, r.First)
		dst = binary.BigEndian.AppendUint64(dst, r.Last)
	}
	return dst
}

// ParseAck reads the plaintext of an ACK datagram.
func ParseAck(b []byte) (Ack, error) {
	if len(b) < ackHead {
		return Ack{}, fmt.Errorf("parsing ACK: %w", errShort)
	}
	a := Ack{
		Rejoin: b[0]&1 != 0,
		Time:   int64(binary.BigEndian.Uint64(b[1:])),
		Window: binary.BigEndian.Uint32(b[9:]),
		Pace:   binary.BigEndian.Uint32(b[13:]),
		Config: [32]byte(b[17:]),
	}
	b, err := a.Packets.parse(b[ackHead:])
	if err != nil {
		return Ack{}, fmt.Errorf("parsing ACK: %w", err)
	}
	if len(b) < 1 || b[0] > MaxRanges || len(b) != 1+16*int(b[0]) {
		return Ack{}, fmt.Errorf("parsing ACK: ranges are %w", errShort)
	}
	for b = b[1:]; len(b) > 0; b = b[16:] {
		r := ranges.Range{First: binary.BigEndian.Uint64(b), Last: binary.BigEndian.Uint64(b[8:])}
		if r.Last < r.First {
			return Ack{}, fmt.Errorf("parsing ACK: range from %d to %d", r.First, r.Last)
		}
		a.Stored.AddRange(r)
	}
	return a, nil
}
