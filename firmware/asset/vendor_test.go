package asset_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/asset"
	"github.com/taproot-sensor/taproot/wire/record"
)

func TestVendor(t *testing.T) {
	for mac, want := range map[record.HardwareAddr]string{
		{0x00, 0x00, 0x0c, 1, 2, 3}: "Cisco Systems",
		{0x00, 0x0c, 0x29, 1, 2, 3}: "VMware",
		{0xb8, 0x27, 0xeb, 1, 2, 3}: "Raspberry Pi Foundation",
		{0x08, 0x00, 0x27, 1, 2, 3}: "PCS Systemtechnik",
		{0x02, 0x00, 0x0c, 1, 2, 3}: "", // local
		{0x01, 0x00, 0x5e, 1, 2, 3}: "", // a group
	} {
		if got := asset.Vendor(mac); got != want {
			t.Errorf("%x: got %q, want %q", mac[:], got, want)
		}
	}
}
