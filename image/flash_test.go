package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
