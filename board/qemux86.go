package board

var qemuX86 = Board{
	Name:    "qemu-x86-64",
	Summary: "QEMU q35",
	Arch:    "amd64",
	Debian:  "amd64",
	Kernel:  "linux-image-amd64",
	Modules: []string{"virtio_pci", "i6300esb", "virtio_rng", "virtio_net", "virtio_blk", "efivarfs", "button", "evdev"},
	Boots:   []Boot{UEFI, BIOS},
	Console: "ttyS0,115200",

	Watchdog: watchdogTimeout,
	Ports:    qemuPorts,
	Disk:     abDisk(30*mib, biosBoot, grubState),
	Proof:    ProofWhole,
	Proven:   "every scenario of hwtest, by OVMF, by SeaBIOS and GRUB, and with its kernel handed to QEMU",
	QEMU: &QEMU{
		Binary: "qemu-system-x86_64",
		// Without la57: five levels of page tables cost TCG a second of boot.
		Args: []string{"-machine", "q35,accel=tcg", "-cpu", "max,la57=off", "-nodefaults",
			"-device", "virtio-rng-pci,addr=04.0", "-device", "i6300esb,addr=05.0"},
		Kernel:     "vmlinux",
		Memory:     128,
		UEFIMemory: 256,
		NICs:       qemuNICs,
		Disk:       qemuDisk,
		Firmware: []Firmware{
			{Code: "/usr/share/OVMF/OVMF_CODE_4M.fd", Vars: "/usr/share/OVMF/OVMF_VARS_4M.fd"},
			{Code: "/usr/share/OVMF/OVMF_CODE.fd", Vars: "/usr/share/OVMF/OVMF_VARS.fd"},
		},
	},
}
