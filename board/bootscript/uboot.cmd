# Which slot to start, on a disk that U-Boot reads. The state is in two sectors:
# slot is committed, try is to be tried once. A trial is taken back before it
# begins; where that cannot be written, it is skipped.
setenv slot
setenv try
setenv state ${ramdisk_addr_r}
${devtype} dev ${devnum}
if ${devtype} read ${state} @SLOT@ 1; then env import -c ${state} 200 slot; fi
if ${devtype} read ${state} @TRY@ 1; then env import -c ${state} 200 try; fi
if test "${slot}" != b; then setenv slot a; fi
if test "${try}" = a || test "${try}" = b; then
	setenv trial ${try}
	setenv try none
	if env export -c -s 200 ${state} try; then
		if ${devtype} write ${state} @TRY@ 1; then setenv slot ${trial}; fi
	fi
fi
for n in first other; do
	if test ${slot} = a; then setenv slotpart @A@; else setenv slotpart @B@; fi
	if load ${devtype} ${devnum}:${slotpart} ${pxefile_addr_r} slot.scr; then source ${pxefile_addr_r}; fi
	echo "taproot: slot ${slot} does not start"
	if test ${slot} = a; then setenv slot b; else setenv slot a; fi
done
sleep 10
reset
