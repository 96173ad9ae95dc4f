package hwtest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/image"
)

// settle is how long a machine gets to react to what it was sent: retries of
// ARP, neighbour and router solicitation are one second apart, MLD reports come
// within the second that the query allows.
const settle = 5 * time.Second

// TestTapPortIsSilent listens at the cable from power-on to power-off, while
// everything that makes a host on a network speak is said to it.
func TestTapPortIsSilent(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	l.boot(rig.Config{Direct: true})
	l.provoke()
	l.powerOff()
	l.tapIsSilent()
}

// provoke says all that makes a host on a network speak to the tap port of a
// machine that was just switched on.
func (l *lab) provoke() {
	t := l.t
	l.enrol()
	l.play(captures(t)...)
	l.expect(`taproot: first batch acknowledged`)
	for why, frame := range provocations() {
		t.Logf("provoked by: %s", why)
		for range 3 {
			if err := l.machine.Tap.Send(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(settle)
	l.tapIsSilent()
}

// TestCableCounts shows that the silence of the other scenarios is not that of
// a cut cable: UEFI that is told to boot from the tap port asks the network
// there, and the rig hears it.
func TestCableCounts(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	m, err := rig.Start(t.Context(), rig.Config{Board: l.board, Image: l.image, Dir: t.TempDir(), NetBoot: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for deadline := time.Now().Add(bootTimeout); ; time.Sleep(100 * time.Millisecond) {
		if n, first := m.Tap.Heard(); n > 0 {
			t.Logf("heard UEFI %.1f s after power-on: %x", time.Since(m.On).Seconds(), first[0])
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("UEFI asked the network, and the cable did not carry it")
		}
	}
}

// canary is the secret word in testdata/captures/canary.pcap.
const canary = "taprootcanary7f3a91"

// TestNothingOnDisk lets a secret word pass the tap in every place a sensor
// could note it, cuts the power, and goes through the disk block by block.
func TestNothingOnDisk(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	l.boot(rig.Config{})
	l.enrol()
	l.play("../testdata/captures/canary.pcap")
	l.expect(`taproot: first batch acknowledged`)
	l.awaitRows("flow", 1)
	l.machine.Close() // no orderly end: whatever lies there lies there

	before := read(t, filepath.Join(l.image, image.FileDisk))
	after := read(t, l.machine.Disk)
	if len(before) != len(after) {
		t.Fatalf("disk had %d bytes, now has %d", len(before), len(after))
	}
	const block = 512
	changed := 0
	for at := int64(0); at < int64(len(before)); at += block {
		end := min(at+block, int64(len(before)))
		if bytes.Equal(before[at:end], after[at:end]) {
			continue
		}
		if changed++; !l.inJournal(at) {
			t.Errorf("block at byte %d changed, and is not the journal's", at)
		}
	}
	t.Logf("compared %d blocks of %d bytes: %d changed", len(before)/block, block, changed)
	if !bytes.Contains(read(t, "../testdata/captures/canary.pcap"), []byte(canary)) {
		t.Fatal("the capture has no canary")
	}
	for name, path := range map[string]string{"disk": l.machine.Disk, "firmware variables": filepath.Join(filepath.Dir(l.machine.Disk), "vars.fd")} {
		if at := bytes.Index(bytes.ToLower(read(t, path)), []byte(canary)); at >= 0 {
			t.Errorf("%s: the canary is at byte %d", name, at)
		}
	}
}

// inJournal reports whether byte at of the disk belongs to the journal of boot
// state.
func (l *lab) inJournal(at int64) bool {
	for _, r := range l.board.Disk {
		if r.Name == "journal" && at >= r.Start && at < r.Start+r.Size {
			return true
		}
	}
	return false
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
