package board

// rockPiE is an RK3328 with two Ethernet ports. Its boot ROM reads a card from
// sector 64 on, and U-Boot's first stage looks for the next at sector 16384
// (https://opensource.rock-chips.com/wiki_Boot_option).
var rockPiE = Board{
	Name:    "rock-pi-e",
	Summary: "Radxa ROCK Pi E, Rockchip RK3328 with two Ethernet ports",
	Arch:    "arm64",
	Debian:  "arm64",
	Kernel:  "linux-image-arm64",
	Modules: []string{"dw_wdt", "evdev"},
	Drivers: []string{
		"dw_mmc_rockchip", "dwmac_rk", "realtek", "rockchip",
		"i2c_rk3x", "rk808_regulator", "gpio_regulator", "fixed", "fan53555", "rockchip_thermal",
		"phy_rockchip_inno_usb2", "dwc3", "xhci_plat_hcd", "ehci_platform", "ohci_platform",
	},
	Boots:   []Boot{UBoot},
	Console: "ttyS2,1500000",

	Watchdog: watchdogTimeout,
	Ports: []Port{
		{Name: "eth0", Role: Uplink, Device: "ff550000.ethernet"},
		{Name: "eth1", Role: Tap, Device: "ff540000.ethernet"},
	},
	Pins: rockPiEPins,
	Disk: loaderDisk(12*mib, 38*mib),
	Loader: &Loader{
		Package: "u-boot-rockchip",
		Parts: []LoaderPart{
			{File: "rock-pi-e-rk3328/idbloader.img", At: 64 * 512, Room: 960 * kib},
			{File: "rock-pi-e-rk3328/u-boot.itb", At: 16384 * 512, Room: 4 * mib},
		},
	},
	DeviceTrees: []string{"rockchip/rk3328-rock-pi-e.dtb"},
	Needs: []string{
		"a micro SD card of 128 MB",
		"a serial adapter of 3.3 V that knows 1500000 baud, to read the enrolment code",
		"the port of 1 Gbit/s is the tap port, that of 100 Mbit/s the uplink",
	},
	Proof:  ProofNone,
	Proven: "the image is built and its table, file systems and loader's places are checked; QEMU has no such machine",
}
