package panel

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/taproot-sensor/taproot/board"
)

// line is a line of a chip that can be looked at.
type line struct {
	mu    sync.Mutex
	level gpio.Level
	err   error
	outs  int
}

func (l *line) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level = level
	l.outs++
	return l.err
}

func (l *line) Read() gpio.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.level
}

// set is what a finger does to a button.
func (l *line) set(level gpio.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level = level
}

// sample is what a line does in a second.
func sample(l *line) string {
	var b strings.Builder
	for range ticks {
		if l.Read() {
			b.WriteByte('#')
		} else {
			b.WriteByte('.')
		}
		time.Sleep(Tick)
	}
	return b.String()
}

func TestPatterns(t *testing.T) {
	ready := State{Link: true, TapOpen: true, TapLink: true, Address: true, Stored: true}
	with := func(change func(*State)) State { s := ready; change(&s); return s }
	for _, tt := range []struct {
		name  string
		state State
		want  map[board.PinRole]string
	}{
		{"just started", State{}, map[board.PinRole]string{board.PinPower: "##########"}},
		{"ready", ready, map[board.PinRole]string{
			board.PinPower: "##########", board.PinLink: "##########", board.PinTap: "##########", board.PinUplink: "##########"}},
		{"traffic", with(func(s *State) { s.Frames = true }), map[board.PinRole]string{
			board.PinPower: "##########", board.PinLink: "##########", board.PinTap: ".#########", board.PinUplink: "##########"}},
		{"tap cable out, waiting for approval", State{Link: true, TapOpen: true, Frames: true, Address: true, Waiting: true}, map[board.PinRole]string{
			board.PinPower: "##########", board.PinLink: "##########", board.PinTap: "#####.....", board.PinUplink: "#........."}},
		{"no collector", State{Link: true, Address: true, Fault: true, Crashed: true}, map[board.PinRole]string{
			board.PinPower: "##########", board.PinLink: "##########", board.PinUplink: "#####.....", board.PinFault: "##########"}},
		{"installing", State{Installing: true, Trial: true, Crashed: true}, map[board.PinRole]string{
			board.PinPower: "##########", board.PinUpdate: "#.#.#.#.#.", board.PinFault: "#####....."}},
		{"trial, ending", State{Trial: true, Ending: true}, map[board.PinRole]string{
			board.PinPower: "#####.....", board.PinUpdate: "#####....."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for role, p := range tt.state.Patterns() {
				want := tt.want[role]
				if want == "" {
					want = ".........."
				}
				got := ""
				for n := range ticks {
					got += map[bool]string{true: "#", false: "."}[p.On(n)]
				}
				if got != want {
					t.Errorf("%s: got %s, want %s", role, got, want)
				}
			}
		})
	}
}

// TestRun: lines follow the state, are driven only when they change, whichever
// level lights them, and are dark at the end.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		power, uplink := &line{}, &line{}
		p := &Panel{}
		p.add(board.Pin{Role: board.PinPower, ActiveLow: true}, power)
		p.add(board.Pin{Role: board.PinUplink}, uplink)
		var stored atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- p.Run(ctx, Watch{State: func() State { return State{Address: true, Stored: stored.Load()} }})
		}()
		time.Sleep(Tick / 2)
		if got := sample(uplink); got != "#####....." {
			t.Errorf("uplink: got %s, want a blink", got)
		}
		stored.Store(true)
		sample(uplink)
		if got := sample(uplink); got != "##########" {
			t.Errorf("uplink: got %s, want light", got)
		}
		lit := power.Read()
		cancel()
		if err := <-done; err != nil || bool(lit) || power.outs != 2 || !bool(power.level) || bool(uplink.level) {
			t.Errorf("power was %v, written %d times; at the end %v, power %v, uplink %v; want low, which lights it, two writes, and both dark", lit, power.outs, err, power.level, uplink.level)
		}
	})
}

func TestRunBrokenLine(t *testing.T) {
	p := &Panel{}
	p.add(board.Pin{Role: board.PinFault}, &line{err: errors.New("no such device")})
	err := p.Run(t.Context(), Watch{State: func() State { return State{} }})
	if err == nil || !strings.Contains(err.Error(), `"fault": no such device`) {
		t.Errorf("got %v, want an error that names the light", err)
	}
}

func TestButton(t *testing.T) {
	for _, tt := range []struct {
		name         string
		stuck        bool
		hold         time.Duration
		marks, offs  int
		wantAnswered bool
	}{
		{name: "a moment", hold: 2 * Tick, marks: 1, wantAnswered: true},
		{name: "almost long", hold: LongPress - Tick, marks: 1, wantAnswered: true},
		{name: "long", hold: LongPress + Tick, offs: 1, wantAnswered: true},
		{name: "very long", hold: 5 * LongPress, offs: 1},
		{name: "pressed since power-on", stuck: true, hold: 5 * LongPress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				button, power := &line{level: gpio.Level(!tt.stuck)}, &line{}
				p := &Panel{}
				p.add(board.Pin{Role: board.PinButton, ActiveLow: true}, button)
				p.add(board.Pin{Role: board.PinPower}, power)
				marks, offs := 0, 0
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() {
					done <- p.Run(ctx, Watch{State: func() State { return State{} }, Mark: func() { marks++ }, PowerOff: func() { offs++ }})
				}()
				time.Sleep(10*Tick + Tick/2)
				button.set(gpio.Low)
				time.Sleep(tt.hold)
				button.set(gpio.High)
				time.Sleep(2 * Tick)
				answered := strings.Contains(sample(power), ".")
				cancel()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if marks != tt.marks || offs != tt.offs || answered != tt.wantAnswered {
					t.Errorf("got %d marks, %d power-offs, answered %v; want %d, %d, %v", marks, offs, answered, tt.marks, tt.offs, tt.wantAnswered)
				}
			})
		})
	}
}

func TestOpenWithoutPins(t *testing.T) {
	if p, err := Open(nil); p != nil || err != nil {
		t.Errorf("got %v, %v, want no panel and no error", p, err)
	}
	if p, err := Open([]board.Pin{{Role: board.PinPower, Chip: "nobody's chip"}}); p != nil || err != nil {
		t.Errorf("on another machine: got %v, %v, want no panel and no error", p, err)
	}
}
