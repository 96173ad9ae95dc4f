// Package fetch brings files of releases from the collector to process 1.
//
// Process 1 decides what is fetched and checks what comes; uplink has the network
// and does what it is told. Between them is a Link, one socket with a message for
// each piece: a stage that is started anew is given a new one. What is fetched is
// named as package wire/release says.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A Fetcher reads pieces of named files.
type Fetcher interface {
	// Fetch reads into buf what the file has from off. It returns io.EOF
	// with the last piece, and ErrNone where there is no such file.
	Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error)
}

// ErrNone is a file that the collector does not have.
var ErrNone = errors.New("the collector has no such file")

// MaxPiece is the most that one message brings, in bytes.
const MaxPiece = 64 << 10

// ReadAll reads a file of at most limit bytes.
func ReadAll(ctx context.Context, f Fetcher, name string, limit int64) ([]byte, error) {
	data := make([]byte, 0, min(limit+1, MaxPiece))
	for {
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("fetching %s: more than %d bytes", name, limit)
		}
		if len(data) == cap(data) {
			grown := make([]byte, len(data), min(2*int64(cap(data)), limit+1))
			copy(grown, data)
			data = grown
		}
		room := data[len(data):min(cap(data), len(data)+MaxPiece)]
		n, err := f.Fetch(ctx, name, int64(len(data)), room)
		data = data[:len(data)+n]
		switch {
		case err == io.EOF && int64(len(data)) <= limit:
			return data, nil
		case err == nil && n == 0:
			return nil, fmt.Errorf("fetching %s: %w", name, io.ErrNoProgress)
		case err != nil && err != io.EOF:
			return nil, fmt.Errorf("fetching %s: %w", name, err)
		}
	}
}
