//go:build linux && compromised

package main

import (
	"time"

	"github.com/taproot-sensor/taproot/firmware/jail/attack"
)

// lookAround does, before the system call filter is there, what would aim at
// other processes: none of them has a number in meter's namespace.
func lookAround() {
	for _, found := range attack.Others() {
		say("compromised: unfiltered: %s", found)
	}
	say("compromised: unfiltered: looked for %d processes", attack.MaxPID)
}

// tryToEscape does what a frame would do that has taken meter over, and says
// on the console what became of it. hwtest boots such an image; no image for a
// sensor is built with this tag.
func tryToEscape(landlock int) {
	const console = 1
	tries := append(attack.Sends(meterRing, console), attack.Escapes(1, 2)...)
	denied := 0
	for _, try := range tries {
		ok, err := try.Denied()
		if ok {
			denied++
		}
		say("compromised: %s: %v", try.Name, err)
	}
	say("compromised: %d of %d denied, landlock ABI %d", denied, len(tries), landlock)
}

func heartbeat(_ uint64, beat func()) func() { return beat }

func onPower(powerOff func()) func() { return powerOff }

func mayPing() bool { return true }

func pace(d time.Duration) time.Duration { return d }
