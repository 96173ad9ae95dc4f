package bootscript_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
	"github.com/taproot-sensor/taproot/internal/fat"
)

// TestScripts: what a board's loaders read has no place left to be filled.
func TestScripts(t *testing.T) {
	for _, b := range board.All() {
		for boot, script := range map[board.Boot]func(*board.Board) (string, error){
			board.BIOS: bootscript.GRUBConfig, board.UBoot: bootscript.UBootScript,
		} {
			if !b.BootsBy(boot) {
				continue
			}
			if text, err := script(b); err != nil || strings.Contains(text, "@") {
				t.Errorf("%s by %s: %v\n%s", b.Name, boot, err, text)
			}
		}
	}
	if _, err := bootscript.GRUBConfig(&board.Board{Name: "none"}); err == nil {
		t.Error("a board without a disk has a GRUB")
	}
}

func TestGRUBEnv(t *testing.T) {
	b := bootscript.GRUBEnv("b", "a")
	vars, err := bootscript.ParseGRUBEnv(b)
	if err != nil || len(vars) != 2 || vars["slot"] != "b" || vars["try"] != "a" {
		t.Errorf("got %v, %v", vars, err)
	}
	if other := bootscript.GRUBEnv("a", ""); len(b) != bootscript.GRUBEnvSize || !bytes.Equal(b[512:], other[512:]) {
		t.Error("two states differ in more than the first sector")
	}
	if _, err := bootscript.ParseGRUBEnv(make([]byte, 1024)); err == nil {
		t.Error("zeros are an environment")
	}
}

func TestGRUBVolume(t *testing.T) {
	env := bootscript.GRUBEnv("a", "")
	volume := bootscript.GRUBVolume(env)
	v, err := fat.Open(bytes.NewReader(volume))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.ReadFile(bootscript.GRUBEnvName, 4096); err != nil || !bytes.Equal(got, env) {
		t.Errorf("got %q, %v", got, err)
	}
	path := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(path, volume, 0o600); err != nil {
		t.Fatal(err)
	}
	const fsck = "/sbin/fsck.fat"
	if _, err := os.Stat(fsck); err != nil {
		t.Skip("fsck.fat is not installed; scripts/install-deps test installs it")
	}
	if out, err := exec.Command(fsck, "-n", path).CombinedOutput(); err != nil {
		t.Errorf("fsck.fat: %v\n%s", err, out)
	}
}

func TestUBootEnv(t *testing.T) {
	b := bootscript.UBootEnv("try", "b")
	if vars, err := bootscript.ParseUBootEnv(b); err != nil || len(b) != 512 || vars["try"] != "b" {
		t.Errorf("got %v, %v", vars, err)
	}
	for i := range b {
		b[i] ^= 1
		if _, err := bootscript.ParseUBootEnv(b); err == nil {
			t.Fatalf("byte %d is changed, and it is read", i)
		}
		b[i] ^= 1
	}
}

// TestUBootGoes: of a U-Boot in a legacy image behind a first stage, as on a card,
// and of one alone, nothing changes but the wait and the checksums over it.
func TestUBootGoes(t *testing.T) {
	script := "bootcmd=run it\x00bootdelay=2\x00baudrate=115200\x00"
	legacy := bootscript.UBootImage(script)
	first := bytes.Repeat([]byte{0xe5}, 32<<10)
	for _, tt := range []struct {
		name       string
		file, want []byte
	}{
		{"in an image", append(bytes.Clone(first), legacy...), append(bytes.Clone(first), bootscript.UBootImage(strings.Replace(script, "=2", "=0", 1))...)},
		{"alone", []byte(script), []byte(strings.Replace(script, "=2", "=0", 1))},
		{"a first stage", first, bytes.Clone(first)},
	} {
		if err := bootscript.UBootGoes(tt.file); err != nil || !bytes.Equal(tt.file, tt.want) {
			t.Errorf("%s: %v, or other bytes than wanted", tt.name, err)
		}
	}
	if err := bootscript.UBootGoes([]byte(script + script)); err == nil {
		t.Error("two environments are one")
	}
}

func TestAutoboot(t *testing.T) {
	b := bootscript.Autoboot(2, 3)
	normal, err := bootscript.ParseAutoboot(b, false)
	tried, err2 := bootscript.ParseAutoboot(b, true)
	if len(b) != bootscript.AutobootSize || normal != 2 || tried != 3 || err != nil || err2 != nil {
		t.Errorf("got %d (%v), %d (%v)", normal, err, tried, err2)
	}
	if _, err := bootscript.ParseAutoboot([]byte("[all]\nboot_partition=x\n"), false); err == nil {
		t.Error("partition x is one")
	}
	if _, err := bootscript.ParseAutoboot(make([]byte, 512), false); err == nil {
		t.Error("nothing names a partition")
	}
}
