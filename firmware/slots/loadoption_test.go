package slots_test

import (
	"encoding/hex"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/slots"
)

var option = slots.LoadOption{
	Description: "taproot B",
	Device:      "\x02\x01\x0c\x00\xd0\x41\x03\x0a\x00\x00\x00\x00\x01\x01\x06\x00\x00\x06",
	Partition:   slots.Region{Number: 3, GUID: "60BC07FD-B5AD-8FAB-942E-CE07363CAC76", Start: 0xf800 * 512, Size: 0xf000 * 512},
	Path:        `\EFI\BOOT\BOOTX64.EFI`,
}

// TestLoadOption has the bytes that OVMF followed: it printed them as
// PciRoot(0x0)/Pci(0x6,0x0)/HD(3,GPT,60BC07FD-…,0xF800,0xF000)/\EFI\BOOT\BOOTX64.EFI.
func TestLoadOption(t *testing.T) {
	b, err := option.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "01000000" + "7000" + "74006100700072006f006f007400200042000000" +
		"02010c00d041030a00000000" + "010106000006" +
		"04012a00" + "03000000" + "00f8000000000000" + "00f0000000000000" + "fd07bc60adb5ab8f942ece07363cac76" + "0202" +
		"04043000" + "5c004500460049005c0042004f004f0054005c0042004f004f0054005800360034002e004500460049000000" + "7fff0400"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got, active, err := slots.ParseLoadOption(b)
	if got != option || !active || err != nil {
		t.Errorf("got %+v, %v, %v", got, active, err)
	}
}

func FuzzParseLoadOption(f *testing.F) {
	b, err := option.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("\x01\x00\x00\x00\x04\x00U\x00i\x00\x00\x00\x7f\xff\x04\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, _, err := slots.ParseLoadOption(b)
		if err == nil && len(o.Device) > len(b) {
			t.Errorf("%d bytes of path out of %d", len(o.Device), len(b))
		}
	})
}

func FuzzReadTable(f *testing.F) {
	f.Add([]byte("EFI PART"), uint16(512))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		d := &disk{make([]byte, 1<<17)}
		copy(d.b[at:], b)
		if table, err := slots.ReadTable(d); err == nil {
			for name, r := range table {
				if r.Start < 0 || r.Size <= 0 || r.Start+r.Size > d.Size() {
					t.Errorf("region %q: %+v", name, r)
				}
			}
		}
	})
}
