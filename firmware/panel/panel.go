// Package panel shows on a board's lights how the sensor is, and reads its
// button.
//
// A light has a role, a role has a few patterns, and docs/panel.md lists them: a
// Pattern is what a light does in one second, in ten ticks. Which pattern a role
// has follows from a State alone, so the lights say nothing that was not known
// when it was read. A board without pins has no panel.
//
// Lines are driven through periph.io's character devices of GPIO
// (docs/adr/0090). The button is read with each tick: that is all the debouncing
// a finger needs, and no line has to raise interrupts. For cmd/init.
package panel

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/taproot-sensor/taproot/board"
)

// Tick is a tenth of a pattern.
const Tick = 100 * time.Millisecond

// How long the button is held for what it does, and how long the lights answer.
const (
	LongPress = 3 * time.Second
	answer    = 3 * time.Second
)

// A Light is a line that is driven; gpio.PinOut is one.
type Light interface{ Out(gpio.Level) error }

// A Button is a line that is read; gpio.PinIn is one.
type Button interface{ Read() gpio.Level }

// A Panel is what a board has of lights and a button.
type Panel struct {
	lights []*light
	button Button
	low    bool // the button is pressed when its line is low

	held     int  // ticks for which the button was pressed
	released bool // the button was seen released since Run: it is not stuck
	answers  int  // ticks for which the lights still answer a press
}

type light struct {
	line Light
	role board.PinRole
	low  bool // on when the line is low
	set  bool // the line has been driven
	on   bool
}

// add gives the panel the line of a pin.
func (p *Panel) add(pin board.Pin, l interface {
	Light
	Button
}) {
	if pin.Role == board.PinButton {
		p.button, p.low = l, pin.ActiveLow
		return
	}
	p.lights = append(p.lights, &light{line: l, role: pin.Role, low: pin.ActiveLow})
}

// Watch is who the panel serves.
type Watch struct {
	State    func() State // asked once a second
	Mark     func()       // the button was pressed for a moment
	PowerOff func()       // the button was held for LongPress
}

// Run shows the state and reads the button until ctx ends, and then puts the
// lights out.
func (p *Panel) Run(ctx context.Context, w Watch) error {
	tick := time.NewTicker(Tick)
	defer tick.Stop()
	var shown map[board.PinRole]Pattern
	for n := 0; ; n++ {
		if n%ticks == 0 {
			shown = w.State().Patterns()
		}
		p.readButton(w)
		if err := p.show(shown, n%ticks); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return p.show(nil, 0)
		case <-tick.C:
		}
	}
}

// show drives the lights whose state in a tick is another than in the last.
func (p *Panel) show(patterns map[board.PinRole]Pattern, tick int) error {
	if p.answers > 0 && patterns != nil {
		p.answers--
		patterns = answering
	}
	for _, l := range p.lights {
		on := patterns[l.role].On(tick)
		if l.set && l.on == on {
			continue
		}
		if err := l.line.Out(gpio.Level(on != l.low)); err != nil {
			return fmt.Errorf("driving the light %q: %w", l.role, err)
		}
		l.set, l.on = true, on
	}
	return nil
}

// readButton tells a press from a hold. A hold is acted on while it lasts, so
// that whoever holds sees that it was long enough.
func (p *Panel) readButton(w Watch) {
	if p.button == nil {
		return
	}
	pressed := bool(p.button.Read()) != p.low
	switch {
	case pressed && !p.released: // since power-on: wired wrongly, or stuck
	case pressed:
		p.held++
		if p.held == int(LongPress/Tick) {
			p.answers = int(answer / Tick)
			w.PowerOff()
		}
	default:
		if p.held > 0 && p.held < int(LongPress/Tick) {
			p.answers = int(answer / Tick)
			w.Mark()
		}
		p.held, p.released = 0, true
	}
}
