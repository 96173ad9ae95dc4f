package board

// qemuARMHF has the kernel's own software watchdog: Debian's armmp kernel is
// built without i6300esb.
var qemuARMHF = Board{
	Name:    "qemu-armhf",
	Summary: "QEMU virt, 32-bit ARMv7",
	Arch:    "arm",
	ARM:     "7",
	Debian:  "armhf",
	Kernel:  "linux-image-armmp",
	Modules: []string{"virtio_pci", "softdog", "virtio_rng", "virtio_net", "virtio_blk", "evdev"},
	Boots:   []Boot{UBoot, Direct},
	Console: "ttyAMA0,115200",

	Watchdog: watchdogTimeout,
	Ports:    qemuPorts,
	Pins:     virtPins,
	Disk:     loaderDisk(1*mib, 16*mib),
	Loader:   &Loader{Package: "u-boot-qemu", Parts: []LoaderPart{{File: "qemu_arm/u-boot.bin"}}},
	Proof:    ProofWhole,
	Proven:   "from U-Boot to the first acknowledged batch, with updates, and with its kernel handed to QEMU",
	QEMU: &QEMU{
		Binary: "qemu-system-arm",
		Args: []string{"-machine", "virt,accel=tcg,highmem=off", "-cpu", "cortex-a15", "-nodefaults",
			"-device", "virtio-rng-pci,addr=04.0"},
		Kernel:  "vmlinuz",
		Memory:  128,
		NICs:    qemuNICs,
		Disk:    qemuDisk,
		PinData: virtPinData,
	},
}
