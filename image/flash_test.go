package image

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestDeviceCheck(t *testing.T) {
	stick := Device{Path: "/dev/sdb", Size: 100, Block: true, Removable: true}
	with := func(change func(*Device)) Device { d := stick; change(&d); return d }
	tests := []struct {
		name  string
		d     Device
		force bool
		want  string
	}{
		{"a stick", stick, false, ""},
		{"a file", Device{Path: "x", Size: 100}, false, ""},
		{"too small", with(func(d *Device) { d.Size = 99 }), true, "has 99 bytes, the image 100"},
		{"mounted", with(func(d *Device) { d.Busy = "sdb1 is mounted on /" }), true, "in use: sdb1 is mounted on /"},
		{"a partition", with(func(d *Device) { d.Partition = true }), true, "name the whole disk"},
		{"a fixed disk", with(func(d *Device) { d.Removable = false }), false, "--force"},
		{"a fixed disk that is meant", with(func(d *Device) { d.Removable = false }), true, ""},
	}
	for _, tt := range tests {
		err := tt.d.Check(100, tt.force)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestInspectBlock(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	base := fstest.MapFS{
		"proc/self/mountinfo":                  file("22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n30 1 8:17 / /media/x rw - vfat /dev/sdb1 rw\n"),
		"proc/swaps":                           file("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"),
		"sys/class/block/sdb/dev":              file("8:16\n"),
		"sys/class/block/sdb/removable":        file("1\n"),
		"sys/class/block/sdb/device/model":     file("Stick\n"),
		"sys/class/block/sdb/sdb1/dev":         file("8:17\n"),
		"sys/class/block/sdb1/partition":       file("1\n"),
		"sys/class/block/sdc/dev":              file("8:32\n"),
		"sys/class/block/sdc/removable":        file("0\n"),
		"sys/class/block/sdd/dev":              file("8:48\n"),
		"sys/class/block/sdd/sdd1/dev":         file("8:49\n"),
		"sys/class/block/sdd/sdd1/holders/md0": file(""),
		"sys/class/block/sda/sda2/dev":         file("8:2\n"),
	}
	tests := []struct {
		name string
		want Device
	}{
		{"sdb", Device{Model: "Stick", Removable: true, Busy: "sdb1 is mounted on /media/x"}},
		{"sdb1", Device{Partition: true}},
		{"sdc", Device{}},
		{"sdd", Device{Busy: "sdd1 is part of md0"}},
		{"sda", Device{Busy: "sda2 is swapped to"}},
	}
	for _, tt := range tests {
		var d Device
		if err := d.inspectBlock(base, tt.name); err != nil || d != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v", tt.name, d, err, tt.want)
		}
	}
	var d Device
	usb := fstest.MapFS{
		"proc/self/mountinfo": file(""), "sys/class/block/sde": &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../devices/pci/usb1/1-1/block/sde")},
		"sys/devices/pci/usb1/1-1/block/sde/removable": file("0\n"),
	}
	if err := d.inspectBlock(usb, "sde"); err != nil || !d.Removable {
		t.Errorf("a disk on USB: got %+v, %v", d, err)
	}
}

// TestFlash flashes a file and, where the machine has them, a loop device.
func TestFlash(t *testing.T) {
	o := testBase(t)
	if _, err := Build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, iso := range []bool{false, true} {
		from, _, want, err := Flashable(o.Out, iso)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		path := filepath.Join(t.TempDir(), "stick")
		if err := os.WriteFile(path, bytes.Repeat([]byte{0xaa}, int(want.Size)+5<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		device := path
		if loop, err := exec.Command("losetup", "--find", "--show", path).Output(); err == nil && !iso {
			device = strings.TrimSpace(string(loop))
			t.Cleanup(func() { exec.Command("losetup", "--detach", device).Run() })
		}
		d, err := Inspect(device)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(want.Size, true); err != nil {
			t.Fatal(err)
		}
		said := map[string]int64{}
		if err := Flash(t.Context(), from, want, d, func(what string, done, _ int64) { said[what] = done }); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || digest(got[:want.Size]) != want || got[want.Size] != 0xaa {
			t.Errorf("%s does not hold the image, or more (%v)", device, err)
		}
		if said["written"] != want.Size || said["checked"] != want.Size {
			t.Errorf("progress: %v", said)
		}
		want.SHA256 = strings.Repeat("0", 64)
		from.Seek(0, 0)
		if err := Flash(t.Context(), from, want, d, func(string, int64, int64) {}); err == nil || !strings.Contains(err.Error(), "manifest says") {
			t.Errorf("a damaged image: got %v", err)
		}
	}
	if _, _, _, err := Flashable(t.TempDir(), false); err == nil {
		t.Error("a directory without an image passed")
	}
}
