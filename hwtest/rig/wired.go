package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig/wired"
)

// afterOff is how long a board has to switch itself off after it has said that
// it does; nobody sees on the outside when it has.
const afterOff = 3 * time.Second

// A Wired is a board on a bench: a rig's file says what it hangs on.
type Wired struct {
	Config  *wired.Config
	Console io.Writer // gets all that the console says, as it is said; may be nil

	power wired.Switch // once it was opened
}

// HasButton reports whether the rig can press the board's button.
func (w *Wired) HasButton() bool { return w.Config.Button != nil }

// Start takes the host's turn, cuts the board's power, and switches it on. A
// board that hangs in whatever state comes up as after any power cut.
func (w *Wired) Start(ctx context.Context) (*Machine, error) {
	m := &Machine{exited: make(chan struct{})}
	if err := w.start(ctx, m); err != nil {
		m.Close()
		return nil, fmt.Errorf("starting the %s on the bench: %w", w.Config.Board.Name, err)
	}
	return m, nil
}

func (w *Wired) start(ctx context.Context, m *Machine) error {
	unlock, err := lockHost(ctx)
	if err != nil {
		return err
	}
	m.close = append(m.close, unlock)
	if w.power == nil {
		if w.power, err = w.Config.Power.Open(); err != nil {
			return err
		}
	}
	if err := w.power.Switch(ctx, false); err != nil {
		return err
	}
	dark := time.After(w.Config.OffFor)
	if m.press, err = w.button(m); err != nil {
		return err
	}
	cable, err := wired.OpenCable(w.Config.Tap)
	if err != nil {
		return err
	}
	m.plug(plugIn(cable))
	serial, err := wired.OpenSerial(w.Config.Console)
	if err != nil {
		return err
	}
	m.keys, m.Console = serial, newConsole(w.Console)
	read := make(chan struct{})
	go func() { defer close(read); m.Console.read(serial); m.Console.end(nil) }()
	m.close = append(m.close, func() { serial.Close(); <-read })
	select {
	case <-dark:
	case <-ctx.Done():
		return ctx.Err()
	}
	m.On = time.Now()
	m.close = append(m.close, func() { w.cut() })
	return w.power.Switch(ctx, true)
}

// cut cuts the power, whatever has become of the test.
func (w *Wired) cut() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return w.power.Switch(ctx, false)
}

// button returns what holds the board's button until that switches it off, and
// cuts its power when it has said so.
func (w *Wired) button(m *Machine) (press func() error, err error) {
	if !w.HasButton() {
		return func() error { return errors.New("the rig's file has no [button]") }, nil
	}
	finger, err := w.Config.Button.Open()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := finger.Switch(ctx, false); err != nil {
		return nil, err
	}
	return func() error {
		if err := finger.Switch(ctx, true); err != nil {
			return err
		}
		time.Sleep(w.Config.Hold)
		if err := finger.Switch(ctx, false); err != nil {
			return err
		}
		go func() {
			if _, _, err := m.Console.Expect(ctx, `taproot: powering off`); err != nil {
				return // whoever waits hears the same
			}
			time.Sleep(afterOff)
			m.err = w.cut()
			close(m.exited)
		}()
		return nil
	}, nil
}
