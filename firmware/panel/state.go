package panel

import "github.com/taproot-sensor/taproot/board"

// A Pattern is what a light does in a second: bit n is its state in tick n.
type Pattern uint16

// ticks is how many ticks a pattern has.
const ticks = 10

// The patterns.
const (
	Dark  Pattern = 0
	Lit   Pattern = 1<<ticks - 1
	Blink Pattern = 1<<(ticks/2) - 1 // half a second each
	Flash Pattern = 1                // lit for a moment
	Wink  Pattern = Lit &^ Flash     // dark for a moment
	Fast  Pattern = 0b0101010101     // five times a second
)

// On reports whether the light is lit in a tick.
func (p Pattern) On(tick int) bool { return p>>tick&1 == 1 }

// answering is what all lights do when the button was heard.
var answering = map[board.PinRole]Pattern{
	board.PinPower: Fast, board.PinLink: Fast, board.PinTap: Fast, board.PinUplink: Fast, board.PinUpdate: Fast, board.PinFault: Fast,
}

// A State is how the sensor is, as far as lights can say.
type State struct {
	Ending bool // it is about to power off or to restart

	Link bool // the uplink port has a carrier

	TapOpen bool // the tap's ring is open
	TapLink bool // the tap port has a carrier
	Frames  bool // frames have come since the last State

	Address bool // the uplink port has an address
	Waiting bool // the collector has answered, and nobody has approved the sensor
	Stored  bool // the collector has stored something in the last while

	Installing bool // an update is being written
	Trial      bool // the system that runs is on trial

	Fault   bool // somebody must look: a port, the slots, the power, the temperature
	Crashed bool // a stage of the sensor was started again a short while ago
}

// Patterns returns what each role shows.
func (s State) Patterns() map[board.PinRole]Pattern {
	return map[board.PinRole]Pattern{
		board.PinPower:  first(when(s.Ending, Blink), Lit),
		board.PinLink:   when(s.Link, Lit),
		board.PinTap:    when(s.TapOpen, first(when(!s.TapLink, Blink), when(s.Frames, Wink), Lit)),
		board.PinUplink: first(when(s.Stored, Lit), when(s.Waiting, Flash), when(s.Address, Blink)),
		board.PinUpdate: first(when(s.Installing, Fast), when(s.Trial, Blink)),
		board.PinFault:  first(when(s.Fault, Lit), when(s.Crashed, Blink)),
	}
}

func when(is bool, p Pattern) Pattern {
	if is {
		return p
	}
	return Dark
}

// first returns the first pattern that is not dark.
func first(patterns ...Pattern) Pattern {
	for _, p := range patterns {
		if p != Dark {
			return p
		}
	}
	return Dark
}
