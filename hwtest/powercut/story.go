package powercut

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	slot "github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
)

// Manner is what a release does when it is started.
type Manner int

// The manners of releases.
const (
	Good    Manner = iota
	Hangs          // never reaches init; the watchdog resets the machine
	GivesUp        // reaches init and is not confirmed in its time
)

// A Release is a system that a story installs.
type Release struct {
	Name   string
	Manner Manner
	Image  []byte // what a slot holds of it
	Digest slot.Digest
}

// NewRelease returns a release that is image.
func NewRelease(name string, manner Manner, image []byte) *Release {
	return &Release{Name: name, Manner: manner, Image: image, Digest: sha256.Sum256(image)}
}

// Releases are all that there ever were, by what a slot holds of them.
type Releases map[slot.Digest]*Release

// ModelReleases are made of a chain's small systems: the one that is flashed,
// those that the story installs, and the one that comes after all.
func ModelReleases(c *Chain) []*Release {
	var all []*Release
	for i, manner := range []Manner{Good, Good, Hangs, GivesUp, Good, Good} {
		name := strconv.Itoa(i + 1)
		all = append(all, NewRelease(name, manner, System(c, name)))
	}
	return all
}

// start switches the machine on until a system reaches init, and returns the
// sensor's view of that. strict wants what runs to be a release, and one that
// hangs to be left at the next start.
func (rs Releases) start(m *Machine, strict bool) (*update.Updater, update.Status, *Release, error) {
	for boot := 1; ; boot++ {
		s, err := m.Boot()
		if err != nil {
			return nil, update.Status{}, nil, fmt.Errorf("boot %d: %w", boot, err)
		}
		running := rs[sha256.Sum256(m.Holds(s.Slot))]
		if running == nil {
			return nil, update.Status{}, nil, fmt.Errorf("boot %d: slot %s is started and holds no release", boot, s.Slot)
		}
		if strict && running.Manner == Hangs {
			if boot == 2 {
				return nil, update.Status{}, nil, fmt.Errorf("boot %d: hangs in slot %s, as the one before it", boot, s.Slot)
			}
			continue
		}
		t, err := slot.ReadTable(m.Disk)
		if err != nil {
			return nil, update.Status{}, nil, err
		}
		u, status, err := update.Open(m.Chain.Slots(m, t, s), m.Disk)
		if err == nil && status.Running != s.Slot {
			err = fmt.Errorf("runs in slot %s and believes it is %s", s.Slot, status.Running)
		}
		return u, status, running, err
	}
}

// trialTime is how long a trial has in stories. Nothing waits for it.
const trialTime = time.Minute

// install installs a release and reboots.
func install(m *Machine, u *update.Updater, r *Release) error {
	err := u.Install(context.Background(), bytes.NewReader(r.Image), update.Release{Digest: r.Digest, Confirm: trialTime})
	if err != nil {
		return err
	}
	m.Argument = u.RebootArgument()
	return nil
}

// A Recording is all that was done to a machine by a story.
type Recording struct {
	Begin    *Machine // before it
	Ops      []Op
	Releases Releases
	Next     *Release // one that was never installed
}

// Record plays the story: a machine is flashed with the first release, gets all
// others but the last one after the other, and keeps those that are good.
func Record(m *Machine, all []*Release) (*Recording, error) {
	rec := &Recording{Releases: Releases{}, Next: all[len(all)-1]}
	for _, r := range all {
		rec.Releases[r.Digest] = r
	}
	rec.Begin = m.Clone()
	log := m.Record()
	u, _, runs, err := rec.Releases.start(m, true)
	if err != nil {
		return nil, err
	}
	for _, next := range all[1 : len(all)-1] {
		if err := install(m, u, next); err != nil {
			return nil, fmt.Errorf("installing %q: %w", next.Name, err)
		}
		var status update.Status
		var now *Release
		if u, status, now, err = rec.Releases.start(m, true); err != nil {
			return nil, fmt.Errorf("starting %q: %w", next.Name, err)
		}
		switch {
		case next.Manner == Hangs && now == runs && status.Failed != nil:
		case next.Manner == GivesUp && now == next && status.Trial != nil:
			if err := u.GiveUp(); err != nil {
				return nil, err
			}
			if u, _, now, err = rec.Releases.start(m, true); err != nil || now != runs {
				return nil, fmt.Errorf("after %q gave up, %v runs: %w", next.Name, now, err)
			}
		case next.Manner == Good && now == next && status.Trial != nil:
			if err := u.Confirm(); err != nil {
				return nil, err
			}
			if u, _, runs, err = rec.Releases.start(m, true); err != nil || runs != next {
				return nil, fmt.Errorf("after %q was confirmed, %v runs: %w", next.Name, runs, err)
			}
		default:
			return nil, fmt.Errorf("release %q: %q runs, and this boot is %+v", next.Name, now.Name, status)
		}
	}
	rec.Ops = log.Ops
	m.Disk.log, m.Vars.log = nil, nil
	return rec, nil
}

// Survives is the oracle: from the state that m is in when power comes back, a
// release reaches init within two boots, and a later update of it succeeds.
func (rec *Recording) Survives(m *Machine, strict bool) error {
	u, status, runs, err := rec.Releases.start(m, strict)
	if err != nil {
		return err
	}
	if status.Trial != nil {
		if runs.Manner == GivesUp {
			if err := u.GiveUp(); err != nil {
				return err
			}
			if u, _, runs, err = rec.Releases.start(m, strict); err != nil || strict && runs.Manner != Good {
				return fmt.Errorf("after giving up, %+v runs: %w", runs, err)
			}
		} else if err := u.Confirm(); err != nil {
			return err
		}
	}
	if err := install(m, u, rec.Next); err != nil {
		return fmt.Errorf("later update: %w", err)
	}
	if u, status, runs, err = rec.Releases.start(m, true); err != nil || runs != rec.Next || status.Trial == nil {
		return fmt.Errorf("trial of the later update: %+v, %v", status, err)
	}
	if err := u.Confirm(); err != nil {
		return err
	}
	if _, status, runs, err = rec.Releases.start(m, true); err != nil || runs != rec.Next || status.Fallback || status.Trial != nil {
		return fmt.Errorf("after the later update: %+v, %v", status, err)
	}
	return nil
}
