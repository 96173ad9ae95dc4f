package health

import (
	"io/fs"
	"strconv"
	"strings"
)

// Names of readings that are a reason to look at the machine.
const (
	undervoltage = "undervoltage"
	throttled    = "throttled"
)

// piStates are the bits of what a Raspberry Pi's firmware says of its supply
// and its speed; each has a twin 16 bits higher that says it was so since
// power-on ("get_throttled" of vcgencmd in Raspberry Pi's documentation).
var piStates = []struct {
	bit  int
	name string
}{
	{0, undervoltage},
	{1, "frequency_capped"},
	{2, throttled},
	{3, "temperature_limit"},
}

// throttling reads the state of a Raspberry Pi: all of it where the kernel is
// Raspberry Pi's own, else the voltage alone, from the driver raspberrypi-hwmon.
func throttling(sys fs.FS) (all []Reading) {
	files, _ := fs.Glob(sys, "devices/platform/soc*/soc*:firmware/get_throttled")
	for _, f := range files {
		bits, err := strconv.ParseUint(strings.TrimPrefix(text(sys, f), "0x"), 16, 32)
		if err != nil {
			continue
		}
		for _, s := range piStates {
			all = append(all, Reading{s.name, int64(bits >> s.bit & 1)}, Reading{s.name + "_seen", int64(bits >> (s.bit + 16) & 1)})
		}
		return all
	}
	dirs, _ := fs.Glob(sys, "class/hwmon/hwmon*")
	for _, dir := range dirs {
		if text(sys, dir+"/name") != "rpi_volt" {
			continue
		}
		if low, ok := number(sys, dir+"/in0_lcrit_alarm"); ok {
			return []Reading{{undervoltage, low}}
		}
	}
	return nil
}
