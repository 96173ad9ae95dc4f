package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// GRUB starts a disk on machines with a BIOS: boot.img in the first sector
// loads a core from the region bios-boot, which knows by the configuration in
// it (package bootscript) which slot to start. docs/format/image.md has the
// layout.

// grubLiveConfig is the configuration on an ISO, which has one slot and no state.
//
//go:embed grublive.cfg
var grubLiveConfig string

// grubModules are what the configurations need. There is no shell to type
// commands in, and no reading of anything that is not named here.
var grubModules = []string{"biosdisk", "normal", "memdisk", "tar", "linux16", "loadenv", "test", "echo", "serial", "terminal", "configfile", "reboot", "sleep", "part_gpt", "fat"}

// grubLiveModules are the same for an ISO.
var grubLiveModules = []string{"biosdisk", "normal", "memdisk", "tar", "linux16", "test", "echo", "serial", "terminal", "configfile", "reboot", "sleep", "iso9660", "loopback", "fat"}

// grub is the GRUB of a board that boots by BIOS.
type grub struct {
	boot []byte // the boot sector's program
	core []byte // for a disk; its first sector loads the rest
	live []byte // the same for an ISO on a stick
	cd   []byte // for an ISO on a CD: an El Torito image
}

// grubDir is where Debian's grub-pc-bin has its parts.
const grubDir = "usr/lib/grub/i386-pc"

// grub makes the GRUB of a board. grub-mkimage comes from the cache too, so that
// program and parts are of one version.
func (c *Cache) grub(ctx context.Context, b *board.Board) (g grub, version string, err error) {
	config, err := bootscript.GRUBConfig(b)
	if err != nil {
		return g, "", err
	}
	parts, version, err := c.Package(ctx, "amd64", "grub-pc-bin")
	if err != nil {
		return g, "", err
	}
	tools, _, err := c.Package(ctx, hostArch, "grub-common")
	if err != nil {
		return g, "", err
	}
	dir := filepath.Join(parts, grubDir)
	if g.boot, err = os.ReadFile(filepath.Join(dir, "boot.img")); err != nil {
		return g, "", err
	}
	if len(g.boot) != sector {
		return g, "", fmt.Errorf("GRUB's boot.img has %d bytes, want %d", len(g.boot), sector)
	}
	mkimage := filepath.Join(tools, "usr/bin/grub-mkimage")
	for _, k := range []struct {
		core           *[]byte
		format, config string
		modules        []string
	}{
		{&g.core, "i386-pc", config, grubModules},
		{&g.live, "i386-pc", grubLiveConfig, grubLiveModules},
		{&g.cd, "i386-pc-eltorito", grubLiveConfig, grubLiveModules},
	} {
		if *k.core, err = grubImage(ctx, mkimage, dir, k.format, k.config, k.modules); err != nil {
			return g, "", err
		}
	}
	return g, version, nil
}

// hostArch is Debian's name for the machine that builds.
var hostArch = cmp.Or(map[string]string{"arm": "armhf"}[runtime.GOARCH], runtime.GOARCH)

// grubImage returns a core with config in it. The config is a file on a memory
// disk, because what grub-mkimage embeds with --config is read by a parser that
// knows no "if".
func grubImage(ctx context.Context, mkimage, dir, format, config string, modules []string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "taproot-grub-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	var memdisk bytes.Buffer
	w := tar.NewWriter(&memdisk)
	err = w.WriteHeader(&tar.Header{Name: "boot/grub/grub.cfg", Mode: 0o444, Size: int64(len(config)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.Write([]byte(config))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	disk, out := filepath.Join(tmp, "memdisk.tar"), filepath.Join(tmp, "core.img")
	if err := os.WriteFile(disk, memdisk.Bytes(), 0o644); err != nil {
		return nil, err
	}
	args := append([]string{"--format", format, "--directory", dir, "--prefix", "(memdisk)/boot/grub", "--memdisk", disk, "--output", out}, modules...)
	if msg, err := exec.CommandContext(ctx, mkimage, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("grub-mkimage: %w: %s", err, strings.TrimSpace(string(msg)))
	}
	return os.ReadFile(out)
}

// Places in GRUB's boot.img (include/grub/i386/pc/boot.h) and in the first
// sector of a core (grub-core/boot/i386/pc/diskboot.S), in bytes.
const (
	grubKernelSector = 0x5c // LBA of the core, 8 bytes
	grubDriveCheck   = 0x66 // a jump, for floppy disks, to make two nops of
	grubCodeEnd      = 440  // the MBR's disk signature and table follow
	grubBlockList    = 500  // LBA of the core's second sector, 8 bytes
)

// install puts GRUB on a disk image: its boot sector, its core into region, and
// its state into the region boot.
func (g grub) install(disk []byte, b *board.Board) error {
	region, ok := b.Region(board.RegionBIOSBoot)
	state, ok2 := b.Region(board.RegionBoot)
	if !ok || !ok2 {
		return errors.New("GRUB needs the regions bios-boot and boot")
	}
	if int64(len(g.core)) > region.Size {
		return fmt.Errorf("GRUB's core of %d bytes does not fit in region %q", len(g.core), region.Name)
	}
	lba := uint64(region.Start / sector)
	at := region.Start
	core := bytes.Clone(g.core)
	binary.LittleEndian.PutUint64(core[grubBlockList:], lba+1)
	copy(disk[at:], core)
	copy(disk[state.Start:], bootscript.GRUBVolume(bootscript.GRUBEnv("a", "")))
	g.bootSector(disk, lba)
	return nil
}

// bootSector makes the first sector of disk load the core that begins at lba.
// It marks the protective partition active, without which some machines look no
// further; UEFI must ignore the mark (UEFI 2.10, section 5.2.3).
func (g grub) bootSector(disk []byte, lba uint64) {
	const firstPartition, active = 446, 0x80
	boot := bytes.Clone(g.boot)
	binary.LittleEndian.PutUint64(boot[grubKernelSector:], lba)
	copy(boot[grubDriveCheck:], "\x90\x90")
	copy(disk[:grubCodeEnd], boot)
	disk[firstPartition] = active
}

// grubSlot returns the slot's own /grub.cfg: where in the slot's sectors kernel
// and initramfs of its UKI lie, so that neither is kept twice. Each of the two
// is padded to whole sectors with zeros, which both forgive.
//
// It is linux16 and not linux, which moves the kernel's whole 64 MB of room byte
// by byte before it starts it: 4.5 s of emulated processor. docs/adr/0109 has
// the measurements.
func grubSlot(uki []byte, at int64, commandLine string) ([]byte, error) {
	parts, err := sectionsOf(uki)
	if err != nil {
		return nil, err
	}
	blocks := func(name string) (string, error) {
		p, ok := parts[name]
		if !ok || (at+p.offset)%sector != 0 {
			return "", fmt.Errorf("section %s of the UKI is missing, or not at whole sectors", name)
		}
		return fmt.Sprintf("%d+%d", (at+p.offset)/sector, (p.size+sector-1)/sector), nil
	}
	kernel, err := blocks(".linux")
	if err != nil {
		return nil, err
	}
	initrd, err := blocks(".initrd")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "if linux16 (${slotdev})%s %s taproot.slot=${slot}; then if initrd16 (${slotdev})%s; then set loaded=yes; fi; fi\n",
		kernel, commandLine, initrd), nil
}
