package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A kernel is one Debian kernel package in the cache.
type kernel struct {
	version string // of the package, "6.1.176-1"
	release string // of the kernel, "6.1.0-50-amd64"
	dir     string
}

// kernel returns the board's kernel, or that of a directory.
func (o Options) kernel(ctx context.Context) (kernel, error) {
	dir, version := o.Kernel, "local"
	if dir == "" {
		var err error
		if dir, version, err = o.Cache.Package(ctx, o.Board.Debian, o.Board.Kernel); err != nil {
			return kernel{}, err
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return kernel{}, fmt.Errorf("kernel package in %q has %d kernels, want 1", dir, len(found))
	}
	release := strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-")
	return kernel{version: version, release: release, dir: dir}, nil
}

// name returns the name of the package.
func (k kernel) name() string { return "linux-image-" + k.release }

// image returns the kernel as Debian packs it.
func (k kernel) image() ([]byte, error) {
	return os.ReadFile(filepath.Join(k.dir, "boot", "vmlinuz-"+k.release))
}

// vmlinux returns the kernel that an x86 bzImage holds, as an ELF file. QEMU
// starts it through its PVH entry in 2.4 s where the bzImage, which emulated
// code has to unpack, takes 6.0 s to init.
func (k kernel) vmlinux(ctx context.Context, bzImage []byte) ([]byte, error) {
	path := filepath.Join(k.dir, "boot", "vmlinux-"+k.release)
	if elf, err := os.ReadFile(path); err == nil {
		return elf, nil
	}
	payload, err := payload(bzImage)
	if err != nil {
		return nil, err
	}
	// One stream: Linux appends the unpacked size to the xz file.
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--single-stream")
	cmd.Stdin = bytes.NewReader(payload)
	elf, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("unpacking kernel %s: xz: %w", k.release, err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, elf, 0o644); err != nil {
		return nil, err
	}
	return elf, os.Rename(tmp, path)
}

// payload returns the compressed kernel inside a bzImage, as the boot protocol
// (Documentation/x86/boot.rst, version 2.08) says where.
func payload(bzImage []byte) ([]byte, error) {
	const setupSects, magic, version, payloadOffset, payloadLength = 0x1f1, 0x202, 0x206, 0x248, 0x24c
	if len(bzImage) < 0x250 || string(bzImage[magic:magic+4]) != "HdrS" {
		return nil, errors.New("kernel is not a bzImage")
	}
	if v := binary.LittleEndian.Uint16(bzImage[version:]); v < 0x208 {
		return nil, fmt.Errorf("kernel has boot protocol %#x, want 0x208 or later", v)
	}
	start := (int64(bzImage[setupSects])+1)*512 + int64(binary.LittleEndian.Uint32(bzImage[payloadOffset:]))
	end := start + int64(binary.LittleEndian.Uint32(bzImage[payloadLength:]))
	if end > int64(len(bzImage)) {
		return nil, fmt.Errorf("kernel of %d bytes is cut short: payload ends at %d", len(bzImage), end)
	}
	return bzImage[start:end], nil
}
