package board

import "time"

// orangePiPC is an H3: its boot ROM reads 32 KiB of a card from byte 8192 on,
// which is U-Boot's first stage, so that the partition table has to make room
// (https://linux-sunxi.org/Bootable_SD_card). Debian builds no U-Boot for this
// board; that for the Orange Pi Plus has the same memory and the same pins for
// card and console.
var orangePiPC = Board{
	Name:    "orangepi-pc",
	Summary: "Orange Pi PC, Allwinner H3",
	Arch:    "arm",
	ARM:     "7",
	Debian:  "armhf",
	Kernel:  "linux-image-armmp",
	Modules: []string{"sunxi_wdt", "evdev"},
	Drivers: []string{
		"sunxi_mmc", "dwmac_sun8i", "phy_sun4i_usb", "ehci_platform", "ohci_platform",
		"cdc_ether", "cdc_ncm", "r8152", "ax88179_178a", "asix", "ax88796b", "smsc75xx", "smsc95xx", "lan78xx", "microchip", "smsc",
		"gpio_regulator", "nvmem_sunxi_sid", "sun8i_thermal", "usb_storage", "sd_mod",
	},
	Boots:   []Boot{UBoot},
	Console: "ttyS0,115200",

	Watchdog: 16 * time.Second,
	Ports: []Port{
		{Name: "eth0", Role: Uplink, Device: "1c30000.ethernet"},
		{Name: "eth1", Role: Tap},
	},
	Pins: orangePiPCPins,
	Disk: loaderDisk(1*mib, 16*mib),
	Loader: &Loader{
		Package: "u-boot-sunxi",
		Parts:   []LoaderPart{{File: "orangepi_plus/u-boot-sunxi-with-spl.bin", At: 8 * kib, Room: 992 * kib}},
		TableAt: 1*mib - 16*kib,
	},
	DeviceTrees: []string{"sun8i-h3-orangepi-pc.dtb"},
	Needs: []string{
		"a USB Ethernet adapter for the tap port",
		"a micro SD card of 64 MB",
		"a serial adapter of 3.3 V at the three pins beside the HDMI port, to read the enrolment code",
	},
	Proof:  ProofPartly,
	Proven: "in QEMU, which emulates this board, from U-Boot's first stage on the card to the first acknowledged batch, with an emulated USB adapter; U-Boot is that of the Orange Pi Plus; nobody has run it on the board",
	QEMU: &QEMU{
		Binary: "qemu-system-arm",
		Args:   []string{"-machine", "orangepi-pc,accel=tcg", "-nodefaults"},
		Memory: 1024,
		NICs:   []string{"nic,model=allwinner-sun8i-emac", "usb-net,bus=usb-bus.4"},
		Disk:   "sd",
	},
}
