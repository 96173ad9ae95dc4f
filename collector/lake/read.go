package lake

import (
	"context"
	"encoding/hex"
	"errors"
	"runtime"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/wire/record"
)

// unit is one step of the reader: a batch, a damaged place, or only a position
// because there is nothing more for now.
type unit struct {
	pos      journal.Pos // after it
	batch    bool
	received int64
	from     origin
	entry    journal.Entry // without its body
	blocks   []record.Block
	damage   error // of the batch, or of the journal
}

// read sends what r reads until ctx ends, and closes units.
func read(ctx context.Context, r *journal.Reader, units chan<- unit) error {
	defer close(units)
	defer r.Close()
	ready, stop := context.WithCancel(ctx)
	stop()
	u := unpack.New()
	for {
		e, pos, err := r.Next(ready)
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			// All was read. Say so, since it may reach to where a Flush waits
			// for: the end of an empty or a damaged segment.
			if !send(ctx, units, unit{pos: r.Pos()}) {
				return nil
			}
			e, pos, err = r.Next(ctx)
		}
		next := unit{pos: pos}
		var bad *journal.CorruptionErr
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &bad):
			next.damage = bad
		case err != nil:
			return err
		default:
			next.batch, next.received = true, e.Received
			next.from = originOf(&e)
			next.blocks, next.damage = u.Blocks(e.Body)
			next.entry, next.entry.Body = e, nil
			runtime.Gosched() // the collector's ACKs come first: without, they wait for 10 ms
		}
		if !send(ctx, units, next) {
			return nil
		}
	}
}

func send(ctx context.Context, units chan<- unit, u unit) bool {
	select {
	case units <- u:
		return true
	case <-ctx.Done():
		return false
	}
}

func originOf(e *journal.Entry) origin {
	return origin{sensor: e.SensorName(), boot: hex.EncodeToString(e.Boot[:]), batch: int64(e.Batch), received: e.Received}
}
