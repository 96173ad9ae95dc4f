package boot

import (
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

func noDrivers() {}

// adapter adds an Ethernet interface to a /sys.
func adapter(sys fstest.MapFS, name, bus string) {
	path := "../../devices/" + bus + "/net/" + name
	sys["class/net/"+name] = &fstest.MapFile{Data: []byte(path), Mode: fs.ModeSymlink}
	sys["devices/"+bus+"/net/"+name+"/type"] = &fstest.MapFile{Data: []byte("1\n")}
}

const (
	pci1 = "pci0000:00/0000:00:02.0"
	pci2 = "pci0000:00/0000:00:1c.0/0000:02:00.0"
	usb1 = "pci0000:00/0000:00:01.0/usb1/1-1/1-1:1.0"
	usb2 = "pci0000:00/0000:00:01.0/usb1/1-2/1-2:1.0"
)

// TestPortsInOrder: which port is which on a machine whose wiring is not known.
func TestPortsInOrder(t *testing.T) {
	ports := []board.Port{{Name: "eth0", Role: board.Uplink}, {Name: "eth1", Role: board.Tap}}
	tests := []struct {
		name  string
		order []string // in which adapters appear: their buses, as eth0, eth1, …
		late  string   // appears 1 s later, as eth9
		want  map[string]string
	}{
		{"by PCI address", []string{pci2, pci1}, "", map[string]string{"eth0": pci1, "eth1": pci2}},
		{"USB behind PCI", []string{usb1, pci2}, "", map[string]string{"eth0": pci2, "eth1": usb1}},
		{"three", []string{usb1, pci2, pci1}, "", map[string]string{"eth0": pci1, "eth1": pci2, "was-eth0": usb1}},
		{"USB in the order of ports, not of time", []string{pci1, usb2}, usb1, map[string]string{"eth0": pci1, "eth1": usb1, "was-eth1": usb2}},
		{"one is missing, so none is named", []string{pci2}, "", map[string]string{"eth0": pci2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sys, got := fstest.MapFS{"class/net/lo": {Mode: fs.ModeSymlink, Data: []byte("../../devices/virtual/net/lo")}}, map[string]string{}
				for i, bus := range tt.order {
					name := "eth" + string(rune('0'+i))
					adapter(sys, name, bus)
					got[name] = bus
				}
				start := time.Now()
				settle := func() {
					if tt.late != "" && time.Since(start) > time.Second && got["eth9"] == "" {
						adapter(sys, "eth9", tt.late)
						got["eth9"] = tt.late
					}
				}
				missing, err := NamePorts(sys, ports, settle, func(from, to string) error {
					if _, taken := got[to]; taken {
						t.Errorf("%s becomes %s, which is there", from, to)
					}
					got[to] = got[from]
					delete(got, from)
					return nil
				})
				if err != nil || !maps.Equal(got, tt.want) || (len(missing) > 0) != (len(tt.order) == 1) {
					t.Errorf("got %v, missing %v, %v; want %v", got, missing, err, tt.want)
				}
			})
		})
	}
}
