package hwtest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// TestInstallUnattended: a CD whose site says so makes a sensor of a machine
// with an empty disk, once, and the machine then boots from that disk.
func TestInstallUnattended(t *testing.T) {
	l := newLab(t, "pc")
	text, err := os.ReadFile(l.collector.Site())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "site.toml")
	text = bytes.Replace(text, []byte(`install = "ask"`), []byte(`install = "unattended"`), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	l.setSite(path)
	l.boot(rig.Config{BIOS: true, ISO: rig.CD})
	l.expect(`taproot: this system runs from the medium in sr0, in RAM`)
	l.expect(`taproot: installed on nvme0n1; take the medium out`)
	l.expect(`taproot: not installed: nvme0n1 has this board's partition table already`)
	l.bootInstalled()
}

// TestInstallAtConsole: a stick asks on the console; only the disk's name, twice,
// makes it install.
func TestInstallAtConsole(t *testing.T) {
	everyMedium(t)
	l := newLab(t, "pc")
	l.boot(rig.Config{ISO: rig.Stick})
	l.expect(`taproot: To install, type "install"`)
	l.keys("install sda\n") // the stick itself is not offered
	l.keys("install nvme0n1\n")
	l.expect(`taproot: Everything on nvme0n1, 0.1 GB, .* will be lost`)
	l.keys("yes\n")
	l.expect(`taproot: not installed: "yes" is not "nvme0n1"`)
	l.keys("install nvme0n1\nnvme0n1\n")
	l.expect(`taproot: installed on nvme0n1`)
	l.bootInstalled()
}

func (l *lab) keys(text string) {
	l.t.Helper()
	if err := l.machine.Type(text); err != nil {
		l.t.Fatal(err)
	}
}

// bootInstalled starts the machine from the disk that was installed.
func (l *lab) bootInstalled() {
	l.t.Helper()
	disk := l.machine.Disk
	l.machine.Close()
	got, err := os.ReadFile(disk)
	if err != nil {
		l.t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(l.image, "disk.img"))
	if err != nil {
		l.t.Fatal(err)
	}
	// Each end has a table, with GUIDs of the disk's own.
	const head, tail = 34 * 512, 33 * 512
	if n := len(want); !bytes.Equal(got[head:n-tail], want[head:n-tail]) {
		l.t.Error("the installed disk is not disk.img")
	}
	if bytes.Equal(got[:head], want[:head]) {
		l.t.Error("the installed disk has the GUIDs of disk.img")
	}
	l.boot(rig.Config{Disk: disk})
	l.expect(`taproot: init up`)
	if slot, _ := l.expect(`taproot: slot (\S+) runs`); !strings.EqualFold(slot, "a") {
		l.t.Errorf("slot %s runs", slot)
	}
}
