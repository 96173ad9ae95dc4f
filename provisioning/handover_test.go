package provisioning_test

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/site"
)

func TestHandOver(t *testing.T) {
	first, dir := newKeys(t)
	was := *first
	for n := range 3 {
		now, err := provisioning.HandOver(dir)
		if err != nil {
			t.Fatal(err)
		}
		box := now.BoxKey()
		if now.Box != was.Next || now.Identity != was.Identity || now.Next == was.Next || sha256.Sum256(box[:]) != was.Site("", nil).Next {
			t.Fatalf("hand-over %d: the announced key is not in use", n+1)
		}
		loaded, err := provisioning.LoadKeys(dir)
		if err != nil || *loaded != *now {
			t.Fatalf("hand-over %d: loaded other keys: %v", n+1, err)
		}
		retired, err := provisioning.LoadRetired(dir)
		if err != nil || len(retired) != n+1 || retired[0] != first.Box || retired[n] != was.Box {
			t.Fatalf("hand-over %d: %d keys are retired, %v", n+1, len(retired), err)
		}
		was = *now
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 6 {
		t.Errorf("%d files, %v; want 3 keys and 3 that were", len(files), err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f, info.Mode(), err)
		}
	}
}

// Power may fail between any two of the writes: then the site has the old keys
// or the new ones, and every key that an image may know.
func TestHandOverCutShort(t *testing.T) {
	before, dir := newKeys(t)
	old := os.DirFS(dir)
	saved := map[string][]byte{}
	for _, name := range []string{"box.key", "next.key"} {
		data, err := fs.ReadFile(old, name)
		if err != nil {
			t.Fatal(err)
		}
		saved[name] = data
	}
	after, err := provisioning.HandOver(dir)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	incoming, box, retired := read("next.key"), read("box.key"), read("retired-1.key")
	steps := []struct {
		name string
		data []byte
	}{{"incoming.key", incoming}, {"retired-1.key", retired}, {"box.key", box}}
	for cut := range len(steps) + 1 {
		dir := t.TempDir()
		write := func(name string, data []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("identity.key", read("identity.key"))
		for name, data := range saved {
			write(name, data)
		}
		for _, s := range steps[:cut] {
			write(s.name, s.data)
		}
		want := before
		if cut == len(steps) {
			want = after
		}
		got, err := provisioning.LoadKeys(dir)
		if err != nil || *got != *want {
			t.Fatalf("cut after %d writes: loaded other keys: %v", cut, err)
		}
		again, err := provisioning.HandOver(dir)
		if err != nil || again.Box != want.Next {
			t.Fatalf("cut after %d writes: hand-over again: %v", cut, err)
		}
		all, err := provisioning.LoadRetired(dir)
		known := map[site.Key]bool{}
		for _, k := range all {
			known[site.Key(k)] = true
		}
		if err != nil || !known[site.Key(before.Box)] || !known[site.Key(want.Box)] {
			t.Errorf("cut after %d writes: a key that images know is gone: %v", cut, err)
		}
	}
}
