package hwtest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/hwtest/powercut"
	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/image"
)

// piFirmware makes a directory with files of the names of a Raspberry Pi's
// firmware. They are not run: no emulator does.
func piFirmware(t *testing.T, b *board.Board) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range b.PiFirmware.Files() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("made up: "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRaspberryPi: the model of a Raspberry Pi's firmware finds its way on the
// card that we ship, through a trial and back and through a commit; QEMU's
// Raspberry Pi then starts what is in the slot that it chose. That is as far as it
// goes: the kernel finds no USB device there, and so no port.
func TestRaspberryPi(t *testing.T) {
	l := newLab(t, "rpi3")
	card, err := os.ReadFile(filepath.Join(l.image, image.FileDisk))
	if err != nil {
		t.Fatal(err)
	}
	m := powercut.RealMachine(l.board, board.Tryboot, card, nil)
	table, err := slots.ReadTable(m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	starts := func(want slots.Slot) powercut.Start {
		t.Helper()
		got, err := m.Chain.Boot(m)
		if err != nil || got.Slot != want || got.Partition != table[want.Region()].Number {
			t.Fatalf("the firmware starts %+v (%v), want slot %s", got, err, want)
		}
		return got
	}
	s := m.Chain.Slots(m, table, starts(slots.A))
	if err := s.Arm(slots.B); err != nil {
		t.Fatal(err)
	}
	m.Argument = slots.RebootArgument(s)
	starts(slots.B)
	m.Argument = "" // power was cut
	starts(slots.A)
	if err := s.Commit(slots.B); err != nil {
		t.Fatal(err)
	}
	starts(slots.B)

	l.image = slotOfCard(t, l, m.Disk.Bytes, table[slots.B.Region()])
	l.boot(rig.Config{})
	_, up := l.expect(`taproot: init up`)
	numbers(t, "%s: from the kernel's start to init %.1f s", t.Name(), up.Seconds())
}

// slotOfCard makes an image of what mtools reads in a slot.
func slotOfCard(t *testing.T, l *lab, card []byte, slot slots.Region) string {
	t.Helper()
	dir := t.TempDir()
	volume := filepath.Join(t.TempDir(), "slot")
	if err := os.WriteFile(volume, card[slot.Start:][:slot.Size], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mcopy", "-i", volume, "::/*", dir).CombinedOutput(); err != nil {
		t.Fatalf("mcopy: %v\n%s", err, out)
	}
	packed, err := os.ReadFile(filepath.Join(dir, "kernel8.img"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(l.image, image.FileManifest))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{image.FileKernel: kernel, image.FileManifest: manifest, image.FileDisk: card} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
