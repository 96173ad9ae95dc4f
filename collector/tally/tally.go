// Package tally adds up, for each sensor, what was lost on the way from its
// frames to the disk: 0 or a number.
//
// A sensor counts what it gives up, by stage, kind and reason, and delivers the
// counters as records of kind sensor like any others. A tally reads them as the
// lake reads batches. For a boot that is over it also holds what the sensor had
// made against what has come: what was in its RAM at the end is lost too.
//
// It is one JSON file, written before the lake's manifest, and knows which
// batches it has counted: none counts twice, whatever crashes.
package tally

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Bounds of what one sensor can make a tally keep.
const (
	maxBoots    = 4   // older ones are added up
	maxCounters = 256 // of one sensor or boot, and of boots that are added up
	maxRuns     = 4096
	maxAfter    = 4096
	maxName     = 64
)

// Loss is what is known to be lost of one sensor.
type Loss struct {
	Records uint64            `json:"records"` // that were made and will never be stored
	Waiting uint64            `json:"waiting"` // that were in the sensor's RAM, as it last said
	Frames  uint64            `json:"frames"`  // that the sensor could not look at
	Reasons map[string]uint64 `json:"reasons"` // by stage.reason, such as spool.drop_full_flow; only those that count
}

// A Tally is safe for concurrent use.
type Tally struct {
	path string

	mu      sync.Mutex
	changed bool
	sensors map[string]*sensor // by the first 16 digits of the id
}

type sensor struct {
	Past     map[string]uint64   `json:"past"`     // of boots that are over and added up
	Counters map[string]*counter `json:"counters"` // of the stages that outlive a boot of the uplink
	Boots    []*boot             `json:"boots"`    // the oldest first
}

// counter is a counter that runs from the start of a stage: where it falls, the
// stage was started again.
type counter struct {
	Base  uint64 `json:"base"` // from before
	Last  uint64 `json:"last"`
	Boot  string `json:"boot"`  // that said so,
	Batch uint64 `json:"batch"` // and in which batch: a sensor's clock may be wrong, and then set
}

// boot is one boot of the uplink, with keys of its own.
type boot struct {
	ID       string              `json:"id"`
	Counters map[string]*counter `json:"counters"`
	Made     uint64              `json:"made"` // records, up to batch Of
	Of       uint64              `json:"of"`
	After    map[uint64]uint64   `json:"after"` // records of the batches after Of
	Stored   uint64              `json:"stored"`
	Counted  []ranges.Range      `json:"counted"` // batches

	counted ranges.Set
}

// Open reads the tally at path, if there is one.
func Open(path string) (*Tally, error) {
	t := &Tally{path: path, sensors: map[string]*sensor{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &t.sensors)
	}
	if err != nil {
		return nil, fmt.Errorf("reading tally %s: %w", path, err)
	}
	for _, s := range t.sensors {
		for _, b := range s.Boots {
			b.counted = ranges.Of(b.Counted...)
		}
	}
	return t, nil
}

// Commit writes the tally to disk.
func (t *Tally) Commit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.changed {
		return nil
	}
	for _, s := range t.sensors {
		for _, b := range s.Boots {
			b.Counted = b.counted.Runs()
		}
	}
	data, err := json.Marshal(t.sensors)
	if err == nil {
		err = durable.WriteFile(t.path, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing tally: %w", err)
	}
	t.changed = false
	return nil
}

// Batch counts a batch that is stored.
func (t *Tally) Batch(e *journal.Entry, blocks []record.Block) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := e.SensorName()
	s := t.sensors[name]
	if s == nil {
		s = &sensor{Past: map[string]uint64{}, Counters: map[string]*counter{}}
		t.sensors[name] = s
	}
	b := s.boot(fmt.Sprintf("%x", e.Boot))
	if len(b.counted.Runs()) >= maxRuns || !b.counted.Add(e.Batch) {
		return
	}
	t.changed = true
	var rows uint64
	for i := range blocks {
		rows += uint64(blocks[i].Rows)
	}
	b.Stored += rows
	if e.Batch > b.Of && len(b.After) < maxAfter {
		b.After[e.Batch] = rows
	}
	for i := range blocks {
		if blocks[i].Kind == record.SensorDef.Kind {
			s.read(b, e.Batch, &blocks[i])
		}
	}
}

// boot returns the boot with an id; the one before it is over.
func (s *sensor) boot(id string) *boot {
	for _, b := range s.Boots {
		if b.ID == id {
			return b
		}
	}
	b := &boot{ID: id, Counters: map[string]*counter{}, After: map[uint64]uint64{}}
	if s.Boots = append(s.Boots, b); len(s.Boots) > maxBoots {
		for reason, n := range s.Boots[0].lost(true) {
			if _, known := s.Past[reason]; !known && len(s.Past) >= maxCounters {
				reason = others
			}
			s.Past[reason] += n
		}
		s.Boots = s.Boots[1:]
	}
	return b
}

// read takes the counters of a block of sensor records.
func (s *sensor) read(b *boot, number uint64, block *record.Block) {
	var stage, name, value *record.Column
	for i := range block.Columns {
		switch c := &block.Columns[i]; c.Name {
		case "stage":
			stage = c
		case "counter":
			name = c
		case "value":
			value = c
		}
	}
	if stage == nil || name == nil || value == nil {
		return // not as this version writes them
	}
	for row := range block.Rows {
		stage, name, n := text(stage, row), text(name, row), uint64(max(ints(value, row), 0))
		switch {
		case stage == "uplink" && name == "records_in" && (number > b.Of || b.Made == 0):
			b.Made, b.Of = n, number
			maps.DeleteFunc(b.After, func(other, _ uint64) bool { return other <= number })
		case !strings.HasPrefix(name, "drop_") || len(stage)+len(name) > maxName:
		case stage == "spool":
			s.count(b.Counters, stage+"."+name, n, b, number)
		case stage == "init" || stage == "capture":
			s.count(s.Counters, stage+"."+name, n, b, number)
		}
	}
}

// count takes what a batch of b says of a counter.
func (s *sensor) count(counters map[string]*counter, name string, n uint64, b *boot, number uint64) {
	c := counters[name]
	if c == nil {
		if len(counters) == maxCounters {
			return
		}
		c = &counter{}
		counters[name] = c
	}
	if c.Boot == b.ID && number < c.Batch || c.Boot != b.ID && s.order(c.Boot) > s.order(b.ID) {
		return // overtaken by a later one
	}
	if n < c.Last {
		c.Base += c.Last
	}
	c.Last, c.Boot, c.Batch = n, b.ID, number
}

// order returns which boot of those that are kept one is; -1 for an older one.
func (s *sensor) order(id string) int {
	return slices.IndexFunc(s.Boots, func(b *boot) bool { return b.ID == id })
}

func ints(c *record.Column, row int) int64 {
	if row >= len(c.Ints) {
		return 0
	}
	return c.Ints[row]
}

func text(c *record.Column, row int) string {
	if row >= len(c.Index) || int(c.Index[row]) >= len(c.Dict) {
		return ""
	}
	return c.Dict[c.Index[row]]
}

// waiting returns how many records of b were made, and neither stored nor given
// up.
func (b *boot) waiting() uint64 {
	made := b.Made
	for _, n := range b.After {
		made += n
	}
	for _, c := range b.Counters {
		made -= min(made, c.Base+c.Last)
	}
	return made - min(made, b.Stored)
}

// leftBehind is the reason of records that were in RAM when the sensor, or its
// uplink, ended.
const leftBehind = "uplink.left_behind"

// others is the reason of what boots that are over have lost for reasons beyond
// maxCounters.
const others = "spool.others"

// lost returns what was lost of b, by reason.
func (b *boot) lost(over bool) map[string]uint64 {
	lost := map[string]uint64{}
	for name, c := range b.Counters {
		lost[name] += c.Base + c.Last
	}
	if over {
		lost[leftBehind] += b.waiting()
	}
	return lost
}

// Loss returns what is known to be lost of a sensor, by its id or the first 16
// digits of it.
func (t *Tally) Loss(id string) Loss {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := Loss{Reasons: map[string]uint64{}}
	s := t.sensors[id[:min(len(id), 16)]]
	if s == nil {
		return l
	}
	add := func(reason string, n uint64) {
		if n == 0 {
			return
		}
		l.Reasons[reason] += n
		if strings.HasPrefix(reason, "capture.") {
			l.Frames += n
		} else {
			l.Records += n
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Past)) {
		add(reason, s.Past[reason])
	}
	for name, c := range s.Counters {
		add(name, c.Base+c.Last)
	}
	for i, b := range s.Boots {
		over := i < len(s.Boots)-1
		for reason, n := range b.lost(over) {
			add(reason, n)
		}
		if !over {
			l.Waiting = b.waiting()
		}
	}
	return l
}
