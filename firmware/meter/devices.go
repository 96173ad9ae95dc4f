package meter

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/firmware/asset"
	"github.com/taproot-sensor/taproot/wire/record"
)

// devices brings what the records of all shards say of devices into one table,
// so that a device is one whatever shard hears of it, and its record does not
// depend on how many shards there are. Time goes in turns of a second; what was
// noted in a turn is learnt when every shard has ended it.
//
// Each shard hands its notes over; the first of them learns, and reports.
type devices struct {
	table *asset.Table // the first shard's own

	mu      sync.Mutex
	turns   map[uint32]*turn // that are not learnt yet
	spare   *turn            // memory for the next
	ended   []uint32         // by shard: the last turn that it handed over
	waiting int              // facts in turns
	dropped uint64
	running sync.WaitGroup // shards
}

// A turn is what was noted in one.
type turn struct {
	at    int64 // Unix ns of its end
	said  []asset.Said
	notes int // of how many shards
}

const (
	// lastTurn is the turn that ends a shard.
	lastTurn = math.MaxUint32

	// maxSaid bounds the facts that wait for a shard that is slower than the
	// others. Each has 112 bytes and a text of up to 256.
	maxSaid = 1 << 15

	// maxSpare bounds the facts for which memory is kept: most turns have a few.
	maxSpare = 1 << 10
)

func newDevices(shards int) *devices {
	d := &devices{turns: make(map[uint32]*turn), ended: make([]uint32, shards)}
	d.running.Add(shards)
	return d
}

// handOver takes the notes of a shard at the end, in Unix ns, of a turn.
func (d *devices) handOver(shard int, number uint32, at int64, notes *asset.Notes) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.turns[number]
	if t == nil {
		if t, d.spare = d.spare, nil; t == nil {
			t = new(turn)
		}
		d.turns[number] = t
	}
	t.at = max(t.at, at)
	t.notes++
	before := len(t.said)
	if t.said = notes.Take(t.said); d.waiting+len(t.said)-before > maxSaid {
		d.dropped += uint64(len(t.said) - before)
		t.said = t.said[:before]
	}
	d.waiting += len(t.said) - before
	d.ended[shard] = number
}

// learn has the table learn the turns that all shards have ended, in order.
func (d *devices) learn() {
	for {
		t := d.next()
		if t == nil {
			return
		}
		d.table.Learn(t.said, t.notes)
		d.table.Advance(t.at)
		d.forget(t)
	}
}

// next takes the next turn to be learnt, or nil.
func (d *devices) next() *turn {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := uint32(lastTurn)
	for n := range d.turns {
		number = min(number, n)
	}
	if number > slices.Min(d.ended) {
		return nil
	}
	t := d.turns[number]
	delete(d.turns, number)
	if t != nil {
		d.waiting -= len(t.said)
	}
	return t
}

// forget keeps the memory of a turn that was learnt.
func (d *devices) forget(t *turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cap(t.said) <= maxSpare {
		*t = turn{said: t.said[:0]}
		d.spare = t
	}
}

// drops returns how many facts were not learnt.
func (d *devices) drops() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped
}

// endTurn hands the notes of a turn over when time has come to the next. Shards
// that read the same capture go by its clock, others by that of the machine.
func (m *meter) endTurn(now time.Time, at int64) {
	number := m.tick
	if m.cfg.shard.of > 1 && !m.cfg.Split {
		number = uint32(now.Sub(m.cfg.shard.since) / time.Second)
	}
	if number == m.turn {
		return
	}
	m.turn = number
	m.devices.handOver(m.cfg.shard.number, number, at, m.apps.notes)
	if m.cfg.shard.number == 0 {
		m.devices.learn()
	}
}

// endTurns hands over what is left. The first shard waits for the others, and
// reports every device.
func (m *meter) endTurns() {
	m.devices.handOver(m.cfg.shard.number, lastTurn, 0, m.apps.notes)
	m.devices.running.Done()
	if m.cfg.shard.number == 0 {
		m.devices.running.Wait()
		m.devices.learn()
		m.devices.table.Flush()
	}
}

// newTable returns the table of devices, which reports to the output.
func (m *meter) newTable() *asset.Table {
	return asset.NewTable(func(rec *record.Asset) { add(m.out, record.AssetDef, rec) })
}
