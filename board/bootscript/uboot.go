package bootscript

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/taproot-sensor/taproot/board"
)

//go:embed uboot.cmd
var ubootScript string

// UBootScript returns the script that U-Boot runs, which knows which slot to
// start and leaves the rest to the slot's own slot.scr. That finds the slot in
// ${devtype}, ${devnum} and ${slotpart}, and its letter in ${slot}.
func UBootScript(b *board.Board) (string, error) {
	slotA, slotB, err := slotNumbers(b)
	if err != nil {
		return "", err
	}
	slot, try, err := UBootStateAt(b)
	if err != nil {
		return "", err
	}
	return fill(ubootScript, map[string]any{
		"SLOT": fmt.Sprintf("%x", slot/sector), "TRY": fmt.Sprintf("%x", try/sector),
		"A": fmt.Sprintf("%x", slotA), "B": fmt.Sprintf("%x", slotB), // U-Boot reads numbers as hexadecimal
	}), nil
}

// UBootStateSpace is what the two sectors of state take at the end of the
// region boot: each begins a block of 4 KiB, which flash may lose whole.
const UBootStateSpace = 8192

// UBootStateAt returns where on the disk the two sectors of state are: the slot
// that is committed, and the one that is tried once.
func UBootStateAt(b *board.Board) (slot, try int64, err error) {
	at, err := tail(b, board.RegionBoot, UBootStateSpace)
	return at, at + UBootStateSpace/2, err
}

// UBootEnv returns one sector of state as "env export -c -s 200" writes it: the
// CRC-32 of the rest, then name=value and zeros (U-Boot's cmd/nvedit.c, for a
// build without a redundant environment).
func UBootEnv(name, value string) []byte {
	b := make([]byte, sector)
	copy(b[4:], name+"="+value)
	binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

// ParseUBootEnv reads a sector of state as "env import -c" does.
func ParseUBootEnv(b []byte) (map[string]string, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != crc32.ChecksumIEEE(b[4:]) {
		return nil, errors.New("no U-Boot environment, or its checksum is wrong")
	}
	vars := map[string]string{}
	for entry := range strings.SplitSeq(string(b[4:]), "\x00") {
		name, value, ok := strings.Cut(entry, "=")
		if !ok {
			break // the empty entry after the last
		}
		vars[name] = value
	}
	return vars, nil
}
