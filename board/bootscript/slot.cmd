# Starts the kernel of the slot that this script is in. Device tree and initramfs
# go where U-Boot finds room for them, out of the kernel's way.
setenv fdt_high
setenv initrd_high
if @TREE@; then
	if load ${devtype} ${devnum}:${slotpart} ${kernel_addr_r} vmlinuz; then
		if load ${devtype} ${devnum}:${slotpart} ${ramdisk_addr_r} initramfs.img; then
			setenv bootargs @LINE@ taproot.slot=${slot}
			echo "taproot: U-Boot starts slot ${slot}"
			@BOOT@ ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr_r}
		fi
	fi
fi
