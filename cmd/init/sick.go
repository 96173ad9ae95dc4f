//go:build linux && drill

package main

import (
	"os"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/boot"
)

// The names of releases that fail, each in its own way.
const (
	sickStart = "sick-start" // nothing goes on, before there is a driver
	sickPanic = "sick-panic" // the kernel panics
	sickHang  = "sick-hang"  // nothing goes on
	sickExit  = "sick-exit"  // process 1 ends
	sickLink  = "sick-link"  // the uplink port is gone
)

// sickenEarly hangs as a kernel does: no driver of this system has stopped the
// watchdog yet that the one before it left armed.
func (s *sensor) sickenEarly() {
	if s.image.Release == sickStart {
		say("drill: hang at the start")
		time.Sleep(time.Hour)
	}
}

// sicken fails early.
func (s *sensor) sicken() {
	switch s.image.Release {
	case sickPanic:
		say("drill: kernel panic")
		os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case sickHang:
		say("drill: hang")
		time.Sleep(time.Hour)
	case sickExit:
		say("drill: exit")
		os.Exit(1)
	case sickLink:
		say("drill: no uplink")
		link := s.board.Port(board.Uplink)
		if err := boot.RenameLink(link.Name, "gone0"); err != nil {
			say("drill: %v", err)
		}
	}
}
