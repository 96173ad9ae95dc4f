package record_test

import (
	"encoding/binary"
	"testing"

	"github.com/taproot-sensor/taproot/wire/record"
)

// The lengths of lists may add up to more than an int of 32 bits holds.
func TestListsThatAddUpToNothing(t *testing.T) {
	const rows = 1<<12 + 1 // of 1<<20 values each: 1<<32 + 1<<20, in 32 bits what there is
	column := func(dst []byte, name string, typ record.Type, data []byte) []byte {
		dst = append(append(dst, byte(len(name))), name...)
		dst = append(dst, byte(typ))
		return append(binary.AppendUvarint(dst, uint64(len(data))), data...)
	}
	b := append([]byte{1}, "x"...)
	b = binary.AppendUvarint(b, rows)
	b = append(b, 2)
	b = column(b, "time", record.Time, make([]byte, rows))
	data := []byte{1, 0} // a dictionary of one empty word
	for range rows {
		data = binary.AppendUvarint(data, 1<<20)
	}
	b = column(b, "list", record.Strings, append(data, make([]byte, 1<<20)...))
	blk, _, err := record.ParseBlock(b)
	if err == nil {
		blk.AppendJSON(nil, 1)
		t.Error("a list of 4096 million values in 1 MiB is accepted")
	}
}
