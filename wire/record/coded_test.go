package record_test

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Coded numbers come back whatever they are and however many: long runs, steps
// back and forth, numbers of all sizes, codes that carry through many bytes.
func TestCodedNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, next := range map[string]func(i int, last uint64) uint64{
		"one":     func(int, uint64) uint64 { return 7 },
		"bits":    func(int, uint64) uint64 { return rng.Uint64() & 1 },
		"bytes":   func(int, uint64) uint64 { return rng.Uint64() & 0xff },
		"any":     func(int, uint64) uint64 { return rng.Uint64() },
		"sizes":   func(int, uint64) uint64 { return rng.Uint64() >> rng.IntN(64) },
		"runs":    func(i int, last uint64) uint64 { return last + rng.Uint64()>>40*uint64(min(1, i%50)^1) },
		"steps":   func(_ int, last uint64) uint64 { return last + 1000*(rng.Uint64()>>44) },
		"around":  func(_ int, last uint64) uint64 { return last + math.MaxUint64/3 },
		"largest": func(i int, _ uint64) uint64 { return math.MaxUint64 * uint64(i&1) },
	} {
		for _, rows := range []int{8, 17, 1000, record.MaxRows} {
			b := record.NewBuilder(record.FlowDef)
			values := make([]uint64, rows)
			last := uint64(1 << 40)
			for i := range values {
				last = next(i, last)
				values[i] = last
				record.Append(b, &record.Flow{Start: record.Nanos(i), SrcBytes: last, RTT: time.Duration(-int64(last)), SrcTTL: uint8(last), SrcMissed: uint32(last)})
			}
			blk, rest, err := record.ParseBlock(b.AppendBlock(nil))
			if err != nil || len(rest) > 0 {
				t.Fatalf("%s, %d rows: %v, rest %d bytes", name, rows, err, len(rest))
			}
			for _, c := range blk.Columns {
				want := map[string]func(uint64) int64{
					"src_bytes": func(v uint64) int64 { return int64(v) }, "rtt": func(v uint64) int64 { return -int64(v) },
					"src_ttl": func(v uint64) int64 { return int64(uint8(v)) }, "src_missed": func(v uint64) int64 { return int64(uint32(v)) },
				}[c.Name]
				for row, v := range values {
					if want != nil && c.Ints[row] != want(v) {
						t.Fatalf("%s, %d rows: %s of row %d is %d, want %d", name, rows, c.Name, row, c.Ints[row], want(v))
					}
				}
			}
		}
	}
}

// The bytes that docs/format/record.md describes.
func TestCodedVector(t *testing.T) {
	b := record.NewBuilder(record.ARPDef)
	for i := range 20 {
		record.Append(b, &record.ARP{Time: record.Nanos(1_000_000*i + 1000*(i*i%7)), VLAN: 5})
	}
	const want = "036172701402027473241a04766c616e1217010a0100000000000000000000000000000000000000001500e807efd2e69620efa8965fc03d7a2409ccff1baa49761524"
	if got := hex.EncodeToString(b.AppendBlock(nil)); got != want {
		t.Errorf("block is\n%s, want\n%s", got, want)
	}
}

// codedBlock returns a block of columns that hold the head, and no code.
func codedBlock(rows, columns int, head string) []byte {
	b := binary.AppendUvarint([]byte("\x01k"), uint64(rows))
	b = binary.AppendUvarint(b, uint64(columns))
	for i := range columns {
		name := "c" + strconv.Itoa(i)
		b = append(append(b, byte(len(name))), name...)
		b = append(b, 0x24, byte(len(head)))
	}
	return append(b, strings.Repeat(head, columns)...)
}

func TestCodedRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		block []byte
		want  string
	}{
		{"head", codedBlock(2, 1, "\x41\x00\x01"), "unknown head"},
		{"how", codedBlock(2, 1, "\x09\x00\x01"), "unknown head"},
		{"unit", codedBlock(2, 1, "\x01\x00\x00"), "unit of 0"},
		{"short", codedBlock(2, 1, "\x01\x00"), "cut short"},
		{"values", codedBlock(record.MaxRows, 65, "\x00\x00\x01"), "values in coded columns"},
	} {
		if _, _, err := record.ParseBlock(tt.block); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, _, err := record.ParseBlock(codedBlock(record.MaxRows, 64, "\x00\x00\x01")); err != nil {
		t.Error(err)
	}
	half := codedBlock(record.MaxRows, 40, "\x00\x00\x01")
	blocks, err := record.ParseBlocks(append(half, half...))
	if err == nil || !strings.Contains(err.Error(), "values in coded columns") || len(blocks) != 1 {
		t.Errorf("%d blocks, error %v", len(blocks), err)
	}
}

// No kind has so many columns that a full block would be refused.
func TestCodedFits(t *testing.T) {
	for _, def := range record.Kinds() {
		if n := len(def.Fields); n > 64 {
			t.Errorf("kind %q has %d columns", def.Kind, n)
		}
	}
}
