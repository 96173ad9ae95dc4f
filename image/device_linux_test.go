package image

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

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
