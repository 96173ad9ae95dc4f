package hwtest_test

import (
	"regexp"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/jail/attack"
	"github.com/taproot-sensor/taproot/hwtest/rig"
)

func TestCompromisedMeterX86(t *testing.T) {
	compromisedMeter(t, "qemu-x86-64", rig.Config{Direct: true})
}

func TestCompromisedMeterARM64(t *testing.T) {
	long(t)
	compromisedMeter(t, "qemu-arm64", rig.Config{})
}

func TestCompromisedMeterARMHF(t *testing.T) {
	long(t)
	compromisedMeter(t, "qemu-armhf", rig.Config{})
}

// compromisedMeter: a frame has found a hole in the decoder, and what runs
// in meter is the attacker's. It tries to talk on the tapped cable and to get at
// the rest of the sensor. Nothing of that works, and a sensor is one like any
// other as soon as it meters again.
func compromisedMeter(t *testing.T, boardName string, how rig.Config) {
	l := newLab(t, boardName)
	l.image = imageWithTag(t, l, "compromised")
	l.boot(how)
	l.expect(`taproot: compromised: unfiltered: looked for (\d+) processes`)
	if n := l.machine.Console.Count(`taproot: compromised: unfiltered: .* of process`); n != 0 {
		t.Errorf("%d things of other processes can be had", n)
	}
	tries := append(attack.Sends(-1, -1), attack.Escapes(1, 2)...)
	denied := 0
	for _, try := range tries {
		got, _ := l.expect(`taproot: compromised: ` + regexp.QuoteMeta(try.Name) + `: ([^\r\n]+)`)
		if got != "operation not permitted" {
			t.Errorf("%s: got %q, want a refusal", try.Name, got)
			continue
		}
		denied++
	}
	landlock, _ := l.expect(`taproot: compromised: \d+ of \d+ denied, landlock ABI (\d+)`)
	if landlock == "0" {
		t.Error("the board's kernel has no landlock")
	}
	numbers(t, "%s: %d of %d tries denied; landlock ABI %s", t.Name(), denied, len(tries), landlock)
	l.enrol()
	l.play(captures(t)[0])
	l.powerOff()
	l.tapIsSilent()
	if sent := l.ask("SELECT max(value) FROM sensor WHERE counter = 'tap_sent_frames'"); sent != "0" {
		t.Errorf("tap_sent_frames: got %s, want 0", sent)
	}
	if flows := l.ask("SELECT count(*) FROM flow"); flows == "0" {
		t.Error("no flows: meter does not meter")
	}
}
