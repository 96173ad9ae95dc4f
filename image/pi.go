package image

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
)

// Files of a Raspberry Pi's slot, beside its device trees
// (https://www.raspberrypi.com/documentation/computers/config_txt.html).
const (
	piConfigName  = "config.txt"
	piCommandName = "cmdline.txt"
	piKernelName  = "kernel8.img"
)

// piConfig is config.txt. The device tree is the kernel's own for the model, so
// that the firmware's overlays do not fit; the serial line is at the header, at
// 115200 baud.
const piConfig = `arm_64bit=1
kernel=` + piKernelName + `
initramfs ` + bootscript.SlotInitramfsName + ` followkernel
upstream_kernel=1
enable_uart=1
uart_2ndstage=1
disable_splash=1
boot_delay=0
`

// checkPiFirmware finds out before anything is built whether there is what the
// board starts with.
func (o Options) checkPiFirmware() error {
	need := o.Board.PiFirmware.Files()
	if len(need) > 0 && o.PiFirmware == "" {
		return fmt.Errorf("the board starts with %s, which Debian's main has not: name a directory that has them with --pi-firmware",
			strings.Join(need, ", "))
	}
	return nil
}

// packPi adds a Raspberry Pi's firmware and a disk that has it and autoboot.txt.
func (o Options) packPi(img *image) error {
	for _, name := range o.Board.PiFirmware.Files() {
		data, err := os.ReadFile(filepath.Join(o.PiFirmware, name))
		if err != nil {
			return fmt.Errorf("firmware of board %q: %w", o.Board.Name, err)
		}
		img.files[name] = data
	}
	region, _ := o.Board.Region(board.RegionBoot)
	files := []slotFile{{bootscript.AutobootName, bootscript.Autoboot(2, 3)}}
	for _, name := range o.Board.PiFirmware.Boot {
		files = append(files, slotFile{name, img.files[name]})
	}
	volume, _, err := fatImage(region.Size, files)
	if err != nil {
		return err
	}
	img.files[FileDisk], err = boardDisk(o.Board, map[string][]byte{board.RegionBoot: volume})
	return err
}

// piSlot returns the files of a slot for a Raspberry Pi. The kernel is
// compressed, which the firmware undoes.
func (o Options) piSlot(img *image) ([]slotFile, error) {
	var kernel bytes.Buffer
	w, err := gzip.NewWriterLevel(&kernel, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(img.files[FileKernel]); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	files := []slotFile{
		{piConfigName, []byte(piConfig)},
		{piCommandName, []byte(img.manifest.CommandLine + "\n")},
		{piKernelName, kernel.Bytes()},
		{bootscript.SlotInitramfsName, img.files[FileInitramfs]},
	}
	for _, name := range o.Board.PiFirmware.Slot {
		files = append(files, slotFile{name, img.files[name]})
	}
	return append(files, img.deviceTrees(o.Board)...), nil
}
