package updates_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A client of another library, tuf-js, takes what we publish, also after the
// release key was changed, and refuses what was changed. TAPROOT_TUF_JS names a
// directory in which "npm install tuf-js" was run.
func TestForeignClient(t *testing.T) {
	installed := os.Getenv("TAPROOT_TUF_JS")
	if installed == "" {
		t.Skip("TAPROOT_TUF_JS names no directory with tuf-js")
	}
	script, err := filepath.Abs("foreign.mjs")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	read := func(targets ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "node", append([]string{script, w.served}, targets...)...)
		cmd.Dir = installed
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	one := w.sign(imageOf(t, "pc", "1.0"), stable)
	if err := w.repo.Rekey(filepath.Join(w.keys, "new")); err != nil {
		t.Fatal(err)
	}
	two := w.sign(imageOf(t, "pc", "1.1"), stable)
	w.publish()
	patch := two.Deltas[one.Slot]
	out, err := read(two.Target, patch)
	if want := fmt.Sprintf("%s %d\n%s %d\n", two.Target, w.repo.Size(two.Target), patch, w.repo.Size(patch)); err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	w.edit("metadata/*.releases.json", "1.1", "6.6")
	if out, err := read(two.Target); err == nil || !strings.Contains(out, "releases") {
		t.Errorf("changed metadata: got %q, %v, want it refused", out, err)
	}
}
