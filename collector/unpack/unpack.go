// Package unpack turns a batch, as the journal has it, back into blocks of
// records, within the bounds of wire/batch whatever the sensor sent.
package unpack

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// An Unpacker unpacks one batch after the other and reuses its memory. It is
// for one goroutine.
type Unpacker struct {
	dec *zstd.Decoder
	raw []byte
}

// New returns an Unpacker.
func New() *Unpacker {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(batch.MaxRaw), // a frame that says it holds more is refused before it is allocated
		zstd.WithDecoderMaxWindow(batch.MaxRaw),
		zstd.WithDecodeAllCapLimit(true), // and one that lies ends at the capacity of raw
	)
	if err != nil { // the options are constants
		panic(err)
	}
	return &Unpacker{dec: dec, raw: make([]byte, 0, batch.MaxRaw)}
}

// Blocks returns the blocks of a batch. Where a part is damaged it returns the
// blocks before it and an error. They share nothing with body.
func (u *Unpacker) Blocks(body []byte) ([]record.Block, error) {
	codec, size, packed, err := batch.Parse(body)
	if err != nil {
		return nil, err
	}
	raw := packed
	if codec == batch.Zstd {
		if raw, err = u.dec.DecodeAll(packed, u.raw[:0]); err != nil {
			return nil, fmt.Errorf("decompressing batch: %w", err)
		}
		if len(raw) != size {
			return nil, fmt.Errorf("decompressing batch: %d bytes, want %d", len(raw), size)
		}
	}
	blocks, err := record.ParseBlocks(raw)
	for i := range blocks {
		b := &blocks[i]
		b.AddCommunityID()
		for k := range b.Columns {
			b.Columns[k].Raw = bytes.Clone(b.Columns[k].Raw)
		}
	}
	return blocks, err
}
