package hwtest_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/hwtest/rig/wired"
	"github.com/taproot-sensor/taproot/hwtest/rig/wired/wiredtest"
	"github.com/taproot-sensor/taproot/image"
	"github.com/taproot-sensor/taproot/provisioning"
)

// TestRigPlayed has QEMU play a board on a bench, for want of one: a rig's file
// names a serial device, the outlets of a PDU that snmpd plays, and an interface
// of this host. The first outlet feeds the board, the second presses its button.
// The scenario and the rig are those of a real board.
func TestRigPlayed(t *testing.T) {
	long(t)
	made := newLab(t, "qemu-x86-64")
	pdu, lacking := wiredtest.StartPDU(t)
	if pdu == nil {
		missing(t, lacking)
	}
	const port = "tprig2"
	exec.Command("ip", "link", "del", port).Run() // of a test that was killed
	if out, err := exec.Command("ip", "tuntap", "add", "dev", port, "mode", "tap").CombinedOutput(); err != nil {
		t.Skipf("no interface for the tap port: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", port).Run() })
	line, device := wiredtest.OpenPTY(t)

	s, err := provisioning.LoadSite(made.collector.Site())
	if err != nil {
		t.Fatal(err)
	}
	_, udp, err := net.SplitHostPort(s.Collectors[0])
	if err != nil {
		t.Fatal(err)
	}
	made.collector.Kill()
	path := filepath.Join(t.TempDir(), "board.toml")
	switched := fmt.Sprintf("by = \"snmp\"\naddress = %q\npdu = \"apc-rpdu\"\n", pdu.Address)
	text := fmt.Sprintf("board = %q\ndata = %q\nlisten = \"127.0.0.1:%s\"\n", made.board.Name, made.collector.Data, udp) +
		fmt.Sprintf("[console]\ndevice = %q\n", device) +
		"[power]\n" + switched + fmt.Sprintf("outlet = 1\noff_for = \"500ms\"\nversion = \"3\"\nuser = \"rig\"\nauth_password = %q\npriv_password = %q\n", wiredtest.AuthPassword, wiredtest.PrivPassword) +
		"[button]\n" + switched + "outlet = 2\nversion = \"2c\"\ncommunity = \"private\"\nhold = \"500ms\"\n" +
		fmt.Sprintf("[tap]\ninterface = %q\n", port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := wired.Load(path)
	if err != nil {
		t.Fatal(err)
	}

	play(t, made, pdu, line, port)
	w := &rig.Wired{Config: c}
	l := newRigLab(t, w)
	l.switchOn(w)
	l.firstLight(true)
	l.machine.Close()
	if told := pdu.Told(); told != "1=2 2=2 1=1 2=1 2=2 1=2 1=2" {
		t.Errorf("the PDU was told %s", told)
	}
}

// play is the board: it runs while the first outlet is on.
func play(t *testing.T, l *lab, pdu *wiredtest.PDU, line *os.File, port string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.image, image.FileManifest))
	if err != nil {
		t.Fatal(err)
	}
	var manifest image.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	monitor := filepath.Join(t.TempDir(), "qmp")
	q := l.board.QEMU
	args := append([]string{"-display", "none", "-m", fmt.Sprint(q.Memory), "-serial", "stdio", "-qmp", "unix:" + monitor + ",server=on,wait=off"}, q.Args...)
	for i, netdev := range []string{"user,id=uplink", "tap,id=tap,script=no,downscript=no,ifname=" + port} {
		args = append(args, "-netdev", netdev, "-device", fmt.Sprintf("%s,netdev=%s,mac=52:54:00:74:61:%02x", q.NICs[i], []string{"uplink", "tap"}[i], i))
	}
	args = append(args, "-kernel", filepath.Join(l.image, q.Kernel), "-initrd", filepath.Join(l.image, image.FileInitramfs), "-append", manifest.CommandLine)

	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		var board *exec.Cmd
		off := func() {
			if board != nil {
				board.Process.Kill()
				board.Wait()
				board = nil
			}
		}
		defer off()
		pressed := false
		for {
			switch on := pdu.On(1); {
			case on && board == nil:
				board = exec.Command(q.Binary, args...)
				board.Stdin, board.Stdout, board.Stderr = line, line, os.Stderr
				if err := board.Start(); err != nil {
					t.Error(err)
					return
				}
			case !on:
				off()
			}
			if down := pdu.On(2); down != pressed {
				if pressed = down; down {
					press(t, monitor)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
}

// press presses the power button of the machine that plays the board.
func press(t *testing.T, monitor string) {
	conn, err := net.Dial("unix", monitor)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	d := json.NewDecoder(conn)
	for _, say := range []string{"", `{"execute":"qmp_capabilities"}`, `{"execute":"system_powerdown"}`} {
		var answer json.RawMessage
		if _, err := fmt.Fprintln(conn, say); err != nil {
			t.Error(err)
			return
		}
		if err := d.Decode(&answer); err != nil {
			t.Error(err)
			return
		}
	}
}
