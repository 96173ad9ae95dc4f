package wired

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/hwtest/rig/wired/wiredtest"
)

// TestSerial talks over a terminal with a process that plays a board's console.
// Bytes pass as they are: no echo, no newline that becomes two, no control
// character that is taken for one.
func TestSerial(t *testing.T) {
	board, path := wiredtest.OpenPTY(t)
	line, err := OpenSerial(Console{path, 1500000})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	cmd := exec.Command("sh", "-c", `printf 'up\r\n\003\004\021'; read word; echo "said $word"`)
	cmd.Stdin, cmd.Stdout = board, board
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(line)
	if got, err := r.ReadString('\x11'); err != nil || got != "up\r\n\x03\x04\x11" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := io.WriteString(line, "h\xffllo\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.ReadString('\n'); err != nil || got != "said h\xffllo\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}

	raw, err := line.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if s, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2); err != nil || s.Ispeed != 1500000 || s.Ospeed != 1500000 {
			t.Errorf("speed: %+v, %v", s, err)
		}
	})
	read := make(chan error)
	go func() { _, err := line.Read(make([]byte, 1)); read <- err }()
	line.Close()
	if err := <-read; err == nil {
		t.Error("a read goes on after Close")
	}
}

func TestSerialErrors(t *testing.T) {
	for path, want := range map[string]string{"/dev/null": "inappropriate ioctl", "/nonexistent": "no such file"} {
		if _, err := OpenSerial(Console{path, 115200}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
