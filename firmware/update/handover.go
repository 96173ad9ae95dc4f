package update

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/taproot-sensor/taproot/firmware/slots"
)

// HandoverFile is the name, in an initramfs, of what a system that runs from RAM
// leaves to the one that it starts. docs/format/boot-state.md has the bytes.
const HandoverFile = "handover"

// A Handover is what lasts from one system in RAM to the next: who the sensor
// is, and the record that others keep in their boot journal, with the release
// that is started as its trial.
type Handover struct {
	Key   ed25519.PrivateKey
	State slots.State
}

const handoverSize = ed25519.SeedSize + slots.RecordSize

// Append appends the file.
func (h Handover) Append(dst []byte) []byte {
	return slots.AppendRecord(append(dst, h.Key.Seed()...), 1, h.State)
}

// ParseHandover reads the file.
func ParseHandover(b []byte) (Handover, error) {
	if len(b) != handoverSize {
		return Handover{}, fmt.Errorf("reading handover: %d bytes, want %d", len(b), handoverSize)
	}
	_, state, err := slots.ParseRecord(b[ed25519.SeedSize:])
	if err == nil && state.Trial == nil {
		err = errors.New("no trial in it")
	}
	if err != nil {
		return Handover{}, fmt.Errorf("reading handover: %w", err)
	}
	return Handover{ed25519.NewKeyFromSeed(b[:ed25519.SeedSize]), state}, nil
}

// archive returns a cpio archive of the file, as Linux unpacks it behind others:
// it begins at a multiple of four bytes of the initramfs, whose size is given
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func (h Handover) archive(after int64) []byte {
	b := make([]byte, -after&3)
	start := len(b)
	entry := func(name string, mode int, data []byte) {
		b = fmt.Appendf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
		b = append(b, make([]byte, -(len(b)-start)&3)...)
		b = append(b, data...)
		b = append(b, make([]byte, -(len(b)-start)&3)...)
	}
	const ownerReads = 0o100400
	entry(HandoverFile, ownerReads, h.Append(nil))
	entry("TRAILER!!!", 0, nil)
	return b
}
