package board

import "time"

// QEMU is how the rig starts a board that is a QEMU machine.
type QEMU struct {
	Binary string `json:"binary"`

	// Args choose the machine and its fixed devices. TCG is asked for by
	// name: a KVM that boots is the exception where images are tested.
	Args []string `json:"args"`

	// Kernel is the image file for a direct kernel boot.
	Kernel string `json:"kernel"`

	// Memory is what the sensor must fit in, in MiB. UEFIMemory is what it
	// takes to get there through UEFI: with OVMF, Debian's x86 kernel has
	// crashed or hung in 128 to 192. The cause was not found; the 64 MiB in one
	// piece that the kernel unpacks itself into are a guess.
	Memory     int `json:"memory"`
	UEFIMemory int `json:"uefi_memory,omitempty"`

	// NICs are the -device arguments of the ports, in the order of
	// Board.Ports; netdev= and mac= are the rig's to add. One that begins with
	// "nic," is on the machine itself, and the rest is of its -nic argument.
	NICs []string `json:"nics"`

	// Disk is the -device argument of the disk; drive= is the rig's to add. "sd"
	// is a card in the machine's own slot.
	Disk string `json:"disk"`

	// PinData is the physical address at which the lines of the chip of
	// Board.Pins are read, one bit each; 0 where there are none.
	PinData uint64 `json:"pin_data,omitempty"`

	// Firmware lists places of the UEFI code and, in Vars, of the variable
	// store that belongs to it, in the order to try.
	Firmware []Firmware `json:"firmware,omitempty"`
}

// Firmware is one build of UEFI for QEMU: two pflash images.
type Firmware struct {
	Code string `json:"code"`
	Vars string `json:"vars"`
}

// The QEMU machines wire their devices to the same PCI slots.
var (
	qemuPorts = []Port{
		{Name: "eth0", Role: Uplink, Device: "0000:00:02.0"},
		{Name: "eth1", Role: Tap, Device: "0000:00:03.0"},
	}
	qemuNICs = []string{"virtio-net-pci,addr=02.0,romfile=", "virtio-net-pci,addr=03.0,romfile="}
	qemuDisk = "virtio-blk-pci,addr=06.0"
)

// watchdogTimeout is the longest that a stage may be silent (jail.Silence) plus the
// time to start one again on a busy host under TCG.
const watchdogTimeout = 60 * time.Second
