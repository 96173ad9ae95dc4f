package wired

import (
	"context"
	"fmt"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"
)

// A Switch is something that can be switched.
type Switch interface {
	Switch(ctx context.Context, on bool) error
}

// Open returns the switch: a relay's line is taken and let go of with the
// process.
func (s Switching) Open() (Switch, error) {
	if s.Relay != nil {
		return s.Relay.open()
	}
	return s.Outlet, nil
}

// line is the line of a relay; gpio.PinOut is one.
type line interface{ Out(gpio.Level) error }

// A relay is a Relay whose line was taken.
type relay struct {
	*Relay
	line line
}

func (r *Relay) open() (Switch, error) {
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("opening the relay: %w", err)
	}
	var labels []string
	for _, c := range gpioioctl.Chips {
		if c.Label() != r.Chip {
			labels = append(labels, c.Label())
			continue
		}
		if r.Line >= c.LineCount() {
			return nil, fmt.Errorf("opening the relay: chip %q has %d lines, want line %d", r.Chip, c.LineCount(), r.Line)
		}
		return relay{r, c.ByNumber(r.Line)}, nil
	}
	return nil, fmt.Errorf("opening the relay: this host has no GPIO chip %q; it has %q", r.Chip, labels)
}

// Switch drives the line.
func (r relay) Switch(_ context.Context, on bool) error {
	if err := r.line.Out(gpio.Level(on != r.ActiveLow)); err != nil {
		return fmt.Errorf("switching the relay at line %d of %s %s: %w", r.Line, r.Chip, word(on), err)
	}
	return nil
}
