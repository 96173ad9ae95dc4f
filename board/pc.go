package board

import "time"

// pc is any PC: what it has is found out when it starts. Its drivers are those
// of the network adapters, disks and controllers that are common in machines
// people take for a sensor; wireless, sound and screens beyond the firmware's
// own are left out.
var pc = Board{
	Name:    "pc",
	Summary: "any 64-bit PC with two Ethernet adapters",
	Arch:    "amd64",
	Debian:  "amd64",
	Kernel:  "linux-image-amd64",
	Modules: []string{"efivarfs", "button", "evdev"},
	Drivers: []string{
		// Ethernet, PCI.
		"e1000", "e1000e", "igb", "igc", "ixgbe", "i40e", "r8169", "realtek", "tg3", "broadcom", "bnx2",
		"atlantic", "alx", "atl1c", "sky2", "forcedeth", "jme", "8139too", "virtio_net", "vmxnet3",
		// Ethernet, USB.
		"r8152", "ax88179_178a", "asix", "ax88796b", "aqc111", "cdc_ether", "cdc_ncm", "lan78xx", "smsc75xx", "smsc95xx", "microchip", "smsc",
		// Disks, CDs and sticks.
		"nvme", "ahci", "ata_piix", "ata_generic", "sd_mod", "sr_mod", "usb_storage", "uas", "virtio_blk", "virtio_scsi",
		"mmc_block", "sdhci_pci", "sdhci_acpi", "vmw_pvscsi", "megaraid_sas", "mpt3sas",
		// What those hang off, and a keyboard.
		"xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "usbhid", "hid_generic", "virtio_pci", "virtio_rng",
		// Watchdogs: Intel's, AMD's, the firmware's, QEMU's, and the kernel's own
		// where there is no other.
		"lpc_ich", "i2c_i801", "iTCO_wdt", "sp5100_tco", "wdat_wdt", "i6300esb", "softdog",
		// Temperature and power.
		"coretemp", "k10temp",
	},
	Boots: []Boot{UEFI, BIOS},

	// A serial line, where there is one, has the last word: it is what a rig
	// reads. What init says goes to the screen as well.
	Console: "ttyS0,115200",
	Screen:  true,

	Watchdog: 60 * time.Second,
	Ports: []Port{
		{Name: "eth0", Role: Uplink},
		{Name: "eth1", Role: Tap},
	},
	Disk: abDisk(30*mib, biosBoot, grubState),
	Needs: []string{
		"two Ethernet adapters: the first in the order of PCI addresses is the uplink, the next the tap port; USB adapters come after PCI",
		"256 MB of RAM with UEFI, 128 MB without",
		"a disk, card or stick of 66 MB, or a CD",
		"no adapter that needs firmware files: bnx2 does, and some r8169 and tg3 work better with them; Debian has them outside of main, and the image has none",
	},
	Proof:  ProofPartly,
	Proven: "in QEMU by OVMF and SeaBIOS, from an NVMe disk, a USB stick and a CD, with e1000e adapters; the other drivers are in the image and have not met their hardware",
	QEMU: &QEMU{
		Binary: "qemu-system-x86_64",
		Args: []string{"-machine", "q35,accel=tcg", "-cpu", "max,la57=off", "-nodefaults",
			"-device", "virtio-rng-pci,addr=04.0", "-device", "i6300esb,addr=05.0"},
		Kernel:     "vmlinuz",
		Memory:     192,
		UEFIMemory: 256,
		NICs:       []string{"e1000e,addr=02.0,romfile=", "e1000e,addr=03.0,romfile="},
		Disk:       "nvme,serial=taproot,addr=06.0",
		Firmware:   qemuX86.QEMU.Firmware,
	},
}
