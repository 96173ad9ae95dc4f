package rollout

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/taproot-sensor/taproot/wire/release"
)

// prefix is where Handler finds its files.
const prefix = release.URLPath

// Defaults of how often sensors ask, and how much is kept about them.
const (
	askEvery = 10 * time.Minute
	maxUnits = 100_000
)

// A Unit is what is known of a sensor that has asked.
type Unit struct {
	Board   string    `json:"board"`
	Slot    string    `json:"slot"`
	Failed  []string  `json:"failed,omitempty"` // first digits of digests
	Offered string    `json:"offered,omitempty"`
	Asked   time.Time `json:"asked"`
	Sensor  string    `json:"sensor"` // id of the sensor that asked last under this name

	// Trial is the digest that the sensor, which runs from RAM, was last heard
	// to try, and Lost are those of which it came back with another: it does
	// not know them itself.
	Trial string   `json:"trial,omitempty"`
	Lost  []string `json:"lost,omitempty"`

	// FailedAt is when the last of Failed and Lost was first heard of.
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// maxLost bounds what is remembered for a sensor.
const maxLost = 16

// asks notes what a sensor says in a question, and reports whether that is news.
func (u *Unit) asks(sensor string, q release.Query, now time.Time) bool {
	news := u.Sensor != sensor || u.Slot != q.Slot || !slices.Equal(u.Failed, q.Failed) || u.Trial != q.Trial
	if !slices.Equal(u.Failed, q.Failed) && len(q.Failed) > 0 {
		u.FailedAt = now
	}
	u.Board, u.Slot, u.Failed, u.Asked, u.Sensor = q.Board, q.Slot, q.Failed, now, sensor
	if q.Trial == "" && u.Trial != "" && !strings.HasPrefix(q.Slot, u.Trial) && !slices.Contains(q.Failed, u.Trial) {
		u.Lost = append(slices.DeleteFunc(u.Lost, func(d string) bool { return d == u.Trial }), u.Trial)
		u.Lost = u.Lost[max(0, len(u.Lost)-maxLost):]
		u.FailedAt = now
	}
	u.Trial = q.Trial
	return news
}

// failed reports whether a release has failed on the sensor.
func (u *Unit) failed(n named) bool { return begins(n.Slot, u.Failed) || begins(n.Slot, u.Lost) }

// begins reports whether slot begins with one of the digests that were cut.
func begins(slot string, digests []string) bool {
	return slices.ContainsFunc(digests, func(d string) bool { return strings.HasPrefix(slot, d) })
}

// Server answers sensors. Its methods may be called at once.
type Server struct {
	Dir string
	Log *slog.Logger
	Now func() time.Time // nil is time.Now

	// Ask is how long sensors wait between questions; 0 is 10 minutes.
	Ask time.Duration

	mu    sync.Mutex
	units map[string]Unit // nil until the first question
	saved time.Time
}

// Handler serves the files of releases over HTTP, with ranges, to anybody. It
// answers no questions: who asks says what has failed, and that is for sensors
// with a session to say.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		if !ok || !release.IsFile(name) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		content, err := s.open(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer content.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, content)
	})
}

// open opens a file.
func (s *Server) open(name string) (*os.File, error) {
	return os.Open(filepath.Join(s.Dir, filepath.FromSlash(name)))
}

// OpenFor returns what a name of package release stands for, for a sensor that
// is known by its id: a file, or the answer to a question.
func (s *Server) OpenFor(sensor, name string) (io.ReadSeekCloser, error) {
	if release.IsFile(name) {
		return s.open(name)
	}
	q, err := release.ParseQuery(name)
	if err != nil {
		return nil, err
	}
	offer, err := s.offer(sensor, q)
	if err != nil {
		s.Log.Error("no offer for sensor", "unit", q.Unit, "error", err)
		return nil, err
	}
	text, err := json.Marshal(offer)
	if err != nil {
		return nil, err
	}
	return answer{strings.NewReader(string(text))}, nil
}

type answer struct{ *strings.Reader }

func (answer) Close() error { return nil }

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// offer answers a question, and notes who asked.
func (s *Server) offer(sensor string, q release.Query) (release.Offer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.units == nil {
		s.units = map[string]Unit{}
		if err := readJSON(filepath.Join(s.Dir, unitsFile), &s.units); err != nil {
			return release.Offer{}, err
		}
	}
	policy, err := readPolicy(s.Dir)
	if err != nil {
		return release.Offer{}, err
	}
	list, err := readReleases(s.Dir)
	if err != nil {
		return release.Offer{}, err
	}
	now := s.now()
	u, known := s.units[q.Unit]
	news := u.asks(sensor, q, now.UTC()) || !known
	if !known && len(s.units) >= maxUnits {
		return release.Offer{}, fmt.Errorf("more than %d units have asked", maxUnits)
	}
	s.units[q.Unit] = u
	name := cmp.Or(policy.Units[q.Unit], DefaultChannel)
	channel, err := s.pauseLocked(policy, name, list)
	if err != nil {
		return release.Offer{}, err
	}
	offer := release.Offer{Wait: int64(cmp.Or(s.Ask, askEvery) / time.Second)}
	if u.FailedAt.After(channel.Since) {
		list = slices.DeleteFunc(list, func(n named) bool { return begins(n.Slot, u.Lost) })
	}
	if n, ok := choose(list, q, name, channel, now); ok && q.Trial == "" {
		offer.Target = n.target
	}
	news = news || u.Offered != offer.Target
	u.Offered = offer.Target
	s.units[q.Unit] = u
	if news || now.Sub(s.saved) > time.Hour {
		s.saved = now
		return offer, writeJSON(filepath.Join(s.Dir, unitsFile), s.units)
	}
	return offer, nil
}

// pauseLocked pauses a channel of which a release has failed too often, and
// returns it.
func (s *Server) pauseLocked(policy *Policy, name string, list []named) (Channel, error) {
	c := policy.Channel(name)
	if c.Paused != "" {
		return c, nil
	}
	for _, n := range list {
		if !n.In(name) {
			continue
		}
		failed := 0
		for _, u := range s.units {
			if u.Board == n.Board && u.FailedAt.After(c.Since) && u.failed(n) {
				failed++
			}
		}
		if failed < max(c.Failures, 1) {
			continue
		}
		c.Paused = fmt.Sprintf("release %s for %s failed on %d sensors", n.Release.Release, n.Board, failed)
		s.Log.Warn("rollout paused", "channel", name, "reason", c.Paused)
		policy.Channels[name] = c
		return c, writeJSON(filepath.Join(s.Dir, policyFile), policy)
	}
	return c, nil
}

// choose returns what a sensor should run, if that is not what runs.
func choose(list []named, q release.Query, name string, c Channel, now time.Time) (named, bool) {
	if c.Paused != "" {
		return named{}, false
	}
	if w, err := ParseWindow(c.Window); err == nil && !w.Open(now) {
		return named{}, false
	}
	newest := true
	for _, n := range slices.Backward(list) {
		if n.Board != q.Board || !n.In(name) {
			continue
		}
		if n.Slot == q.Slot {
			return named{}, false // it runs; that it is not chosen for a newer one is all there is to say
		}
		if newest && !c.chosen(q.Unit, n.Slot) {
			newest = false
			continue
		}
		return n, true
	}
	return named{}, false
}

// named is a release and its target.
type named struct {
	target string
	release.Release
}

// readReleases returns what the published metadata says, the oldest first. Its
// signatures are for sensors to check: who can write here can hold back updates
// anyway.
func readReleases(dir string) (list []named, err error) {
	timestamp, err := metadata.Timestamp().FromFile(filepath.Join(dir, release.MetadataName(metadata.TIMESTAMP, 0)))
	if err != nil {
		return nil, fmt.Errorf("reading releases: %w", err)
	}
	pinned := timestamp.Signed.Meta["snapshot.json"]
	if pinned == nil {
		return nil, fmt.Errorf("reading releases: the timestamp names no snapshot")
	}
	snapshot, err := metadata.Snapshot().FromFile(filepath.Join(dir, release.MetadataName(metadata.SNAPSHOT, pinned.Version)))
	if err != nil {
		return nil, fmt.Errorf("reading releases: %w", err)
	}
	if pinned = snapshot.Signed.Meta[release.Role+".json"]; pinned == nil {
		return nil, fmt.Errorf("reading releases: the snapshot has no %s", release.Role)
	}
	targets, err := metadata.Targets().FromFile(filepath.Join(dir, release.MetadataName(release.Role, pinned.Version)))
	if err != nil {
		return nil, fmt.Errorf("reading releases: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(targets.Signed.Targets)) {
		if r, ok := release.ParseRelease(targets.Signed.Targets[name].Custom); ok {
			list = append(list, named{name, r})
		}
	}
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Compare(a.Counter, b.Counter) })
	return list, nil
}

// A Status is what people are shown.
type Status struct {
	Channels []NamedChannel
	Units    []UnitStatus
}

// A NamedChannel is a channel and its name.
type NamedChannel struct {
	Name string
	Channel
}

// A UnitStatus is a sensor, with releases by their names.
type UnitStatus struct {
	Unit    string    `json:"unit"`
	Sensor  string    `json:"sensor"` // id of the one that asked last
	Board   string    `json:"board"`
	Channel string    `json:"channel"`
	Runs    string    `json:"runs"`
	Offered string    `json:"offered,omitempty"` // "" where nothing else was
	Failed  []string  `json:"failed,omitempty"`
	Asked   time.Time `json:"asked"`
}

// ReadStatus reads the state that the collector of dir keeps.
func ReadStatus(dir string) (s Status, err error) {
	policy, err := readPolicy(dir)
	if err != nil {
		return s, err
	}
	list, err := readReleases(dir)
	if err != nil {
		return s, fmt.Errorf("%w; \"taproot release publish\" brings them", err)
	}
	units := map[string]Unit{}
	if err := readJSON(filepath.Join(dir, unitsFile), &units); err != nil {
		return s, err
	}
	channels := map[string]bool{DefaultChannel: true}
	for name := range policy.Channels {
		channels[name] = true
	}
	names := map[string]string{}
	for _, n := range list {
		names[n.Slot] = n.Release.Release
		names[n.target] = n.Release.Release
		names[n.Slot[:16]] = n.Release.Release
		for _, c := range n.Channels {
			channels[c] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		s.Channels = append(s.Channels, NamedChannel{name, policy.Channel(name)})
	}
	for _, unit := range slices.Sorted(maps.Keys(units)) {
		u := units[unit]
		row := UnitStatus{Unit: unit, Sensor: u.Sensor, Board: u.Board, Channel: cmp.Or(policy.Units[unit], DefaultChannel), Runs: cmp.Or(names[u.Slot], fmt.Sprintf("%.12s", u.Slot)), Offered: names[u.Offered], Asked: u.Asked}
		for _, f := range append(slices.Clone(u.Failed), u.Lost...) {
			row.Failed = append(row.Failed, cmp.Or(names[f], f))
		}
		s.Units = append(s.Units, row)
	}
	return s, nil
}
