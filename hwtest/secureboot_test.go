package hwtest_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/provisioning"
)

// TestSecureBoot: a machine that knows the owner's keys starts what the owner
// has signed, with its kernel locked down, and nothing else.
func TestSecureBoot(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	if _, err := os.Stat(rig.SecureBootCode); err != nil {
		missing(t, "no UEFI with Secure Boot: "+err.Error())
	}
	keys := filepath.Join(t.TempDir(), "keys")
	sb, err := provisioning.CreateSecureBoot(keys, "owner", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	vars := enrolled(t, sb)

	unsigned := filepath.Join(l.image, "disk.img")
	disk, err := os.ReadFile(unsigned)
	if err != nil {
		t.Fatal(err)
	}
	l.refused("unsigned", vars, disk)

	l.image = filepath.Join(t.TempDir(), "signed")
	if err := tools(t).Build(t.Context(), nil, "--board", l.board.Name, "--site", l.collector.Site(), "--debug", "--secureboot", keys, "-o", l.image); err != nil {
		t.Fatal(err)
	}
	if disk, err = os.ReadFile(filepath.Join(l.image, "disk.img")); err != nil {
		t.Fatal(err)
	}
	mark := []byte("PRETTY_NAME=")
	if n := bytes.Count(disk, mark); n != 2 {
		t.Fatalf("the disk has %d UKIs, want 2", n)
	}
	l.refused("tampered", vars, bytes.ReplaceAll(disk, mark, []byte("PRETTY_NAMF=")))

	l.boot(rig.Config{SecureBoot: vars})
	l.expect(`Secure boot enabled`)
	l.expect(`Kernel is locked down from`)
	l.expect(`taproot: init up`)
	l.enrol()
	l.expect(`taproot: first batch acknowledged`)
}

// refused boots a disk that the firmware must not start.
func (l *lab) refused(what, vars string, disk []byte) {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), "disk.img")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.boot(rig.Config{SecureBoot: vars, Disk: path, NoTap: true})
	l.expect(`BdsDxe: failed to load Boot\S+ .*Access Denied`)
	l.machine.Close()
	l.t.Logf("%s: refused by the firmware", what)
}

// enrolled returns a variable store of OVMF that has the owner's keys, as its
// setup would have left it: an authenticated variable store of EDK II
// (MdeModulePkg/Include/Guid/VariableFormat.h).
func enrolled(t *testing.T, sb *provisioning.SecureBoot) string {
	t.Helper()
	store, err := os.ReadFile(rig.SecureBootVars)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const startID, added, attributes, storeHead = 0x55aa, 0x3f, 0x27, 28
	at := int(le.Uint16(store[48:])) + storeHead
	if le.Uint16(store[at:]) == startID {
		t.Fatal("the variable store is not empty")
	}
	global := []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
	image := []byte{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}
	for _, v := range []struct {
		name string
		guid []byte
		list []byte
	}{
		{"PK", global, provisioning.SignatureList(sb.PK.Certificate)},
		{"KEK", global, provisioning.SignatureList(sb.KEK.Certificate)},
		{"db", image, provisioning.SignatureList(sb.DB.Certificate)},
	} {
		var name []byte
		for _, c := range utf16.Encode([]rune(v.name + "\x00")) {
			name = le.AppendUint16(name, c)
		}
		b := le.AppendUint16(nil, startID)
		b = append(b, added, 0)
		b = le.AppendUint32(b, attributes)
		b = le.AppendUint64(b, 0)                                        // count
		b = append(b, 0xea, 7, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // 2026-01-01
		b = le.AppendUint32(b, 0)                                        // public key index
		b = le.AppendUint32(b, uint32(len(name)))
		b = le.AppendUint32(b, uint32(len(v.list)))
		b = append(append(append(b, v.guid...), name...), v.list...)
		for len(b)%4 != 0 {
			b = append(b, 0xff)
		}
		copy(store[at:], b)
		at += len(b)
	}
	path := filepath.Join(t.TempDir(), "vars.fd")
	if err := os.WriteFile(path, store, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
