package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// packLoader adds a disk with the board's U-Boot on it, its script and its state,
// and as yet nothing that they could start. A part that is not for the disk
// becomes a file of the image.
func (o Options) packLoader(ctx context.Context, img *image) error {
	dir, version, err := o.Cache.Package(ctx, o.Board.Debian, o.Board.Loader.Package)
	if err != nil {
		return err
	}
	img.addPackage(o.Board.Loader.Package, version, o.Board.Debian)
	volume, err := ubootVolume(o.Board)
	if err != nil {
		return err
	}
	disk, err := boardDisk(o.Board, map[string][]byte{board.RegionBoot: volume})
	if err != nil {
		return err
	}
	for _, p := range o.Board.Loader.Parts {
		data, err := os.ReadFile(filepath.Join(dir, "usr/lib/u-boot", p.File))
		if err != nil {
			return err
		}
		if err := bootscript.UBootGoes(data); err != nil {
			return fmt.Errorf("%s: %w", p.File, err)
		}
		switch {
		case p.At == 0:
			img.files[FileLoader] = data
		case int64(len(data)) > p.Room:
			return fmt.Errorf("%s has %d bytes, there is room for %d", p.File, len(data), p.Room)
		default:
			copy(disk[p.At:], data)
		}
	}
	img.files[FileDisk] = disk
	return nil
}

// ubootVolume returns the region boot: a file system with the script that
// chooses a slot, and behind it the state that the script reads.
func ubootVolume(b *board.Board) ([]byte, error) {
	script, err := bootscript.UBootScript(b)
	if err != nil {
		return nil, err
	}
	slotAt, tryAt, err := bootscript.UBootStateAt(b)
	if err != nil {
		return nil, err
	}
	region, _ := b.Region(board.RegionBoot)
	volume, _, err := fatImage(region.Size-bootscript.UBootStateSpace,
		[]slotFile{{bootscript.BootScriptName, bootscript.UBootImage(script)}})
	if err != nil {
		return nil, err
	}
	volume = append(volume, make([]byte, bootscript.UBootStateSpace)...)
	copy(volume[slotAt-region.Start:], bootscript.UBootEnv("slot", "a"))
	copy(volume[tryAt-region.Start:], bootscript.UBootEnv("try", "none"))
	return volume, nil
}

// ubootSlot returns the files of a slot for U-Boot.
func (o Options) ubootSlot(img *image) []slotFile {
	script := bootscript.UBootSlotScript(o.Board, img.manifest.CommandLine)
	return append([]slotFile{
		{bootscript.SlotScriptName, bootscript.UBootImage(script)},
		{bootscript.SlotKernelName, img.files[FileKernel]},
		{bootscript.SlotInitramfsName, img.files[FileInitramfs]},
	}, img.deviceTrees(o.Board)...)
}

// deviceTrees reads the board's device trees from its kernel's package.
func (k kernel) deviceTrees(b *board.Board) ([]slotFile, error) {
	var files []slotFile
	for _, name := range b.DeviceTrees {
		data, err := os.ReadFile(filepath.Join(k.dir, "usr/lib/linux-image-"+k.release, name))
		if err != nil {
			return nil, fmt.Errorf("kernel %s has no device tree %q: name a directory with another kernel with --kernel", k.release, name)
		}
		files = append(files, slotFile{path.Base(name), data})
	}
	return files, nil
}

// deviceTrees returns the board's device trees as files of a slot.
func (img *image) deviceTrees(b *board.Board) []slotFile {
	var files []slotFile
	for _, name := range b.DeviceTrees {
		files = append(files, slotFile{path.Base(name), img.files[path.Base(name)]})
	}
	return files
}
