// Package rollout serves releases to sensors and decides which sensor is offered
// which, and when.
//
// It chooses among what is signed and cannot make or change any of it: a
// collector that is taken over can hold updates back, and no more. Its directory
// holds what "taproot release publish" copies, and two files: policy.json, which
// people change, and units.json, which Server keeps.
//
// A sensor is told apart by its unit, which stays across boots. Nobody proves
// which unit it is: by asking under the names of others one can pause a rollout.
package rollout

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// Dir is the directory of releases below a collector's data.
const Dir = "releases"

const (
	policyFile = "policy.json"
	unitsFile  = "units.json"

	// DefaultChannel is the one of a sensor that nobody has put into another.
	DefaultChannel = "stable"
)

// A Policy is what people have decided.
type Policy struct {
	Channels map[string]Channel `json:"channels"`
	Units    map[string]string  `json:"units"` // channel by unit; DefaultChannel has the others
}

// A Channel is how its releases reach sensors. The zero Channel offers the newest
// to all, at any time, until one fails.
type Channel struct {
	Canary   *int      `json:"canary,omitempty"`   // percent of units that are offered the newest; nil is all
	Window   string    `json:"window,omitempty"`   // "HH:MM-HH:MM" UTC; "" is always
	Failures int       `json:"failures,omitempty"` // of how many units pause the channel; 0 is 1
	Paused   string    `json:"paused,omitempty"`   // why, or ""
	Since    time.Time `json:"since,omitzero"`     // failures heard of before it do not count
}

// Channel returns what is decided about a channel.
func (p *Policy) Channel(name string) Channel { return p.Channels[name] }

// String says what a channel does.
func (c Channel) String() string {
	s := "offered to all"
	if c.Canary != nil && *c.Canary < 100 {
		s = fmt.Sprintf("offered to %d%%", *c.Canary)
	}
	if c.Window != "" {
		s += ", from " + c.Window + " UTC"
	}
	s += fmt.Sprintf(", paused by %d failed", cmp.Or(c.Failures, 1))
	if c.Paused != "" {
		s = "paused: " + c.Paused
	}
	return s
}

// chosen reports whether a unit is among the first to get a release: the same
// units at each question, others for each release, and with a larger percentage
// those of a smaller one too.
func (c Channel) chosen(unit, slot string) bool {
	if c.Canary == nil {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(unit + "\n" + slot))
	sum := h.Sum32()
	sum ^= sum >> 16 // FNV's low bits follow the last bytes
	sum *= 0x85ebca6b
	sum ^= sum >> 13
	return int(sum%100) < *c.Canary
}

// A Window is a part of each day, UTC.
type Window struct{ from, to time.Duration }

// ParseWindow reads "HH:MM-HH:MM"; one that ends before it begins goes over
// midnight.
func ParseWindow(s string) (w Window, err error) {
	var fh, fm, th, tm int
	if n, err := fmt.Sscanf(s, "%2d:%2d-%2d:%2d", &fh, &fm, &th, &tm); n != 4 || err != nil ||
		fh > 23 || th > 23 || fm > 59 || tm > 59 || fh < 0 || th < 0 || fm < 0 || tm < 0 || fmt.Sprintf("%02d:%02d-%02d:%02d", fh, fm, th, tm) != s {
		return w, fmt.Errorf("window %.40q: want HH:MM-HH:MM, such as 01:00-04:30", s)
	}
	at := func(h, m int) time.Duration { return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute }
	return Window{at(fh, fm), at(th, tm)}, nil
}

// Open reports whether t is in the window.
func (w Window) Open(t time.Time) bool {
	t = t.UTC()
	of := t.Sub(t.Truncate(24 * time.Hour))
	if w.from <= w.to {
		return of >= w.from && of < w.to
	}
	return of >= w.from || of < w.to
}

// readPolicy reads the policy; without a file nothing is decided.
func readPolicy(dir string) (*Policy, error) {
	p := &Policy{}
	if err := readJSON(filepath.Join(dir, policyFile), p); err != nil {
		return nil, err
	}
	if p.Channels == nil {
		p.Channels = map[string]Channel{}
	}
	if p.Units == nil {
		p.Units = map[string]string{}
	}
	for name, c := range p.Channels {
		if c.Window == "" {
			continue
		}
		if _, err := ParseWindow(c.Window); err != nil {
			return nil, fmt.Errorf("%s: channel %q: %w", policyFile, name, err)
		}
	}
	return p, nil
}

// readJSON reads a file into v, and leaves v alone where there is none.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o644)
}

// Change changes the policy; a collector that runs takes it up with the next
// question. Two people who change it in the same instant are not looked after.
func Change(dir string, change func(*Policy) error) error {
	p, err := readPolicy(dir)
	if err == nil {
		err = change(p)
	}
	if err == nil {
		err = writeJSON(filepath.Join(dir, policyFile), p)
	}
	if err != nil {
		return fmt.Errorf("changing rollout: %w", err)
	}
	return nil
}
