//go:build linux && !compromised && !faulty

package main

import "time"

// The build tags compromised and faulty make images for hwtest in which these
// do something else.

// lookAround and tryToEscape do nothing: meter is honest.
func lookAround() {}

func tryToEscape(int) {}

// heartbeat returns beat: meter works.
func heartbeat(_ uint64, beat func()) func() { return beat }

// onPower returns what a press of the power button does.
func onPower(powerOff func()) func() { return powerOff }

// mayPing reports whether process 1 pings the watchdog while all is well.
func mayPing() bool { return true }

// pace returns d: time goes as it does.
func pace(d time.Duration) time.Duration { return d }
