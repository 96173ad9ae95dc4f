package panel

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"

	"github.com/taproot-sensor/taproot/board"
)

// Open takes the lines of a board's panel. Pins on chips that the machine does
// not have are left out. It returns nil if nothing is left, and a panel with
// what works beside an error that names what does not.
func Open(pins []board.Pin) (*Panel, error) {
	if len(pins) == 0 {
		return nil, nil
	}
	// The only driver that is linked in is that of /dev/gpiochip*.
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("opening the panel: %w", err)
	}
	chips := map[string]*gpioioctl.GPIOChip{}
	for _, c := range gpioioctl.Chips {
		chips[c.Label()] = c
	}
	p := &Panel{}
	var errs []error
	for _, pin := range pins {
		chip, ok := chips[pin.Chip]
		if !ok {
			continue
		}
		if err := p.take(pin, chip); err != nil {
			errs = append(errs, fmt.Errorf("opening the panel: %s on line %d of %s: %w", pin.Role, pin.Line, pin.Chip, err))
		}
	}
	if len(p.lights) == 0 && p.button == nil {
		p = nil
	}
	return p, errors.Join(errs...)
}

// take makes one line an output that is off, or the input of the button.
func (p *Panel) take(pin board.Pin, chip *gpioioctl.GPIOChip) error {
	if pin.Line >= chip.LineCount() {
		return fmt.Errorf("the chip has %d lines", chip.LineCount())
	}
	line := chip.ByNumber(pin.Line)
	var err error
	switch {
	case pin.Role != board.PinButton:
		err = line.Out(gpio.Level(pin.ActiveLow))
	case pin.ActiveLow:
		err = line.In(gpio.PullUp, gpio.NoEdge)
	default:
		err = line.In(gpio.PullDown, gpio.NoEdge)
	}
	if err != nil {
		return err
	}
	p.add(pin, line)
	return nil
}
