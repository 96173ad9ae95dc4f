package bootscript

import (
	_ "embed"
	"encoding/binary"
	"hash/crc32"
	"path"

	"github.com/taproot-sensor/taproot/board"
)

// Files that U-Boot reads: BootScriptName in the region boot, SlotScriptName,
// kernel and initramfs in a slot.
const (
	BootScriptName    = "boot.scr"
	SlotScriptName    = "slot.scr"
	SlotKernelName    = "vmlinuz"
	SlotInitramfsName = "initramfs.img"
)

//go:embed slot.cmd
var ubootSlotScript string

// UBootSlotScript returns the script of a slot, which starts its kernel.
func UBootSlotScript(b *board.Board, commandLine string) string {
	boot := "bootz"
	if b.Arch == "arm64" {
		boot = "booti"
	}
	find := "setenv fdt_addr_r ${fdtcontroladdr}" // U-Boot's own
	if len(b.DeviceTrees) > 0 {
		find = "load ${devtype} ${devnum}:${slotpart} ${fdt_addr_r} " + path.Base(b.DeviceTrees[0])
	}
	return fill(ubootSlotScript, map[string]any{"LINE": commandLine, "BOOT": boot, "TREE": find})
}

// The head of U-Boot's legacy images (include/image.h), and what it says of a
// script. Linux is what U-Boot takes where nothing is said.
const (
	legacyHead    = 64
	legacyMagic   = 0x27051956
	legacyHeadSum = 4  // with zeros for itself
	legacySize    = 12 // of the data
	legacyDataSum = 24
	legacyLinux   = 5
	legacyScript  = 6
)

// UBootImage wraps a script for U-Boot, as mkimage -T script does: the table of
// its one size, a zero, the text.
func UBootImage(script string) []byte {
	be := binary.BigEndian
	data := be.AppendUint32(nil, uint32(len(script)))
	data = append(be.AppendUint32(data, 0), script...)
	head := make([]byte, legacyHead)
	be.PutUint32(head, legacyMagic)
	be.PutUint32(head[legacySize:], uint32(len(data)))
	be.PutUint32(head[legacyDataSum:], crc32.ChecksumIEEE(data))
	head[28], head[29], head[30] = legacyLinux, 2, legacyScript // 2 is Arm, which U-Boot does not check
	copy(head[32:], "taproot")
	be.PutUint32(head[legacyHeadSum:], crc32.ChecksumIEEE(head))
	return append(head, data...)
}
