package wired

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestCable passes frames over a pair of interfaces. What this host sends is not
// heard; what comes from the other end is.
func TestCable(t *testing.T) {
	near, far := "tprig0", "tprig1"
	if out, err := exec.Command("ip", "link", "add", near, "type", "veth", "peer", "name", far).CombinedOutput(); err != nil {
		t.Skipf("no pair of interfaces: %v: %s", err, out)
	}
	defer exec.Command("ip", "link", "del", near).Run()
	board, err := OpenCable(far)
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	rig, err := OpenCable(near)
	if err != nil {
		t.Fatal(err)
	}
	defer rig.Close()
	for _, name := range []string{near, far} {
		awaitCarrier(t, name)
	}
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5}, bytes.Repeat([]byte("taproot!"), 8)...)
	for _, ends := range [][2]*Cable{{rig, board}, {board, rig}} {
		if _, err := ends[0].Write(frame); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2048)
		ends[1].f.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := ends[1].Read(got)
		if err != nil || !bytes.Equal(got[:n], frame) {
			t.Errorf("got %x, %v", got[:n], err)
		}
	}
	if _, err := OpenCable("lo"); err == nil || !strings.Contains(err.Error(), "it has the address 127.0.0.1") {
		t.Errorf("an interface in use: got %v", err)
	}
	if _, err := OpenCable("nonexistent0"); err == nil {
		t.Error("an interface that is not there was opened")
	}
}

// awaitCarrier waits until the kernel takes frames for an interface: before, it
// drops them without a word.
func awaitCarrier(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile("/sys/class/net/" + name + "/operstate")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s is %q, %v", name, state, err)
		}
		if strings.TrimSpace(string(state)) == "up" {
			return
		}
	}
}
