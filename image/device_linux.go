package image

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// An openedDevice is a device or file that is being flashed.
type openedDevice struct{ *os.File }

// Inspect finds out about a device.
func Inspect(path string) (Device, error) {
	d := Device{Path: path}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return d, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return d, err
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		d.Size = info.Size()
		return d, nil
	case mode&fs.ModeDevice == 0 || mode&fs.ModeCharDevice != 0:
		return d, fmt.Errorf("%s is neither a block device nor a file", path)
	}
	f, err := os.Open(real)
	if err != nil {
		return d, err
	}
	defer f.Close()
	d.Block = true
	if d.Size, err = f.Seek(0, io.SeekEnd); err != nil {
		return d, err
	}
	return d, d.inspectBlock(os.DirFS("/"), filepath.Base(real))
}

// inspectBlock fills in what /sys and /proc, below root, say of a block device.
func (d *Device) inspectBlock(root fs.FS, name string) error {
	dir := "sys/class/block/" + name
	attr := func(file string) string {
		b, _ := fs.ReadFile(root, dir+"/"+file)
		return strings.TrimSpace(string(b))
	}
	d.Partition = attr("partition") != ""
	d.Model = attr("device/model")
	// A stick, a card in a reader, a card in a slot of its own.
	bus, _ := fs.ReadLink(root, dir)
	d.Removable = attr("removable") == "1" || strings.Contains(bus, "/usb") || strings.HasPrefix(name, "mmcblk")
	busy, err := users(root, name)
	d.Busy = busy
	return err
}

// users says what a disk or one of its partitions is used for.
func users(root fs.FS, name string) (string, error) {
	parts := map[string]string{} // by major:minor
	names := []string{name}
	entries, err := fs.ReadDir(root, "sys/class/block/"+name)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name) {
			names = append(names, e.Name())
		}
	}
	for _, n := range names {
		at := "sys/class/block/" + n
		if n != name {
			at = "sys/class/block/" + name + "/" + n
		}
		if b, err := fs.ReadFile(root, at+"/dev"); err == nil {
			parts[strings.TrimSpace(string(b))] = n
		}
		if holders, _ := fs.ReadDir(root, at+"/holders"); len(holders) > 0 {
			return n + " is part of " + holders[0].Name(), nil
		}
	}
	mounts, err := root.Open("proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer mounts.Close()
	for s := bufio.NewScanner(mounts); s.Scan(); {
		// 36 35 98:0 /mnt1 /mnt2 … (proc(5))
		if f := strings.Fields(s.Text()); len(f) > 4 && parts[f[2]] != "" {
			return parts[f[2]] + " is mounted on " + f[4], nil
		}
	}
	swaps, err := fs.ReadFile(root, "proc/swaps")
	if err != nil {
		return "", nil // a kernel without swap
	}
	for line := range strings.Lines(string(swaps)) {
		for _, n := range names {
			if f := strings.Fields(line); len(f) > 0 && f[0] == "/dev/"+n {
				return n + " is swapped to", nil
			}
		}
	}
	return "", nil
}

// openDevice opens a device that nobody else has open.
func openDevice(d Device) (openedDevice, error) {
	flags := os.O_RDWR
	if d.Block {
		flags |= unix.O_EXCL
	}
	f, err := os.OpenFile(d.Path, flags, 0)
	return openedDevice{f}, err
}

// settleDevice waits until all is written, forgets it, so that what is read then
// comes from the device, and has the kernel look at the new partitions.
func settleDevice(f openedDevice, d Device) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if !d.Block {
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	if err := unix.IoctlSetInt(int(f.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return err
	}
	unix.IoctlSetInt(int(f.Fd()), unix.BLKRRPART, 0) // a loop device may refuse
	return nil
}
