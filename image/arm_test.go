package image

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// madeUp is an image of a board with noise for kernel, firmware and the rest.
func madeUp(b *board.Board) *image {
	img := &image{
		manifest: Manifest{Board: b.Name, CommandLine: b.CommandLine(false)},
		files:    map[string][]byte{FileKernel: noise(5 << 20), FileInitramfs: noise(3 << 20)},
	}
	for _, name := range b.DeviceTrees {
		img.files[path.Base(name)] = noise(20_000)
	}
	for _, name := range b.PiFirmware.Files() {
		img.files[name] = noise(100_000)
	}
	return img
}

// fileIn returns a file of a FAT image, as mtools reads it.
func fileIn(t *testing.T, volume []byte, name string) []byte {
	t.Helper()
	at := writeTemp(t, volume)
	run(t, "fsck.fat", "-n", at)
	return []byte(run(t, "mtype", "-i", at, "::/"+name))
}

func TestUBootDiskReadByOthers(t *testing.T) {
	for _, b := range board.All() {
		if b.Loader == nil {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			volume, err := ubootVolume(b)
			if err != nil {
				t.Fatal(err)
			}
			o, img := Options{Board: b}, madeUp(b)
			slot, err := o.slot(img)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := o.slot(madeUp(b)); err != nil || !bytes.Equal(again, slot) {
				t.Errorf("a second slot is another (%v)", err)
			}
			disk, err := boardDisk(b, map[string][]byte{board.RegionBoot: volume, board.RegionSlotA: slot, board.RegionSlotB: slot})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range b.Loader.Parts {
				if place := disk[p.At:][:p.Room]; len(bytes.Trim(place, "\x00")) > 0 {
					t.Errorf("%s: something else is in the %d bytes from %d on", p.File, p.Room, p.At)
				}
				copy(disk[p.At:], noise(int(p.Room)))
			}
			if out := run(t, "sgdisk", "-v", writeTemp(t, disk)); !strings.Contains(out, "No problems found") {
				t.Errorf("sgdisk says\n%s", out)
			}

			region, _ := b.Region(board.RegionBoot)
			script, err := bootscript.UBootScript(b)
			if err != nil {
				t.Fatal(err)
			}
			fs := volume[:region.Size-bootscript.UBootStateSpace]
			if got := fileIn(t, fs, "boot.scr"); !bytes.Equal(got, bootscript.UBootImage(script)) {
				t.Errorf("boot.scr: %q", got)
			}
			slotAt, _, err := bootscript.UBootStateAt(b)
			if err != nil {
				t.Fatal(err)
			}
			if vars, err := bootscript.ParseUBootEnv(disk[slotAt:][:sector]); err != nil || vars["slot"] != "a" {
				t.Errorf("state: %v, %v", vars, err)
			}
			if got := string(fileIn(t, slot, "slot.scr")); !strings.Contains(got, img.manifest.CommandLine+" taproot.slot=${slot}") {
				t.Errorf("slot.scr: %q", got)
			}
			for _, name := range b.DeviceTrees {
				if got := fileIn(t, slot, path.Base(name)); !bytes.Equal(got, img.files[path.Base(name)]) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

func TestPiDiskReadByOthers(t *testing.T) {
	for _, b := range board.All() {
		if b.PiFirmware == nil {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			o, img := Options{Board: b}, madeUp(b)
			files := img.files
			firmware := t.TempDir()
			o.PiFirmware = firmware
			for _, name := range b.PiFirmware.Files() {
				writeFile(t, filepath.Join(firmware, name), files[name])
			}
			if err := o.packPi(img); err != nil {
				t.Fatal(err)
			}
			if err := o.finish(img); err != nil {
				t.Fatal(err)
			}
			disk := img.files[FileDisk]
			at := writeTemp(t, disk)
			if out := run(t, "sgdisk", "-v", at); !strings.Contains(out, "No problems found") {
				t.Errorf("sgdisk says\n%s", out)
			}
			old := run(t, "sgdisk", "-O", at)
			if got := strings.Contains(old, "0x0E"); got != b.MBR {
				t.Errorf("the old table, wanted with FAT: %v\n%s", b.MBR, old)
			}
			boot, _ := b.Region(board.RegionBoot)
			if got := fileIn(t, disk[boot.Start:][:boot.Size], bootscript.AutobootName); !bytes.Equal(got, bootscript.Autoboot(2, 3)) {
				t.Errorf("autoboot.txt: %q", got)
			}
			slot, _ := b.Region(board.RegionSlotB)
			if got := string(fileIn(t, disk[slot.Start:][:slot.Size], "config.txt")); got != piConfig {
				t.Errorf("config.txt: %q", got)
			}
		})
	}
	rpi4, err := board.Lookup("rpi4")
	if err != nil {
		t.Fatal(err)
	}
	if err := (Options{Board: rpi4}).checkPiFirmware(); err == nil || !strings.Contains(err.Error(), "start4.elf, fixup4.dat") || !strings.Contains(err.Error(), "--pi-firmware") {
		t.Errorf("without firmware: got %v", err)
	}
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
