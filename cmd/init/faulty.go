//go:build linux && faulty

package main

import (
	"os"
	"sync/atomic"
	"time"
)

// Such an image fails in the ways that a sensor has to survive: the first meter
// ends, the second hangs, and after a press of the power button process 1
// hangs, as far as the watchdog can tell. It waits for less long than others.

func lookAround() {}

func tryToEscape(int) {}

// heartbeat is that of the meter of a start, counted from 0. The first two fail
// after some beats, in the midst of their work.
func heartbeat(start uint64, beat func()) func() {
	beats := 0
	return func() {
		if beats++; beats == 4 {
			switch start {
			case 0:
				say("faulty: meter ends")
				os.Exit(3)
			case 1:
				say("faulty: meter hangs")
				select {}
			}
			say("faulty: meter works")
		}
		beat()
	}
}

var hung atomic.Bool

func onPower(func()) func() {
	return func() {
		say("faulty: process 1 hangs")
		hung.Store(true)
	}
}

func mayPing() bool { return !hung.Load() }

func pace(d time.Duration) time.Duration { return min(d, 8*time.Second) }
