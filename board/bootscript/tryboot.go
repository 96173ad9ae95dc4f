package bootscript

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// AutobootSize is the size of autoboot.txt: one sector, so that it changes whole
// when it is written over in place, and what the firmware reads at most.
const AutobootSize = 512

// AutobootName is its name in the first partition of a Raspberry Pi.
const AutobootName = "autoboot.txt"

// TrybootArgument is what a Raspberry Pi is rebooted with for a trial: the
// number of the partition, which the [tryboot] section overrides, and the word.
const TrybootArgument = "0 tryboot"

// Autoboot returns autoboot.txt: the partition that is started, and the one
// that is started once after a reboot with TrybootArgument
// (https://www.raspberrypi.com/documentation/computers/config_txt.html#autoboot-txt).
func Autoboot(committed, other int) []byte {
	text := fmt.Sprintf("[all]\ntryboot_a_b=1\nboot_partition=%d\n[tryboot]\nboot_partition=%d\n", committed, other)
	pad := bytes.Repeat([]byte("#"), AutobootSize-len(text)-1)
	return append(append([]byte(text), pad...), '\n')
}

// ParseAutoboot reads autoboot.txt as the firmware does: the last line that
// holds for the way it was started wins.
func ParseAutoboot(b []byte, tryboot bool) (partition int, err error) {
	holds := true
	for line := range strings.SplitSeq(string(b[:min(len(b), AutobootSize)]), "\n") {
		line = strings.TrimSpace(line)
		switch name, value, _ := strings.Cut(line, "="); {
		case strings.HasPrefix(line, "["):
			holds = line == "[all]" || line == "[tryboot]" && tryboot
		case holds && name == "boot_partition":
			if partition, err = strconv.Atoi(value); err != nil || partition < 1 {
				return 0, fmt.Errorf("autoboot.txt: boot_partition %q is not a partition", value)
			}
		}
	}
	if partition == 0 {
		return 0, errors.New("autoboot.txt: no boot_partition")
	}
	return partition, nil
}
