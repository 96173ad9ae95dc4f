package health

import (
	"slices"
	"testing"
	"testing/fstest"
)

// tree makes a /sys of paths and contents.
func tree(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for path, text := range files {
		fs[path] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return fs
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sys   map[string]string
		want  []Reading
		fault bool
	}{
		{name: "QEMU", sys: map[string]string{"class/net/eth0/carrier": "1"}},
		{
			name: "Raspberry Pi 4, Raspberry Pi's kernel",
			sys: map[string]string{
				"class/thermal/thermal_zone0/type":                       "cpu-thermal",
				"class/thermal/thermal_zone0/temp":                       "48686",
				"class/thermal/thermal_zone0/trip_point_0_type":          "critical",
				"class/thermal/thermal_zone0/trip_point_0_temp":          "110000",
				"class/hwmon/hwmon0/name":                                "cpu_thermal",
				"class/hwmon/hwmon0/temp1_input":                         "48686",
				"class/hwmon/hwmon1/name":                                "rpi_volt",
				"class/hwmon/hwmon1/in0_lcrit_alarm":                     "1",
				"devices/platform/soc/soc:firmware/get_throttled":        "50005",
				"devices/platform/soc/soc:firmware/raspberrypi-hwmon/xx": "",
			},
			want: []Reading{
				{"frequency_capped", 0}, {"frequency_capped_seen", 0},
				{"temperature_cpu_thermal", 48686},
				{"temperature_limit", 0}, {"temperature_limit_seen", 0},
				{"throttled", 1}, {"throttled_seen", 1},
				{"undervoltage", 1}, {"undervoltage_seen", 1},
			},
			fault: true,
		},
		{
			name: "Raspberry Pi, was low on power before",
			sys:  map[string]string{"devices/platform/soc/soc:firmware/get_throttled": "0x50000"},
			want: []Reading{
				{"frequency_capped", 0}, {"frequency_capped_seen", 0}, {"temperature_limit", 0}, {"temperature_limit_seen", 0},
				{"throttled", 0}, {"throttled_seen", 1}, {"undervoltage", 0}, {"undervoltage_seen", 1},
			},
		},
		{
			name: "Raspberry Pi, kernel.org's driver alone",
			sys: map[string]string{
				"class/hwmon/hwmon0/name":            "rpi_volt",
				"class/hwmon/hwmon0/in0_lcrit_alarm": "1",
			},
			want:  []Reading{{"undervoltage", 1}},
			fault: true,
		},
		{
			name: "PC",
			sys: map[string]string{
				"class/thermal/thermal_zone0/type":                                "acpitz",
				"class/thermal/thermal_zone0/temp":                                "27800",
				"class/thermal/thermal_zone1/type":                                "x86_pkg_temp",
				"class/thermal/thermal_zone1/temp":                                "61000",
				"class/hwmon/hwmon0/name":                                         "acpitz",
				"class/hwmon/hwmon0/temp1_input":                                  "27800",
				"class/hwmon/hwmon1/name":                                         "coretemp",
				"class/hwmon/hwmon1/temp1_input":                                  "61000",
				"class/hwmon/hwmon1/temp1_crit":                                   "100000",
				"class/hwmon/hwmon1/temp2_input":                                  "63000",
				"class/hwmon/hwmon1/temp2_crit":                                   "100000",
				"devices/system/cpu/cpu0/thermal_throttle/core_throttle_count":    "3",
				"devices/system/cpu/cpu1/thermal_throttle/core_throttle_count":    "7",
				"devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "5",
			},
			want: []Reading{{"cpu_throttles", 7}, {"temperature_acpitz", 27800}, {"temperature_coretemp", 63000}, {"temperature_x86_pkg_temp", 61000}},
		},
		{
			name: "PC that is about to switch itself off",
			sys: map[string]string{
				"class/hwmon/hwmon0/name":        "k10temp",
				"class/hwmon/hwmon0/temp1_input": "95500",
				"class/hwmon/hwmon0/temp1_crit":  "100000",
			},
			want:  []Reading{{"temperature_k10temp", 95500}},
			fault: true,
		},
		{
			name: "ROCK Pi E, hot",
			sys: map[string]string{
				"class/thermal/thermal_zone0/type":              "soc-thermal",
				"class/thermal/thermal_zone0/temp":              "90000",
				"class/thermal/thermal_zone0/trip_point_0_type": "passive",
				"class/thermal/thermal_zone0/trip_point_0_temp": "70000",
				"class/thermal/thermal_zone0/trip_point_2_type": "critical",
				"class/thermal/thermal_zone0/trip_point_2_temp": "95000",
			},
			want:  []Reading{{"temperature_soc_thermal", 90000}},
			fault: true,
		},
		{
			name: "rubbish",
			sys: map[string]string{
				"class/thermal/thermal_zone0/type":                "cpu-thermal",
				"class/thermal/thermal_zone0/temp":                "warm",
				"class/thermal/thermal_zone1/temp":                "1000",
				"class/hwmon/hwmon0/temp1_input":                  "99999999999999999999",
				"devices/platform/soc/soc:firmware/get_throttled": "yes",
			},
			want: []Reading{{"temperature_unknown", 1000}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, fault := Read(tree(tt.sys))
			if !slices.Equal(got, tt.want) || fault != tt.fault {
				t.Errorf("got %v, fault %v\nwant %v, fault %v", got, fault, tt.want, tt.fault)
			}
		})
	}
}
