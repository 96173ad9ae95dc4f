package board

var qemuARM64 = Board{
	Name:    "qemu-arm64",
	Summary: "QEMU virt, 64-bit ARM",
	Arch:    "arm64",
	Debian:  "arm64",
	Kernel:  "linux-image-arm64",
	Modules: []string{"virtio_pci", "i6300esb", "virtio_rng", "virtio_net", "virtio_blk", "efivarfs", "gpio_keys", "evdev"},
	Boots:   []Boot{UEFI, Direct},
	Console: "ttyAMA0,115200",

	Watchdog: watchdogTimeout,
	Ports:    qemuPorts,
	Pins:     virtPins,
	Disk:     abDisk(36 * mib),
	Proof:    ProofWhole,
	Proven:   "from AAVMF to the first acknowledged batch, with updates, and with its kernel handed to QEMU",
	QEMU: &QEMU{
		Binary: "qemu-system-aarch64",
		Args: []string{"-machine", "virt,accel=tcg", "-cpu", "cortex-a72", "-nodefaults",
			"-device", "virtio-rng-pci,addr=04.0", "-device", "i6300esb,addr=05.0",
			"-boot", "menu=on,splash-time=0"}, // AAVMF waits 3 s for a key otherwise; OVMF does not
		Kernel:     "vmlinuz",
		Memory:     128,
		UEFIMemory: 256,
		NICs:       qemuNICs,
		Disk:       qemuDisk,
		PinData:    virtPinData,
		Firmware:   []Firmware{{Code: "/usr/share/AAVMF/AAVMF_CODE.fd", Vars: "/usr/share/AAVMF/AAVMF_VARS.fd"}},
	},
}
