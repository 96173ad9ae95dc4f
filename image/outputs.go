package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/board"
)

// efiNames has, by Debian architecture, how UEFI abbreviates the machine in file
// names (UEFI 2.10, section 3.5.1.1).
var efiNames = map[string]string{"amd64": "X64", "arm64": "AA64"}

// uki returns the unified kernel image of what img holds.
func (o Options) uki(ctx context.Context, img *image) ([]byte, error) {
	machine := efiNames[o.Board.Debian]
	dir, version, err := o.Cache.Package(ctx, o.Board.Debian, "systemd-boot-efi")
	if err != nil {
		return nil, err
	}
	img.addPackage("systemd-boot-efi", version, o.Board.Debian)
	stub, err := os.ReadFile(filepath.Join(dir, "usr/lib/systemd/boot/efi/linux"+strings.ToLower(machine)+".efi.stub"))
	if err != nil {
		return nil, err
	}
	m := img.manifest
	osRelease := fmt.Sprintf("ID=taproot\nNAME=taproot\nPRETTY_NAME=\"taproot %s\"\nVERSION_ID=%q\n", m.Release, m.Release)
	return appendSections(stub, []section{
		{firstAppended, []byte(osRelease)},
		{".cmdline", []byte(m.CommandLine)},
		{".uname", []byte(m.Kernel)},
		{".linux", img.files[FileKernel]},
		{".initrd", img.files[FileInitramfs]},
	})
}

// packGRUB adds a disk and an ISO that have GRUB, and as yet nothing that GRUB
// could start.
func (o Options) packGRUB(ctx context.Context, img *image) error {
	g, version, err := o.Cache.grub(ctx, o.Board)
	if err != nil {
		return err
	}
	img.addPackage("grub-pc-bin", version, "amd64")
	disk, err := boardDisk(o.Board, nil)
	if err != nil {
		return err
	}
	if err := g.install(disk, o.Board); err != nil {
		return err
	}
	img.files[FileDisk] = disk
	img.files[FileISO], err = newISO(o.Board, g)
	return err
}

// finish makes what is made of the site's own kernel and initramfs: slot, disk,
// ISO and what an update brings. Of a disk or an ISO that is there, GRUB stays.
func (o Options) finish(img *image) error {
	if len(o.Board.Disk) == 0 {
		return nil
	}
	if err := o.sign(img); err != nil {
		return err
	}
	slot, err := o.slot(img)
	if err != nil {
		return err
	}
	disk := img.files[FileDisk]
	if disk == nil {
		if disk, err = boardDisk(o.Board, nil); err != nil {
			return err
		}
		img.files[FileDisk] = disk
	}
	for _, name := range []string{board.RegionSlotA, board.RegionSlotB} {
		region, ok := o.Board.Region(name)
		if !ok || region.Size != int64(len(slot)) || region.Start+region.Size > int64(len(disk)) {
			return fmt.Errorf("the disk has no region %q for a slot of %d bytes", name, len(slot))
		}
		copy(disk[region.Start:], slot)
	}
	if iso := img.files[FileISO]; iso != nil {
		if err := fillISO(iso, o.Board, img.manifest, slot, disk); err != nil {
			return err
		}
	}
	if o.Board.BootsBy(board.UEFI) {
		img.files[FileIPXE] = []byte(ipxeScript(img.manifest))
	}
	d := digest(slot)
	img.manifest.Slot = &d
	img.files[FileSlot], err = compress(slot)
	return err
}

// sign signs the unified kernel image, last of all that is done to it.
func (o Options) sign(img *image) (err error) {
	if o.Sign != nil && !o.Board.BootsBy(board.UEFI) {
		return fmt.Errorf("board %q has no UEFI, which is what checks signatures", o.Board.Name)
	}
	if o.Sign == nil {
		if signed(img.files[FileUKI]) {
			return errors.New("the base image is signed, and what is changed in it must be signed again: name the keys with --secureboot, or take a base image without a signature")
		}
		return nil
	}
	img.manifest.Signer = fmt.Sprintf("%x", sha256.Sum256(o.Sign.Certificate.Raw))
	if err := o.signKernel(img); err != nil {
		return err
	}
	img.files[FileUKI], err = signPE(img.files[FileUKI], *o.Sign)
	return err
}

// signKernel signs the kernel in the unified kernel image as well, in place of
// Debian: a system in RAM starts the next one by kexec, and a kernel that is
// locked down looks for a signature there, by a key that the firmware has.
func (o Options) signKernel(img *image) error {
	if !bytes.HasPrefix(img.files[FileKernel], []byte("MZ")) {
		return nil // no EFI stub, and nothing that has a place for a signature
	}
	kernel, err := signPE(img.files[FileKernel], *o.Sign)
	if err != nil {
		return err
	}
	img.files[FileKernel] = kernel
	img.files[FileUKI], err = replaceSection(img.files[FileUKI], ".linux", kernel)
	return err
}

// slot returns the FAT image that goes into either slot.
func (o Options) slot(img *image) ([]byte, error) {
	region, ok := o.Board.Region(board.RegionSlotA)
	if !ok {
		return nil, errors.New("the board's disk has no slots")
	}
	files, err := o.slotFiles(img, region.Size)
	if err != nil {
		return nil, err
	}
	slot, _, err := fatImage(region.Size, files)
	return slot, err
}

// slotFiles returns what is in a slot of size bytes.
func (o Options) slotFiles(img *image, size int64) ([]slotFile, error) {
	switch {
	case o.Board.BootsBy(board.UBoot):
		return o.ubootSlot(img), nil
	case o.Board.BootsBy(board.Tryboot):
		return o.piSlot(img)
	}
	uki := img.files[FileUKI]
	files := []slotFile{{"EFI/BOOT/BOOT" + efiNames[o.Board.Debian] + ".EFI", uki}}
	if o.Board.BootsBy(board.BIOS) {
		v, err := newFAT(size)
		if err != nil {
			return nil, err
		}
		config, err := grubSlot(uki, int64(v.offset(v.next)), img.manifest.CommandLine)
		if err != nil {
			return nil, err
		}
		files = append(files, slotFile{"grub.cfg", config})
	}
	return files, nil
}

// compress returns data as one zstd frame. What a slot holds is compressed
// already, so that more than the default level finds nothing more.
func compress(data []byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return enc.EncodeAll(data, nil), nil
}

// ipxeScript returns a script that starts the image from where it was fetched
// itself; ipxe.org/cmd has the commands. UEFI machines get the UKI, so that
// what they check is what we signed.
func ipxeScript(m Manifest) string {
	return fmt.Sprintf(`#!ipxe
# taproot %s for %s: put this file, %s, %s and %s in one directory of a web server.
iseq ${platform} efi && goto efi ||
kernel %s initrd=%s %s || shell
initrd %s || shell
boot
:efi
chain %s
`, m.Release, m.Board, FileKernel, FileInitramfs, FileUKI, FileKernel, FileInitramfs, m.CommandLine, FileInitramfs, FileUKI)
}
