// Package live defines the install sheet of an ISO: of what pieces of the ISO an
// installer makes a disk, and what the disk's hash is then.
//
// The sheet is JSON in the 2048 bytes at SheetOffset, padded with newlines;
// docs/format/image.md has the rest of the ISO. Builder and installer share
// it. It says nothing about whether the disk may be written: that is the
// operator's to say.
package live

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Where the sheet lies in an ISO, in bytes.
const (
	SheetOffset = 24 * 2048
	SheetSize   = 2048
)

// magic is the sheet's kind and version.
const magic = "taproot install 1"

// Bounds of a sheet that is worth reading.
const (
	maxDisk   = 1 << 30
	maxPieces = 16
	maxCopies = 4
)

// A Hash is a SHA-256, in hex as text.
type Hash [32]byte

// MarshalText returns h in hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads h from hex.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("hash of %d characters, want %d hex digits", len(text), 2*len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// A Sheet describes a disk.
type Sheet struct {
	Kind    string `json:"kind"` // set by Append
	Board   string `json:"board"`
	Release string `json:"release"`

	// Size and SHA256 are the disk's, once each piece is in its places and
	// the rest is zero.
	Size   int64   `json:"size"`
	SHA256 Hash    `json:"sha256"`
	Pieces []Piece `json:"pieces"`
}

// A Piece is Size bytes that lie at From in the ISO and belong at each To of the
// disk.
type Piece struct {
	From int64   `json:"from"`
	Size int64   `json:"size"`
	To   []int64 `json:"to"`
}

// Check returns an error unless every piece is inside the disk.
func (s Sheet) Check() error {
	switch {
	case s.Kind != magic:
		return fmt.Errorf("kind %q, want %q", s.Kind, magic)
	case s.Board == "" || len(s.Board) > 64 || len(s.Release) > 128:
		return errors.New("board or release: missing or too long")
	case s.Size <= 0 || s.Size > maxDisk:
		return fmt.Errorf("disk of %d bytes, want at most %d", s.Size, maxDisk)
	case len(s.Pieces) == 0 || len(s.Pieces) > maxPieces:
		return fmt.Errorf("%d pieces, want 1 to %d", len(s.Pieces), maxPieces)
	}
	for i, p := range s.Pieces {
		if p.From < 0 || p.From > 2*maxDisk || p.Size <= 0 || p.Size > s.Size || len(p.To) == 0 || len(p.To) > maxCopies {
			return fmt.Errorf("piece %d: out of bounds", i)
		}
		for _, to := range p.To {
			if to < 0 || to > s.Size-p.Size {
				return fmt.Errorf("piece %d: ends behind the disk", i)
			}
		}
	}
	return nil
}

// Append appends the sheet as it stands in an ISO.
func (s Sheet) Append(dst []byte) ([]byte, error) {
	s.Kind = magic
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("writing install sheet: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing install sheet: %w", err)
	}
	if len(b) > SheetSize {
		return nil, fmt.Errorf("writing install sheet: %d bytes, %d fit", len(b), SheetSize)
	}
	dst = append(dst, b...)
	return append(dst, bytes.Repeat([]byte("\n"), SheetSize-len(b))...), nil
}

// ErrNone is returned by Parse for bytes that are no sheet at all: what lies
// there on any other disk.
var ErrNone = errors.New("no install sheet")

// Parse reads a sheet as Append wrote it.
func Parse(b []byte) (Sheet, error) {
	if len(b) > SheetSize || !bytes.HasPrefix(b, []byte(`{"kind":"`+magic+`"`)) {
		return Sheet{}, ErrNone
	}
	var s Sheet
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Sheet{}, fmt.Errorf("reading install sheet: %w", err)
	}
	if err := s.Check(); err != nil {
		return Sheet{}, fmt.Errorf("reading install sheet: %w", err)
	}
	return s, nil
}
