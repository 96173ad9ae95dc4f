package update_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
)

const loader = "EFI/BOOT/BOOTX64.EFI"

// program returns a PE program of nothing but sections.
func program(names []string, data [][]byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 1024)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], 64)
	copy(b[64:], "PE\x00\x00")
	le.PutUint16(b[64+6:], uint16(len(names)))
	for i, name := range names {
		h := b[64+24+40*i:]
		copy(h[:8], name)
		le.PutUint32(h[8:], uint32(len(data[i])))
		le.PutUint32(h[16:], uint32(len(data[i])+511)/512*512)
		le.PutUint32(h[20:], uint32(len(b)))
		b = append(b, data[i]...)
		b = append(b, make([]byte, -len(b)&511)...)
	}
	return b
}

var (
	kernel    = bytes.Repeat([]byte("kernel "), 30_000)
	initramfs = bytes.Repeat([]byte("initramfs"), 20_001)
)

// slotWith returns a slot that holds a program, made by programs that are not ours.
func slotWith(t *testing.T, file []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	img, path := filepath.Join(dir, "slot"), filepath.Join(dir, "program")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"/sbin/mkfs.fat", "-C", "-F", "16", img, "16384"},
		{"mmd", "-i", img, "::/EFI", "::/EFI/BOOT"}, {"mcopy", "-i", img, path, "::/" + loader},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("%s is not installed; scripts/install-deps test installs it", args[0])
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goodSlot(t *testing.T) []byte {
	return slotWith(t, program([]string{".osrel", ".cmdline", ".linux", ".initrd"}, [][]byte{[]byte("ID=x"), []byte("console=ttyS0 quiet\x00"), kernel, initramfs}))
}

// What is loaded is what the slot holds, and behind it what the next system takes
// over.
func TestRAMInstall(t *testing.T) {
	slot := goodSlot(t)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := update.NewRAM(update.Handover{Key: key, State: slots.State{Floor: 3, Digest: slots.Digest{1}}}, loader)
	var loaded [2][]byte
	var line string
	r.Load = func(k, i *os.File, commandLine string) error {
		line = commandLine
		for n, f := range []*os.File{k, i} {
			s, err := f.Stat()
			if err != nil {
				return err
			}
			loaded[n] = make([]byte, s.Size())
			if _, err := f.ReadAt(loaded[n], 0); err != nil {
				return err
			}
		}
		return nil
	}
	rel := update.Release{Digest: sha256.Sum256(slot), Floor: 7, Confirm: time.Minute}
	if err := r.Install(t.Context(), bytes.NewReader(slot), rel); err != nil {
		t.Fatal(err)
	}
	if line != "console=ttyS0 quiet taproot.slot=live" || !bytes.Equal(loaded[0], kernel) || !bytes.HasPrefix(loaded[1], initramfs) {
		t.Errorf("loaded %d and %d bytes with %q", len(loaded[0]), len(loaded[1]), line)
	}
	h, err := update.ParseHandover(extracted(t, loaded[1][(len(initramfs)+3)&^3:]))
	want := slots.State{Committed: slots.A, Digest: slots.Digest{1}, Floor: 3, Trial: &slots.Trial{Slot: slots.B, Digest: rel.Digest, Floor: 7, Confirm: time.Minute}}
	if diff := cmp.Diff(want, h.State); err != nil || diff != "" || !h.Key.Equal(key) {
		t.Errorf("handover (-want +got), error %v\n%s", err, diff)
	}

	next := update.NewRAM(h, loader) // what then runs
	if err := next.Install(t.Context(), bytes.NewReader(slot), rel); !errors.Is(err, update.ErrOnTrial) {
		t.Errorf("on trial it installs: %v", err)
	}
	if err := next.Confirm(); err != nil {
		t.Fatal(err)
	}
	if runs, _ := next.Runs(); runs != rel.Digest || next.State().Floor != 7 || next.State().Trial != nil {
		t.Errorf("confirmed: %+v", next.State())
	}
	if err := next.Confirm(); err == nil {
		t.Error("confirmed twice")
	}
}

// extracted returns the handover of an archive, as cpio reads it.
func extracted(t *testing.T, archive []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed; scripts/install-deps test installs it")
	}
	cmd := exec.Command("cpio", "--extract", "--quiet", "--to-stdout", update.HandoverFile)
	cmd.Stdin = bytes.NewReader(archive)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRAMRefuses(t *testing.T) {
	slot := goodSlot(t)
	tests := []struct {
		name   string
		slot   []byte
		load   error
		want   error
		failed bool // and is not tried again
	}{
		{name: "another digest", slot: append(bytes.Clone(slot[:len(slot)-1]), 1), want: update.ErrDigest},
		{name: "cut short", slot: slot[:len(slot)/2], want: update.ErrDigest},
		{name: "no memory", slot: slot, load: unix.ENOMEM, want: update.ErrMemory},
		{name: "not signed", slot: slot, load: unix.EPERM, want: update.ErrKernel, failed: true},
		{name: "no kernel", slot: slotWith(t, program([]string{".cmdline", ".initrd"}, [][]byte{{}, {}})), want: update.ErrKernel, failed: true},
		{name: "no program", slot: slotWith(t, kernel), want: update.ErrKernel, failed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := update.NewRAM(update.Handover{Key: ed25519.NewKeyFromSeed(make([]byte, 32))}, loader)
			r.Load = func(_, _ *os.File, _ string) error { return tt.load }
			digest := slots.Digest(sha256.Sum256(tt.slot))
			if errors.Is(tt.want, update.ErrDigest) {
				digest = sha256.Sum256(slot)
			}
			err := r.Install(t.Context(), bytes.NewReader(tt.slot), update.Release{Digest: digest})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			state := r.State()
			if got := errors.Is(state.Refuses(digest), slots.ErrFailed); got != tt.failed {
				t.Errorf("refused from now on: %v, want %v", got, tt.failed)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	slot := make([]byte, 1<<17)
	copy(slot, "\xeb\x3c\x90MTOO4043\x00\x02\x04\x01\x00\x02\x00\x02\x00\x08\xf8\x02\x00")
	f.Add(slot[:512], uint16(0), program([]string{".linux"}, [][]byte{[]byte("k")}))
	f.Fuzz(func(t *testing.T, head []byte, at uint16, more []byte) {
		img := make([]byte, 1<<17)
		copy(img, head)
		copy(img[at:], more)
		img[510], img[511] = 0x55, 0xaa
		s, err := update.Unpack(bytes.NewReader(img), "A")
		if err == nil && (s.Kernel.Size() > 1<<17 || len(s.CommandLine) > 2047) {
			t.Error("more than the slot holds")
		}
	})
}

func FuzzHandover(f *testing.F) {
	good := update.Handover{Key: ed25519.NewKeyFromSeed(make([]byte, 32)), State: slots.State{Committed: slots.A, Trial: &slots.Trial{Slot: slots.B}}}
	f.Add(good.Append(nil))
	f.Add([]byte(strings.Repeat("\x00", 4128)))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := update.ParseHandover(b)
		if err == nil && (h.State.Trial == nil || len(h.Key) != ed25519.PrivateKeySize) {
			t.Error("a handover of nothing")
		}
	})
}
