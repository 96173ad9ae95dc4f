//go:build linux

package main

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/health"
	"github.com/taproot-sensor/taproot/firmware/panel"
	"github.com/taproot-sensor/taproot/firmware/slots"
)

// lately is how long the lights remember: the machine's own counters are
// stored every ten seconds, and a collector is asked again within a minute.
const lately = time.Minute

// A moment is when something happened last.
type moment struct{ at atomic.Int64 } // Unix nanoseconds

func (m *moment) now() { m.at.Store(time.Now().UnixNano()) }

// recent reports whether it was within lately. A clock that is set makes it
// wrong for as long as the clock was behind, but not for good.
func (m *moment) recent() bool { return time.Since(time.Unix(0, m.at.Load())).Abs() < lately }

// signs are what the stages and services leave for the panel.
type signs struct {
	address    atomic.Bool // the uplink port has one
	tapOpen    atomic.Bool
	ending     atomic.Bool
	installing atomic.Bool // an update is being written
	fault      atomic.Bool // the machine is too hot, or its supply too weak
	stored     moment      // the collector has stored something
	waiting    moment      // the collector has said that the sensor is not approved
	marks      atomic.Int64
}

// runPanel serves the board's lights and its button.
func (s *sensor) runPanel(ctx context.Context) error {
	p, err := panel.Open(s.board.Pins)
	if err != nil {
		s.log.Warn("panel", "err", err)
	}
	if p == nil {
		return nil
	}
	say("panel ready")
	return p.Run(ctx, panel.Watch{
		State: s.panelState(),
		Mark: func() {
			say("button: mark %d", s.signs.marks.Add(1))
		},
		PowerOff: func() {
			say("button: power off")
			s.end()
		},
	})
}

// panelState returns what says how the sensor is; it remembers what it saw.
func (s *sensor) panelState() func() panel.State {
	var frames, crashes int64
	var crashed moment
	uplink := s.board.Port(board.Uplink).Name
	return func() panel.State {
		state := panel.State{
			Ending:  s.signs.ending.Load(),
			Link:    hasCarrier(uplink),
			TapOpen: s.signs.tapOpen.Load(), TapLink: true,
			Address: s.signs.address.Load(), Waiting: s.signs.waiting.recent(), Stored: s.signs.stored.recent(),
			Installing: s.signs.installing.Load(),
			Fault:      s.missing > 0 || s.signs.fault.Load(),
		}
		received, restarts := int64(0), int64(0)
		for _, port := range s.taps {
			received += linkStatistic(port, "rx_packets")
			state.TapLink = state.TapLink && hasCarrier(port)
		}
		for _, stage := range s.stages {
			restarts += stage.Crashes()
		}
		if restarts != crashes {
			crashed.now()
		}
		state.Frames, state.Crashed = received != frames, crashed.recent()
		frames, crashes = received, restarts
		s.updates.show(&state)
		return state
	}
}

// show says what the panel is to show of the slots.
func (u *updates) show(state *panel.State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	state.Fault = state.Fault || u.failed || u.status.Fallback
	state.Trial = u.updater != nil && onTrial(u.updater.State(), u.status.Running)
}

func onTrial(state slots.State, running slots.Slot) bool {
	return state.Trial != nil && state.Trial.Slot == running
}

func hasCarrier(port string) bool {
	text, err := os.ReadFile("/sys/class/net/" + port + "/carrier")
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

// boardCounters returns what the machine says of itself, and of its button.
func (s *sensor) boardCounters() []counter {
	all := []counter{{"button_marks", s.signs.marks.Load()}}
	readings, fault := health.Read(os.DirFS("/sys"))
	s.signs.fault.Store(fault)
	for _, r := range readings {
		all = append(all, counter{r.Name, r.Value})
	}
	return all
}
