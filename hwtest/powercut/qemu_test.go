package powercut_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/hwtest/powercut"
	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/provisioning"
)

// realStates is how many states of each loader are booted.
const realStates = 32

// wholeBoots is how many states are booted for each one that is left to run until
// init has said what this boot is. Of the others the power is cut as soon as the
// loader is done: what comes after it is the sensor's own code, which the model
// runs too.
const wholeBoots = 8

// TestModelAgrees boots states of a sweep in QEMU, from real images with the
// real loader, and wants each to do what its model does: start the same slot,
// as a trial or not, and leave the same journal and the same pointers.
func TestModelAgrees(t *testing.T) {
	if os.Getenv("TAPROOT_SWEEP") == "" {
		t.Skip("takes many boots; make sweep runs it")
	}
	dir := t.TempDir()
	tools, err := rig.BuildTools(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := provisioning.CreateKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "site.toml")
	if err := provisioning.WriteSite(site, keys.Site("powercut", []string{"192.0.2.1:7755"})); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		board string
		boot  board.Boot
		how   rig.Config
	}{
		{"qemu-x86-64", board.UEFI, rig.Config{}},
		{"qemu-x86-64", board.BIOS, rig.Config{BIOS: true}},
		{"qemu-arm64", board.UEFI, rig.Config{}},
		{"qemu-armhf", board.UBoot, rig.Config{}},
	} {
		t.Run(tt.board+"/"+string(tt.boot), func(t *testing.T) {
			b, err := board.Lookup(tt.board)
			if err != nil {
				t.Fatal(err)
			}
			if !b.BootsBy(tt.boot) || len(b.Disk) == 0 {
				t.Skip("the board has no such boot chain")
			}
			if err := rig.Missing(b); err != nil {
				t.Skip(err)
			}
			out := filepath.Join(t.TempDir(), "image")
			// With its messages: of UEFI, the kernel's first one ends the loader's work.
			if err := tools.Build(t.Context(), nil, "--board", b.Name, "--site", site, "--debug", "-o", out); err != nil {
				t.Fatal(err)
			}
			tt.how.Board, tt.how.Image = b, out
			r := &real{t: t, boot: tt.boot, how: tt.how}
			r.sample()
		})
	}
}

// A real is a loader that is compared with its model.
type real struct {
	t    *testing.T
	boot board.Boot
	how  rig.Config
	rec  *powercut.Recording
}

// sample flashes a machine, lets the model live through two updates of it, and
// boots states of that.
func (r *real) sample() {
	r.how.Dir = r.t.TempDir()
	said, disk, vars := r.start(true)
	if said != "slot A runs" {
		r.t.Fatalf("a new machine says %q", said)
	}
	m := powercut.RealMachine(r.how.Board, r.boot, disk, vars)
	rec, err := powercut.Record(m, powercut.RealReleases(m, 3))
	if err != nil {
		r.t.Fatal(err)
	}
	r.rec = rec
	n := 0
	for range interesting(rec) {
		n++
	}
	i, tried := 0, 0
	for s := range interesting(rec) {
		if i++; i*realStates/n == (i-1)*realStates/n {
			continue
		}
		s.Load(m)
		r.compare(s, m, tried%wholeBoots == 0)
		tried++
	}
	line := fmt.Sprintf("%s by %s: %d of %d states booted in QEMU", r.how.Board.Name, r.boot, tried, n)
	r.t.Log(line)
	fmt.Println("NUMBERS", line)
}

// interesting yields the states of each kind once for each operation.
func interesting(rec *powercut.Recording) func(yield func(powercut.State) bool) {
	return func(yield func(powercut.State) bool) {
		seen := map[string]bool{}
		for s := range powercut.States(rec.Begin, rec.Ops) {
			kind, _, _ := strings.Cut(s.Rule, ",")
			key := fmt.Sprint(s.Op, kind)
			if s.Bulk { // of the parts of a system, few differ for a loader
				key = fmt.Sprint(s.Op/40, kind, "bulk")
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			if !yield(s) {
				return
			}
		}
	}
}

// compare boots one state and the model of it, whole or as far as its loader
// goes.
func (r *real) compare(s powercut.State, m *powercut.Machine, whole bool) {
	r.t.Helper()
	r.how.Dir = r.t.TempDir()
	r.how.Disk = filepath.Join(r.how.Dir, "disk.img")
	if err := os.WriteFile(r.how.Disk, m.Disk.Bytes, 0o600); err != nil {
		r.t.Fatal(err)
	}
	defer os.Remove(r.how.Disk)
	if r.boot == board.UEFI {
		r.writeVars(m)
	}
	loaded := m.Clone()
	start, err := loaded.Boot()
	if err != nil {
		r.t.Fatal(err)
	}
	slot, trial, state, err := r.rec.Expect(m)
	if err != nil {
		r.t.Fatal(err)
	}
	want := fmt.Sprintf("slot %s runs", slot)
	if trial {
		want = fmt.Sprintf("slot %s is on trial", slot)
	}
	said, disk, vars := r.start(whole)
	if said == started(string(start.Slot)) { // and no more was waited for
		m, want = loaded, said
	}
	if said != want {
		r.t.Errorf("%v: %q, the model says %q and %q", s, said, started(string(start.Slot)), want)
		return
	}
	real := powercut.RealMachine(r.how.Board, r.boot, disk, vars)
	if m != loaded {
		table, err := slots.ReadTable(real.Disk)
		if err != nil {
			r.t.Fatal(err)
		}
		_, got, err := slots.OpenJournal(real.Disk, table)
		if err != nil || !reflect.DeepEqual(got, state) {
			r.t.Errorf("%v: journal %+v (%v), the model has %+v", s, got, err, state)
		}
	}
	// What the real boot has left must lead where the model leads.
	next, nextTrial, _, err := r.rec.Expect(real)
	wantNext, wantTrial, _, err2 := r.rec.Expect(m)
	if err != nil || err2 != nil || next != wantNext || nextTrial != wantTrial {
		r.t.Errorf("%v: the next boot is of slot %s (%v), the model's of %s (%v)", s, next, err, wantNext, err2)
	}
	r.t.Logf("%v: %s", s, said)
}

// writeVars puts the machine's variables into the store that it is started with.
func (r *real) writeVars(m *powercut.Machine) {
	r.t.Helper()
	for _, f := range r.how.Board.QEMU.Firmware {
		empty, err := os.ReadFile(f.Vars)
		if err != nil {
			continue
		}
		flash, err := powercut.WriteVars(empty, m.Kept())
		if err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.how.Dir, "vars.fd"), flash, 0o600); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	r.t.Fatal("no firmware")
}

// choices are what consoles say of the slot that a loader has chosen, and what
// they say when it can no longer choose another.
var choices = map[board.Boot]struct{ slot, done string }{
	board.UEFI:  {`BdsDxe: starting Boot\w+ "(?:taproot )?([^"]*)"`, `EFI stub: `},
	board.BIOS:  {`taproot: GRUB starts slot (\w)`, `taproot: GRUB starts slot `},
	board.UBoot: {`taproot: U-Boot starts slot (\w)`, `Starting kernel`},
}

// started is what start returns of a boot that was cut short.
func started(slot string) string { return fmt.Sprintf("slot %s is started", strings.ToUpper(slot)) }

// start switches the machine on until it has said which slot runs, or is
// started, cuts the power, and returns that and what disk and variables hold
// then. A firmware that starts a disk, and not one of its slots, says too little:
// such a boot is a whole one.
func (r *real) start(whole bool) (said string, disk []byte, vars map[string][]byte) {
	r.t.Helper()
	how := r.how
	how.NoTap, how.Once = true, true
	m, err := rig.Start(r.t.Context(), how)
	if err != nil {
		r.t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	expect := func(pattern string) []string {
		match, _, err := m.Console.Expect(ctx, pattern)
		if err != nil {
			r.t.Fatal(err)
		}
		return match
	}
	if !whole {
		expect(choices[r.boot].done)
		if slot, _ := m.Console.Last(choices[r.boot].slot); slot != nil && len(slot[1]) == 1 {
			said = started(slot[1])
		}
	}
	if said == "" {
		said = expect(`taproot: (slot [AB] (?:runs|is on trial))`)[1]
	}
	m.Close()
	if disk, err = os.ReadFile(m.Disk); err != nil {
		r.t.Fatal(err)
	}
	if r.boot == board.UEFI {
		flash, err := os.ReadFile(filepath.Join(how.Dir, "vars.fd"))
		if err != nil {
			r.t.Fatal(err)
		}
		if vars, err = powercut.ReadVars(flash); err != nil {
			r.t.Fatal(err)
		}
	}
	return said, disk, vars
}
