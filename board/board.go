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

	// Modules are the kernel modules that are always loaded, in this order.
	// What they depend on is found by the builder.
	Modules []string `json:"modules"`

	// Drivers are modules that are loaded iff the machine has a device for
	// them: one that the modaliases of Linux name.
	Drivers []string `json:"drivers,omitempty"`

	// Boots are the ways in which the machine's firmware may start the image,
	// the preferred one first.
	Boots []Boot `json:"boots"`

	// Console is the kernel's name for the serial line. Screen says that there
	// may be a screen beside it, which hears the same.
	Console string `json:"console"`
	Screen  bool   `json:"screen,omitempty"`

	// Watchdog is how long /dev/watchdog0 waits for a ping before it resets
	// the machine.
	Watchdog time.Duration `json:"watchdog"`

	Ports []Port   `json:"ports"`
	Pins  []Pin    `json:"pins,omitempty"`
	Disk  []Region `json:"disk,omitempty"`

	// Loader is the U-Boot that the image brings; nil for other machines.
	Loader *Loader `json:"loader,omitempty"`

	// DeviceTrees are what a slot has to describe the machine by, as files below
	// the kernel package's directory of them. U-Boot gives the kernel the first,
	// or its own where there is none; a Raspberry Pi picks that of its model.
	DeviceTrees []string `json:"device_trees,omitempty"`

	// PiFirmware is what a Raspberry Pi starts with; nil for other boards.
	PiFirmware *PiFirmware `json:"pi_firmware,omitempty"`

	// MBR says that the machine reads no GPT: the first three regions are in the
	// old table as well.
	MBR bool `json:"mbr,omitempty"`

	// Needs is what an operator must have beside the board itself, one thing
	// each: "2 GB of disk", "a USB Ethernet adapter for the tap port".
	Needs []string `json:"needs,omitempty"`

	// Proof is how far this board's image has been seen to work, and Proven
	// says in a sentence what of it that was.
	Proof  Proof  `json:"proof"`
	Proven string `json:"proven"`

	QEMU *QEMU `json:"qemu,omitempty"`
}

// Boot is a boot chain: what the machine's firmware loads.
type Boot string

// The boot chains.
const (
	// UEFI firmware loads one unified kernel image from a slot.
	UEFI Boot = "uefi"
	// BIOS starts GRUB from the region bios-boot, which loads kernel and
	// initramfs out of a slot.
	BIOS Boot = "bios"
	// UBoot runs a script that loads kernel, initramfs and device tree from a
	// slot.
	UBoot Boot = "uboot"
	// Tryboot is the loader of a Raspberry Pi, which autoboot.txt in the
	// region boot points at a slot.
	Tryboot Boot = "tryboot"
	// Direct is a loader, such as QEMU, that is given kernel and initramfs.
	Direct Boot = "direct"
)

// BootsBy reports whether the board can be started that way.
func (b *Board) BootsBy(boot Boot) bool { return slices.Contains(b.Boots, boot) }

// Proof is how a board was shown to work.
type Proof string

// What proves a board.
const (
	// ProofWhole: QEMU runs everything, from the machine's firmware on.
	ProofWhole Proof = "QEMU, whole"
	// ProofPartly: QEMU runs some of it; Board.Proven says what.
	ProofPartly Proof = "QEMU, partly"
	// ProofNone: built and checked as files; nobody has run it.
	ProofNone Proof = "not on hardware"
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
	// its MAC address or on the order in which drivers start. Empty, where the
	// wiring is not known, it is the first Ethernet interface that no other
	// port has, in the order of bus paths: PCI and the processor's own before
	// USB.
	Device string `json:"device,omitempty"`
}

// A Pin is a line of a GPIO chip that the panel drives or reads. A role may have
// several, and a pin may be on a chip that not every machine of the board has.
type Pin struct {
	Role      PinRole `json:"role"`
	Chip      string  `json:"chip"` // its label, as gpiodetect shows it
	Line      int     `json:"line"`
	ActiveLow bool    `json:"active_low,omitempty"`
}

// PinRole is what a pin shows, or that it is the button.
type PinRole string

// The pin roles.
const (
	PinPower  PinRole = "power"
	PinLink   PinRole = "link"
	PinTap    PinRole = "tap"
	PinUplink PinRole = "uplink"
	PinUpdate PinRole = "update"
	PinFault  PinRole = "fault"
	PinButton PinRole = "button"
)

// Port returns the first port that plays role. Every board has one for each.
func (b *Board) Port(role Role) Port {
	return b.Ports[slices.IndexFunc(b.Ports, func(p Port) bool { return p.Role == role })]
}

// CommandLine returns the kernel's command line. A panic reboots after ten
// seconds; without debug the console is kept for what init says, because a
// kernel log costs a second at 115200 baud. The kernel's ciphers are not tested at
// each boot, which takes half a second and more under TCG: only the check of its
// modules uses them.
func (b *Board) CommandLine(debug bool) string {
	words := []string{"console=" + b.Console, "panic=10", "cryptomgr.notests"}
	if b.Screen {
		words = append([]string{"console=tty0"}, words...)
	}
	if !debug {
		words = append(words, "quiet")
	}
	return strings.Join(words, " ")
}

// boards lists every board, by name.
var boards = []*Board{&orangePiPC, &pc, &pcLink, &qemuARM64, &qemuARMHF, &qemuX86, &rockPiE, &rpi3, &rpi4, &rpi5}

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
