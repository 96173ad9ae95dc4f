// Package health reads how the machine itself is, in degrees and volts, from
// what Linux shows below /sys.
//
// Read takes what is there: thermal zones, the processor sensors of PCs, and what
// a Raspberry Pi says of its supply. A machine that has none of it, as QEMU's,
// has no readings. Nothing is set here, no governor is told anything.
package health

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// A Reading is one number of the machine; docs/operations.md lists them.
type Reading struct {
	Name  string // a counter's: temperature_cpu_thermal
	Value int64  // millidegrees Celsius, or 0 and 1, or a count
}

// margin is how far below the temperature at which the kernel switches the
// machine off somebody is to be told, in millidegrees.
const margin = 5000

// Read returns the readings of a machine whose /sys is sys, sorted by name, and
// whether one of them is a reason to look at the machine.
func Read(sys fs.FS) (all []Reading, fault bool) {
	seen := map[string]int{} // temperatures, by name
	add := func(name string, v int64) {
		if i, ok := seen[name]; ok { // several zones of one kind: the hottest
			all[i].Value = max(all[i].Value, v)
			return
		}
		seen[name] = len(all)
		all = append(all, Reading{name, v})
	}
	zones := zones(sys, func(name string, milli int64, hot bool) {
		add("temperature_"+name, milli)
		fault = fault || hot
	})
	chips(sys, zones, func(name string, milli int64, hot bool) {
		add("temperature_"+name, milli)
		fault = fault || hot
	})
	for _, r := range throttling(sys) {
		add(r.Name, r.Value)
		fault = fault || r.Value > 0 && (r.Name == undervoltage || r.Name == throttled)
	}
	if n, ok := cpuThrottles(sys); ok {
		add("cpu_throttles", n)
	}
	slices.SortFunc(all, func(a, b Reading) int { return strings.Compare(a.Name, b.Name) })
	return all, fault
}

// zones reads the thermal zones (Documentation/ABI/testing/sysfs-class-thermal)
// and returns their names.
func zones(sys fs.FS, found func(name string, milli int64, hot bool)) (names []string) {
	dirs, _ := fs.Glob(sys, "class/thermal/thermal_zone*")
	for _, dir := range dirs {
		milli, ok := number(sys, dir+"/temp")
		if !ok {
			continue // a sensor that is asleep
		}
		name := word(text(sys, dir+"/type"))
		names = append(names, name)
		found(name, milli, nearTrip(sys, dir, milli))
	}
	return names
}

// nearTrip reports whether a zone is close to its critical trip point.
func nearTrip(sys fs.FS, dir string, milli int64) bool {
	types, _ := fs.Glob(sys, dir+"/trip_point_*_type")
	for _, t := range types {
		at, ok := number(sys, strings.TrimSuffix(t, "_type")+"_temp")
		if ok && at > 0 && text(sys, t) == "critical" && milli >= at-margin {
			return true
		}
	}
	return false
}

// chips reads the temperatures of hardware monitors (Documentation/hwmon/
// sysfs-interface.rst). A thermal zone is shown among them a second time, under
// its own name, and is left out.
func chips(sys fs.FS, zones []string, found func(name string, milli int64, hot bool)) {
	dirs, _ := fs.Glob(sys, "class/hwmon/hwmon*")
	for _, dir := range dirs {
		name := word(text(sys, dir+"/name"))
		if slices.Contains(zones, name) {
			continue
		}
		inputs, _ := fs.Glob(sys, dir+"/temp*_input")
		for _, input := range inputs {
			milli, ok := number(sys, input)
			if !ok {
				continue
			}
			crit, ok := number(sys, strings.TrimSuffix(input, "_input")+"_crit")
			found(name, milli, ok && crit > 0 && milli >= crit-margin)
		}
	}
}

// cpuThrottles counts how often a processor slowed down because it was hot:
// that of the core which did so most (Documentation/ABI/testing/
// sysfs-devices-system-cpu).
func cpuThrottles(sys fs.FS) (most int64, ok bool) {
	for _, kind := range []string{"core", "package"} {
		files, _ := fs.Glob(sys, "devices/system/cpu/cpu*/thermal_throttle/"+kind+"_throttle_count")
		for _, f := range files {
			if n, is := number(sys, f); is {
				most, ok = max(most, n), true
			}
		}
	}
	return most, ok
}

// maxText bounds what is read of a file: attributes are a page at most, and
// these are a few bytes.
const maxText = 64

func text(sys fs.FS, path string) string {
	f, err := sys.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b [maxText]byte
	n, err := f.Read(b[:])
	if err != nil {
		return "" // many sensors answer with an error while they have no value
	}
	return strings.TrimSpace(string(b[:n]))
}

func number(sys fs.FS, path string) (int64, bool) {
	n, err := strconv.ParseInt(text(sys, path), 10, 64)
	return n, err == nil
}

// word makes a name of what the kernel calls something: cpu-thermal is
// cpu_thermal, as it is among the hardware monitors.
func word(s string) string {
	if s == "" {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, s)
}
