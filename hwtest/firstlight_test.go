package hwtest_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// wholeRecords has, by kind, the columns that do not depend on when a frame
// came: what a sensor reports of replayed frames is what the engine reads in
// the file.
var wholeRecords = map[string]string{
	"flow": flowColumns + " src_payload dst_payload state",
	"dns":  dnsColumns,
	"tls":  tlsColumns,
	"dhcp": dhcpColumns,
	"arp":  arpColumns,
}

func TestFirstLightX86UEFI(t *testing.T)   { firstLight(t, "qemu-x86-64", rig.Config{}) }
func TestFirstLightX86Direct(t *testing.T) { firstLight(t, "qemu-x86-64", rig.Config{Direct: true}) }
func TestFirstLightX86BIOS(t *testing.T)   { firstLight(t, "qemu-x86-64", rig.Config{BIOS: true}) }
func TestFirstLightPC(t *testing.T)        { firstLight(t, "pc", rig.Config{}) }
func TestFirstLightARM64(t *testing.T)     { firstLight(t, "qemu-arm64", rig.Config{}) }
func TestFirstLightARMHF(t *testing.T)     { firstLight(t, "qemu-armhf", rig.Config{}) }

// TestFirstLightMedia: the same from whatever a PC may start from.
func TestFirstLightMedia(t *testing.T) {
	everyMedium(t)
	for name, how := range map[string]rig.Config{
		"disk by BIOS":  {BIOS: true},
		"CD by BIOS":    {BIOS: true, ISO: rig.CD},
		"CD by UEFI":    {ISO: rig.CD},
		"stick by BIOS": {BIOS: true, ISO: rig.Stick},
		"stick by UEFI": {ISO: rig.Stick},
	} {
		t.Run(name, func(t *testing.T) { firstLight(t, "pc", how) })
	}
}

// everyMedium skips what "make media" is for.
func everyMedium(t *testing.T) {
	t.Helper()
	if os.Getenv("TAPROOT_MEDIA") == "" {
		t.Skip("boots from many media; \"make media\" does")
	}
}

// firstLight: a board comes out of its box. It is switched on, asks to be let
// in, an operator compares the code and says yes; traffic passes its tap; what
// the traffic was can be asked in SQL.
func firstLight(t *testing.T, boardName string, how rig.Config) {
	l := newLab(t, boardName)
	l.boot(how)
	l.firstLight(l.board.Name == "pc")
}

// firstLight tells the story of a machine that was just switched on; pad says
// that its tap port is a real adapter, or is like one.
func (l *lab) firstLight(pad bool) {
	t := l.t
	_, up := l.expect(`taproot: init up`)
	l.expect(`taproot: uplink \S+ \S+`)
	l.enrol()
	_, acked := l.expect(`taproot: first batch acknowledged`)
	numbers(t, "%s: power-on to init %.1f s, to first acknowledged batch %.1f s (with the operator)", t.Name(), up.Seconds(), acked.Seconds())

	day := oneDay(t, captures(t), pad)
	l.play(day)
	l.powerOff()
	want := engine(t, day)

	for kind, columns := range wholeRecords {
		list := strings.Join(strings.Fields(columns), ", ")
		got := l.query(fmt.Sprintf("SELECT %s FROM %s", list, kind))
		if diff := difference(only(want[kind], columns), only(got, columns)); diff != "" {
			t.Errorf("%s records (-file +collector):\n%s", kind, diff)
		} else {
			t.Logf("%-4s %3d records, each as the file has it", kind, len(got))
		}
	}
	if lost := l.query("SELECT stage, counter, max(value) AS n FROM sensor WHERE counter LIKE 'drop_%' AND value > 0 GROUP BY ALL"); len(lost) > 0 {
		t.Logf("drops, all named: %v", lost)
	}
}

// shortestFrame is what an Ethernet adapter makes of a shorter frame, without its
// checksum; virtio does not care.
const shortestFrame = 60

// oneDay writes the captures into one file, a millisecond from frame to frame
// as they are played, so that what is one flow on the cable is one in the file.
// With pad, short frames are as a real adapter hands them over.
func oneDay(t *testing.T, paths []string, pad bool) string {
	t.Helper()
	file := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4) // pcap, microseconds
	file = append(file, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0)
	micros := uint32(0)
	for _, path := range paths {
		for frame, err := range rig.Frames(path) {
			if err != nil {
				t.Fatal(err)
			}
			if pad {
				frame = append(frame, make([]byte, max(0, shortestFrame-len(frame)))...)
			}
			for _, v := range []uint32{1_700_000_000, micros, uint32(len(frame)), uint32(len(frame))} {
				file = binary.LittleEndian.AppendUint32(file, v)
			}
			file = append(file, frame...)
			micros += 1000
		}
	}
	out := filepath.Join(t.TempDir(), "day.pcap")
	if err := os.WriteFile(out, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}
