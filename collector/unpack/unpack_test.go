package unpack_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

func pack(codec batch.Codec, size int, raw []byte) []byte {
	if codec == batch.Zstd {
		enc, err := zstd.NewWriter(nil)
		if err != nil {
			panic(err)
		}
		raw = enc.EncodeAll(raw, nil)
	}
	return batch.Append(nil, codec, size, raw)
}

func twoBlocks() []byte {
	arp, health := record.NewBuilder(record.ARPDef), record.NewBuilder(record.SensorDef)
	record.Append(arp, &record.ARP{Time: 1, Op: "request"})
	record.Append(health, &record.Sensor{Time: 2, Stage: "decode", Counter: "frames", Value: 3})
	return health.AppendBlock(arp.AppendBlock(nil))
}

func TestBlocks(t *testing.T) {
	raw := twoBlocks()
	tests := []struct {
		name  string
		batch []byte
		kinds []string
		ok    bool
	}{
		{"plain", pack(batch.None, len(raw), raw), []string{"arp", "sensor"}, true},
		{"zstd", pack(batch.Zstd, len(raw), raw), []string{"arp", "sensor"}, true},
		{"empty", pack(batch.None, 0, nil), nil, true},
		{"second block cut", pack(batch.None, len(raw)-1, raw[:len(raw)-1]), []string{"arp"}, false},
		{"size lies", pack(batch.Zstd, len(raw)-1, raw), nil, false},
		{"no frame", batch.Append(nil, batch.Zstd, 10, []byte("0123456789")), nil, false},
		{"no batch", []byte("x"), nil, false},
		{"bomb", pack(batch.Zstd, batch.MaxRaw, bytes.Repeat([]byte{0}, 64<<20)), nil, false},
	}
	u := unpack.New()
	for _, tt := range tests {
		blocks, err := u.Blocks(tt.batch)
		var kinds []string
		for _, b := range blocks {
			kinds = append(kinds, b.Kind)
		}
		if diff := cmp.Diff(tt.kinds, kinds); diff != "" || (err == nil) != tt.ok {
			t.Errorf("%s: error %v, kinds (-want +got)\n%s", tt.name, err, diff)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	raw := twoBlocks()
	f.Add(pack(batch.None, len(raw), raw))
	f.Add(pack(batch.Zstd, len(raw), raw))
	u := unpack.New()
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, _ := u.Blocks(b)
		for _, b := range blocks {
			if b.Rows == 0 || b.Rows > record.MaxRows {
				t.Fatalf("block of %d rows", b.Rows)
			}
		}
	})
}
