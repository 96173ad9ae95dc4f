package fat_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/internal/fat"
)

// volume makes a file system with mkfs.fat and mtools, none of it ours.
func volume(t testing.TB, bits, size string, files map[string][]byte) []byte {
	t.Helper()
	if _, err := exec.LookPath("mcopy"); err != nil {
		t.Skip("mtools is not installed; scripts/install-deps test installs it")
	}
	dir := t.TempDir()
	img := filepath.Join(dir, "img")
	run := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	run("/sbin/mkfs.fat", "-C", "-F", bits, img, size)
	run("mmd", "-i", img, "::/EFI", "::/EFI/BOOT")
	for name, data := range files {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		run("mcopy", "-i", img, path, "::"+name)
	}
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFind(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 3000)
	files := map[string][]byte{
		"/EFI/BOOT/BOOTX64.EFI":            big,
		"/autoboot.txt":                    []byte("[all]\n"),
		"/EFI/a rather long file name.cfg": []byte("long"),
	}
	for bits, size := range map[string]string{"12": "1024", "16": "16384", "32": "65536"} {
		t.Run("FAT"+bits, func(t *testing.T) {
			v, err := fat.Open(bytes.NewReader(volume(t, bits, size, files)))
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range files {
				got, err := v.ReadFile(name, 1<<20)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(want))
				}
			}
			if _, err := v.Find("/EFI/BOOT/BOOTAA64.EFI"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("missing file: got %v", err)
			}
			if _, err := v.Find("/EFI/BOOT"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a directory as a file: got %v", err)
			}
			if _, err := v.ReadFile("/EFI/BOOT/BOOTX64.EFI", 100); err == nil {
				t.Error("a file larger than wanted was read")
			}
		})
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("\xeb\x3c\x90MTOO4043\x00\x02\x04\x01\x00\x02\x00\x02\x00\x08\xf8\x02\x00"), uint16(512), []byte("AUTOBOOTTXT \x00"))
	f.Fuzz(func(t *testing.T, head []byte, at uint16, more []byte) {
		img := make([]byte, 1<<17)
		copy(img, head)
		copy(img[at:], more)
		img[510], img[511] = 0x55, 0xaa
		v, err := fat.Open(bytes.NewReader(img))
		if err != nil {
			return
		}
		for _, name := range []string{"/EFI/BOOT/BOOTX64.EFI", "/autoboot.txt"} {
			if b, err := v.ReadFile(name, 1<<16); err == nil && len(b) > 1<<16 {
				t.Errorf("%s: %d bytes", name, len(b))
			}
		}
	})
}
