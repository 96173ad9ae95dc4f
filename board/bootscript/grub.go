package bootscript

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/taproot-sensor/taproot/board"
)

//go:embed grub.cfg
var grubConfig string

// GRUBConfig returns the configuration in the core of a board's GRUB: it knows
// which slot to start, and leaves the rest to the slot's own /grub.cfg. That
// finds the slot in ${slotdev} and its letter in ${slot}, and sets loaded=yes.
func GRUBConfig(b *board.Board) (string, error) {
	slotA, slotB, err := slotNumbers(b)
	if err != nil {
		return "", err
	}
	state, err := partitionNumber(b, board.RegionBoot)
	if err != nil {
		return "", err
	}
	return fill(grubConfig, map[string]any{"ENV": state, "A": slotA, "B": slotB}), nil
}

// GRUB's environment block is a file, because GRUB only writes to files, and the
// only one of a small FAT file system in the region boot. What it says is in its
// first sector, so that a torn write cannot mix two states.
const (
	GRUBEnvSize = 1024
	GRUBEnvName = "grubenv"
	grubEnvHead = "# GRUB Environment Block\n" // grub-core/lib/envblk.c
	grubVolume  = 64 << 10
	grubEnvAt   = 4 * sector // behind boot sector, two tables and root directory
)

// GRUBVolume returns the file system that holds an environment block: FAT12 with clusters of one sector (Microsoft FAT32 File System Specification,
// version 1.03).
func GRUBVolume(env []byte) []byte {
	b := make([]byte, grubVolume)
	le := binary.LittleEndian
	copy(b, "\xeb\x3c\x90TAPROOT ")
	le.PutUint16(b[11:], sector)
	b[13], b[14], b[16] = 1, 1, 2 // sectors in a cluster, before the tables; tables
	le.PutUint16(b[17:], sector/32)
	le.PutUint16(b[19:], grubVolume/sector)
	b[21], b[22] = 0xf8, 1   // a disk that stays; sectors in a table
	le.PutUint16(b[24:], 32) // sectors per track and, next, heads: any will do
	le.PutUint16(b[26:], 64)
	b[36], b[38] = 0x80, 0x29
	copy(b[43:], "NO NAME    FAT12   ")
	b[510], b[511] = 0x55, 0xaa
	for _, table := range []int{1, 2} {
		copy(b[table*sector:], "\xf8\xff\xff\x03\xf0\xff") // the file has clusters 2 and 3
	}
	entry := b[3*sector:]
	copy(entry, "GRUBENV    \x20")
	for _, date := range []int{16, 18, 24} {
		le.PutUint16(entry[date:], 0x21) // 1980-01-01, the first there is
	}
	entry[26] = 2
	le.PutUint32(entry[28:], GRUBEnvSize)
	copy(b[grubEnvAt:], env)
	return b
}

// GRUBEnv returns an environment block: slot is committed, and try, where it
// is not empty, is started once.
func GRUBEnv(slot, try string) []byte {
	text := grubEnvHead + "slot=" + slot + "\ntry=" + try + "\n"
	return append([]byte(text), bytes.Repeat([]byte("#"), GRUBEnvSize-len(text))...)
}

// ParseGRUBEnv reads an environment block as GRUB does: a line name=value each,
// and comments.
func ParseGRUBEnv(b []byte) (map[string]string, error) {
	text, ok := strings.CutPrefix(string(b), grubEnvHead)
	if !ok {
		return nil, errors.New("no GRUB environment block")
	}
	vars := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			vars[name] = value
		}
	}
	return vars, nil
}
