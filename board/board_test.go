package board_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/board"
)

func TestBoards(t *testing.T) {
	all := board.All()
	if !slices.IsSortedFunc(all, func(a, b *board.Board) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("boards are not sorted by name")
	}
	goarch := map[string]string{"amd64": "amd64", "arm64": "arm64", "armhf": "arm"}
	for _, b := range all {
		t.Run(b.Name, func(t *testing.T) {
			if got, err := board.Lookup(b.Name); err != nil || got != b {
				t.Errorf("Lookup: got %v, %v", got, err)
			}
			if goarch[b.Debian] != b.Arch || (b.ARM != "") != (b.Arch == "arm") {
				t.Errorf("arch %q, arm %q do not fit Debian's %q", b.Arch, b.ARM, b.Debian)
			}
			if b.Summary == "" || b.Kernel == "" || b.Console == "" || b.Watchdog <= 0 {
				t.Error("summary, kernel, console and watchdog must be set")
			}
			if b.Proof == "" || b.Proven == "" {
				t.Error("it is not said how the board is proven")
			}
			if len(b.Boots) == 0 {
				t.Error("no boot chain")
			}
			if onDisk := slices.ContainsFunc(b.Boots, func(c board.Boot) bool { return c != board.Direct }); onDisk != (len(b.Disk) > 0) {
				t.Errorf("boot chains %q with %d disk regions", b.Boots, len(b.Disk))
			}
			for chain, region := range map[board.Boot]string{board.BIOS: board.RegionBIOSBoot, board.UBoot: board.RegionBoot, board.Tryboot: board.RegionBoot} {
				if _, ok := b.Region(region); b.BootsBy(chain) && !ok {
					t.Errorf("boot chain %q wants a region %q", chain, region)
				}
			}
		})
	}
}

func TestPorts(t *testing.T) {
	for _, b := range board.All() {
		names, devices := map[string]bool{}, map[string]bool{}
		for _, p := range b.Ports {
			if names[p.Name] || devices[p.Device] {
				t.Errorf("%s: port %q or its device %q is listed twice", b.Name, p.Name, p.Device)
			}
			names[p.Name], devices[p.Device] = true, p.Device != ""
		}
		for _, role := range []board.Role{board.Uplink, board.Tap} {
			if !slices.ContainsFunc(b.Ports, func(p board.Port) bool { return p.Role == role }) {
				t.Errorf("%s: no %s port", b.Name, role)
			}
		}
		if b.QEMU != nil && len(b.QEMU.NICs) != len(b.Ports) {
			t.Errorf("%s: got %d QEMU NICs, want one for each of %d ports", b.Name, len(b.QEMU.NICs), len(b.Ports))
		}
	}
}

// tableSize is what GPT takes at each end of a disk: the MBR, one header and
// 128 entries of 128 bytes.
const tableSize = 34 * 512

func TestDiskRegions(t *testing.T) {
	guid := regexp.MustCompile(`^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$`)
	for _, b := range board.All() {
		end, names := int64(tableSize), map[string]bool{}
		for _, r := range b.Disk {
			if r.Start < end {
				t.Errorf("%s: region %q starts at %d, before %d where the one before it ends", b.Name, r.Name, r.Start, end)
			}
			if r.Start%4096 != 0 || r.Size%4096 != 0 || r.Size <= 0 {
				t.Errorf("%s: region %q is not made of whole 4096-byte blocks", b.Name, r.Name)
			}
			if !guid.MatchString(r.Type) || names[r.Name] {
				t.Errorf("%s: region %q: type %q, or its name is taken", b.Name, r.Name, r.Type)
			}
			end, names[r.Name] = r.Start+r.Size, true
		}
		if len(b.Disk) > 0 && !(names["slot-a"] && names["slot-b"] && names["journal"]) {
			t.Errorf("%s: want regions slot-a, slot-b and journal, got %v", b.Name, b.Disk)
		}
	}
}

func TestLoaders(t *testing.T) {
	for _, b := range board.All() {
		if b.Loader == nil {
			continue
		}
		type place struct {
			what     string
			from, to int64
		}
		table := int64(1024)
		if b.Loader.TableAt > 0 {
			table = b.Loader.TableAt
		}
		all := []place{{"the heads of the tables", 0, 1024}, {"the table", table, table + 128*128}}
		for _, p := range b.Loader.Parts {
			if p.At > 0 {
				all = append(all, place{p.File, p.At, p.At + p.Room})
			}
		}
		for _, r := range b.Disk {
			all = append(all, place{"region " + r.Name, r.Start, r.Start + r.Size})
		}
		for i, p := range all {
			for _, q := range all[:i] {
				if p.from < q.to && q.from < p.to || p.from >= p.to {
					t.Errorf("%s: %s, %d to %d, is where %s is, %d to %d", b.Name, p.what, p.from, p.to, q.what, q.from, q.to)
				}
			}
		}
	}
}

func TestLookupUnknown(t *testing.T) {
	_, err := board.Lookup("rpi9")
	if err == nil || !strings.Contains(err.Error(), `"rpi9"`) || !strings.Contains(err.Error(), "qemu-x86-64") {
		t.Errorf("got %v, want the unknown name and the known ones", err)
	}
}
