package record_test

import (
	"encoding/binary"
	"strings"
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

// One row is never more than a message could say: its text is read by people and
// their programs, a word of 1024 bytes again for each value.
func TestLongList(t *testing.T) {
	list := make([]string, 2*record.MaxValues)
	for i := range list {
		list[i] = "word"
	}
	b := record.NewBuilder(record.DNSDef)
	record.Append(b, &record.DNS{Time: 1, Answers: list})
	blk, _, err := record.ParseBlock(b.AppendBlock(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range blk.Columns {
		if c.Type == record.Strings && len(c.Lens) == 1 && c.Lens[0] != 0 && c.Lens[0] != record.MaxValues {
			t.Errorf("column %q has %d values", c.Name, c.Lens[0])
		}
	}
	long := []byte("\x01x\x01\x02\x02ts\x04\x01\x02\x01l\x09")
	data := binary.AppendUvarint([]byte{1, 0}, record.MaxValues+1)
	data = append(data, make([]byte, record.MaxValues+1)...)
	long = append(binary.AppendUvarint(long, uint64(len(data))), data...)
	if _, _, err := record.ParseBlock(long); err == nil || !strings.Contains(err.Error(), "at most 32768") {
		t.Errorf("error = %v", err)
	}
}
