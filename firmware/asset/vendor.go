package asset

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/wire/record"
)

//go:generate go run makevendors.go /usr/share/ieee-data/oui.csv

// packedVendors is IEEE's public listing of 24-bit prefixes (Debian's package
// ieee-data 20220827.1): names, each on a line; NUL; the prefixes in order,
// each as its distance from the one before; the number of each one's name.
//
//go:embed vendors.zst
var packedVendors []byte

// vendorTable is the listing unpacked, 0.7 MB.
type vendorTable struct {
	prefixes []uint32
	numbers  []byte // two bytes each
	names    [][]byte
}

var vendors = sync.OnceValue(func() (t vendorTable) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return t
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(packedVendors, nil)
	if err != nil {
		return t // a build without its listing names no vendor
	}
	names, rest, _ := bytes.Cut(raw, []byte{0})
	t.names = bytes.Split(names, []byte("\n"))
	for last := uint32(0); len(rest) > 2*len(t.prefixes); {
		step, n := binary.Uvarint(rest)
		last += uint32(step)
		t.prefixes = append(t.prefixes, last)
		rest = rest[n:]
	}
	t.numbers = rest
	return t
})

// Vendor returns who was assigned the prefix of a hardware address, as far as
// the listing has it. Addresses that somebody chose have no vendor.
func Vendor(mac record.HardwareAddr) string {
	if mac[0]&3 != 0 { // local, or a group's
		return ""
	}
	t := vendors()
	prefix := uint32(mac[0])<<16 | uint32(mac[1])<<8 | uint32(mac[2])
	i, ok := slices.BinarySearch(t.prefixes, prefix)
	if !ok || len(t.numbers) < 2*i+2 {
		return ""
	}
	return string(t.names[binary.LittleEndian.Uint16(t.numbers[2*i:])])
}
