// Package update changes the system of a sensor, in a way that no power cut and
// no bad system can end with a machine that does not start.
//
// A new system is written into the slot that does not run, read back, noted in
// the boot journal, and armed for one start. That start is a trial: it is
// confirmed when the sensor is shown to work (Trial), and else the next start is
// of the old slot again, which remembers what failed. What runs is the truth,
// the journal is the intent, and the pointers of firmware and boot loaders are
// derived from it at each boot (Open).
//
// A slot that may be started is whole at any time: the first sector of one that
// is being written is empty until the rest of it is there and was read back, so
// that no loader takes it for a file system. docs/adr/0080 has the reasons.
package update

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/firmware/slots"
)

// An Updater is the only one that writes to the slots and journal of a machine.
type Updater struct {
	slots slots.Slots
	disk  slots.Disk
	table slots.Table

	mu      sync.Mutex
	journal *slots.Journal
	state   slots.State
	running slots.Slot
}

// Status is what a boot has found.
type Status struct {
	Running slots.Slot

	// Trial is what is to be confirmed, or nil.
	Trial *slots.Trial

	// Failed is the trial that ended before this boot without being
	// confirmed, or nil.
	Failed *slots.Failed

	// Fallback is true where the committed slot should run and does not: the
	// machine lost its pointers, which are right again now, or ignores them.
	Fallback bool
}

// Open finds out what this boot is, and repairs the machine's pointers. An
// error means that this machine cannot be updated; it can run.
func Open(s slots.Slots, d slots.Disk) (*Updater, Status, error) {
	u := &Updater{slots: s, disk: d}
	status, err := u.open()
	if err != nil {
		return nil, status, fmt.Errorf("opening slots: %w", err)
	}
	return u, status, nil
}

func (u *Updater) open() (status Status, err error) {
	if u.table, err = slots.ReadTable(u.disk); err != nil {
		return status, err
	}
	if u.running, err = u.slots.Running(); err != nil {
		return status, err
	}
	status.Running = u.running
	if u.journal, u.state, err = slots.OpenJournal(u.disk, u.table); err != nil {
		return status, err
	}
	switch t := u.state.Trial; {
	case u.state.Committed == "": // flashed, or both records are lost
		err = u.adopt()
	case t != nil && t.Slot == u.running:
		status.Trial = t
		err = u.begin()
	case t != nil:
		if err = u.fail(t, slots.Silent); err == nil {
			status.Failed = &u.state.Failed[len(u.state.Failed)-1]
		}
	}
	if err == nil && u.state.Trial == nil && u.running != u.state.Committed {
		status.Fallback = true
		err = u.fallback()
	}
	if err != nil {
		return status, err
	}
	return status, u.slots.Repair(u.state.Committed)
}

// adopt makes the running slot the committed one.
func (u *Updater) adopt() error {
	digest, err := u.hash(u.running)
	if err != nil {
		return err
	}
	u.state.Committed, u.state.Digest, u.state.Trial = u.running, digest, nil
	return u.journal.Write(u.state)
}

// begin notes that the trial has come as far as here, once.
func (u *Updater) begin() error {
	if u.state.Trial.Started {
		return nil
	}
	trial := *u.state.Trial
	trial.Started = true
	u.state.Trial = &trial
	return u.journal.Write(u.state)
}

// fail ends a trial that was not confirmed. Its slot is closed, so that a
// machine that loses its pointers does not start it, unless it is the only one
// that is whole.
func (u *Updater) fail(t *slots.Trial, why slots.Why) error {
	if u.whole() {
		if err := u.close(t.Slot); err != nil {
			return err
		}
	}
	next := u.state
	next.Fail(t.Digest, why)
	next.Trial = nil
	if err := u.journal.Write(next); err != nil {
		return err
	}
	u.state = next
	return nil
}

// whole reports whether the committed slot holds what was committed.
func (u *Updater) whole() bool {
	digest, err := u.hash(u.state.Committed)
	return err == nil && digest == u.state.Digest
}

// fallback keeps the committed slot if it holds what was committed: then only
// the way to it was lost. A slot that went bad on the disk is committed no more.
func (u *Updater) fallback() error {
	if u.whole() {
		return nil
	}
	return u.adopt()
}

// hash returns the digest of what a slot holds.
func (u *Updater) hash(s slots.Slot) (slots.Digest, error) {
	r := u.table[s.Region()]
	return digest(io.NewSectionReader(u.disk, r.Start, r.Size))
}

// State returns what the journal holds.
func (u *Updater) State() slots.State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// Running returns the slot that runs.
func (u *Updater) Running() slots.Slot { return u.running }

// Image returns the slot that runs, and its digest.
func (u *Updater) Image() (io.ReaderAt, slots.Digest, error) {
	r := u.table[u.running.Region()]
	image := io.NewSectionReader(u.disk, r.Start, r.Size)
	u.mu.Lock()
	committed, sum := u.state.Committed, u.state.Digest
	u.mu.Unlock()
	if u.running == committed {
		return image, sum, nil
	}
	sum, err := u.hash(u.running)
	return image, sum, err
}

// Runs returns the digest of the slot that runs.
func (u *Updater) Runs() (slots.Digest, error) {
	_, sum, err := u.Image()
	return sum, err
}

// RebootArgument returns what the kernel is to be told at the reboot that starts
// what Install has armed.
func (u *Updater) RebootArgument() string { return slots.RebootArgument(u.slots) }

var errNoTrial = errors.New("no trial is under way")

// Confirm commits the slot that is on trial.
func (u *Updater) Confirm() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.state.Trial
	if t == nil || t.Slot != u.running {
		return fmt.Errorf("confirming trial: %w", errNoTrial)
	}
	next := u.state
	next.Committed, next.Digest, next.Trial = t.Slot, t.Digest, nil
	next.Floor = max(next.Floor, t.Floor)
	next.Forgive(t.Digest)
	if err := u.journal.Write(next); err != nil {
		return fmt.Errorf("confirming trial: %w", err)
	}
	u.state = next
	if err := u.slots.Commit(next.Committed); err != nil {
		return fmt.Errorf("confirming trial: %w", err)
	}
	return nil
}

// GiveUp ends a trial that is not to be confirmed. The next start is of the
// committed slot.
func (u *Updater) GiveUp() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.state.Trial
	if t == nil || t.Slot != u.running {
		return fmt.Errorf("giving up trial: %w", errNoTrial)
	}
	if err := u.slots.Repair(u.state.Committed); err != nil {
		return fmt.Errorf("giving up trial: %w", err)
	}
	if err := u.fail(t, slots.Unconfirmed); err != nil {
		return fmt.Errorf("giving up trial: %w", err)
	}
	return nil
}

// Forgive lets a digest be tried again that has failed.
func (u *Updater) Forgive(digest slots.Digest) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := u.state
	next.Forgive(digest)
	if err := u.journal.Write(next); err != nil {
		return fmt.Errorf("forgiving %s: %w", digest, err)
	}
	u.state = next
	return nil
}

// DefaultConfirm is how long a trial has where nothing else is said: a slow
// board under load, a collector that restarts, and DHCP that takes its time.
const DefaultConfirm = 10 * time.Minute
