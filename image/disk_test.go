package image

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/board"
)

// run runs a tool that we did not write, or skips.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFATReadByOthers(t *testing.T) {
	const slot = 30 << 20
	for _, size := range []int{0, 1, fatClusterSize, fatClusterSize + 1, 10_675_712, 29 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			files := []slotFile{
				{"EFI/BOOT/BOOTX64.EFI", noise(size)},
				{"grub.cfg", []byte("boot\n")},
				{"EFI/BOOT/second.txt", []byte("another file in the same directory")},
				{"overlays/miniuart-bt.dtbo", noise(3000)},
				{"overlays/miniuart-uart.dtbo", noise(100)},
				{"bcm2711-rpi-4-b.dtb", noise(2000)},
			}
			img, at, err := fatImage(slot, files)
			if err != nil {
				t.Fatal(err)
			}
			path := writeTemp(t, img)
			run(t, "fsck.fat", "-n", "-v", path)
			listed := run(t, "mdir", "-i", path, "-/", "-b", "::")
			for _, f := range files {
				if !strings.Contains(listed, "::/"+f.path) {
					t.Errorf("%s: mdir shows\n%s", f.path, listed)
				}
				copied := filepath.Join(t.TempDir(), "copy")
				run(t, "mcopy", "-i", path, "::/"+f.path, copied)
				if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, f.data) {
					t.Errorf("%s read back differs (%v)", f.path, err)
				}
				if len(f.data) > 0 && !bytes.Equal(img[at[f.path]:][:len(f.data)], f.data) {
					t.Errorf("%s is not in one piece at %d", f.path, at[f.path])
				}
			}
		})
	}
}

func TestFATManyFiles(t *testing.T) {
	var files []slotFile
	for i := range 100 {
		files = append(files, slotFile{fmt.Sprintf("overlays/a-long-name-%03d.dtbo", i), noise(i)})
	}
	img, _, err := fatImage(30<<20, files)
	if err != nil {
		t.Fatal(err)
	}
	path := writeTemp(t, img)
	run(t, "fsck.fat", "-n", "-v", path)
	if out := run(t, "mdir", "-i", path, "-b", "::overlays"); strings.Count(out, "a-long-name-") != len(files) {
		t.Errorf("mdir shows\n%s", out)
	}
}

func TestFATRefuses(t *testing.T) {
	tests := []struct {
		name  string
		size  int64
		files []slotFile
		want  string
	}{
		{"a file as large as its slot", 30 << 20, []slotFile{{"A", make([]byte, 30<<20)}}, "do not fit"},
		{"too small", 1 << 20, nil, "clusters"},
		{"nothing", 512, nil, "clusters"},
		{"too large", 1 << 30, nil, "clusters"},
		{"name", 30 << 20, []slotFile{{"a:b", nil}}, `file name "a:b"`},
	}
	for _, tt := range tests {
		if _, _, err := fatImage(tt.size, tt.files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestDiskReadByOthers(t *testing.T) {
	for _, b := range board.All() {
		if len(b.Disk) == 0 {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			content := map[string][]byte{"slot-a": noise(1000), "slot-b": noise(1000)}
			img, err := boardDisk(b, content)
			if err != nil {
				t.Fatal(err)
			}
			if len(img) > 66_000_000 && b.Arch == "amd64" {
				t.Errorf("disk of %d bytes, want at most 66 MB", len(img))
			}
			for _, r := range b.Disk {
				if got := img[r.Start:][:len(content[r.Name])]; !bytes.Equal(got, content[r.Name]) {
					t.Errorf("region %q does not hold its content", r.Name)
				}
			}
			path := writeTemp(t, img)
			if out := run(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
				t.Errorf("sgdisk says\n%s", out)
			}
			out := run(t, "sgdisk", "-p", path)
			for _, r := range b.Disk {
				if !strings.Contains(out, r.Name) {
					t.Errorf("sgdisk shows no %q:\n%s", r.Name, out)
				}
			}
		})
	}
}

func TestDiskRefusesOverfullRegion(t *testing.T) {
	regions := []board.Region{{Name: "slot-a", Type: board.TypeESP, Start: 1 << 20, Size: 4096}}
	if _, err := diskImage("tiny", regions, map[string][]byte{"slot-a": make([]byte, 4097)}); err == nil || !strings.Contains(err.Error(), `"slot-a": 4097 bytes, 4096 fit`) {
		t.Errorf("got %v", err)
	}
}
