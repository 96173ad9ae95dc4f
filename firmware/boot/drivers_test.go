package boot

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const testIndex = `module realtek libphy
alias mdio:0000000000000001110???????01???? realtek
module libphy 
module r8169 libphy realtek
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
module xhci_hcd 
module xhci_pci xhci_hcd
alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci
module usbhid hid
alias usb:v*p*d*dc*dsc*dp*ic03isc*ip*in* usbhid
module softdog 
`

func testDrivers(t *testing.T, load func(string) error) *Drivers {
	t.Helper()
	d, err := NewDrivers(fstest.MapFS{"drivers/index": {Data: []byte(testIndex)}}, load)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDriversSettle(t *testing.T) {
	sys := fstest.MapFS{
		"bus/pci/devices/0000:00:01.0/modalias":   {Data: []byte("pci:v000010ECd00008168sv00001043sd00008677bc02sc00i00\n")},
		"bus/pci/devices/0000:00:02.0/modalias":   {Data: []byte("pci:v00008086d00001E31sv0sd0bc0Csc03i30\n")},
		"bus/pci/devices/0000:00:03.0/modalias":   {Data: []byte("pci:v00001234d00005678sv0sd0bc03sc00i00\n")},
		"bus/pci/devices/0000:00:04.0/vendor":     {Data: []byte("no modalias")},
		"bus/pci/drivers_autoprobe":               {Data: []byte("1")},
		"bus/platform/devices/reg-dummy/modalias": {Data: []byte("platform:reg-dummy\n")},
	}
	var loaded []string
	d := testDrivers(t, func(name string) error {
		loaded = append(loaded, name)
		if name == "xhci_pci" { // its bus appears with it
			sys["bus/usb/devices/1-1:1.0/modalias"] = &fstest.MapFile{Data: []byte("usb:v046DpC31Cd6400dc00dsc00dp00ic03isc01ip01in00\n")}
		}
		return nil
	})
	want := []string{"libphy", "realtek", "r8169", "xhci_hcd", "xhci_pci", "usbhid"}
	if err := d.Settle(sys); err != nil || !slices.Equal(loaded, want) {
		t.Errorf("got %q, %v; want %q", loaded, err, want)
	}
	if err := d.Settle(sys); err != nil || len(loaded) != len(want) {
		t.Errorf("again: got %q, %v", loaded, err)
	}
	if !d.Has("softdog") || d.Has("wifi") {
		t.Error("Has does not know what is there")
	}
}

func TestDriversGoOn(t *testing.T) {
	sys := fstest.MapFS{"bus/pci/devices/0000:00:01.0/modalias": {Data: []byte("pci:v000010ECd00008168sv0sd0bc02sc00i00\n")}}
	var loaded []string
	d := testDrivers(t, func(name string) error {
		loaded = append(loaded, name)
		if name == "realtek" {
			return errors.New("key was rejected by service")
		}
		return nil
	})
	err := d.Settle(sys)
	if err == nil || !strings.Contains(err.Error(), `loading driver "realtek": key was rejected`) || !slices.Contains(loaded, "r8169") {
		t.Errorf("got %v, %q", err, loaded)
	}
}

func TestNoDrivers(t *testing.T) {
	d, err := NewDrivers(fstest.MapFS{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(fstest.MapFS{}); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := NewDrivers(fstest.MapFS{"drivers/index": {Data: []byte("alias x\n")}}, nil); err == nil {
		t.Error("a broken index passed")
	}
}
