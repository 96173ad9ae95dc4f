//go:build linux

// Package wiredtest plays what a board on a bench hangs on: an snmpd is its PDU,
// a pseudo terminal its serial line.
package wiredtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A PDU has outlets that are set as those of an APC ("apc-rpdu"), by community
// "private" or by the user "rig" with the passwords below.
type PDU struct {
	Address string // where it answers

	dir string
}

// Passwords of the user "rig", with SHA256 and AES.
const (
	AuthPassword = "authenticate me"
	PrivPassword = "encrypt for me"
)

// script is what snmpd asks about outlets, as it would ask a PDU's relays: what
// they are told to do takes a moment (snmpd.conf(5), pass_persist).
const script = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
while read -r what; do
	case "$what" in
	PING) echo PONG ;;
	get) read -r oid; echo "$oid"; echo integer; cat "state.${oid##*.}" ;;
	getnext) read -r oid; echo NONE ;;
	set)
		read -r oid; read -r type value
		echo "${oid##*.}=$value" >>told
		(sleep 0.2; echo "$value" >new && mv new "state.${oid##*.}") >/dev/null 2>&1 &
		echo DONE ;;
	*) exit 0 ;;
	esac
done
`

// StartPDU starts an snmpd with two outlets that are off, until the test ends.
// It returns nil, and what is missing, where there is no snmpd.
func StartPDU(t *testing.T) (p *PDU, lacking string) {
	t.Helper()
	snmpd := "/usr/sbin/snmpd"
	if _, err := os.Stat(snmpd); err != nil {
		return nil, "snmpd is not installed; scripts/install-deps test installs it"
	}
	p = &PDU{Address: FreeAddress(t), dir: t.TempDir()}
	path := func(name string) string { return filepath.Join(p.dir, name) }
	conf := fmt.Sprintf("rwcommunity private 127.0.0.1\ncreateUser rig SHA-256 %q AES %q\nrwuser rig priv\n", AuthPassword, PrivPassword)
	for _, oid := range []string{".1.3.6.1.4.1.318.1.1.12.3.3.1.1.4", ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.4"} {
		conf += fmt.Sprintf("pass_persist %s /bin/sh %s\n", oid, path("outlets"))
	}
	for name, text := range map[string]string{"outlets": script, "snmpd.conf": conf, "state.1": "2\n", "state.2": "2\n"} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(snmpd, "-f", "-Lf", path("log"), "-C", "-c", path("snmpd.conf"), "udp:"+p.Address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+path("persistent"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.Log(), "NET-SNMP version"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("snmpd does not come up\n%s", p.Log())
		}
	}
	return p, ""
}

func (p *PDU) read(name string) string {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Log returns what snmpd has logged.
func (p *PDU) Log() string { return p.read("log") }

// Told returns what outlets were told, in order: "1=1" switches the first on.
func (p *PDU) Told() string { return strings.Join(strings.Fields(p.read("told")), " ") }

// On reports whether an outlet is on.
func (p *PDU) On(outlet int) bool { return p.read(fmt.Sprintf("state.%d", outlet)) == "1" }

// FreeAddress returns an address of loopback at which nobody listens.
func FreeAddress(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// OpenPTY returns the end of a serial line that a board holds, and the device
// that the rig opens.
func OpenPTY(t *testing.T) (board *os.File, device string) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return f, fmt.Sprintf("/dev/pts/%d", n)
}
