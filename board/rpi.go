package board

import "time"

// Raspberry Pis. Their firmware, which is not in Debian's main, reads
// autoboot.txt of the first partition and goes on with config.txt of the slot
// that it names; docs/format/boot-state.md has the rest.

// piDrivers are of every model: its card, USB adapters, what watches over it.
var piDrivers = []string{
	"bcm2835", "sdhci_iproc", "fixed", "gpio_regulator", "raspberrypi_cpufreq", "bcm2835_thermal", "bcm2711_thermal", "i2c_bcm2835", "bcm2835_rng",
	"cdc_ether", "cdc_ncm", "r8152", "ax88179_178a", "asix", "ax88796b", "smsc75xx", "smsc95xx", "lan78xx", "microchip", "smsc",
	"usb_storage", "uas", "sd_mod",
}

// piWatchdog is what the power manager's counter of 20 bits holds at most
// (drivers/watchdog/bcm2835_wdt.c).
const piWatchdog = 15 * time.Second

// rpi3's own Ethernet port is a USB device like any adapter; its place is the
// first of the hub on the board. The boot ROM reads the old partition table.
var rpi3 = Board{
	Name:    "rpi3",
	Summary: "Raspberry Pi 3 B and B+",
	Arch:    "arm64",
	Debian:  "arm64",
	Kernel:  "linux-image-arm64",
	Modules: []string{"bcm2835_wdt", "evdev"},
	Drivers: append([]string{"dwc2", "phy_generic"}, piDrivers...),
	Boots:   []Boot{Tryboot},
	Console: "ttyS1,115200",

	Watchdog: piWatchdog,
	Ports: []Port{
		{Name: "eth0", Role: Uplink},
		{Name: "eth1", Role: Tap},
	},
	Pins:        rpi3Pins,
	Disk:        loaderDisk(1*mib, 32*mib),
	MBR:         true,
	DeviceTrees: []string{"broadcom/bcm2837-rpi-3-b.dtb", "broadcom/bcm2837-rpi-3-b-plus.dtb", "broadcom/bcm2837-rpi-cm3-io3.dtb"},
	PiFirmware:  &PiFirmware{Boot: []string{"bootcode.bin"}, Slot: []string{"start.elf", "fixup.dat"}},
	Needs: []string{
		"a USB Ethernet adapter for the tap port",
		"a micro SD card of 128 MB",
		"bootcode.bin, start.elf and fixup.dat of Raspberry Pi's firmware, for --pi-firmware",
	},
	Proof:  ProofPartly,
	Proven: "QEMU's raspi3b starts kernel, initramfs and device tree of a slot, up to init, which a model of the firmware has chosen on the card; USB, and so the ports, does not work there; nobody has run the firmware",
	QEMU: &QEMU{
		Binary: "qemu-system-aarch64",
		Args:   []string{"-machine", "raspi3b,accel=tcg", "-nodefaults", "-serial", "null"},
		Kernel: "vmlinuz",
		Memory: 1024,
		NICs:   []string{"usb-net", "usb-net"},
		Disk:   "sd",
	},
}

// rpi4 is a Compute Module 4 as well, on whose carriers a second port is behind
// PCI Express.
var rpi4 = Board{
	Name:    "rpi4",
	Summary: "Raspberry Pi 4 B and 400, and Compute Module 4",
	Arch:    "arm64",
	Debian:  "arm64",
	Kernel:  "linux-image-arm64",
	Modules: []string{"bcm2835_wdt", "evdev"},
	Drivers: append([]string{"genet", "mdio_bcm_unimac", "broadcom", "reset_raspberrypi", "xhci_pci", "r8169", "realtek", "igb", "igc", "e1000e", "nvme"}, piDrivers...),
	Boots:   []Boot{Tryboot},
	Console: "ttyS1,115200",

	Watchdog: piWatchdog,
	Ports: []Port{
		{Name: "eth0", Role: Uplink, Device: "fd580000.ethernet"},
		{Name: "eth1", Role: Tap},
	},
	Pins:        rpi4Pins,
	Disk:        loaderDisk(1*mib, 32*mib),
	DeviceTrees: []string{"broadcom/bcm2711-rpi-4-b.dtb", "broadcom/bcm2711-rpi-400.dtb", "broadcom/bcm2711-rpi-cm4-io.dtb"},
	PiFirmware:  &PiFirmware{Slot: []string{"start4.elf", "fixup4.dat"}},
	Needs: []string{
		"a USB Ethernet adapter for the tap port, or on a Compute Module 4 an adapter on PCI Express",
		"a micro SD card of 128 MB",
		"a boot loader in its EEPROM of 2022 or later, which knows tryboot",
		"start4.elf and fixup4.dat of Raspberry Pi's firmware, for --pi-firmware",
	},
	Proof:  ProofNone,
	Proven: "the image is built and checked, and a model of the firmware chooses slots on it; QEMU has no such machine",
}

// rpi5 has its firmware in its EEPROM, and its ports behind a chip of its own
// that Debian's kernel has no driver for.
var rpi5 = Board{
	Name:    "rpi5",
	Summary: "Raspberry Pi 5 and Compute Module 5, with a newer kernel than Debian 12 has",
	Arch:    "arm64",
	Debian:  "arm64",
	Kernel:  "linux-image-arm64",
	Modules: []string{"bcm2835_wdt", "evdev"},
	Drivers: append([]string{"sdhci_brcmstb", "macb", "broadcom", "xhci_plat_hcd", "dwc3", "r8169", "realtek", "igb", "igc", "nvme"}, piDrivers...),
	Boots:   []Boot{Tryboot},
	Console: "ttyAMA10,115200",

	Watchdog: piWatchdog,
	Ports: []Port{
		{Name: "eth0", Role: Uplink, Device: "1f00100000.ethernet"},
		{Name: "eth1", Role: Tap},
	},
	Pins:        rpi5Pins,
	Disk:        loaderDisk(1*mib, 32*mib),
	DeviceTrees: []string{"broadcom/bcm2712-rpi-5-b.dtb"},
	PiFirmware:  &PiFirmware{},
	Needs: []string{
		"a kernel that knows the chip RP1, unpacked from its Debian package, for --kernel: Linux 6.1 of Debian 12 does not",
		"a USB Ethernet adapter for the tap port",
		"a micro SD card of 128 MB",
	},
	Proof:  ProofNone,
	Proven: "the layout is that of the rpi4; with Debian 12's kernel no image can be built",
}
