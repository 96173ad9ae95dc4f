//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
)

// diskPatience is how long the disk with the slots may take to appear: drivers
// of USB and of large machines take some seconds.
const diskPatience = 20 * time.Second

// updates is what process 1 knows of the machine's slots.
type updates struct {
	mu      sync.Mutex
	updater *update.Updater // nil until the slots are found, and where there are none
	ram     *update.RAM     // nil for a system that was started from a slot
	status  update.Status
	failed  bool             // there are slots, and they cannot be used
	refused map[string]int64 // updates that were not taken, by reason
}

// refuse counts an update that was not taken.
func (u *updates) refuse(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused == nil {
		u.refused = map[string]int64{}
	}
	u.refused[reason]++
}

// argument is what the kernel is told at a restart.
func (u *updates) argument() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.updater == nil {
		return ""
	}
	return u.updater.RebootArgument()
}

// counters says which slot runs, and what became of trials.
func (u *updates) counters() []counter {
	u.mu.Lock()
	defer u.mu.Unlock()
	flag := func(name string, set bool) counter {
		if set {
			return counter{name, 1}
		}
		return counter{name, 0}
	}
	var all []counter
	var state slots.State
	switch {
	case u.ram != nil:
		state = u.ram.State()
		all = []counter{{"in_ram", 1}, flag("slot_on_trial", state.Trial != nil)}
	case u.updater != nil:
		state = u.updater.State()
		all = []counter{
			flag("slot_b", u.status.Running == slots.B),
			flag("slot_on_trial", onTrial(state, u.status.Running)),
			flag("slot_fallback", u.status.Fallback),
		}
	default:
		return []counter{flag("slots_unusable", u.failed)}
	}
	all = append(all, counter{"release_floor", int64(state.Floor)})
	for _, reason := range slices.Sorted(maps.Keys(u.refused)) {
		all = append(all, counter{"update_refused_" + reason, u.refused[reason]})
	}
	for _, f := range state.Failed {
		all = append(all, counter{fmt.Sprintf("trial_%s_%.12s", f.Why, f.Digest), int64(f.Tries)})
	}
	return all
}

// runUpdates finds out what this boot is, and confirms a trial or ends it.
func (s *sensor) runUpdates(ctx context.Context) error {
	if s.ram != nil { // the firmware's variables still say how the first system was started
		return s.runInRAM(ctx)
	}
	u, status, err := s.openSlots(ctx)
	switch {
	case errors.Is(err, slots.ErrNone):
		return s.runInRAM(ctx)
	case err != nil:
		s.updates.mu.Lock()
		s.updates.failed = true
		s.updates.mu.Unlock()
		say("this machine cannot be updated: %v", err)
		return err
	}
	s.updates.mu.Lock()
	s.updates.updater, s.updates.status = u, status
	s.updates.mu.Unlock()
	s.relay.Send(healthFrame(time.Now(), "init", s.updates.counters())) // what a short trial has to say, too
	if f := status.Failed; f != nil {
		say("the trial of slot %s has failed: %s, %d times", status.Running.Other(), f.Why, f.Tries)
	}
	if status.Fallback {
		say("slot %s runs, not the one that was committed", status.Running)
	}
	if status.Trial == nil {
		say("slot %s runs, release %s", status.Running, s.image.Release)
		return errors.Join(s.drill(ctx, u), s.follow(ctx, u))
	}
	say("slot %s is on trial for %s, release %s", status.Running, status.Trial.Confirm, s.image.Release)
	return s.runTrial(ctx, u, status.Trial)
}

// openSlots waits for the disk.
func (s *sensor) openSlots(ctx context.Context) (*update.Updater, update.Status, error) {
	deadline := time.Now().Add(diskPatience)
	for {
		found, disk, err := slots.Find(s.board)
		if err == nil {
			return update.Open(found, disk)
		}
		if errors.Is(err, slots.ErrNone) || time.Now().After(deadline) {
			return nil, update.Status{}, err
		}
		select {
		case <-ctx.Done():
			return nil, update.Status{}, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// runTrial confirms the running system, or ends it.
func (s *sensor) runTrial(ctx context.Context, u *update.Updater, t *slots.Trial) error {
	err := s.trial.Wait(ctx, t.Confirm)
	if ctx.Err() != nil {
		return nil // the next boot finds the trial as it is
	}
	if err == nil {
		if err := u.Confirm(); err != nil {
			return err
		}
		say("slot %s is confirmed", t.Slot)
		return s.follow(ctx, u)
	}
	say("slot %s is given up: %v", t.Slot, err)
	err = u.GiveUp()
	s.restartMachine()
	return err
}

// restartMachine ends the stages in good order and starts the machine anew, with
// its watchdog armed.
func (s *sensor) restartMachine() {
	s.restart.Store(true)
	s.end()
}
