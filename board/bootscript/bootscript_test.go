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
