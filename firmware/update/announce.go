package update

import (
	"context"
	"fmt"

	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/wire/release"
)

// slotName is what a question calls the slot that runs.
func slotName(running slots.Digest) string {
	if running == (slots.Digest{}) {
		return "0"
	}
	return running.String()
}

// Announce tells the collector that the sensor is about to try a release from RAM.
// If it comes back with another one, that one has failed, and the collector offers
// it to this sensor no more.
func (f *Follower) Announce(ctx context.Context, running, trial slots.Digest) error {
	q := release.Query{Board: f.Board, Unit: f.Unit, Slot: slotName(running), Trial: trial.String()}
	if _, err := fetch.ReadAll(ctx, f.Fetch, q.Name(), release.MaxOffer); err != nil {
		return fmt.Errorf("telling the collector of a trial: %w", err)
	}
	return nil
}

// RoomInRAM returns an error unless there is memory to start a release from RAM:
// the fetched bundle, kernel and initramfs as files, and twice in the kernel that
// loads them. Each of these is at most as large as what is not zero of the slot,
// which is little more than half of it.
func (f *Follower) RoomInRAM(c *Choice) error { return f.room(c.Size / 2 * 5) }
