package rig

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/image"
)

// arguments returns QEMU's command line and makes the files it names.
func (m *Machine) arguments(cfg Config, sockets string) ([]string, error) {
	q, uefi := cfg.Board.QEMU, cfg.Board.BootsBy(board.UEFI) && !cfg.Direct && !cfg.BIOS
	uboot := cfg.Board.BootsBy(board.UBoot) && !cfg.Direct
	memory := q.Memory
	if uefi {
		memory = q.UEFIMemory
	}
	memory = cmp.Or(cfg.Memory, memory)
	// The board's first: its console may not be the first of its serial lines.
	args := append(slices.Clone(q.Args), "-S", "-display", "none", "-m", fmt.Sprint(memory),
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "socket,id=qmp,path="+filepath.Join(sockets, "qmp"), "-mon", "chardev=qmp,mode=control")
	args = append(args, pinArguments(cfg.Board, sockets)...)
	if cfg.Once {
		args = append(args, "-no-reboot")
	}
	for i, p := range cfg.Board.Ports {
		netdev, boot := "user,id="+p.Name, ""
		if p.Role == board.Tap {
			if cfg.NoTap {
				continue
			}
			netdev = tapNetdev(p.Name, sockets)
			if cfg.NetBoot {
				boot = ",bootindex=0"
			}
		}
		if model, ok := strings.CutPrefix(q.NICs[i], "nic,"); ok {
			args = append(args, "-netdev", netdev, "-net", fmt.Sprintf("nic,%s,netdev=%s,macaddr=52:54:00:74:61:%02x", model, p.Name, i))
			continue
		}
		args = append(args, "-netdev", netdev, "-device", fmt.Sprintf("%s,netdev=%s,mac=52:54:00:74:61:%02x%s", q.NICs[i], p.Name, i, boot))
	}
	if len(cfg.Board.Disk) > 0 {
		if err := m.makeDisk(cfg); err != nil {
			return nil, err
		}
		if q.Disk == sdCard {
			args = append(args, "-drive", "if=sd,format=raw,file="+m.Disk)
		} else {
			args = append(args, "-drive", "if=none,id=disk,format=raw,file="+m.Disk, "-device", q.Disk+",drive=disk,bootindex=1")
		}
	}
	if cfg.ISO != "" {
		args = append(args, "-drive", "if=none,id=medium,format=raw,readonly=on,file="+filepath.Join(cfg.Image, image.FileISO),
			"-device", "qemu-xhci,id=usb", "-device", qemuMedia[cfg.ISO])
	}
	if uefi {
		more, err := firmwareArguments(cfg)
		return append(args, more...), err
	}
	if uboot {
		if p := cfg.Board.Loader.Parts[0]; p.At == 0 {
			args = append(args, "-bios", filepath.Join(cfg.Image, image.FileLoader))
		}
		return args, nil
	}
	if cfg.BIOS {
		return args, nil
	}
	var manifest image.Manifest
	b, err := os.ReadFile(filepath.Join(cfg.Image, image.FileManifest))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		return nil, err
	}
	if trees := cfg.Board.DeviceTrees; len(trees) > 0 {
		args = append(args, "-dtb", filepath.Join(cfg.Image, path.Base(trees[0])))
	}
	return append(args, "-kernel", filepath.Join(cfg.Image, q.Kernel),
		"-initrd", filepath.Join(cfg.Image, image.FileInitramfs), "-append", manifest.CommandLine), nil
}

// makeDisk makes the disk of a machine: flashed, or empty beside an ISO.
func (m *Machine) makeDisk(cfg Config) error {
	m.Disk = filepath.Join(cfg.Dir, "disk.img")
	switch {
	case cfg.Disk != "":
		m.Disk = cfg.Disk
		return nil
	case cfg.ISO != "":
		f, err := os.Create(m.Disk)
		if err != nil {
			return err
		}
		const empty = 128 << 20
		return errors.Join(f.Truncate(empty), f.Close())
	}
	if err := copyFile(m.Disk, filepath.Join(cfg.Image, image.FileDisk)); err != nil || cfg.Board.QEMU.Disk != sdCard {
		return err
	}
	// As on most cards, there is room behind the image. QEMU has cards of powers
	// of two.
	s, err := os.Stat(m.Disk)
	if err != nil {
		return err
	}
	return os.Truncate(m.Disk, 1<<bits.Len64(uint64(s.Size()-1)))
}

// sdCard is QEMU.Disk of a machine with a slot for cards.
const sdCard = "sd"

// firmwareArguments returns QEMU's arguments for UEFI and its variables, which
// the machine gets a copy of unless it has one already.
func firmwareArguments(cfg Config) ([]string, error) {
	f, err := firmware(cfg.Board)
	if err != nil {
		return nil, err
	}
	var more []string
	if cfg.SecureBoot != "" {
		f = board.Firmware{Code: SecureBootCode, Vars: cfg.SecureBoot}
		// Only the firmware itself, in system management mode, writes variables.
		more = []string{"-global", "driver=cfi.pflash01,property=secure,value=on"}
	}
	vars := filepath.Join(cfg.Dir, "vars.fd")
	if _, err := os.Stat(vars); err != nil {
		if err := copyFile(vars, f.Vars); err != nil {
			return nil, err
		}
	}
	return append(more, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+f.Code,
		"-drive", "if=pflash,unit=1,format=raw,file="+vars), nil
}

// firmware returns the first UEFI of the board's list that is installed.
func firmware(b *board.Board) (board.Firmware, error) {
	for _, f := range b.QEMU.Firmware {
		if _, err := os.Stat(f.Code); err == nil {
			return f, nil
		}
	}
	return board.Firmware{}, fmt.Errorf("no UEFI for board %q; scripts/install-deps run installs it", b.Name)
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
