package boot

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/taproot-sensor/taproot/board"
)

var testPorts = []board.Port{
	{Name: "eth0", Role: board.Uplink, Device: "0000:00:02.0"},
	{Name: "eth1", Role: board.Tap, Device: "0000:00:03.0"},
}

// testSys returns a /sys with interfaces, each linked to a device.
func testSys(devices map[string]string) fstest.MapFS {
	sys := fstest.MapFS{"class/net/bonding_masters": {}}
	for name, device := range devices {
		path := "../../devices/pci0000:00/" + device + "/virtio1/net/" + name
		sys["class/net/"+name] = &fstest.MapFile{Data: []byte(path), Mode: fs.ModeSymlink}
	}
	return sys
}

func TestNamePorts(t *testing.T) {
	tests := []struct {
		name    string
		devices map[string]string // by the name the kernel gave
		want    map[string]string // by the name after
		missing string
	}{
		{"as they are", map[string]string{"eth0": "0000:00:02.0", "eth1": "0000:00:03.0"},
			map[string]string{"eth0": "0000:00:02.0", "eth1": "0000:00:03.0"}, ""},
		{"swapped", map[string]string{"eth1": "0000:00:02.0", "eth0": "0000:00:03.0"},
			map[string]string{"eth0": "0000:00:02.0", "eth1": "0000:00:03.0"}, ""},
		{"other names", map[string]string{"lan": "0000:00:02.0", "wan": "0000:00:03.0"},
			map[string]string{"eth0": "0000:00:02.0", "eth1": "0000:00:03.0"}, ""},
		{"no tap", map[string]string{"eth0": "0000:00:02.0"},
			map[string]string{"eth0": "0000:00:02.0"}, "eth1"},
		{"only tap, under the name of the uplink", map[string]string{"eth0": "0000:00:03.0"},
			map[string]string{"eth1": "0000:00:03.0"}, "eth0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := maps.Clone(tt.devices)
				missing, err := NamePorts(testSys(tt.devices), testPorts, noDrivers, func(from, to string) error {
					if _, taken := got[to]; taken {
						return errors.New("file exists")
					}
					got[to] = got[from]
					delete(got, from)
					return nil
				})
				if err != nil || !maps.Equal(got, tt.want) {
					t.Errorf("got %v, %v; want %v", got, err, tt.want)
				}
				var names []string
				for _, p := range missing {
					names = append(names, p.Name)
				}
				if strings.Join(names, " ") != tt.missing {
					t.Errorf("missing: got %q, want %q", names, tt.missing)
				}
			})
		})
	}
}

func TestReadImage(t *testing.T) {
	file := func(text string) fs.FS { return fstest.MapFS{"image.json": {Data: []byte(text)}} }
	img, b, err := ReadImage(file(`{"board":"qemu-arm64","kernel":"6.1","release":"1"}`))
	if err != nil || b.Name != "qemu-arm64" || img.Release != "1" {
		t.Errorf("got %+v, %v, %v", img, b, err)
	}
	for _, text := range []string{`{`, `{"board":"abacus"}`} {
		if _, _, err := ReadImage(file(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	if _, _, err := ReadImage(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestReadSiteOfBaseImage(t *testing.T) {
	sys := fstest.MapFS{"site.json": {Data: []byte(strings.Repeat("\n", 4096))}}
	if _, err := ReadSite(sys); err == nil || !strings.Contains(err.Error(), "base image") {
		t.Errorf("got %v", err)
	}
}

func TestMemory(t *testing.T) {
	proc := fstest.MapFS{"meminfo": {Data: []byte("MemTotal:          96180 kB\nMemFree:           50000 kB\n")}}
	total, err := ReadMemory(proc, "MemTotal")
	if err != nil || total != 96180<<10 {
		t.Fatalf("got %d, %v", total, err)
	}
	for _, total := range []int{total, 256 * mib, 1024 * mib, 1536 * mib} {
		b := Divide(total, 4)
		if b.Ring%mib != 0 || b.Ring < 4*mib || b.Spool < 8*mib || b.Flows < 8192 || b.Shards < 1 || b.Shards > 4 {
			t.Errorf("%d MiB: too little: %+v", total/mib, b)
		}
		if sum := b.Ring + b.Spool + b.Meter; sum > total*3/4 {
			t.Errorf("%d MiB: %d MiB given away", total/mib, sum/mib)
		}
	}
	if _, err := ReadMemory(fstest.MapFS{"meminfo": {}}, "MemTotal"); err == nil {
		t.Error("no MemTotal: no error")
	}
}
