// Package board says what each board is, as data: its processor, kernel,
// modules, ports and their roles, console, watchdog and disk layout.
//
// The image builder and the firmware read the same table, so that a board is
// added in one file and nowhere else. A QEMU machine is a board too. The tests
// of this package hold for every board; the rig boots the ones QEMU can.
package board

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Board is one kind of machine that an image can be built for.
type Board struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`

	// Arch and ARM are the GOARCH and GOARM of the sensor's program; ARM is
	// valid iff Arch is "arm".
	Arch string `json:"arch"`
	ARM  string `json:"arm,omitempty"`

	// Debian is the Debian architecture of Kernel, a Debian metapackage.
	Debian string `json:"debian"`
	Kernel string `json:"kernel"`

	// Modules are the kernel modules wanted, in the order they are loaded.
	// What they depend on is found by the builder.
	Modules []string `json:"modules"`

	// Boot is how the machine's firmware starts the image.
	Boot Boot `json:"boot"`

	// Console is the kernel's name for the serial line.
	Console string `json:"console"`

	// Watchdog is how long /dev/watchdog0 waits for a ping before it resets
	// the machine.
	Watchdog time.Duration `json:"watchdog"`

	Ports []Port   `json:"ports"`
	Disk  []Region `json:"disk,omitempty"`
	QEMU  *QEMU    `json:"qemu,omitempty"`
}

// Boot is a boot chain: what the machine's firmware loads.
type Boot string

// The boot chains.
const (
	// UEFI firmware loads one unified kernel image from a slot.
	UEFI Boot = "uefi"
	// Direct is a loader, such as QEMU, that is given kernel and initramfs.
	Direct Boot = "direct"
)

// Role is what a port is for.
type Role string

// The port roles.
const (
	Uplink Role = "uplink" // toward the collector
	Tap    Role = "tap"    // input from a passive tap; never sends
)

// A Port is one network interface.
type Port struct {
	// Name is what the interface is called once init has found it.
	Name string `json:"name"`
	Role Role   `json:"role"`

	// Device is the name of the bus device that the interface belongs to, as
	// in /sys/devices: it depends on where the interface is wired and not on
	// its MAC address or on the order in which drivers start.
	Device string `json:"device"`
}

// Port returns the first port that plays role. Every board has one for each.
func (b *Board) Port(role Role) Port {
	return b.Ports[slices.IndexFunc(b.Ports, func(p Port) bool { return p.Role == role })]
}

// CommandLine returns the kernel's command line. A panic reboots after ten
// seconds; without debug the console is kept for what init says, because a
// kernel log costs a second at 115200 baud.
func (b *Board) CommandLine(debug bool) string {
	words := []string{"console=" + b.Console, "panic=10"}
	if !debug {
		words = append(words, "quiet")
	}
	return strings.Join(words, " ")
}

// boards lists every board, by name.
var boards = []*Board{&qemuARM64, &qemuARMHF, &qemuX86}

// All returns every board, sorted by name.
func All() []*Board { return slices.Clone(boards) }

// Lookup returns the board called name.
func Lookup(name string) (*Board, error) {
	var names []string
	for _, b := range boards {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return nil, fmt.Errorf("board %q is unknown; known are %s", name, strings.Join(names, ", "))
}
