package unpack_test

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// maxUnpacked is what the blocks of one batch may take, in bytes: columns of bits
// take 64 times what they have in the batch.
const maxUnpacked = 72 << 20

// The worst that an approved sensor can put into a datagram: columns of bits that
// compress to nothing.
func TestBomb(t *testing.T) {
	column := func(dst []byte, name string, typ record.Type, size int) []byte {
		dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
		dst = binary.AppendUvarint(append(dst, byte(typ)), uint64(size))
		return append(dst, make([]byte, size)...)
	}
	block := func(columns int) []byte {
		b := append([]byte{1, 'x'}, binary.AppendUvarint(nil, record.MaxRows)...)
		b = column(binary.AppendUvarint(b, uint64(columns)), "ts", record.Time, record.MaxRows)
		for i := range columns - 1 {
			b = column(b, strconv.Itoa(i), record.Bool, record.MaxRows/8)
		}
		return b
	}
	raw := append(block(record.MaxColumns), block(230)...)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	body := batch.Append(nil, batch.Zstd, len(raw), enc.EncodeAll(raw, nil))
	u := unpack.New()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	blocks, err := u.Blocks(body)
	runtime.ReadMemStats(&after)
	if err != nil || len(blocks) != 2 {
		t.Fatalf("%d blocks of %d bytes, error %v", len(blocks), len(raw), err)
	}
	took := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes on the wire take %d MB", len(body), took>>20)
	if took > maxUnpacked {
		t.Errorf("%d bytes on the wire take %d MB", len(body), took>>20)
	}
}
