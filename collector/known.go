package collector

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

// roomEvery is how often it is looked at what the journal may still take.
const roomEvery = time.Second

// watchRoom tells the sensors' shares how the journal is, until ctx ends.
func (c *collector) watchRoom(ctx context.Context) error {
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	for {
		// A disk that does not say what is free takes nothing either; that is the journal's to tell.
		if oldest, newest, left, err := c.journal.Room(); err == nil {
			c.shares.SetRoom(quota.Room{Oldest: oldest, Newest: newest, Left: left})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// openFor opens what a sensor wishes for over its session.
func (c *collector) openFor(id enrol.Identity, name string) (io.ReadSeekCloser, error) {
	return c.releases.OpenFor(hex.EncodeToString(id[:]), name)
}

// known returns a function that says what is known of a sensor beside what the
// registry has, as it is now.
func (c *collector) known() func(id string) control.Known {
	now := time.Now()
	status, err := rollout.ReadStatus(c.releases.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // without releases there is nothing to tell
		c.Log.Warn("state of updates cannot be read", "error", err)
	}
	units := map[string]*rollout.UnitStatus{}
	for i := range status.Units {
		u := &status.Units[i]
		if other := units[u.Sensor]; other == nil || u.Asked.After(other.Asked) {
			units[u.Sensor] = u
		}
	}
	return func(id string) control.Known {
		k := control.Known{Loss: c.tally.Loss(id), Update: units[id]}
		var key enrol.Identity
		if _, err := hex.Decode(key[:], []byte(id)); err == nil {
			k.Quota = c.shares.Usage(key, now)
		}
		return k
	}
}
