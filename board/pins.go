package board

// The lines of panels; docs/panel.md says what each role shows. Chips have the
// names that Linux 6.1 gives them, lines come from Linux' device trees.

// virtPins are the free lines of the PL061 of QEMU's machine "virt", whose line 3
// is the power key. The chip's name depends on who describes the machine.
var virtPins = append(pl061Pins("9030000.pl061"), pl061Pins("ARMH0061:00")...)

func pl061Pins(chip string) []Pin {
	return []Pin{
		{Role: PinPower, Chip: chip, Line: 0},
		{Role: PinLink, Chip: chip, Line: 1},
		{Role: PinTap, Chip: chip, Line: 2},
		{Role: PinUplink, Chip: chip, Line: 4},
		{Role: PinUpdate, Chip: chip, Line: 5},
		{Role: PinFault, Chip: chip, Line: 6},
		{Role: PinButton, Chip: chip, Line: 7},
	}
}

// virtPinData is where the lines of the PL061 are read: its data register, with
// an address that selects all eight (ARM DDI 0190B, section 3.3.1).
const virtPinData = 0x0903_0000 + 0xff<<2

// piPins are pins of the 40-pin header that no interface of a Raspberry Pi is
// on: lights from there to ground by way of a resistor, the button to ground.
func piPins(chip string, more ...Pin) []Pin {
	return append([]Pin{
		{Role: PinPower, Chip: chip, Line: 6},                    // header 31
		{Role: PinLink, Chip: chip, Line: 24},                    // header 18
		{Role: PinTap, Chip: chip, Line: 23},                     // header 16
		{Role: PinUplink, Chip: chip, Line: 22},                  // header 15
		{Role: PinUpdate, Chip: chip, Line: 25},                  // header 22
		{Role: PinFault, Chip: chip, Line: 5},                    // header 29
		{Role: PinButton, Chip: chip, Line: 27, ActiveLow: true}, // header 13
	}, more...)
}

var (
	// A Pi 3 B and a B+ have their own lights on different lines; the header is
	// the same.
	rpi3Pins = piPins("pinctrl-bcm2835")
	// The green light and the red one of the board are there as well.
	rpi4Pins = piPins("pinctrl-bcm2711",
		Pin{Role: PinUplink, Chip: "pinctrl-bcm2711", Line: 42},
		Pin{Role: PinPower, Chip: "raspberrypi-exp-gpio", Line: 2, ActiveLow: true})
	rpi5Pins = piPins("pinctrl-rp1")

	// The green light, the red one, and the key beside them.
	orangePiPCPins = []Pin{
		{Role: PinUplink, Chip: "1f02c00.pinctrl", Line: 10},
		{Role: PinFault, Chip: "1c20800.pinctrl", Line: 15},
		{Role: PinButton, Chip: "1f02c00.pinctrl", Line: 3, ActiveLow: true},
	}
	// Its only light.
	rockPiEPins = []Pin{{Role: PinUplink, Chip: "gpio3", Line: 5, ActiveLow: true}}
)
