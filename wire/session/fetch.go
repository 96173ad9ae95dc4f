package session

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of what a sensor fetches over its session.
const (
	// MaxFetch is the most that one FETCH asks for: what comes in one burst.
	MaxFetch = 16 << 10
	// MaxPiece is the most that one PIECE has.
	MaxPiece = 1024

	// fetchSize is what every FETCH has, so that a collector that does not
	// yet know where a sensor has moved to may answer with three times that.
	fetchSize  = 1000
	fetchHead  = 4 + 8 + 4 + 2
	pieceHead  = 4 + 8 + 8
	maxFetched = fetchSize - fetchHead
)

// NoFile is the total of a PIECE that says that there is no such file.
const NoFile = 1<<64 - 1

// A Fetch is the plaintext of a FETCH datagram: a wish for a part of a file.
type Fetch struct {
	Sequence uint32 // of the wish; its pieces have the same
	Offset   uint64
	Size     uint32 // of the part, at most MaxFetch
	Name     string
}

// Append appends the plaintext.
func (f *Fetch) Append(dst []byte) ([]byte, error) {
	if len(f.Name) > maxFetched {
		return nil, fmt.Errorf("fetching: name of %d bytes, at most %d fit", len(f.Name), maxFetched)
	}
	end := len(dst) + fetchSize
	be := binary.BigEndian
	dst = be.AppendUint32(dst, f.Sequence)
	dst = be.AppendUint64(dst, f.Offset)
	dst = be.AppendUint32(dst, f.Size)
	dst = be.AppendUint16(dst, uint16(len(f.Name)))
	dst = append(dst, f.Name...)
	return append(dst, make([]byte, end-len(dst))...), nil
}

// ParseFetch reads what Append wrote.
func ParseFetch(b []byte) (f Fetch, err error) {
	if len(b) != fetchSize {
		return f, fmt.Errorf("parsing FETCH: %d bytes, want %d", len(b), fetchSize)
	}
	be := binary.BigEndian
	f.Sequence, f.Offset, f.Size = be.Uint32(b), be.Uint64(b[4:]), be.Uint32(b[12:])
	n := int(be.Uint16(b[16:]))
	if n > maxFetched || f.Size > MaxFetch {
		return Fetch{}, errors.New("parsing FETCH: asks for more than one may")
	}
	f.Name = string(b[fetchHead:][:n])
	return f, nil
}

// A Piece is the plaintext of a PIECE datagram.
type Piece struct {
	Sequence uint32
	Offset   uint64 // in the file
	Total    uint64 // bytes of the file, or NoFile
	Data     []byte
}

// Append appends the plaintext.
func (p *Piece) Append(dst []byte) []byte {
	be := binary.BigEndian
	dst = be.AppendUint32(dst, p.Sequence)
	dst = be.AppendUint64(dst, p.Offset)
	dst = be.AppendUint64(dst, p.Total)
	return append(dst, p.Data...)
}

// ParsePiece reads what Append wrote. Data is a part of b.
func ParsePiece(b []byte) (p Piece, err error) {
	if len(b) < pieceHead || len(b) > pieceHead+MaxPiece {
		return p, fmt.Errorf("parsing PIECE: %d bytes, want %d to %d", len(b), pieceHead, pieceHead+MaxPiece)
	}
	be := binary.BigEndian
	p = Piece{be.Uint32(b), be.Uint64(b[4:]), be.Uint64(b[12:]), b[pieceHead:]}
	if p.Total != NoFile && (p.Offset > p.Total || uint64(len(p.Data)) > p.Total-p.Offset) {
		return Piece{}, errors.New("parsing PIECE: lies outside of its file")
	}
	return p, nil
}
