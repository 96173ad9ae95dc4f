package bootscript

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
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
	env, err := GRUBEnvAt(b)
	if err != nil {
		return "", err
	}
	return fill(grubConfig, map[string]any{
		"ENV": fmt.Sprintf("%d+%d", env/sector, GRUBEnvSize/sector), "A": slotA, "B": slotB,
	}), nil
}

// GRUB's environment block, in the last 4 KiB of the region bios-boot. What it
// says is in its first sector, so that a torn write cannot mix two states.
const (
	GRUBEnvSpace = 4096
	GRUBEnvSize  = 1024
	grubEnvHead  = "# GRUB Environment Block\n" // grub-core/lib/envblk.c
)

// GRUBEnvAt returns where on the disk the environment block is.
func GRUBEnvAt(b *board.Board) (int64, error) { return tail(b, board.RegionBIOSBoot, GRUBEnvSpace) }

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
